//! Decisions for portals, as the `OpenID` `AuthZEN` Authorization API 1.0 has them: may this login do that on this account?
//!
//! A subject is `{"type": "login", "id": …}`, an action the name of a permission of the tenant's catalogue, a resource
//! `{"type": "account", "id": …}`, where `properties` may name a `service` and an `instance` of it. Members that we do not know are
//! for others and left alone. Whatever is unknown, foreign, or nothing that who asks may see people of, is `{"decision": false}`.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::asker::{Body, Questioner};
use super::problem::Problem;
use crate::app::App;
use crate::directory::evaluation::{Decision, Evaluator, Question};

/// How many evaluations one request may ask for.
const MOST: usize = 100;

/// The routes below `/access/v1`.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/evaluation", post(one)).route("/evaluations", post(many))
}

/// `/.well-known/authzen-configuration` (section 9 of the specification).
pub(in crate::http) fn metadata() -> Router<App> {
    Router::new().route("/.well-known/authzen-configuration", get(configuration))
}

async fn configuration(State(app): State<App>) -> Response {
    let url = &app.settings.server.public_url;
    let body = json!({
        "policy_decision_point": url.at(""),
        "access_evaluation_endpoint": url.at("/access/v1/evaluation"),
        "access_evaluations_endpoint": url.at("/access/v1/evaluations"),
    });
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=3600")], body.to_string()).into_response()
}

/// Who is to do something.
#[derive(Clone, Debug, Deserialize)]
struct Subject {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// What they are to do.
#[derive(Clone, Debug, Deserialize)]
struct Action {
    name: String,
}

/// With what.
#[derive(Clone, Debug, Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default)]
    properties: Properties,
}

/// What narrows an account.
#[derive(Clone, Debug, Default, Deserialize)]
struct Properties {
    service: Option<String>,
    instance: Option<String>,
}

/// An evaluation, or what those of a batch have in common.
#[derive(Clone, Debug, Deserialize)]
struct Asked {
    subject: Option<Subject>,
    action: Option<Action>,
    resource: Option<Resource>,
    /// What is around the request; no rule of ours reads it.
    #[serde(default, rename = "context")]
    _context: Option<serde_json::Map<String, Value>>,
}

/// The body of `POST /access/v1/evaluation`.
#[derive(Debug, Deserialize)]
pub(super) struct One {
    #[serde(flatten)]
    asked: Asked,
}

/// The body of `POST /access/v1/evaluations`.
#[derive(Debug, Deserialize)]
pub(super) struct Many {
    #[serde(flatten)]
    common: Asked,
    #[serde(default)]
    evaluations: Vec<Asked>,
    #[serde(default)]
    options: Options,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    evaluations_semantic: Semantic,
}

/// When a batch ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

impl Semantic {
    /// Whether nothing is evaluated after this decision.
    fn ends_with(self, decision: bool) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => !decision,
            Self::PermitOnFirstPermit => decision,
        }
    }
}

/// `POST /access/v1/evaluation`: one decision.
async fn one(State(app): State<App>, asker: Questioner, Body(One { asked }): Body<One>) -> Result<Body<Value>, Problem> {
    let evaluation = asked.complete(None).map_err(Problem::invalid)?;
    let mut evaluator = asker.evaluator(&app).await?;
    Ok(Body(shown(evaluation.decide(&mut evaluator).await?)))
}

/// `POST /access/v1/evaluations`: many. Without `evaluations` it is asked and answered as one is.
async fn many(State(app): State<App>, asker: Questioner, Body(batch): Body<Many>) -> Result<Body<Value>, Problem> {
    let Many { common, evaluations, options } = batch;
    if evaluations.len() > MOST {
        return Err(Problem::invalid(format!("evaluations: at most {MOST} in one request")));
    }
    if evaluations.is_empty() {
        return one(State(app), asker, Body(One { asked: common })).await;
    }
    let mut evaluator = asker.evaluator(&app).await?;
    let mut answers = Vec::with_capacity(evaluations.len());
    for asked in evaluations {
        // What is wrong with one is told in its own place, and is a no.
        let (decision, answer) = match asked.complete(Some(&common)) {
            Ok(evaluation) => {
                let decision = evaluation.decide(&mut evaluator).await?;
                (decision != Decision::Deny, shown(decision))
            }
            Err(message) => (false, json!({ "decision": false, "context": { "error": { "status": 400, "message": message } } })),
        };
        answers.push(answer);
        if options.evaluations_semantic.ends_with(decision) {
            break;
        }
    }
    Ok(Body(json!({ "evaluations": answers })))
}

/// An evaluation with all its parts.
#[derive(Debug)]
struct Evaluation {
    subject: Subject,
    action: Action,
    resource: Resource,
}

impl Asked {
    /// The parts, those that are left out taken from what the batch has in common; or what is missing.
    fn complete(self, common: Option<&Self>) -> Result<Evaluation, String> {
        let missing = |part: &str| format!("{part}: say which");
        let subject = self.subject.or_else(|| common?.subject.clone()).ok_or_else(|| missing("subject"))?;
        let action = self.action.or_else(|| common?.action.clone()).ok_or_else(|| missing("action"))?;
        let resource = self.resource.or_else(|| common?.resource.clone()).ok_or_else(|| missing("resource"))?;
        Ok(Evaluation { subject, action, resource })
    }
}

impl Evaluation {
    async fn decide(&self, evaluator: &mut Evaluator) -> Result<Decision, Problem> {
        let Self { subject, action, resource } = self;
        if subject.kind != "login" || resource.kind != "account" {
            return Ok(Decision::Deny);
        }
        let (Ok(login), Ok(account)) = (subject.id.parse(), resource.id.parse()) else { return Ok(Decision::Deny) };
        let Properties { service, instance } = &resource.properties;
        let question = Question { permission: &action.name, service: service.as_deref(), instance: instance.as_deref() };
        Ok(evaluator.decide(login, account, question).await?)
    }
}

/// The answer (section 6.2 of the specification). Its context tells a portal to ask for a fresh sign-in first.
fn shown(decision: Decision) -> Value {
    match decision {
        Decision::Deny => json!({ "decision": false }),
        Decision::Allow { step_up: false } => json!({ "decision": true }),
        Decision::Allow { step_up: true } => json!({ "decision": true, "context": { "step_up": true } }),
    }
}
