//! What the portal's pages show.

use std::collections::BTreeSet;

use askama::Template;
use chrono::DateTime;
use serde_json::Value;

use super::rp::{Claims, Tokens};
use super::{Account, Ended};

/// What the page calls each claim, in this order; the rest follows by its name.
const MEANINGS: &[(&str, &str)] = &[
    ("iss", "who says so"),
    ("aud", "for whom"),
    ("client_id", "to which client it was given"),
    ("sub", "the login, for ever"),
    ("person", "the human, who may have a second login"),
    ("login", "what kind of login, from which connection, and whether its person has another one"),
    ("name", "what to call them"),
    ("given_name", "first name"),
    ("family_name", "last name"),
    ("preferred_username", "the user name, to show"),
    ("email", "an address to write to, never to recognise somebody by"),
    ("email_verified", "whether anybody has proved it"),
    ("tenant", "the company"),
    ("account", "the one account that this token is for"),
    ("account_path", "the accounts from the root down to it"),
    ("roles", "the roles that the login holds there"),
    ("entitlements", "what these roles permit"),
    ("groups", "its groups in the directory"),
    ("scope", "what was asked for"),
    ("acr", "how strong the sign-in was"),
    ("amr", "by what"),
    ("auth_time", "when they last proved who they are"),
    ("sid", "the session that it rests on"),
    ("grant_id", "what was given to this portal"),
    ("iat", "made"),
    ("exp", "good until"),
    ("nonce", "binds it to this sign-in"),
    ("at_hash", "binds it to the access token"),
    ("jti", "its own name"),
];

/// A claim that is a text; empty where it is not there.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A claim that is a list of texts.
pub(super) fn list(claims: &Claims, name: &str) -> Vec<String> {
    let values = claims.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// One line of a table of claims.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) value: String,
    pub(super) meaning: &'static str,
}

/// The claims of a token, the known ones first.
pub(super) fn rows(claims: &Claims) -> Vec<Row<'_>> {
    let place = |name: &str| MEANINGS.iter().position(|(known, _)| *known == name).unwrap_or(MEANINGS.len());
    let mut rows: Vec<_> = claims
        .iter()
        .map(|(name, value)| Row {
            name,
            value: shown(name, value),
            meaning: MEANINGS.get(place(name)).map_or("", |(_, meaning)| meaning),
        })
        .collect();
    rows.sort_by_key(|row| (place(row.name), row.name));
    rows
}

/// A value as people read it: times as such, lists with commas.
pub(super) fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(|value| shown("", value)).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}: {}", shown(name, value))).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) if ["iat", "exp", "auth_time"].contains(&name) => {
            let time = number.as_i64().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
            time.map_or_else(|| number.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string())
        }
        other => other.to_string(),
    }
}

#[derive(Template)]
#[template(path = "lookout_signed_out.html")]
pub(super) struct SignedOut {
    pub(super) ended: Option<Ended>,
}

#[derive(Template)]
#[template(path = "lookout_signed_in.html")]
pub(super) struct SignedIn<'a> {
    name: &'a str,
    user_name: &'a str,
    login: &'a str,
    person: &'a str,
    sid: &'a str,
    acr: &'a str,
    /// Whether its person has another one.
    is_linked: bool,
    /// Where Vestibule is.
    issuer: &'a str,
    account: &'a str,
    /// The accounts between which one switches without being asked.
    others: Vec<&'a Account>,
    roles: Vec<String>,
    entitlements: Vec<String>,
    tables: [(&'static str, Vec<Row<'a>>); 2],
}

impl<'a> SignedIn<'a> {
    pub(super) fn of(tokens: &'a Tokens, accounts: &'a BTreeSet<Account>) -> Self {
        let claims = &tokens.id_claims;
        let account = text(claims, "account");
        let names = [text(claims, "name"), text(claims, "preferred_username"), text(claims, "sub")];
        Self {
            name: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            user_name: text(claims, "preferred_username"),
            login: text(claims, "sub"),
            person: text(claims, "person"),
            sid: text(claims, "sid"),
            acr: text(claims, "acr"),
            is_linked: claims.get("login").and_then(|login| login.get("linked")) == Some(&Value::Bool(true)),
            issuer: text(claims, "iss"),
            account,
            others: accounts.iter().filter(|other| other.id != account).collect(),
            roles: list(claims, "roles"),
            entitlements: list(claims, "entitlements"),
            tables: [
                ("What the id_token tells this portal", rows(claims)),
                ("What the access token tells the portal’s API", rows(&tokens.access_claims)),
            ],
        }
    }
}

#[derive(Template)]
#[template(path = "lookout_failed.html")]
pub(super) struct Failed<'a> {
    pub(super) what: &'a str,
}
