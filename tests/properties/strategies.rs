//! Random documents and filters.
//!
//! Values come from small pools, so that filters often match. The pools hold what tends to
//! break comparisons: wildcards and quotes of SQL, letters that fold to several, text in two normal forms, characters outside the BMP.
//!
//! Another test binary that uses only a part declares it with `#[expect(dead_code, reason = "…")] #[path = "…"] mod strategies;`.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};
use vestibule::scim::filter::{AttrPath, CompareOp, Filter, Literal, Then};
use vestibule::scim::profile::Profile;
use vestibule::scim::resource::Resource;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{Object, Value};

/// The URN of the enterprise extension.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const TEXTS: [&str; 22] = [
    "", "a", "A", "b", "ab", "Ab%", "a_b", "%", "_", "\\", "a\\%b", "'", "\"", "ß", "SS", "é", "e\u{301}", "Ⅷ", "😀", "\u{fb01}",
    "work", "home",
];

const TIMES: [&str; 6] = [
    "2026-01-31T12:00:00Z",
    "2026-01-31T14:00:00+02:00",
    "2026-01-31T12:00:00.000001Z",
    "2026-01-31T11:59:59.999999Z",
    "1969-07-20T20:17:40-05:00",
    "9999-12-31T23:59:59Z",
];

/// Text from the pool.
pub(crate) fn text() -> impl Strategy<Value = String> {
    select(&TEXTS[..]).prop_map(str::to_owned)
}

/// Text from the pool that is not empty.
pub(crate) fn some_text() -> impl Strategy<Value = String> {
    select(&TEXTS[1..]).prop_map(str::to_owned)
}

/// A `dateTime` from the pool.
pub(crate) fn time() -> impl Strategy<Value = String> {
    select(&TIMES[..]).prop_map(str::to_owned)
}

/// Any profile.
pub(crate) fn profile() -> impl Strategy<Value = Profile> {
    select(&Profile::ALL[..])
}

type Json = serde_json::Value;

fn set<T: Into<Json>>(object: &mut Map<String, Json>, name: &str, value: Option<T>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// Objects with some of these members.
pub(crate) fn some_of(members: Vec<(&'static str, BoxedStrategy<Json>)>) -> impl Strategy<Value = Json> {
    let (names, values): (Vec<_>, Vec<_>) = members.into_iter().map(|(name, value)| (name, option::of(value))).unzip();
    values.prop_map(move |values| {
        let mut object = Map::new();
        for (name, value) in names.iter().zip(values) {
            set(&mut object, name, value);
        }
        Json::Object(object)
    })
}

/// Text from the pool as JSON.
pub(crate) fn json_text() -> BoxedStrategy<Json> {
    text().prop_map(Json::from).boxed()
}

/// One value of an attribute such as `emails`.
pub(crate) fn element() -> BoxedStrategy<Json> {
    some_of(vec![("value", json_text()), ("type", json_text()), ("display", json_text())]).boxed()
}

/// Values of an attribute such as `emails`; sometimes one of them is primary.
pub(crate) fn elements() -> BoxedStrategy<Json> {
    (vec(element(), 0..4), option::of(0..4_usize))
        .prop_map(|(mut elements, primary)| {
            if let Some(Json::Object(element)) = primary.and_then(|at| elements.get_mut(at)) {
                element.insert("primary".to_owned(), json!(true));
            }
            Json::Array(elements)
        })
        .boxed()
}

/// Values of `name`.
pub(crate) fn name() -> BoxedStrategy<Json> {
    some_of(vec![("givenName", json_text()), ("familyName", json_text()), ("formatted", json_text())]).boxed()
}

/// Values of the enterprise extension.
pub(crate) fn enterprise() -> BoxedStrategy<Json> {
    some_of(vec![
        ("department", json_text()),
        ("employeeNumber", json_text()),
        ("manager", some_of(vec![("value", json_text()), ("$ref", json_text())]).boxed()),
    ])
    .boxed()
}

/// A body of a User that every profile accepts.
pub(crate) fn user_body() -> impl Strategy<Value = Json> {
    let attributes = some_of(vec![
        ("externalId", json_text()),
        ("title", json_text()),
        ("nickName", json_text()),
        ("active", any::<bool>().prop_map(Json::from).boxed()),
        ("name", name()),
        ("emails", elements()),
        ("phoneNumbers", elements()),
        ("roles", elements()),
        ("addresses", vec(some_of(vec![("locality", json_text()), ("type", json_text())]), 0..3).prop_map(Json::from).boxed()),
        (ENTERPRISE, enterprise()),
    ]);
    (attributes, some_text()).prop_map(|(mut body, user_name)| {
        body["schemas"] = json!([ResourceKind::User.urn(), ENTERPRISE]);
        body["userName"] = json!(user_name);
        body
    })
}

/// A User as the service keeps it.
pub(crate) fn user() -> impl Strategy<Value = Resource> {
    user_body().prop_map(|body| {
        Resource::from_body(ResourceKind::User, body.into(), Profile::Strict)
            .expect("the body is one that every profile accepts")
            .resource
    })
}

/// The facts of a login: its User with `id`, `meta` and `groups`, and the claims of its last sign-in.
pub(crate) fn facts() -> impl Strategy<Value = Object> {
    let claims = some_of(vec![
        ("groups", vec(text(), 0..3).prop_map(Json::from).boxed()),
        ("dept", vec(text(), 1..2).prop_map(Json::from).boxed()),
        ("http://x.example/role", vec(text(), 1..2).prop_map(Json::from).boxed()),
    ]);
    let groups = vec(some_of(vec![("value", json_text()), ("display", json_text())]), 0..3);
    (user(), some_text(), time(), groups, claims).prop_map(|(user, id, created, groups, claims)| {
        let mut facts = user.as_object().clone();
        facts.insert("id", id);
        facts.insert("meta", Object::from_iter([("resourceType", "User".to_owned()), ("created", created)]));
        facts.insert("groups", Value::from(Json::from(groups)));
        facts.insert("claims", Value::from(claims));
        facts
    })
}

/// JSON of any shape, with names that SCIM knows among others.
pub(crate) fn any_json() -> impl Strategy<Value = Json> {
    let names = select(vec![
        "schemas",
        "userName",
        "displayName",
        "id",
        "meta",
        "name",
        "givenName",
        "emails",
        "value",
        "type",
        "primary",
        "active",
        "members",
        "manager",
        "password",
        "groups",
        "claims",
        "roles",
        "$ref",
        "op",
        "path",
        "Operations",
        "x",
        ENTERPRISE,
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<i32>().prop_map(|eighths| Json::from(f64::from(eighths) / 8.0)),
        text().prop_map(Json::from),
        select(vec!["True", "add", "remove", "members", "emails[type eq \"work\"].value", ResourceKind::User.urn()])
            .prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::from),
            vec((names.clone(), inner), 0..6)
                .prop_map(|members| { Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),) }),
        ]
    })
}

/// The name of an attribute.
pub(crate) fn path(urn: Option<&str>, name: &str, sub: Option<&str>) -> AttrPath {
    AttrPath { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) }
}

/// Names of attributes that hold text, as a filter over facts can name them.
fn text_path() -> impl Strategy<Value = AttrPath> {
    let core = Some(ResourceKind::User.urn());
    select(vec![
        path(None, "userName", None),
        path(None, "USERNAME", None),
        path(core, "title", None),
        path(None, "id", None),
        path(None, "externalId", None),
        path(None, "nickName", None),
        path(None, "name", Some("givenName")),
        path(None, "name", Some("familyName")),
        path(None, "emails", None),
        path(None, "emails", Some("value")),
        path(None, "emails", Some("type")),
        path(None, "phoneNumbers", Some("display")),
        path(None, "addresses", Some("locality")),
        path(None, "roles", None),
        path(None, "groups", Some("display")),
        path(None, "groups", None),
        path(Some(ENTERPRISE), "department", None),
        path(Some(ENTERPRISE), "manager", Some("value")),
        path(Some(ENTERPRISE), "manager", None),
        path(Some(ENTERPRISE), "manager", Some("$ref")),
        path(None, "schemas", None),
        path(None, "meta", Some("resourceType")),
    ])
}

fn claim_path() -> impl Strategy<Value = AttrPath> {
    select(vec![
        path(None, "claims", Some("groups")),
        path(None, "claims", Some("dept")),
        path(None, "claims", Some("http://x.example/role")),
        path(None, "claims", Some("missing")),
    ])
}

/// An operator and a text, or null.
pub(crate) fn text_comparison() -> impl Strategy<Value = (CompareOp, Literal)> {
    prop_oneof![
        8 => (select(&CompareOp::ALL[..]), text().prop_map(Literal::String)),
        1 => select(vec![CompareOp::Eq, CompareOp::Ne]).prop_map(|op| (op, Literal::Null)),
    ]
}

fn equality() -> impl Strategy<Value = CompareOp> {
    select(vec![CompareOp::Eq, CompareOp::Ne])
}

fn boolean_comparison() -> impl Strategy<Value = (CompareOp, Literal)> {
    (
        equality(),
        prop_oneof![
            4 => any::<bool>().prop_map(Literal::Bool),
            1 => Just(Literal::Null)
        ],
    )
}

/// An operator that orders, and a time.
pub(crate) fn time_comparison() -> impl Strategy<Value = (CompareOp, Literal)> {
    let ops = vec![CompareOp::Eq, CompareOp::Ne, CompareOp::Gt, CompareOp::Ge, CompareOp::Lt, CompareOp::Le];
    (select(ops), time().prop_map(Literal::String))
}

/// A filter of one comparison.
pub(crate) fn compare(path: AttrPath, (op, literal): (CompareOp, Literal)) -> Filter {
    Filter::Compare { path, op, literal }
}

/// Filters inside brackets: over `value`, `type`, `display` and `primary`.
pub(crate) fn element_filter() -> BoxedStrategy<Filter> {
    let sub = || select(vec!["value", "type", "display"]).prop_map(|sub| path(None, sub, None));
    let leaf = prop_oneof![
        4 => (sub(), text_comparison()).prop_map(|(path, comparison)| compare(path, comparison)),
        1 => boolean_comparison().prop_map(|comparison| compare(path(None, "primary", None), comparison)),
        1 => sub().prop_map(|path| Filter::Present { path }),
    ];
    combined(leaf.boxed(), 2)
}

/// Filters of these tests, joined by `and`, `or` and `not`.
pub(crate) fn combined(leaf: BoxedStrategy<Filter>, depth: u32) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(depth, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Filter::And),
            vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|operand| Filter::Not(Box::new(operand))),
        ]
    })
    .boxed()
}

/// A test on an element after brackets, as Entra writes it.
fn then() -> impl Strategy<Value = Then> {
    let comparison = prop_oneof![
        (select(vec!["value", "type"]), text_comparison().prop_map(Some)),
        (Just("primary"), boolean_comparison().prop_map(Some)),
        (select(vec!["display", "primary"]), Just(None)),
    ];
    comparison.prop_map(|(sub, comparison)| Then { sub: sub.to_owned(), comparison })
}

/// Filters of one test over a User.
pub(crate) fn user_leaf() -> BoxedStrategy<Filter> {
    let selected = select(vec!["emails", "phoneNumbers", "ROLES"]);
    prop_oneof![
        6 => (text_path(), text_comparison()).prop_map(|(path, comparison)| compare(path, comparison)),
        1 => boolean_comparison().prop_map(|comparison| compare(path(None, "active", None), comparison)),
        1 => time_comparison().prop_map(|comparison| compare(path(None, "meta", Some("created")), comparison)),
        2 => prop_oneof![text_path(), Just(path(None, "name", None)), Just(path(None, "active", None))].prop_map(|path| Filter::Present { path }),
        2 => (selected, element_filter(), option::of(then())).prop_map(|(name, filter, then)| Filter::ValuePath {
            path: path(None, name, None),
            filter: Box::new(filter),
            then,
        }),
    ]
    .boxed()
}

/// Filters over Users that resolve in every profile.
pub(crate) fn user_filter() -> BoxedStrategy<Filter> {
    combined(user_leaf(), 3)
}

/// Filters over facts: those over Users, and claims among them.
pub(crate) fn facts_filter() -> BoxedStrategy<Filter> {
    let claim = prop_oneof![
        3 => (claim_path(), text_comparison()).prop_map(|(path, comparison)| compare(path, comparison)),
        1 => claim_path().prop_map(|path| Filter::Present { path }),
    ];
    combined(prop_oneof![3 => user_leaf(), 1 => claim].boxed(), 3)
}

/// Filters that follow the grammar, with names that no schema has, any text and any number.
pub(crate) fn any_filter() -> BoxedStrategy<Filter> {
    let name = || "[$]?[a-zA-Z][a-zA-Z0-9_-]{0,8}";
    let urn = "urn:[a-z0-9][a-z0-9.:-]{0,12}[a-z0-9]";
    let any_path = prop_oneof![
        6 => (option::of(urn), name(), option::of(name())).prop_map(|(urn, name, sub)| AttrPath { urn, name, sub }),
        1 => "[a-zA-Z0-9_.:/$-]{1,12}".prop_map(|claim| path(None, "claims", Some(&claim))),
    ]
    .boxed();
    let literal = prop_oneof![
        any::<String>().prop_map(|text| Literal::String(text.replace('\0', ""))),
        any::<bool>().prop_map(Literal::Bool),
        Just(Literal::Null),
        any::<i64>().prop_map(|number| Literal::Number(number.into())),
        proptest::num::f64::NORMAL
            .prop_map(|number| { serde_json::Number::from_f64(number).map_or(Literal::Null, Literal::Number) }),
    ];
    let condition = (select(&CompareOp::ALL[..]), literal).boxed();
    let simple = prop_oneof![
        (any_path.clone(), condition.clone()).prop_map(|(path, comparison)| compare(path, comparison)),
        any_path.clone().prop_map(|path| Filter::Present { path }),
    ]
    .boxed();
    let whole = any_path.prop_filter_map("brackets follow an attribute", |path| (path.sub.is_none()).then_some(path));
    let then = option::of((name(), option::of(condition)).prop_map(|(sub, comparison)| Then { sub, comparison }));
    let selected = (whole, combined(simple.clone(), 2), then).prop_map(|(path, filter, then)| Filter::ValuePath {
        path,
        filter: Box::new(filter),
        then,
    });
    combined(prop_oneof![3 => simple, 1 => selected].boxed(), 3)
}
