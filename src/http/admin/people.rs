//! People: who there is, and logins that are made, edited, deactivated and deleted by hand.

use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::ETAG;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::{self, PAGE};
use super::problem::Problem;
use super::rules::versions;
use crate::app::App;
use crate::directory::access::{Permission, Reach};
use crate::directory::people::fields::Fields;
use crate::directory::people::{Awaited, Change, Filter, NewPerson, People, Shown};
use crate::http::layers::RequestId;
use crate::model::{AccountId, ConnectionId, LoginId, LoginKind, PersonId};

/// `GET /people`: those whom who asks may see.
pub(super) async fn list(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let people = people(&app, &asker, &id, Permission::ViewPeople)?;
    let (filter, limit) = filter(uri.query().unwrap_or_default())?;
    let found = people.list(&filter, limit).await?;
    let items: Vec<_> = found.people.iter().map(|one| described(people.reach, one)).collect();
    Ok(Body(json!({ "items": items, "next": found.next })))
}

/// `GET /people/{login}`: one.
pub(super) async fn read(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
) -> Result<Response, Problem> {
    let people = people(&app, &asker, &id, Permission::ViewPeople)?;
    Ok(shown(StatusCode::OK, &people, &people.read(named(&login)?).await?))
}

/// The body of `POST /people`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    kind: LoginKind,
    account: AccountId,
    user_name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    phone_numbers: Vec<String>,
    token_type: Option<String>,
    mobile_type: Option<String>,
    awaits: Option<Awaits>,
    #[serde(default)]
    invite: bool,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Awaits {
    connection: ConnectionId,
    claim: Option<String>,
    value: String,
}

/// `POST /people`: makes a login, with a person of its own.
pub(super) async fn create(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Body(new): Body<Create>,
) -> Result<Response, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let Create { kind, account, user_name, given_name, family_name, email, phone_numbers, token_type, mobile_type, .. } = new;
    let fields = Fields { user_name, given_name, family_name, email, phone_numbers, token_type, mobile_type }.tidied();
    let awaits = new.awaits.map(|Awaits { connection, claim, value }| Awaited { connection, claim, value });
    let new = NewPerson { kind, account, fields, awaits, invite: new.invite, reason: new.reason };
    Ok(shown(StatusCode::CREATED, &people, &people.create(&new).await?))
}

/// The body of `PATCH /people/{login}`. Some of it a login keeps for life: who sends that is told so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    user_name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    email: Option<String>,
    phone_numbers: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "given")]
    mobile_type: Option<String>,
    kind: Option<Value>,
    account: Option<Value>,
    awaits: Option<Value>,
    reason: Option<String>,
}

/// Tells null, which is nothing, from what was left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.unwrap_or_default()))
}

/// `PATCH /people/{login}`: changes what is written down of somebody.
pub(super) async fn edit(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
    headers: HeaderMap,
    Body(edit): Body<Edit>,
) -> Result<Response, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let kept = [("kind", &edit.kind), ("account", &edit.account), ("awaits", &edit.awaits)];
    let kept = kept.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
    let change = Change {
        user_name: edit.user_name,
        given_name: edit.given_name,
        family_name: edit.family_name,
        email: edit.email,
        phone_numbers: edit.phone_numbers,
        token_type: edit.token_type,
        mobile_type: edit.mobile_type,
        kept,
        reason: edit.reason,
    };
    let edited = people.edit(named(&login)?, &change, versions(&headers).as_deref()).await?;
    Ok(shown(StatusCode::OK, &people, &edited))
}

/// Why something is done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    reason: Option<String>,
}

/// `POST /people/{login}/deactivate`: ends its sessions, and keeps what it was given.
pub(super) async fn deactivate(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
    Body(why): Body<Reason>,
) -> Result<Response, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let done = people.deactivate(named(&login)?, why.reason.as_deref()).await?;
    Ok(shown(StatusCode::OK, &people, &done))
}

/// `POST /people/{login}/reactivate`: lets it in again.
pub(super) async fn reactivate(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
    Body(why): Body<Reason>,
) -> Result<Response, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let done = people.reactivate(named(&login)?, why.reason.as_deref()).await?;
    Ok(shown(StatusCode::OK, &people, &done))
}

/// `POST /people/{login}/invite`: notes that somebody is asked to come.
pub(super) async fn invite(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
) -> Result<Response, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let done = people.invite(named(&login)?).await?;
    Ok(shown(StatusCode::OK, &people, &done))
}

/// `POST /people/{login}/deletion`: what a deletion comes to, and what confirms it.
pub(super) async fn deletion(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
) -> Result<Body<Value>, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    Ok(Body(json!(people.consequences(named(&login)?).await?)))
}

/// `DELETE /people/{login}`: deletes it, once that was confirmed.
pub(super) async fn delete(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(login): Path<String>,
    uri: OriginalUri,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let (mut confirmation, mut reason) = (None, None);
    for (name, value) in paging::parameters(uri.query().unwrap_or_default())? {
        match name.as_str() {
            "confirmation" => confirmation = Some(value),
            "reason" => reason = Some(value),
            _ => return Err(Problem::invalid("there are the parameters confirmation, reason")),
        }
    }
    let ask = "confirmation: ask with POST …/deletion what this comes to, and send what it answers";
    let confirmation = confirmation.ok_or_else(|| Problem::invalid(ask))?;
    people.delete(named(&login)?, &confirmation, reason.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /persons/{person}/deactivate`: ends the sessions of all logins of a person.
pub(super) async fn deactivate_person(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(person): Path<String>,
    Body(why): Body<Reason>,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let person: PersonId = person.parse().map_err(|_| Problem::not_found())?;
    people.deactivate_person(person, why.reason.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /persons/{person}/reactivate`: lets a person in again.
pub(super) async fn reactivate_person(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(person): Path<String>,
    Body(why): Body<Reason>,
) -> Result<StatusCode, Problem> {
    let people = people(&app, &asker, &id, Permission::ManagePeople)?;
    let person: PersonId = person.parse().map_err(|_| Problem::not_found())?;
    people.reactivate_person(person, why.reason.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn people<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId, permission: Permission) -> Result<People<'a>, Problem> {
    let (reach, by) = (asker.reach_for(permission)?, asker.hand()?);
    let caller = id.caller(app, asker.actor());
    Ok(People { store: &app.store, tenant: asker.tenant(), by, reach, rules: &app.rules, sealer: &app.sealer, caller })
}

pub(super) fn named(id: &str) -> Result<LoginId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// A login with its version, which is its entity tag too.
fn shown(status: StatusCode, people: &People<'_>, one: &Shown) -> Response {
    (status, [(ETAG, format!("\"{}\"", one.row.version))], Body(described(people.reach, one))).into_response()
}

/// The home of a login. One out of sight has no name here.
pub(super) fn home(reach: &Reach, account: AccountId) -> Option<Value> {
    let sees = reach.allows(Permission::ViewPeople, account);
    sees.then(|| json!({ "id": account, "path": reach.tree().path(account) }))
}

fn described(reach: &Reach, Shown { row, awaits }: &Shown) -> Value {
    let values = |name: &str| -> Vec<&Value> {
        row.scim[name].as_array().into_iter().flatten().map(|element| &element["value"]).filter(|value| value.is_string()).collect()
    };
    json!({
        "login": row.id,
        "person": row.person_id,
        "kind": row.kind,
        "state": row.state,
        "user_name": row.user_name,
        "display_name": row.scim["displayName"],
        "given_name": row.scim["name"]["givenName"],
        "family_name": row.scim["name"]["familyName"],
        "email": values("emails").first(),
        "phone_numbers": values("phoneNumbers"),
        "token_type": row.token_type,
        "mobile_type": row.mobile_type,
        "home": home(reach, row.home_account_id),
        "directory": row.directory_id,
        "connection": row.connection_id,
        "awaits": awaits.as_ref().map(|(claim, value)| json!({ "claim": claim, "value": value })),
        "invited_at": row.invited_at,
        "signed_in_at": row.signed_in_at,
        "created_at": row.created_at,
        "version": row.version,
    })
}

/// Reads the parameters of the list.
fn filter(text: &str) -> Result<(Filter, u32), Problem> {
    let (mut filter, mut limit) = (Filter::default(), PAGE);
    for (name, value) in paging::parameters(text)? {
        let wrong = |what: &str| Problem::invalid(format!("{name}: {what}"));
        match name.as_str() {
            "search" => filter.search = Some(value),
            "account" => filter.account = Some(value.parse().map_err(|_| wrong("the id of an account"))?),
            "state" => {
                let state = serde_json::from_value(json!(value));
                filter.state = Some(state.map_err(|_| wrong("invited, pending, active or deactivated"))?);
            }
            "kind" => filter.kind = Some(serde_json::from_value(json!(value)).map_err(|_| wrong("byoi or local"))?),
            "directory" => filter.directory = Some(value.parse().map_err(|_| wrong("the id of a directory"))?),
            "connection" => filter.connection = Some(value.parse().map_err(|_| wrong("the id of a connection"))?),
            "after" => filter.after = Some(value.parse().map_err(|_| wrong("the next of a former page"))?),
            "limit" => limit = paging::limit(&value)?,
            _ => {
                let names = "search, account, state, kind, directory, connection, after, limit";
                return Err(Problem::invalid(format!("there are the parameters {names}")));
            }
        }
    }
    Ok((filter, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PresenceState;

    #[test]
    fn parameters_are_read_and_wrong_ones_refused() {
        let id = "01990a4c-0000-7000-8000-000000000000";
        let (found, limit) = filter(&format!("search=Joe&account={id}&state=invited&kind=local&connection={id}&limit=7")).unwrap();
        assert_eq!((found.search.as_deref(), found.state, limit), (Some("Joe"), Some(PresenceState::Invited), 7));
        assert_eq!((found.kind, found.account.unwrap().to_string().as_str()), (Some(LoginKind::Local), id));
        for bad in
            ["state=gone", "kind=saml", "account=x", "directory=", "connection=joe", "after=x", "limit=0", "name=joe", "search=%00"]
        {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_is_told_from_what_was_left_out() {
        let read = |text: &str| serde_json::from_str::<Edit>(text).unwrap();
        assert_eq!((read("{}").token_type, read("{\"token_type\":null}").token_type), (None, Some(String::new())));
        assert_eq!(read("{\"mobile_type\":\"x\"}").mobile_type, Some("x".to_owned()));
    }
}
