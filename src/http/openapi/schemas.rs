//! The shapes of bodies and answers, by the names that operations use for them.

use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::model::ClientScope;

pub(super) type Shape = RefOr<Schema>;

/// A member of an object: its name, with `?` behind it where it may be left out, and its shape.
pub(super) type Member<'a> = (&'a str, Shape);

fn of(kind: Type) -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind)).into()
}

fn formatted(format: SchemaFormat, or_null: bool) -> Shape {
    let kind = if or_null { SchemaType::Array(vec![Type::String, Type::Null]) } else { SchemaType::Type(Type::String) };
    ObjectBuilder::new().schema_type(kind).format(Some(format)).into()
}

pub(super) fn text() -> Shape {
    of(Type::String)
}

pub(super) fn text_or_null() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::String, Type::Null])).into()
}

pub(super) fn flag() -> Shape {
    of(Type::Boolean)
}

pub(super) fn number() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(0)).into()
}

pub(super) fn between(least: u32, most: u32, or_null: bool) -> Shape {
    let kind = if or_null { SchemaType::Array(vec![Type::Integer, Type::Null]) } else { SchemaType::Type(Type::Integer) };
    ObjectBuilder::new().schema_type(kind).minimum(Some(least)).maximum(Some(most)).into()
}

pub(super) fn id() -> Shape {
    formatted(SchemaFormat::Custom("uuid".to_owned()), false)
}

pub(super) fn id_or_null() -> Shape {
    formatted(SchemaFormat::Custom("uuid".to_owned()), true)
}

pub(super) fn instant() -> Shape {
    formatted(SchemaFormat::KnownFormat(KnownFormat::DateTime), false)
}

pub(super) fn instant_or_null() -> Shape {
    formatted(SchemaFormat::KnownFormat(KnownFormat::DateTime), true)
}

pub(super) fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Shape {
    let values: Vec<_> = values.into_iter().map(Value::from).collect();
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(values)).into()
}

pub(super) fn list(item: Shape) -> Shape {
    ArrayBuilder::new().items(item).into()
}

pub(super) fn at_most(items: usize, item: Shape) -> Shape {
    ArrayBuilder::new().items(item).max_items(Some(items)).into()
}

pub(super) fn named(name: &str) -> Shape {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// An object that may have members beside these.
fn open(members: &[Member<'_>]) -> ObjectBuilder {
    let mut object = ObjectBuilder::new();
    for (name, shape) in members {
        object = match name.strip_suffix('?') {
            Some(name) => object.property(name, shape.clone()),
            None => object.property(*name, shape.clone()).required(*name),
        };
    }
    object
}

/// An object that has no other members: a body in which another one is refused.
pub(super) fn closed(members: &[Member<'_>]) -> Shape {
    open(members).additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
}

pub(super) fn object(members: &[Member<'_>]) -> Shape {
    open(members).into()
}

pub(super) fn page(item: &str) -> Shape {
    object(&[("items", list(named(item))), ("next", text_or_null())])
}

pub(super) fn all(item: &str) -> Shape {
    object(&[("items", list(named(item)))])
}

/// All of them, by name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let mut shapes = accounts();
    shapes.extend(roles());
    shapes.extend(audit());
    shapes.extend(rules());
    shapes.extend(directories());
    shapes.extend(decisions());
    shapes.extend(clients());
    shapes.extend(super::approvals::shapes());
    shapes.push((
        "Problem",
        object(&[
            ("type", text()),
            ("title", text()),
            ("status", between(400, 599, false)),
            ("detail", text()),
            ("reference", text()),
        ]),
    ));
    shapes
}

fn accounts() -> Vec<(&'static str, Shape)> {
    let state = || one_of(["active", "suspended"]);
    let account = |services: Shape| {
        object(&[
            ("id", id()),
            ("parent", id_or_null()),
            ("slug", text()),
            ("path", text()),
            ("name", text()),
            ("state", state()),
            ("services?", services),
        ])
    };
    let subscribed = object(&[("key", text()), ("instances", list(text()))]);
    vec![
        ("Account", account(list(text()))),
        ("AccountWithInstances", account(list(subscribed))),
        ("Accounts", page("Account")),
        ("NewAccount", closed(&[("parent", id()), ("slug", text()), ("name", text())])),
        ("AccountChange", closed(&[("parent?", id()), ("slug?", text()), ("name?", text()), ("state?", state())])),
    ]
}

fn roles() -> Vec<(&'static str, Shape)> {
    let cause = object(&[
        ("assignment", id()),
        ("account", id()),
        ("role", text()),
        ("included_by", text_or_null()),
        ("source", one_of(["rule", "manual", "operator"])),
        ("since", instant()),
        ("rule?", object(&[("id", id()), ("name", text()), ("version", number()), ("from", object(&[]))])),
        ("because?", list(text())),
        ("by?", id()),
    ]);
    let held = object(&[
        ("role", text()),
        ("name", text()),
        ("service", text_or_null()),
        ("instance", text_or_null()),
        ("counts", flag()),
        ("shadowed_by", text_or_null()),
        ("step_up", flag()),
        ("causes", list(cause)),
    ]);
    let at = object(&[("account", id()), ("path", text()), ("name", text()), ("roles", list(held))]);
    vec![
        (
            "Role",
            object(&[
                ("key", text()),
                ("name", text()),
                ("description", text()),
                ("scope", one_of(["root", "child", "any"])),
                ("inherits", flag()),
                ("includes", list(text())),
                ("service", text_or_null()),
                ("instances", flag()),
                ("assigned_by", list(text())),
                ("first_holder", one_of(["anyone", "operator"])),
                ("needs_sign_in", flag()),
                ("step_up", flag()),
                ("permissions", list(text())),
                ("exclusive_set", text_or_null()),
                ("assignable", flag()),
            ]),
        ),
        ("Roles", all("Role")),
        (
            "NewAssignment",
            closed(&[
                ("login", id()),
                ("role", text()),
                ("service?", text_or_null()),
                ("instance?", text_or_null()),
                ("reason?", text_or_null()),
            ]),
        ),
        (
            "Assignment",
            object(&[
                ("id", id()),
                ("login_id", id()),
                ("account_id", id()),
                ("service_id", id_or_null()),
                ("service", text_or_null()),
                ("instance_id", id_or_null()),
                ("instance", text_or_null()),
                ("role", text()),
                ("source", one_of(["rule", "manual", "operator"])),
                ("source_id", id()),
                ("granted_at", instant()),
            ]),
        ),
        ("HeldRoles", object(&[("login", id()), ("active", flag()), ("accounts", list(named("RolesAt")))])),
        ("RolesAt", at),
    ]
}

fn audit() -> Vec<(&'static str, Shape)> {
    let line = object(&[
        ("person", id()),
        ("login", id()),
        ("user_name", text()),
        ("active", flag()),
        ("account", text()),
        ("role", text()),
        ("service", text_or_null()),
        ("instance", text_or_null()),
        ("source", one_of(["rule", "manual", "operator"])),
        ("cause", text()),
        ("included_by", text_or_null()),
        ("given_at", text()),
        ("since", instant()),
        ("counts", flag()),
        ("shadowed_by", text_or_null()),
    ]);
    let event = object(&[
        ("id", id()),
        ("at", instant()),
        ("kind", text()),
        ("actor", object(&[("kind", text())])),
        ("target", id()),
        ("account", ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into()),
        ("details", object(&[])),
        ("request_id", text_or_null()),
    ]);
    vec![("Event", event), ("Events", page("Event")), ("Permission", line), ("Permissions", page("Permission"))]
}

fn rules() -> Vec<(&'static str, Shape)> {
    let from = || object(&[("directory?", id()), ("connection?", id())]);
    let grants = list(object(&[("role", text()), ("account", text())]));
    let wanted = |more: &[Member<'_>]| {
        let mut members = vec![
            ("name", text()),
            ("from", from()),
            ("within", id()),
            ("when?", text()),
            ("match?", object(&[])),
            ("grants", grants.clone()),
        ];
        members.extend(more.iter().cloned());
        object(&members)
    };
    let counts = list(object(&[("account", id()), ("path", text()), ("role", text()), ("gain", number()), ("lose", number())]));
    let cause =
        object(&[("kind", text()), ("target", id()), ("actor", object(&[("kind", text())])), ("request_id", text_or_null())]);
    let job = object(&[
        ("id", id()),
        ("account", id()),
        ("cause", cause),
        ("total", number()),
        ("done", number()),
        ("created_at", instant()),
        ("finished_at", instant_or_null()),
    ]);
    vec![
        ("Rule", wanted(&[("id", id()), ("version", number())])),
        ("Rules", page("Rule")),
        ("NewRule", wanted(&[])),
        ("Job", job),
        ("Jobs", page("Job")),
        ("RuleProposal", object(&[])),
        ("RulePreview", object(&[("logins", number()), ("counts", counts), ("people", list(object(&[])))])),
    ]
}

fn directories() -> Vec<(&'static str, Shape)> {
    let changed = object(&[("granted", list(id())), ("revoked", list(id()))]);
    let coercion = object(&[("rule", text()), ("path", text())]);
    let scopes = || list(one_of(["scim", "scim:read", "log"]));
    let token = |more: &[Member<'_>]| {
        let mut members = vec![
            ("id", id()),
            ("name", text()),
            ("prefix", text()),
            ("scopes", scopes()),
            ("state", one_of(["active", "replaced", "expired", "revoked"])),
            ("created_by", object(&[("kind", text())])),
            ("created_at", instant()),
            ("expires_at", instant_or_null()),
            ("last_used_at", instant_or_null()),
            ("replaces", id_or_null()),
            ("replaced_at", instant_or_null()),
            ("revoked_at", instant_or_null()),
        ];
        members.extend(more.iter().cloned());
        object(&members)
    };
    vec![
        (
            "Directory",
            object(&[
                ("id", id()),
                ("slug", text()),
                ("name", text()),
                ("account", id()),
                ("state", one_of(["enabled", "disabled"])),
                ("profile", text()),
                ("log_days", number()),
                ("trace_until", instant_or_null()),
                ("users", number()),
                ("groups", number()),
                ("last_write_at", instant_or_null()),
                ("last_failure_at", instant_or_null()),
                ("refused_in_24_hours", number()),
            ]),
        ),
        ("Directories", page("Directory")),
        (
            "LogEntry",
            object(&[
                ("id", id()),
                ("at", instant()),
                ("operation", text()),
                ("resource_type", text()),
                ("resource_id", id_or_null()),
                ("outcome", one_of(["done", "refused"])),
                ("status", number()),
                ("scim_type", text_or_null()),
                ("detail", text_or_null()),
                ("attributes", list(text())),
                ("rules", changed),
                ("coercions", list(coercion)),
                ("request_id", text_or_null()),
                ("token", id_or_null()),
                ("values?", object(&[])),
            ]),
        ),
        ("LogEntries", page("LogEntry")),
        (
            "LastFailure",
            object(&[
                ("headline", text()),
                ("explanation", text()),
                ("entry", ObjectBuilder::new().schema_type(SchemaType::Array(vec![Type::Object, Type::Null])).into()),
            ]),
        ),
        ("Trace", closed(&[("minutes", between(1, 1_440, false))])),
        ("Traced", object(&[("trace_until", instant_or_null())])),
        ("Token", token(&[])),
        ("Tokens", all("Token")),
        ("MadeToken", token(&[("token", text())])),
        ("NewToken", closed(&[("name", text()), ("scopes?", scopes()), ("expires_at?", instant_or_null())])),
        ("Rotation", closed(&[("overlap?", between(0, 2_592_000, true)), ("expires_at?", instant_or_null())])),
    ]
}

fn decisions() -> Vec<(&'static str, Shape)> {
    let asked = || {
        vec![
            ("subject?", object(&[("type", text()), ("id", text())])),
            ("action?", object(&[("name", text())])),
            (
                "resource?",
                object(&[
                    ("type", text()),
                    ("id", text()),
                    ("properties?", object(&[("service?", text_or_null()), ("instance?", text_or_null())])),
                ]),
            ),
            ("context?", object(&[])),
        ]
    };
    let whole: Vec<_> =
        asked().into_iter().map(|(name, shape)| (if name == "context?" { name } else { &name[..name.len() - 1] }, shape)).collect();
    let semantic = one_of(["execute_all", "deny_on_first_deny", "permit_on_first_permit"]);
    let mut batch = asked();
    batch.push(("evaluations?", at_most(100, object(&asked()))));
    batch.push(("options?", object(&[("evaluations_semantic?", semantic)])));
    let context = object(&[("step_up?", flag()), ("error?", object(&[("status", number()), ("message", text())]))]);
    vec![
        ("Evaluation", object(&whole)),
        ("Evaluations", object(&batch)),
        ("Decision", object(&[("decision", flag()), ("context?", context.clone())])),
        // One answer where one thing was asked, and a list where a list was.
        ("Decisions", object(&[("decision?", flag()), ("context?", context), ("evaluations?", list(named("Decision")))])),
        (
            "DecisionPoint",
            object(&[
                ("policy_decision_point", text()),
                ("access_evaluation_endpoint", text()),
                ("access_evaluations_endpoint", text()),
            ]),
        ),
    ]
}

fn clients() -> Vec<(&'static str, Shape)> {
    let scopes = || list(one_of(ClientScope::ALL.iter().map(|scope| scope.as_str())));
    vec![
        (
            "Client",
            object(&[
                ("id", id()),
                ("client_id", text()),
                ("name", text()),
                ("scopes", scopes()),
                ("within", id()),
                ("created_at", instant()),
                ("last_used_at", instant_or_null()),
                ("revoked_at", instant_or_null()),
            ]),
        ),
        ("Clients", page("Client")),
        (
            "TokenRequest",
            object(&[
                ("grant_type", one_of(["client_credentials"])),
                ("scope?", text()),
                ("client_id?", text()),
                ("client_secret?", text()),
            ]),
        ),
        (
            "AccessToken",
            object(&[("access_token", text()), ("token_type", one_of(["Bearer"])), ("expires_in", number()), ("scope", text())]),
        ),
        ("OAuthError", object(&[("error", text()), ("error_description?", text())])),
    ]
}
