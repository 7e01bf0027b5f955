//! Mapping rules, and what a change of one would change.

use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::jobs;
use super::paging::Wanted as Page;
use super::problem::Problem;
use crate::app::App;
use crate::directory::access::Permission;
use crate::directory::rules::{Draft, Preview, Proposal, Rules, Saved};
use crate::http::layers::RequestId;
use crate::model::{AccountId, Grant, Pattern, Rule, RuleBody, RuleId, RuleOrigin};

/// A rule in the body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: String,
    from: RuleOrigin,
    within: AccountId,
    #[serde(default)]
    when: String,
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
    grants: Vec<Grant>,
}

impl From<Wanted> for Draft {
    fn from(wanted: Wanted) -> Self {
        let Wanted { name, from: origin, within, when, pattern, grants } = wanted;
        Self { name, origin, within, body: RuleBody { when, pattern, grants } }
    }
}

/// `GET /rules`: those that who asks may see.
pub(super) async fn list(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let rules = rules(&app, &asker, &id)?;
    let page = Page::read(uri.query().unwrap_or_default())?;
    let (items, next) = page.of(rules.list().await?, |(position, rule)| (*position, rule.id));
    let items: Vec<_> = items.into_iter().map(|(_, rule)| rule).collect();
    Ok(Body(json!({ "items": items, "next": next })))
}

/// `GET /rules/{rule}`: one.
pub(super) async fn read(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(rule): Path<String>,
) -> Result<Response, Problem> {
    let found = rules(&app, &asker, &id)?.read(named(&rule)?).await?;
    Ok(shown(StatusCode::OK, &found))
}

/// `POST /rules`: makes one, and gives what it wants.
pub(super) async fn create(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let made = rules(&app, &asker, &id)?.create(&wanted.into()).await?;
    Ok(saved(StatusCode::CREATED, &made))
}

/// `PUT /rules/{rule}`: changes one, gives what it wants now and takes what it no longer wants.
pub(super) async fn change(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(rule): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Problem> {
    let versions = versions(&headers);
    let changed = rules(&app, &asker, &id)?.change(named(&rule)?, &wanted.into(), versions.as_deref()).await?;
    Ok(saved(StatusCode::OK, &changed))
}

/// `DELETE /rules/{rule}`: deletes one, and takes what it gave.
pub(super) async fn delete(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Path(rule): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = rules(&app, &asker, &id)?.delete(named(&rule)?, versions(&headers).as_deref()).await?;
    Ok((StatusCode::NO_CONTENT, jobs::header(job)).into_response())
}

/// A change of a rule, or with `null` its deletion, in the body of a preview.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeOf {
    id: RuleId,
    rule: Option<Wanted>,
}

/// `POST /rules/preview`: what a new rule, a change or a deletion would change. Changes nothing.
pub(super) async fn preview(
    State(app): State<App>,
    asker: Asker,
    id: RequestId,
    Body(body): Body<Value>,
) -> Result<Body<Value>, Problem> {
    let wrong = |error: serde_json::Error| Problem::invalid(format!("the body: {error}"));
    let proposal = if body.get("id").is_none() {
        Proposal::Create(serde_json::from_value::<Wanted>(body).map_err(wrong)?.into())
    } else if body.get("rule").is_none() {
        // A deletion is said, not forgotten.
        return Err(Problem::invalid("rule: the rule as it is to be, or null for its deletion"));
    } else {
        let ChangeOf { id, rule } = serde_json::from_value(body).map_err(wrong)?;
        rule.map_or(Proposal::Delete(id), |rule| Proposal::Change(id, rule.into()))
    };
    let found = rules(&app, &asker, &id)?.preview(&proposal).await?;
    Ok(Body(told(&found, &asker)?))
}

fn told(preview: &Preview, asker: &Asker) -> Result<Value, Problem> {
    let tree = asker.reach()?.tree();
    let place = |(account, role): &(AccountId, String)| json!({ "account": account, "path": tree.path(*account), "role": role });
    let counts = preview.counts.iter().map(|counted| {
        let mut item = place(&(counted.account, counted.role.clone()));
        item["gain"] = counted.gain.into();
        item["lose"] = counted.lose.into();
        item
    });
    let people = preview.people.iter().map(|change| {
        json!({
            "login": change.name.id,
            "person": change.name.person_id,
            "user_name": change.name.user_name,
            "gains": change.gains.iter().map(place).collect::<Vec<_>>(),
            "loses": change.loses.iter().map(place).collect::<Vec<_>>(),
        })
    });
    let (counts, people): (Vec<_>, Vec<_>) = (counts.collect(), people.collect());
    Ok(json!({ "logins": preview.logins, "counts": counts, "people": people }))
}

fn rules<'a>(app: &'a App, asker: &'a Asker, id: &'a RequestId) -> Result<Rules<'a>, Problem> {
    let (reach, caller) = (asker.reach_for(Permission::ViewRules)?, id.caller(app, asker.actor()));
    Ok(Rules { store: &app.store, tenant: asker.tenant(), book: &app.rules, reach, caller })
}

fn named(id: &str) -> Result<RuleId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}

/// A rule with its version, which is its entity tag too (RFC 9110 section 8.8.3).
fn shown(status: StatusCode, rule: &Rule) -> Response {
    (status, [(ETAG, format!("\"{}\"", rule.version))], Body(json!(rule))).into_response()
}

/// A rule that was saved, and the job that goes on with it.
fn saved(status: StatusCode, saved: &Saved) -> Response {
    (jobs::header(saved.job), shown(status, &saved.rule)).into_response()
}

/// The versions that `If-Match` lists (RFC 9110 section 13.1.1); `None` when it is not there, or any will do. What is no version of
/// ours, weak ones too, is none that a rule has.
pub(super) fn versions(headers: &HeaderMap) -> Option<Vec<i64>> {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    values.peek()?;
    let tags: Vec<_> = values.flat_map(|value| value.to_str().unwrap_or_default().split(',').map(str::trim)).collect();
    if tags == ["*"] {
        return None;
    }
    let version = |tag: &&str| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    Some(tags.iter().filter_map(version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_lists_versions() {
        let table: [(&[&str], Option<&[i64]>); 8] = [
            (&[], None),
            (&["*"], None),
            (&["\"3\""], Some(&[3])),
            (&["\"3\", \"4\""], Some(&[3, 4])),
            (&["\"3\"", "\"4\""], Some(&[3, 4])),
            (&["W/\"3\""], Some(&[])),
            (&["3"], Some(&[])),
            (&[""], Some(&[])),
        ];
        for (values, expected) in table {
            let headers = values.iter().map(|value| (IF_MATCH, value.parse().unwrap())).collect();
            assert_eq!(versions(&headers).as_deref(), expected, "{values:?}");
        }
    }
}
