//! The stylesheet, the icon and the one script: compiled in, named by their digest, and cached for ever.
//!
//! While replicas of two versions answer side by side, a page of the one may ask the other for its stylesheet. A known name
//! with another digest therefore gets the present file, which nobody may cache, rather than nothing.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use sha2::{Digest as _, Sha256};

struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    url: String,
}

impl Asset {
    fn new(stem: &'static str, extension: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = Sha256::digest(bytes).iter().take(8).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self { stem, extension, content_type, bytes, url: format!("/assets/{stem}-{digest}.{extension}") }
    }

    /// Whether `file` is this asset in any version: `{stem}-{hex}.{extension}`.
    fn is_named(&self, file: &str) -> bool {
        file.strip_prefix(self.stem)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(self.extension))
            .and_then(|rest| rest.strip_suffix('.'))
            .is_some_and(|digest| digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

static STYLESHEET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("vestibule", "css", "text/css; charset=utf-8", include_bytes!("vestibule.css")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("icon.svg")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("post", "js", "text/javascript; charset=utf-8", include_bytes!("post.js")));

/// The path of the stylesheet, which changes with its content.
#[must_use]
pub fn stylesheet_url() -> &'static str {
    &STYLESHEET.url
}

/// The path of the icon, which changes with its content.
#[must_use]
pub fn icon_url() -> &'static str {
    &ICON.url
}

/// The path of the script that sends a form on, which changes with its content.
#[must_use]
pub fn script_url() -> &'static str {
    &SCRIPT.url
}

/// Serves `/assets/{file}`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{file}", get(asset))
}

async fn asset(Path(file): Path<String>) -> Response {
    let Some(asset) = [&*STYLESHEET, &*ICON, &*SCRIPT].into_iter().find(|asset| asset.is_named(&file)) else {
        return (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")]).into_response();
    };
    let this_version = asset.url.strip_prefix("/assets/") == Some(file.as_str());
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, if this_version { "public, max-age=31536000, immutable" } else { "no-store" }),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(path: &str) -> Response {
        router::<()>().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn the_present_version_is_cached_for_ever() {
        for (url, content_type) in [
            (stylesheet_url(), "text/css; charset=utf-8"),
            (icon_url(), "image/svg+xml"),
            (script_url(), "text/javascript; charset=utf-8"),
        ] {
            let answer = get(url).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[header::CONTENT_TYPE], content_type);
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn another_version_gets_the_present_file_uncached() {
        let answer = get("/assets/vestibule-0123456789abcdef.css").await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[tokio::test]
    async fn other_names_are_unknown() {
        for path in [
            "/assets/vestibule.css",
            "/assets/vestibule-.css",
            "/assets/vestibule-0123456789abcdeg.css",
            "/assets/x-0123456789abcdef.css",
        ] {
            assert_eq!(get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
