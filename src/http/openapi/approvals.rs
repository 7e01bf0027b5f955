//! The shapes of approvals, and of many roles at once.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

use super::schemas::{
    Member, Shape, all, at_most, between, closed, flag, id, id_or_null, instant, instant_or_null, list, named, number, object,
    one_of, page, text, text_or_null,
};
use crate::directory::assignments::LONGEST_BATCH;
use crate::model::ApprovalState;

fn integer_or_null() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Integer, Type::Null])).into()
}

fn object_or_null() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into()
}

/// What is personal about something: an object, a word when it cannot be read, or nothing.
fn values() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::String, Type::Null])).into()
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let policy = |more: &[Member<'static>]| {
        let mut members = vec![("name", text()), ("trigger", text())];
        members.extend(more.iter().cloned());
        members
    };
    let wanted = policy(&[
        ("roles?", list(text())),
        ("threshold?", integer_or_null()),
        ("approvers?", object_or_null()),
        ("needed?", between(1, 10, false)),
    ]);
    let made = policy(&[
        ("id", id()),
        ("account", id()),
        ("roles?", list(text())),
        ("threshold", integer_or_null()),
        ("approvers", object_or_null()),
        ("needed", number()),
        ("version", number()),
    ]);
    let gift = || {
        closed(&[
            ("login", id()),
            ("role", text()),
            ("service?", text_or_null()),
            ("instance?", text_or_null()),
            ("reason?", text_or_null()),
        ])
    };
    let outcome = || one_of(["given", "unchanged"]);
    let given = object(&[("outcome", outcome()), ("assignment", named("Assignment"))]);
    let moved = object(&[("before", named("Assignment")), ("outcome", outcome()), ("assignment", named("Assignment"))]);
    let stays = object(&[("assignment", named("Assignment")), ("because", one_of(["rule", "approval", "forbidden"]))]);
    vec![
        ("ApprovalPolicy", object(&made)),
        ("ApprovalPolicies", all("ApprovalPolicy")),
        ("NewApprovalPolicy", closed(&wanted)),
        ("Approval", approval()),
        ("Approvals", page("Approval")),
        ("NotRequired", object(&[("id", id_or_null()), ("state", one_of(["not_required"]))])),
        (
            "NewOrder",
            closed(&[
                ("account", id()),
                ("trigger", text()),
                ("amount", number()),
                ("subject?", id_or_null()),
                ("reference?", text_or_null()),
                ("description?", text_or_null()),
            ]),
        ),
        ("Verdict", closed(&[("reason?", text_or_null())])),
        (
            "AccessRequest",
            closed(&[("login?", id_or_null()), ("user_name?", text_or_null()), ("role", text()), ("reason?", text_or_null())]),
        ),
        (
            "Batch",
            closed(&[
                ("assignments?", at_most(LONGEST_BATCH, gift())),
                ("take?", at_most(LONGEST_BATCH, id())),
                ("reason?", text_or_null()),
            ]),
        ),
        ("BatchDone", object(&[("given", list(given)), ("taken", list(named("Assignment")))])),
        ("Handover", closed(&[("to", id()), ("accounts?", list(id())), ("roles?", list(text())), ("reason?", text_or_null())])),
        ("Reassigned", object(&[("moved", list(moved)), ("stays", list(stays))])),
    ]
}

fn approval() -> Shape {
    let need = object(&[("policy", id_or_null()), ("name", text()), ("needed", number()), ("given", number())]);
    let decision = object(&[("by", id()), ("verdict", one_of(["approve", "reject"])), ("at", instant()), ("values", values())]);
    object(&[
        ("id", id()),
        ("state", one_of(ApprovalState::ALL.iter().map(|state| state.as_str()))),
        ("trigger", text()),
        ("account", id()),
        ("path", text()),
        ("subject", object_or_null()),
        ("requested_by", object(&[("kind", text())])),
        ("requested_at", instant()),
        ("expires_at", instant()),
        ("settled_at", instant_or_null()),
        ("values", values()),
        ("failure", text_or_null()),
        ("may_decide", flag()),
        ("role?", text()),
        ("service?", text_or_null()),
        ("instance?", text_or_null()),
        ("amount?", number()),
        ("reference?", text_or_null()),
        ("needs", list(need)),
        ("decisions", list(decision)),
    ])
}
