//! The shapes of persons with two logins, and of proposals to link two.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::schemas::{
    Shape, all, closed, flag, id, id_or_null, instant_or_null, list, named, number, object, one_of, text, text_or_null,
};

/// All of them, by name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let or_null = || ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into();
    let login = object(&[
        ("login", id()),
        ("slot", number()),
        ("kind", one_of(["byoi", "local"])),
        ("state", one_of(["invited", "pending", "active", "deactivated"])),
        ("user_name", text()),
        ("display_name", text_or_null()),
        ("home", or_null()),
        ("directory", id_or_null()),
        ("connection", id_or_null()),
        ("break_glass", flag()),
        ("suspended", flag()),
        ("linked_at", instant_or_null()),
        ("signed_in_at", instant_or_null()),
        ("accounts", list(named("RolesAt"))),
    ]);
    vec![
        (
            "PersonWithLogins",
            object(&[
                ("id", id()),
                ("state", one_of(["active", "deactivated", "merged"])),
                ("merged_into", id_or_null()),
                ("merged_at", instant_or_null()),
                ("logins", list(login)),
                ("has_other_login", flag()),
            ]),
        ),
        (
            "LinkProposal",
            object(&[
                ("login", id()),
                ("person", id()),
                ("user_name", text()),
                ("source", one_of(["administrator", "directory", "user_name"])),
            ]),
        ),
        ("LinkProposals", all("LinkProposal")),
        ("BreakGlass", closed(&[("break_glass", flag()), ("reason?", text_or_null())])),
    ]
}
