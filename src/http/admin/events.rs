//! The audit trail: who did what, when, with which login.

use axum::extract::{OriginalUri, State};
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::paging::{self, PAGE};
use super::problem::{Kind, Problem};
use crate::app::App;
use crate::directory::access::{Permission, Reach};
use crate::directory::{PersonalValues, personal_values};
use crate::model::{AccountId, EventKind, LoginId};
use crate::store::{EventQuery, EventRow};

/// `GET /events`: those of the accounts that who asks may audit, newest first. Who may audit the root sees all of the tenant, also what is
/// about no account.
pub(super) async fn list(State(app): State<App>, asker: Asker, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let reach = asker.reach()?;
    let audited = audited(reach)?;
    let (query, limit) = query(uri.query().unwrap_or_default())?;
    let mut reader = app.store.read(asker.tenant());
    let mut rows = match &audited {
        Audited::Tenant => reader.events(&query, limit + 1).await?,
        Audited::Accounts(accounts) => reader.events_of_accounts(accounts, &query, limit + 1).await?,
    };
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| paging::written(row.position()));
    // What is personal is between the tenant and its people: the operator reads that something happened, not the words.
    let ids: Vec<_> = rows.iter().filter(|row| row.values_digest.is_some() && !reach.is_operator()).map(|row| row.id).collect();
    let values = personal_values(&app.store, asker.tenant(), &app.sealer, &ids).await?;
    let items: Vec<_> = rows.iter().map(|row| shown(reach, row, values.get(&row.id))).collect();
    Ok(Body(json!({ "items": items, "next": next })))
}

/// What somebody may audit.
enum Audited {
    /// All of the tenant.
    Tenant,
    /// These accounts, at least one.
    Accounts(Vec<AccountId>),
}

/// What who asks may audit. Nothing is forbidden.
fn audited(reach: &Reach) -> Result<Audited, Problem> {
    if reach.tree().root().is_ok_and(|root| reach.allows(Permission::ViewAudit, root.id)) {
        return Ok(Audited::Tenant);
    }
    let accounts = reach.tree().downwards().into_iter().map(|account| account.id);
    let accounts: Vec<_> = accounts.filter(|id| reach.allows(Permission::ViewAudit, *id)).collect();
    if accounts.is_empty() {
        return Err(Problem::with(Kind::Forbidden, format!("this needs {} on an account", Permission::ViewAudit.as_str())));
    }
    Ok(Audited::Accounts(accounts))
}

/// The accounts that who asks may audit, each after the one above it.
pub(super) fn audited_accounts(reach: &Reach) -> Result<Vec<AccountId>, Problem> {
    Ok(match audited(reach)? {
        Audited::Tenant => reach.tree().downwards().into_iter().map(|account| account.id).collect(),
        Audited::Accounts(accounts) => accounts,
    })
}

fn shown(reach: &Reach, row: &EventRow, values: Option<&PersonalValues>) -> Value {
    let values = match values {
        Some(PersonalValues::Kept(values)) => values.clone(),
        Some(PersonalValues::Erased) => json!("erased"),
        Some(PersonalValues::Unreadable) => json!("unreadable"),
        None if row.values_digest.is_some() => json!("withheld"),
        None => Value::Null,
    };
    let account = row.account_id.map(|id| json!({ "id": id, "path": reach.tree().path(id) }));
    json!({
        "id": row.id,
        "at": row.at,
        "kind": row.kind,
        "actor": row.actor,
        "target": row.target_id,
        "account": account,
        "details": row.details,
        "values": values,
        "request_id": row.request_id,
    })
}

/// Reads the parameters of the list. One that is unknown is refused: a filter that is not applied would show the wrong events.
fn query(text: &str) -> Result<(EventQuery, u32), Problem> {
    let (mut query, mut limit) = (EventQuery::default(), PAGE);
    for (name, value) in paging::parameters(text)? {
        match name.as_str() {
            "kind" => {
                let kind = EventKind::named(&value).ok_or_else(|| Problem::invalid("kind: such as assignment.given"))?;
                query.kind = Some(kind.as_str());
            }
            "actor" => {
                let is_actor = ["operator", "system"].contains(&value.as_str()) || value.parse::<LoginId>().is_ok();
                let wrong = "actor: the id of a login, client, directory or connection, or operator, or system";
                query.actor = Some(is_actor.then_some(value).ok_or_else(|| Problem::invalid(wrong))?);
            }
            "target" => {
                query.target = Some(value.parse().map_err(|_| Problem::invalid("target: the id of what it happened to"))?);
            }
            "request_id" => query.request_id = Some(value),
            "from" => query.from = Some(paging::instant("from", &value)?),
            "to" => query.to = Some(paging::instant("to", &value)?),
            "after" => query.before = Some(paging::after(&value)?),
            "limit" => limit = paging::limit(&value)?,
            _ => {
                return Err(Problem::invalid("there are the parameters kind, actor, target, request_id, from, to, after, limit"));
            }
        }
    }
    Ok((query, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_wrong_ones_refused() {
        let login = "01990a4c-0000-7000-8000-000000000000";
        let text = format!("kind=assignment.given&actor={login}&target={login}&request_id=r&to=2026-01-31T12:00:00Z&limit=7");
        let (found, limit) = query(&text).unwrap();
        assert_eq!((found.kind, found.actor.as_deref().unwrap(), limit), (Some("assignment.given"), login, 7));
        assert_eq!((found.target.unwrap().to_string().as_str(), found.request_id.as_deref()), (login, Some("r")));
        assert_eq!(query("").unwrap(), (EventQuery::default(), 50));
        for actor in ["operator", "system"] {
            assert_eq!(query(&format!("actor={actor}")).unwrap().0.actor.as_deref(), Some(actor));
        }
        for bad in ["kind=x", "actor=joe", "target=7", "from=then", "after=x", "limit=0", "account=7", "kind=a&kind=b"] {
            assert!(query(bad).is_err(), "{bad}");
        }
    }
}
