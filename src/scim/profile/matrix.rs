//! The profile table as `docs/scim.md` shows it. It is made from the data here, and a test compares the two.

use std::fmt::Write as _;

use super::{Leniency, PatchAnswer, Profile, Tolerance, UnknownMember, UnknownSchema, rule};

type Cell = fn(&Tolerance) -> &'static str;

macro_rules! leniency {
    ($field:ident, $refused:literal, $coerced:literal) => {
        |tolerance| match tolerance.$field {
            Leniency::Refuse => $refused,
            Leniency::Coerce => $coerced,
        }
    };
}

/// The rows: what a client sends, and what is done with it.
const ROWS: &[(&str, Cell)] = &[
    ("`\"True\"`, `\"False\"` for a boolean", leniency!(string_booleans, "400 invalidValue, invalidFilter", "read")),
    ("PATCH `replace` selects nothing", leniency!(replace_unmatched, "400 noTarget", "created")),
    ("PATCH `remove` with a list of values", leniency!(remove_listed, "400 invalidValue", "those go")),
    ("`manager` as text or list", leniency!(manager_shape, "400 invalidValue", "read")),
    ("a member as bare text", leniency!(bare_member, "400 invalidValue", "read")),
    ("an extension's attribute without URN", leniency!(unqualified_extension, "unknown", "read")),
    ("JSON in `roles.value`", leniency!(json_in_roles, "kept as text", "unpacked")),
    ("no `schemas`", leniency!(missing_schemas, "400 invalidSyntax", "inferred")),
    ("an unknown URN in `schemas`", |tolerance| match tolerance.unknown_schema {
        UnknownSchema::Refuse => "400 invalidSyntax",
        UnknownSchema::Ignore => "left out",
        UnknownSchema::IgnoreAndReadVersion1 => "left out, 1.0 read",
    }),
    ("an unknown attribute as PATCH path", leniency!(unknown_path, "400 invalidPath", "left out")),
    ("a `type` of a member that is none", leniency!(unknown_path, "400 invalidValue", "looked up")),
    ("an unknown member (set: `unknown_members`)", |tolerance| match tolerance.unknown_member {
        UnknownMember::Refuse => "400 invalidValue",
        UnknownMember::Ignore => "left out",
    }),
    ("answer to PATCH on a User", |tolerance| status(tolerance.patched_user)),
    ("answer to PATCH on a Group (set: `patched_group`)", |tolerance| status(tolerance.patched_group)),
    ("a body without `Content-Type`", leniency!(missing_content_type, "415", "JSON")),
    ("two Groups of one displayName (set: `unique_group_names`)", |tolerance| {
        if tolerance.unique_group_names { "409 uniqueness" } else { "allowed" }
    }),
    ("two of one externalId (set: `unique_external_ids`)", |tolerance| {
        if tolerance.unique_external_ids { "409 uniqueness" } else { "allowed" }
    }),
    ("a change without `If-Match` (set: `require_if_match`)", |tolerance| if tolerance.require_if_match { "428" } else { "done" }),
    ("discovery without token (set: `open_discovery`)", |tolerance| if tolerance.open_discovery { "shown" } else { "401" }),
];

fn status(answer: PatchAnswer) -> &'static str {
    match answer {
        PatchAnswer::Resource => "200",
        PatchAnswer::NoContent => "204",
    }
}

fn table() -> String {
    let mut text = String::from("| what comes |");
    for profile in Profile::ALL {
        let _ = write!(text, " {profile} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Profile::ALL.len()));
    text.push('\n');
    for (title, cell) in ROWS {
        let _ = write!(text, "| {title} |");
        for profile in Profile::ALL {
            let _ = write!(text, " {} |", cell(profile.tolerance()));
        }
        text.push('\n');
    }
    text
}

fn rules() -> String {
    let mut text = String::from("| rule | what it does |\n|---|---|\n");
    for (name, does) in rule::ALL {
        let _ = writeln!(text, "| `{name}` | {does} |");
    }
    text
}

#[test]
fn the_documentation_shows_the_table() {
    let page = include_str!("../../../docs/scim.md");
    for (what, wanted) in [("profile table", table()), ("table of rules", rules())] {
        assert!(page.contains(&wanted), "docs/scim.md does not have this {what}:\n\n{wanted}");
    }
}

/// The matrix of client shapes, column by column: strict, entra, okta, onelogin, google, jumpcloud, ping.
#[test]
fn the_table_is_the_matrix() {
    let row = |differs: fn(&Tolerance) -> bool| -> String {
        Profile::ALL.iter().map(|profile| if differs(profile.tolerance()) { 'x' } else { '-' }).collect()
    };
    assert_eq!(row(|t| t.string_booleans == Leniency::Coerce), "-xxx-x-");
    assert_eq!(row(|t| t.replace_unmatched == Leniency::Coerce), "-xxx-x-");
    assert_eq!(row(|t| t.remove_listed == Leniency::Coerce), "-xxx-xx");
    assert_eq!(row(|t| t.manager_shape == Leniency::Coerce), "-xxx-xx");
    assert_eq!(row(|t| t.bare_member == Leniency::Coerce), "-x-x-xx");
    assert_eq!(row(|t| t.unqualified_extension == Leniency::Coerce), "-xxx-xx");
    assert_eq!(row(|t| t.json_in_roles == Leniency::Coerce), "-x-----");
    assert_eq!(row(|t| t.missing_schemas == Leniency::Coerce), "-xxxxxx");
    assert_eq!(row(|t| t.unknown_schema != UnknownSchema::Refuse), "-xxx-xx");
    assert_eq!(row(|t| t.unknown_schema == UnknownSchema::IgnoreAndReadVersion1), "---x---");
    assert_eq!(row(|t| t.unknown_path == Leniency::Coerce), "-xxxxxx");
    assert_eq!(row(|t| t.unknown_member == UnknownMember::Ignore), "---x-x-");
    assert_eq!(row(|t| t.patched_user == PatchAnswer::NoContent), "-------");
    assert_eq!(row(|t| t.patched_group == PatchAnswer::NoContent), "xxxxxx-");
    assert_eq!(row(|t| t.missing_content_type == Leniency::Coerce), "-xxxxxx");
    assert_eq!(row(|t| t.unique_group_names), "-x-----");
    assert_eq!(row(|t| t.unique_external_ids || t.require_if_match || !t.open_discovery), "-------");
}
