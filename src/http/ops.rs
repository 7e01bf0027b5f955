//! The operations listener, apart from the public one.
//!
//! | route | answer |
//! |---|---|
//! | `GET /livez` | 200 `ok` as long as the process answers at all; it looks at nothing else, so that a slow database never gets a healthy process killed |
//! | `GET /readyz` | 200 `ok` when requests can be served, else 503 with one word: `database`, `migrations`, `stopping` or `timeout` |
//! | `GET /metrics` | every figure, in the text format of `OpenMetrics` |
//!
//! Nothing here is authenticated: bind it where only the operator's network reaches. The words say what kind of thing is
//! wrong and nothing of where; the log has the rest.

use std::{future::Future, time::Duration};

use axum::{Router, http::StatusCode, http::header, response::IntoResponse as _, response::Response, routing::get};

use crate::metrics::{CONTENT_TYPE, Metrics};

/// A probe that waits longer than this is no use to who asked.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why requests cannot be served now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotReady {
    /// It cannot be reached, or refuses us.
    #[error("database")]
    Database,
    /// Its schema is not the one that this version needs.
    #[error("migrations")]
    Migrations,
    /// The process was told to end.
    #[error("stopping")]
    Stopping,
    /// The check itself did not come back.
    #[error("timeout")]
    Timeout,
}

/// The routes. `ready` is called at each `/readyz`.
pub fn router<Check, Answer>(metrics: Metrics, ready: Check) -> Router
where
    Check: Fn() -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Result<(), NotReady>> + Send + 'static,
{
    with_patience(metrics, ready, PATIENCE)
}

fn with_patience<Check, Answer>(metrics: Metrics, ready: Check, patience: Duration) -> Router
where
    Check: Fn() -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Result<(), NotReady>> + Send + 'static,
{
    let readyz = async move || match tokio::time::timeout(patience, ready()).await.unwrap_or(Err(NotReady::Timeout)) {
        Ok(()) => plain(StatusCode::OK, "ok"),
        Err(reason) => {
            tracing::warn!(%reason, "not ready");
            plain(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string())
        }
    };
    Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "ok")))
        .route("/readyz", get(readyz))
        .route("/metrics", get(async move || ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.render())))
}

fn plain(status: StatusCode, word: &str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], format!("{word}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(router: Router, path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let (parts, body) = response.into_parts();
        (parts.status, kind, String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap())
    }

    #[tokio::test]
    async fn a_process_that_is_not_ready_is_alive_all_the_same() {
        for (reason, word) in
            [(NotReady::Database, "database\n"), (NotReady::Migrations, "migrations\n"), (NotReady::Stopping, "stopping\n")]
        {
            let router = router(Metrics::new(), move || async move { Err(reason) });
            let (status, _, body) = get(router.clone(), "/readyz").await;
            assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, word));
            assert_eq!(get(router, "/livez").await.0, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn a_ready_process_says_ok_and_shows_its_figures() {
        let metrics = Metrics::new();
        metrics.sign_in(crate::metrics::SignIn::Known);
        let router = router(metrics, async || Ok(()));
        let (status, _, body) = get(router.clone(), "/readyz").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "ok\n"));
        let (status, kind, body) = get(router, "/metrics").await;
        assert_eq!((status, kind.as_str()), (StatusCode::OK, CONTENT_TYPE));
        assert!(body.contains("vestibule_sign_ins_total{outcome=\"known\"} 1\n"), "{body}");
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_not_waited_for() {
        let router = with_patience(Metrics::new(), std::future::pending, Duration::from_millis(1));
        let (status, _, body) = get(router, "/readyz").await;
        assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "timeout\n"));
    }
}
