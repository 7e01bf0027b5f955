//! Counts the statements that a request runs, by the span that the store opens for each.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber as _;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::http::{Answer, Scim};
use super::world::World;

/// The texts of statements, in the order in which they were run.
#[derive(Clone, Debug, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Statements {
    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        if attributes.metadata().name() == "sql" {
            attributes.record(&mut Text(self));
        }
    }
}

struct Text<'s>(&'s Statements);

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "db.query.text" {
            self.0.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

/// Runs something and tells which statements it ran. What it spawns is not seen.
pub(crate) async fn statements_of<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    let statements = Statements::default();
    let done = work.with_subscriber(tracing_subscriber::registry().with(statements.clone())).await;
    let texts = statements.0.lock().unwrap().clone();
    (done, texts)
}

/// Reads a resource or a list inside this process, and tells which statements that took after the token was found.
pub(crate) async fn read_counting(world: &World, scim: &Scim, path: &str) -> (Answer, Vec<String>) {
    let request = Request::get(format!("{}{path}", scim.base))
        .header(AUTHORIZATION, format!("Bearer {}", scim.token))
        .body(Body::empty())
        .unwrap();
    let router = vestibule::http::router(world.app.clone());
    let (answer, texts) = statements_of(async move {
        let response = router.oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = if body.is_empty() { serde_json::Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status, headers, body }
    })
    .await;
    (answer, texts.into_iter().filter(|text| text.contains("tenant_id = $1") && !text.starts_with("update")).collect())
}
