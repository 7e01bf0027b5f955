//! What an entry of the provisioning log means, in words: what the client sent, who refused it and why, and what to do about it.
//!
//! Pure. It reads what the entry holds, which is names and never values, and the client profile of the directory.

use crate::scim::profile::{Leniency, Profile, Tolerance, UnknownMember, UnknownSchema};

/// A request that was refused, as its entry has it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// `create`, `replace`, `patch`, `delete`, `read`, `list`, `search`.
    pub operation: &'a str,
    pub resource_type: &'a str,
    pub status: i64,
    /// The keyword of RFC 7644 table 9.
    pub scim_type: Option<&'a str>,
    /// What the client was told.
    pub detail: Option<&'a str>,
    /// Uses of the profile's rules, each as `rule: path`.
    pub coercions: &'a [String],
    pub profile: Profile,
}

/// For whoever has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    /// What the client wanted and what came of it.
    pub headline: String,
    /// Why.
    pub explanation: String,
    /// Who says so: a section of a standard, the client profile, a setting.
    pub refused_by: String,
    /// What to do.
    pub next_step: String,
}

/// The explanation of a log in which nothing is refused.
#[must_use]
pub fn nothing_refused() -> Explanation {
    Explanation {
        headline: "Nothing was refused in the time that the log is kept".to_owned(),
        explanation: "Requests whose token is not valid are answered 401 and cannot be logged, because nothing says whose they are. Requests \
                      that never reach this service leave no entry either."
            .to_owned(),
        refused_by: "nobody".to_owned(),
        next_step: "If the client reports errors all the same: compare the address that it sends to with this directory's, see whether its \
                    token is the one in use, has not expired and was not revoked, and whether the directory is enabled. If the client \
                    reports errors on reads, switch trace mode on and let it try again."
            .to_owned(),
    }
}

/// Explains a refusal.
#[must_use]
pub fn explain(refused: &Refused<'_>) -> Explanation {
    let detail = refused.detail.unwrap_or_default();
    let said = if detail.is_empty() { String::new() } else { format!(" It was told: {detail}.") };
    let Reason { what, why, by, next } = reason(refused, detail);
    let sent = sent(refused);
    let used = if refused.coercions.is_empty() {
        String::new()
    } else {
        format!(" Before that, the profile {} let pass: {}.", refused.profile, refused.coercions.join(", "))
    };
    Explanation {
        headline: format!("{} failed: {what}", capital(&sent)),
        explanation: format!("The client sent {sent}. {why}{said}{used}"),
        refused_by: by,
        next_step: next,
    }
}

struct Reason {
    what: String,
    why: String,
    by: String,
    next: String,
}

/// What the client sent, in words.
fn sent(refused: &Refused<'_>) -> String {
    let thing = if refused.resource_type.is_empty() { "resource" } else { refused.resource_type };
    match refused.operation {
        "create" => format!("the creation of a {thing} (POST)"),
        "replace" => format!("the replacement of a {thing} (PUT)"),
        "patch" => format!("a change of a {thing} (PATCH)"),
        "delete" => format!("the deletion of a {thing} (DELETE)"),
        "read" => format!("a request for one {thing} (GET)"),
        "list" | "search" => format!("a search for {thing}s"),
        other => format!("{other} of a {thing}"),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The attribute that a detail is about. Our own details name it first, last, or after "of" and "attribute".
fn attribute(detail: &str) -> Option<&str> {
    let is_name = |word: &&str| {
        word.chars().next().is_some_and(char::is_alphabetic)
            && word.chars().all(|character| character.is_alphanumeric() || ".:_-$".contains(character))
    };
    for before in ["selects no value of ", "only one value of ", "has no attribute ", "has this "] {
        if let Some((_, rest)) = detail.split_once(before) {
            return rest.split(' ').next().map(|word| word.trim_matches('"')).filter(is_name);
        }
    }
    let (first, rest) = detail.split_once(' ')?;
    let first = first.trim_end_matches(':');
    let speaks_of_it =
        ["must ", "is ", "can "].iter().any(|verb| rest.starts_with(verb)) || detail.split(' ').next()?.ends_with(':');
    (speaks_of_it && is_name(&first) && !["the", "a", "an", "this", "no", "another"].contains(&first)).then_some(first)
}

/// The other profiles that would let something pass, as a part of a sentence.
fn lenient(profile: Profile, is_lenient: fn(&Tolerance) -> bool) -> Option<String> {
    if is_lenient(profile.tolerance()) {
        return None;
    }
    let names: Vec<_> = Profile::ALL.into_iter().filter(|other| is_lenient(other.tolerance())).map(Profile::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn reason(refused: &Refused<'_>, detail: &str) -> Reason {
    let about = attribute(detail);
    match (refused.status, refused.scim_type) {
        (_, Some("uniqueness")) => uniqueness(refused, about.unwrap_or("unique attribute")),
        (_, Some("noTarget")) => no_target(refused, detail, about),
        (_, Some("invalidPath")) => invalid_path(refused, about),
        (_, Some("invalidValue")) => invalid_value(refused, detail, about),
        (_, Some("invalidSyntax")) => invalid_syntax(refused, detail),
        (_, Some("mutability")) => Reason {
            what: format!("{} cannot be changed so", about.unwrap_or("an attribute")),
            why: format!("{} is read-only here, or required and therefore not to be removed.", about.unwrap_or("The attribute")),
            by: "the mutability of the attribute in /Schemas (RFC 7643 section 7)".to_owned(),
            next: format!("Take {} out of what the client sends for changes.", about.unwrap_or("the attribute")),
        },
        (_, Some("invalidFilter")) => Reason {
            what: "its filter cannot be used".to_owned(),
            why: "The filter is no filter of RFC 7644, or names an attribute that cannot be searched by.".to_owned(),
            by: "RFC 7644 section 3.4.2.2".to_owned(),
            next: "Have the client match people by userName, externalId or emails.value.".to_owned(),
        },
        (_, Some("tooMany")) => Reason {
            what: "it is more than one request may ask for".to_owned(),
            why: "The limits are announced in /ServiceProviderConfig.".to_owned(),
            by: "the limits of this service (RFC 7644 section 3.12, tooMany)".to_owned(),
            next: "Have the client ask for less at once, with a narrower filter or in pages.".to_owned(),
        },
        (status, _) => by_status(refused, status),
    }
}

fn uniqueness(refused: &Refused<'_>, about: &str) -> Reason {
    let thing = refused.resource_type;
    Reason {
        what: format!("another {thing} of this directory has this {about}"),
        why: format!("Two {thing}s of one directory cannot have the same {about}{}.", compared(about)),
        by: format!("the uniqueness of {about} (RFC 7643 section 7)"),
        next: format!(
            "Find the other one with filter={about} eq \"…\". If it is the same, have the client match by {about} before it creates; if it \
             is left over, delete or rename it at the identity provider."
        ),
    }
}

/// How values of a unique attribute are compared, where that may surprise: externalId is the only one that is case-exact.
fn compared(about: &str) -> &'static str {
    if about.eq_ignore_ascii_case("externalId") {
        ", to the letter"
    } else {
        "; it is compared without regard to upper and lower case"
    }
}

fn no_target(refused: &Refused<'_>, detail: &str, about: Option<&str>) -> Reason {
    let about = about.unwrap_or("the attribute");
    let would_create = if detail.contains("selects no value") {
        lenient(refused.profile, |row| row.replace_unmatched == Leniency::Coerce)
    } else {
        None
    };
    match would_create {
        Some(profiles) => Reason {
            what: format!("its path selects no value of {about}"),
            why: format!(
                "The path has a selection, such as {about}[type eq \"work\"], that fits nothing that is stored. Some clients send this and \
                 mean that the value should be made."
            ),
            by: format!("RFC 7644 section 3.5.2.3 (noTarget), as the client profile {} has it", refused.profile),
            next: format!(
                "If the client is one of {profiles}, set the directory's client profile to it: it creates the value from the selection. \
                 Otherwise have the client add the value instead."
            ),
        },
        None => Reason {
            what: "its path selects nothing that could be changed".to_owned(),
            why: "An operation needs a path that names what it changes, and a selection that can be made from what is given."
                .to_owned(),
            by: "RFC 7644 section 3.5.2 (noTarget)".to_owned(),
            next: "Correct the path in the client's mapping, or have the client read the resource again before it changes it."
                .to_owned(),
        },
    }
}

fn invalid_path(refused: &Refused<'_>, about: Option<&str>) -> Reason {
    let name = about.unwrap_or("the attribute");
    let next = match lenient(refused.profile, |row| row.unknown_path == Leniency::Coerce) {
        Some(profiles) => format!(
            "Correct or remove {name} in the client's mapping. The client profiles {profiles} leave out what they do not know: if the client \
             is one of them, set the directory's profile to it."
        ),
        None => format!("Correct or remove {name} in the client's mapping."),
    };
    Reason {
        what: format!("its path names nothing: {name}"),
        why: "The path of an operation cannot be read, or names an attribute that the schema does not have.".to_owned(),
        by: format!("RFC 7644 section 3.5.2 (invalidPath), as the client profile {} has it", refused.profile),
        next,
    }
}

fn invalid_value(refused: &Refused<'_>, detail: &str, about: Option<&str>) -> Reason {
    let name = about.unwrap_or("a value");
    let by = format!("the definition of {name} in /Schemas (RFC 7643 section 7)");
    if detail.starts_with("members") {
        let ignoring = lenient(refused.profile, |row| row.unknown_member == UnknownMember::Ignore);
        let profiles =
            ignoring.map(|profiles| format!(" The client profiles {profiles} leave unknown members out.")).unwrap_or_default();
        return Reason {
            what: "a member is not in this directory".to_owned(),
            why:
                "The id of a member is that of nobody whom this directory has. It may have been deleted, or never been provisioned."
                    .to_owned(),
            by: format!("the client profile {} (unknown members)", refused.profile),
            next: format!(
                "Have the client provision the people before the group, and look in the log whether the member's own creation was refused.\
                 {profiles} The setting unknown_members = \"ignore\" of the directory does so too."
            ),
        };
    }
    let as_text = detail.ends_with("not a string") && (detail.contains("boolean") || detail.contains("true or false"));
    if let Some(profiles) = lenient(refused.profile, |row| row.string_booleans == Leniency::Coerce).filter(|_| as_text) {
        return Reason {
            what: format!("{name} came as text and must be true or false"),
            why: "A boolean in quotes is text. Some clients send \"True\" and \"False\" and mean booleans.".to_owned(),
            by: format!("RFC 7643 section 2.3.2, as the client profile {} has it", refused.profile),
            next: format!(
                "If the client is one of {profiles}, set the directory's client profile to it; otherwise have it send a boolean."
            ),
        };
    }
    Reason {
        what: format!("{name} is not as it must be"),
        why: format!("{} is missing, of the wrong type, or not acceptable.", capital(name)),
        by,
        next: format!("Correct {name} in the client's mapping, or at the person it was read from."),
    }
}

fn invalid_syntax(refused: &Refused<'_>, detail: &str) -> Reason {
    let next = if detail.starts_with("schemas must list") {
        lenient(refused.profile, |row| row.missing_schemas == Leniency::Coerce)
    } else if detail.starts_with("schemas lists") {
        lenient(refused.profile, |row| row.unknown_schema != UnknownSchema::Refuse)
    } else {
        None
    };
    Reason {
        what: "its body is not what SCIM describes".to_owned(),
        why: "The body is no JSON, or does not have the form of a message of RFC 7644.".to_owned(),
        by: format!("RFC 7644 section 3.12 (invalidSyntax), as the client profile {} has it", refused.profile),
        next: match next {
            Some(profiles) => format!(
                "If the client is one of {profiles}, set the directory's client profile to it; otherwise have it send the schemas that belong \
                 to the resource."
            ),
            None => "This is a fault of the client: report it to its maker, with the request id.".to_owned(),
        },
    }
}

fn by_status(refused: &Refused<'_>, status: i64) -> Reason {
    let thing = if refused.resource_type.is_empty() { "resource" } else { refused.resource_type };
    let (what, why, by, next) = match status {
        403 => (
            "its token may only read",
            "The token's scope is enough for reads and not for writes.",
            "the scope of the token",
            "Give the client a token with the scope scim.",
        ),
        404 => {
            return Reason {
                what: format!("this directory has no such {thing}"),
                why: format!(
                    "The client remembers the id of a {thing} that is not here: it was deleted, or belongs to another directory."
                ),
                by: "RFC 7644 section 3.12 (404)".to_owned(),
                next: "Have the client forget what it remembers (restart its provisioning), so that it searches and creates again."
                    .to_owned(),
            };
        }
        412 => (
            "it was changed by somebody else meanwhile",
            "The request says by If-Match which version it wants to change, and there is another one now.",
            "RFC 7644 section 3.14 (If-Match)",
            "Have the client read the resource again and repeat its change.",
        ),
        413 => (
            "its body is too large",
            "The body has more bytes than server.body_limit allows.",
            "the limit of this service",
            "Have the client send fewer members or operations in one request.",
        ),
        415 => (
            "its body has the wrong media type",
            "SCIM bodies are application/scim+json or application/json.",
            "RFC 7644 section 3.1",
            "Correct the Content-Type that the client sends.",
        ),
        428 => (
            "it does not say which version it wants to change",
            "The directory's setting require_if_match refuses changes without If-Match.",
            "the directory's setting require_if_match (RFC 6585 section 3)",
            "Have the client send If-Match, or switch the setting off.",
        ),
        429 => (
            "the client sends too fast",
            "It sent more requests than the directory's requests_per_second and burst allow.",
            "the directory's rate limit",
            "Nothing, if the client waits as Retry-After says and goes on. Otherwise raise the limit of the directory.",
        ),
        501 => (
            "this part of SCIM is not supported",
            "/ServiceProviderConfig says what is.",
            "RFC 7644 section 4",
            "Switch the feature off in the client.",
        ),
        503 => (
            "the service was busy",
            "The service, or its database, could not take the request in time. Nothing was changed.",
            "this service",
            "Nothing, if the client repeats the request. If it happens often, ask whoever runs the service, with the request id.",
        ),
        500..=599 => (
            "this service is at fault",
            "The request could not be carried out. Nothing was changed. If the tenant's rules cannot be read, every write ends so.",
            "this service",
            "See whether the tenant's rules are in order; otherwise ask whoever runs the service, with the request id.",
        ),
        _ => (
            "the request is not acceptable",
            "The answer to the client says more.",
            "RFC 7644 section 3.12",
            "Correct what the client sends, or report it to its maker with the request id.",
        ),
    };
    Reason { what: what.to_owned(), why: why.to_owned(), by: by.to_owned(), next: next.to_owned() }
}

#[cfg(test)]
mod tests;
