//! Every refusal has words that help.

use super::*;

fn refused<'a>(profile: Profile, operation: &'a str, status: i64, scim_type: &'a str, detail: &'a str) -> Refused<'a> {
    let scim_type = (!scim_type.is_empty()).then_some(scim_type);
    let detail = (!detail.is_empty()).then_some(detail);
    let resource_type = if detail.is_some_and(|detail| detail.starts_with("members")) { "Group" } else { "User" };
    Refused { operation, resource_type, status, scim_type, detail, coercions: &[], profile }
}

/// What the client sent, what it was told, and words that headline and next step must have.
#[test]
fn every_refusal_says_what_happened_and_what_to_do() {
    use Profile::{Entra, Okta, Strict};
    let unmatched = "the path selects no value of emails";
    let table = [
        (refused(Strict, "patch", 400, "noTarget", unmatched), "selects no value of emails", "entra, okta, onelogin, jumpcloud"),
        (refused(Entra, "patch", 400, "noTarget", "remove needs a path"), "selects nothing", "Correct the path"),
        (
            refused(Strict, "create", 409, "uniqueness", "another user of this directory has this userName"),
            "another User of this directory has this userName",
            "filter=userName eq",
        ),
        (refused(Strict, "patch", 400, "invalidPath", "a User has no attribute \"shoeSize\""), "shoeSize", "google"),
        (refused(Entra, "patch", 400, "invalidPath", "the path is not usable: x"), "names nothing", "Correct or remove"),
        (refused(Strict, "create", 400, "invalidValue", "active must be true or false, not a string"), "active", "entra, okta"),
        (refused(Okta, "create", 400, "invalidValue", "active must be true or false, not a string"), "active", "Correct active"),
        (
            refused(Strict, "create", 400, "invalidValue", "userName is required and must not be empty"),
            "userName",
            "Correct userName",
        ),
        (
            refused(Strict, "patch", 400, "invalidValue", "members: no user of this directory has the id 1"),
            "a member is not in this directory",
            "onelogin, jumpcloud",
        ),
        (refused(Strict, "create", 400, "invalidSyntax", "schemas must list urn:x"), "not what SCIM describes", "entra"),
        (refused(Entra, "create", 400, "invalidSyntax", "the body ended early"), "not what SCIM describes", "fault of the client"),
        (refused(Entra, "patch", 400, "mutability", "id is read-only"), "id cannot be changed", "Take id out"),
        (refused(Entra, "list", 400, "invalidFilter", "the filter is not usable"), "filter cannot be used", "externalId"),
        (refused(Entra, "list", 400, "tooMany", ""), "more than one request", "less at once"),
        (refused(Entra, "create", 403, "", "this token may only read"), "may only read", "scope scim"),
        (refused(Entra, "patch", 404, "", "there is no such resource here"), "no such User", "forget"),
        (refused(Entra, "patch", 412, "", ""), "changed by somebody else", "read the resource again"),
        (refused(Entra, "create", 413, "", ""), "too large", "fewer"),
        (refused(Entra, "create", 415, "", ""), "media type", "Content-Type"),
        (refused(Entra, "patch", 428, "", ""), "which version", "If-Match"),
        (refused(Entra, "create", 429, "", ""), "too fast", "Retry-After"),
        (refused(Entra, "create", 500, "", ""), "this service is at fault", "request id"),
        (refused(Entra, "create", 501, "", ""), "not supported", "Switch the feature off"),
        (refused(Entra, "create", 503, "", ""), "busy", "repeats"),
        (refused(Entra, "create", 418, "", ""), "not acceptable", "request id"),
    ];
    for (refused, headline, next) in table {
        let told = explain(&refused);
        assert!(told.headline.contains(headline), "{told:#?}");
        assert!(told.next_step.contains(next), "{told:#?}");
        assert!(!told.refused_by.is_empty(), "{told:#?}");
        assert!(told.explanation.starts_with("The client sent "), "{told:#?}");
        let detail = refused.detail.unwrap_or_default();
        assert!(told.explanation.contains(detail), "{told:#?}");
        let text = format!("{told:?}");
        assert!(!text.contains("  ") && !text.contains(" ,"), "{text}");
    }
}

#[test]
fn what_was_let_pass_before_is_told_too() {
    let coercions = ["string-boolean: active".to_owned()];
    let told = explain(&Refused { coercions: &coercions, ..refused(Profile::Entra, "patch", 404, "", "gone") });
    assert!(told.explanation.contains("the profile entra let pass: string-boolean: active"), "{told:?}");
    assert!(told.headline.starts_with("A change of a User (PATCH) failed"), "{told:?}");
}

#[test]
fn an_empty_log_says_what_never_comes_into_it() {
    let told = nothing_refused();
    assert!(told.explanation.contains("401") && told.next_step.contains("token") && told.next_step.contains("trace mode"));
}

#[test]
fn attributes_are_found_in_details() {
    for (detail, expected) in [
        ("the path selects no value of emails", Some("emails")),
        ("only one value of emails can be primary", Some("emails")),
        ("a User has no attribute \"shoeSize\"", Some("shoeSize")),
        ("another user of this directory has this userName", Some("userName")),
        ("name.familyName must be a string, not a number", Some("name.familyName")),
        ("userName is required and must not be empty", Some("userName")),
        ("emails can have at most 100 values", Some("emails")),
        ("members: no user of this directory has the id x", Some("members")),
        ("the request is wrong", None),
        ("this is wrong", None),
        ("remove needs a path", None),
        ("", None),
    ] {
        assert_eq!(attribute(detail), expected, "{detail}");
    }
}
