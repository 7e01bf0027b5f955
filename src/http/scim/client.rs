//! Who asks: a directory's client, by its bearer token, within its share of requests.
//!
//! Whoever has no good token of the directory that the path names gets one and the same answer, whatever the reason (A07, Z04): no such
//! directory or tenant, another one's token, one that was revoked, has expired or was rotated out, a directory that is off, a
//! text that is no token. Only who passes this is counted against the directory's rate, and is told what their token may not do.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_MATCH, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::trace::{Slip, Traced};
use super::{Names, ScimFailure, base};
use crate::app::App;
use crate::directory::Caller;
use crate::directory::provision::Provisioning;
use crate::directory::settings::tolerance;
use crate::http::layers::RequestId;
use crate::http::limits::TooMany;
use crate::keys::BearerToken;
use crate::model::{Actor, Directory, DirectoryId, Scope, Scopes, TenantId, TokenId};
use crate::provisioning::{Endpoint, Failure, Precondition};
use crate::scim::message::ScimError;
use crate::scim::profile::{Coercion, Leniency, Profile, Tolerance, rule};
use crate::store::TokenRow;

/// A request of a directory's client, authenticated.
pub(super) struct Client {
    pub(super) app: App,
    pub(super) tenant: TenantId,
    pub(super) directory: Directory,
    pub(super) profile: Profile,
    pub(super) tolerance: Tolerance,
    /// The tolerances that the head of the request needed.
    pub(super) noted: Vec<Coercion>,
    pub(super) base: String,
    pub(super) actor: Actor,
    pub(super) token: TokenId,
    pub(super) scopes: Scopes,
    pub(super) request_id: RequestId,
    pub(super) precondition: Precondition,
}

impl Client {
    /// What provisioning works on.
    pub(super) fn endpoint(&self) -> Endpoint<'_> {
        Endpoint {
            to: Provisioning {
                store: &self.app.store,
                tenant: self.tenant,
                directory: &self.directory,
                caller: self.caller(),
                sealer: &self.app.sealer,
                rules: &self.app.rules,
            },
            profile: self.profile,
            tolerance: &self.tolerance,
            noted: &self.noted,
            base: &self.base,
            precondition: &self.precondition,
        }
    }

    fn caller(&self) -> Caller<'_> {
        self.request_id.caller(&self.app, self.actor)
    }

    /// Refuses a token that may only read.
    pub(super) fn writing(&self) -> Result<(), Failure> {
        if self.scopes.allow(Scope::Scim) {
            Ok(())
        } else {
            Err(ScimError::new(403, "this token may only read; use one with the scope scim").into())
        }
    }

    /// Refuses a change that does not say which version it is of, where the directory asks for that (V05, RFC 6585 section 3).
    pub(super) fn conditional(&self) -> Result<(), Failure> {
        if self.tolerance.require_if_match && self.precondition == Precondition::None {
            let detail = "this directory asks for If-Match with each change; fetch the resource and send its version";
            return Err(ScimError::new(428, detail).into());
        }
        Ok(())
    }

    /// Counts what the client profile put right.
    pub(super) fn count(&self, coercions: &[Coercion]) {
        for coercion in coercions {
            self.app.metrics.scim_coercion(self.profile.as_str(), coercion.rule);
        }
    }
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) enum Denied {
    /// An answer in SCIM's format.
    Failure(ScimFailure),
    /// The directory's client is too fast.
    TooMany(TooMany),
}

impl From<ScimFailure> for Denied {
    fn from(failure: ScimFailure) -> Self {
        Self::Failure(failure)
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Self::Failure(failure) => failure.into_response(),
            Self::TooMany(TooMany { retry_after }) => {
                let text = format!("this directory has sent more requests than it may; send the next in {retry_after} s");
                let mut response = ScimFailure(ScimError::new(429, text)).into_response();
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after));
                response
            }
        }
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Denied> {
        let request_id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(|| RequestId(String::new()));
        let named = directory(parts).await?;
        let token = authenticate(&parts.headers, app).await?;
        let token = token.filter(|token| Some(token.directory.id) == named).ok_or_else(unauthorized)?;
        let (profile, tolerance) = tolerance(&token.directory);
        if let Err(too_many) = app.limits.take(&token.directory) {
            app.metrics.scim_rate_limited(profile.as_str());
            return Err(Denied::TooMany(too_many));
        }
        // Only what is within the rate is traced, so that a flood does not push out what somebody wants to read.
        if let Some(slip) = parts.extensions.get::<Slip>()
            && token.directory.trace_until.is_some_and(|until| until > app.clock.now())
        {
            slip.name(Traced { tenant: token.tenant_id, directory: token.directory.id, token: token.token_id });
        }
        if !token.scopes.allow(Scope::ScimRead) {
            let error = ScimError::new(403, "this token is not for SCIM; use one with the scope scim or scim:read");
            return Err(ScimFailure::from(error).into());
        }
        touch(app, &token).await;
        let precondition =
            parts.headers.get(IF_MATCH).and_then(|value| value.to_str().ok()).map_or(Precondition::None, Precondition::parse);
        Ok(Self {
            app: app.clone(),
            tenant: token.tenant_id,
            profile,
            tolerance,
            noted: noted(&parts.method, &parts.headers, &tolerance),
            base: base(app, token.directory.id),
            actor: Actor::Directory { directory: token.directory.id, token: token.token_id },
            token: token.token_id,
            scopes: token.scopes,
            directory: token.directory,
            request_id,
            precondition,
        })
    }
}

/// What the head of a request needs a tolerance for (A03).
fn noted(method: &Method, headers: &HeaderMap, tolerance: &Tolerance) -> Vec<Coercion> {
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    if !has_body || headers.contains_key(CONTENT_TYPE) || tolerance.missing_content_type == Leniency::Refuse {
        return Vec::new();
    }
    vec![Coercion { rule: rule::MISSING_CONTENT_TYPE, path: "Content-Type".to_owned() }]
}

/// The directory that the path names, if that is one of our ids.
pub(super) async fn directory(parts: &mut Parts) -> Result<Option<DirectoryId>, ScimFailure> {
    let Names(path) = Names::<Vec<(String, String)>>::from_request_parts(parts, &()).await?;
    Ok(path.into_iter().find(|(name, _)| name == "directory").and_then(|(_, id)| id.parse().ok()))
}

/// The good token that a request carries, whatever its scopes. `None` is all that anybody may learn of any other.
pub(in crate::http) async fn authenticate(headers: &HeaderMap, app: &App) -> Result<Option<TokenRow>, ScimFailure> {
    let Some(token) = bearer(headers).and_then(|text| BearerToken::parse(text).ok()) else { return Ok(None) };
    let found = app.store.doors().token(token.lookup).await.map_err(Failure::from)?;
    let now = app.clock.now();
    Ok(found.filter(|row| row.digest == token.digest && row.expires_at.is_none_or(|at| at > now)))
}

/// The token of an `Authorization: Bearer` header; the scheme in any letter case (RFC 9110 section 11.1).
pub(in crate::http) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized() -> ScimFailure {
    ScimError::new(401, "a valid bearer token of this directory is needed").into()
}

/// Notes that a token is in use, at most once a minute. A request is not refused because that could not be written.
pub(in crate::http) async fn touch(app: &App, token: &TokenRow) {
    let now = app.clock.now();
    if token.last_used_at.is_some_and(|at| at >= now - TimeDelta::minutes(1)) {
        return;
    }
    let touched = async {
        let mut writer = app.store.write(token.tenant_id).await?;
        writer.touch_token(token.token_id, now).await?;
        writer.commit().await
    };
    if let Err(error) = touched.await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the use of a token could not be noted");
    }
}
