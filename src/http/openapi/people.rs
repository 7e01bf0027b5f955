//! The shapes of people, by the names that operations use for them.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::schemas::{
    Member, Shape, closed, flag, id, id_or_null, instant, instant_or_null, list, number, object, one_of, page, text, text_or_null,
};

/// All of them, by name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let kind = || one_of(["byoi", "local"]);
    let or_null = || ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into();
    let texts = ["user_name?", "given_name?", "family_name?", "email?", "token_type?", "mobile_type?", "reason?"];
    let written = |more: &[Member<'_>]| {
        let mut members: Vec<_> = texts.iter().map(|name| (*name, text_or_null())).collect();
        members.extend(more.iter().cloned());
        closed(&members)
    };
    let awaits = closed(&[("connection", id()), ("claim?", text_or_null()), ("value", text())]);
    vec![
        (
            "Person",
            object(&[
                ("login", id()),
                ("person", id()),
                ("kind", kind()),
                ("state", one_of(["invited", "pending", "active", "deactivated"])),
                ("user_name", text()),
                ("display_name", text_or_null()),
                ("given_name", text_or_null()),
                ("family_name", text_or_null()),
                ("email", text_or_null()),
                ("phone_numbers", list(text())),
                ("token_type", text_or_null()),
                ("mobile_type", text_or_null()),
                ("home", or_null()),
                ("directory", id_or_null()),
                ("connection", id_or_null()),
                ("awaits", or_null()),
                ("invited_at", instant_or_null()),
                ("signed_in_at", instant_or_null()),
                ("created_at", instant()),
                ("version", number()),
            ]),
        ),
        ("People", page("Person")),
        (
            "NewPerson",
            written(&[
                ("kind", kind()),
                ("account", id()),
                ("phone_numbers?", list(text())),
                ("awaits?", awaits),
                ("invite?", flag()),
            ]),
        ),
        ("PersonChange", written(&[("phone_numbers?", list(text()))])),
        ("Reason", closed(&[("reason?", text_or_null())])),
        (
            "Consequences",
            object(&[
                ("roles", number()),
                ("accounts", number()),
                ("sessions", number()),
                ("confirmation", text()),
                ("expires_at", instant()),
            ]),
        ),
    ]
}
