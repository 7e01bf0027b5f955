//! Who asks the administration API, and what they reach.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};
use crate::app::App;
use crate::directory::access::{self, Authority, Permission, Reach};
use crate::directory::evaluation::{Asking, Evaluator};
use crate::http::extract;
use crate::http::scim;
use crate::keys::BearerToken;
use crate::model::{AccountId, Actor, ClientId, ClientScope, Directory, DirectoryId, LoginId, Scope, Session, TenantId, TokenId};
use crate::store::AccessTokenRow;

/// Names the tenant in which somebody of the operator's acts, by its slug.
const TENANT: HeaderName = HeaderName::from_static("vestibule-tenant");

/// Who asks. There is nobody else: everything but these is 401.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    /// A directory's token with the scope `log`. It sees its own directory and changes nothing.
    Token { tenant: TenantId, directory: DirectoryId, token: TokenId },
    /// A browser's session, whose active login holds a permission for directories on some account.
    Administrator { session: Session, reach: Reach },
    /// Somebody of the operator's, by a session of their own tenant, in the tenant that the request names.
    Operator { login: LoginId, tenant: TenantId, reach: Reach },
    /// A client that works for itself, by its access token.
    Client { tenant: TenantId, client: ClientId, reach: Reach },
}

impl Asker {
    pub(super) fn tenant(&self) -> TenantId {
        match self {
            Self::Token { tenant, .. } | Self::Operator { tenant, .. } | Self::Client { tenant, .. } => *tenant,
            Self::Administrator { session, .. } => session.tenant_id,
        }
    }

    /// Who is named by events.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Token { directory, token, .. } => Actor::Directory { directory: *directory, token: *token },
            Self::Administrator { session, .. } => Actor::Login { login: session.active_login_id },
            Self::Operator { login, .. } => Actor::OperatorPerson { login: *login },
            Self::Client { client, .. } => Actor::Client { client: *client },
        }
    }

    /// Whether they have the permission on a directory: on its home account, or on one above.
    pub(super) fn may(&self, permission: Permission, on: &Directory) -> bool {
        match self {
            Self::Token { directory, .. } => permission == Permission::ViewDirectories && *directory == on.id,
            Self::Administrator { reach, .. } | Self::Operator { reach, .. } | Self::Client { reach, .. } => {
                reach.allows(permission, on.home_account_id)
            }
        }
    }

    /// What an administrator or a client may do.
    pub(super) fn reach(&self) -> Result<&Reach, Problem> {
        match self {
            Self::Administrator { reach, .. } | Self::Operator { reach, .. } | Self::Client { reach, .. } => Ok(reach),
            Self::Token { .. } => Err(no_token()),
        }
    }

    /// What they may do, if it is not a client without a scope for the permission: that one is refused before anything is looked up.
    pub(super) fn reach_for(&self, permission: Permission) -> Result<&Reach, Problem> {
        let reach = self.reach()?;
        reach.scoped(permission)?;
        Ok(reach)
    }

    /// What somebody of the operator's may do in the operator's own tenant, and how events of other tenants name them. Nobody else is told that
    /// there are other tenants.
    pub(super) fn at_home_of_the_operator(&self) -> Result<(&Reach, Actor), Problem> {
        match self {
            Self::Administrator { session, reach } if session.tenant_id == TenantId::OPERATOR => {
                Ok((reach, Actor::OperatorPerson { login: session.active_login_id }))
            }
            _ => Err(Problem::not_found()),
        }
    }

    /// Whose hand gives a role: the login that asks, or the client.
    pub(super) fn hand(&self) -> Result<uuid::Uuid, Problem> {
        match self {
            Self::Administrator { session, .. } => Ok(session.active_login_id.uuid()),
            Self::Operator { login, .. } => Ok(login.uuid()),
            Self::Client { client, .. } => Ok(client.uuid()),
            Self::Token { .. } => Err(no_token()),
        }
    }

    /// The account that a path names, for somebody with the permission.
    pub(super) fn account(&self, id: &str, permission: Permission) -> Result<AccountId, Problem> {
        let reach = self.reach_for(permission)?;
        let id: AccountId = id.parse().map_err(|_| Problem::not_found())?;
        reach.needs(permission, id)?;
        Ok(id)
    }

    /// The directory that a path names, for somebody with the permission. One that they may not see is answered like one that
    /// never was; one that they may see but not change is forbidden.
    pub(super) async fn directory(&self, app: &App, id: &str, permission: Permission) -> Result<Directory, Problem> {
        if let Self::Client { reach, .. } = self {
            reach.scoped(permission)?;
        }
        let id: DirectoryId = id.parse().map_err(|_| Problem::not_found())?;
        let directory = app.store.read(self.tenant()).directory(id).await?.ok_or_else(Problem::not_found)?;
        if !self.may(Permission::ViewDirectories, &directory) {
            return Err(Problem::not_found());
        }
        if self.may(permission, &directory) {
            return Ok(directory);
        }
        Err(Problem::with(
            Kind::Forbidden,
            format!("this needs an administrator's session with {} on the directory's account", permission.as_str()),
        ))
    }
}

fn no_token() -> Problem {
    Problem::with(Kind::Forbidden, "this needs an administrator's session or a client's access token")
}

impl Asker {
    /// Somebody of the operator's, in the tenant of this slug: with what their roles allow at the first account of their own.
    async fn in_tenant(self, slug: &HeaderValue, app: &App) -> Result<Self, Problem> {
        let (own, actor) = self.at_home_of_the_operator()?;
        let Actor::OperatorPerson { login } = actor else { return Err(Problem::not_found()) };
        // A header has no NUL.
        let slug = slug.to_str().map_err(|_| Problem::not_found())?;
        let tenant = app.store.doors().tenant_by_slug(slug).await?.filter(|tenant| tenant.id != TenantId::OPERATOR);
        let tenant = tenant.ok_or_else(Problem::not_found)?.id;
        let sees = own.tree().root().is_ok_and(|root| own.allows(Permission::ViewTenants, root.id));
        let reach = own.into_tenant(&mut app.store.read(tenant), &app.rules).await?.filter(|_| sees);
        Ok(Self::Operator { login, tenant, reach: reach.ok_or_else(Problem::not_found)? })
    }
}

/// Who asks, when a layer around the handler found that out before.
#[derive(Clone, Debug)]
pub(super) struct Known(pub(super) Asker);

impl FromRequestParts<App> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Anybody(asker) = Anybody::from_request_parts(parts, app).await?;
        match asker {
            Self::Administrator { reach, .. } if reach.is_empty() => Err(Problem::new(Kind::Unauthenticated)),
            asker => Ok(asker),
        }
    }
}

/// Who asks, also a login that has no permission on any account: for routes on which the directory decides by more than permissions, such
/// as who is named as an approver.
#[derive(Clone, Debug)]
pub(super) struct Anybody(pub(super) Asker);

impl FromRequestParts<App> for Anybody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Some(Known(asker)) = parts.extensions.remove() {
            return Ok(Self(asker));
        }
        let credential = credential(parts, app).await?;
        let elsewhere = parts.headers.get(TENANT);
        Ok(Self(match credential {
            Credential::Session(session) => {
                let reach = access::reach(&app.store, session.tenant_id, session.active_login_id, &app.rules).await?;
                let reach = reach.ok_or(Problem::new(Kind::Unauthenticated))?;
                let asker = Asker::Administrator { session, reach };
                match elsewhere {
                    Some(slug) => asker.in_tenant(slug, app).await?,
                    None => asker,
                }
            }
            // To whoever is not the operator's there is no other tenant.
            _ if elsewhere.is_some() => return Err(Problem::not_found()),
            Credential::Token { tenant, directory, token } => Asker::Token { tenant, directory, token },
            Credential::Client(AccessTokenRow { tenant_id: tenant, client_id: client, scopes, within_id, .. }) => {
                let authority = Authority::Scopes(scopes, within_id);
                let reach = Reach::with(&mut app.store.read(tenant), authority, &app.rules).await?;
                Asker::Client { tenant, client, reach: reach.ok_or(Problem::new(Kind::Unauthenticated))? }
            }
        }))
    }
}

/// What a request proves.
enum Credential {
    Token { tenant: TenantId, directory: DirectoryId, token: TokenId },
    Session(Session),
    Client(AccessTokenRow),
}

async fn credential(parts: &Parts, app: &App) -> Result<Credential, Problem> {
    // Whoever sends a token wants to be known by it, whatever cookies there are.
    if parts.headers.contains_key(AUTHORIZATION) {
        if let Some(token) = scim::bearer(&parts.headers).and_then(|text| BearerToken::parse_access(text).ok()) {
            let found = app.store.doors().access_token(token.lookup).await?;
            let now = app.clock.now();
            let found = found.filter(|row| row.digest == token.digest && row.expires_at > now);
            let found = found.ok_or(Problem::new(Kind::Unauthenticated))?;
            app.limits.take_client(found.client_id, app.settings.api)?;
            return Ok(Credential::Client(found));
        }
        let found = scim::authenticate(&parts.headers, app).await.map_err(|_| Problem::new(Kind::Unavailable))?;
        let token = found.filter(|token| token.scopes.allow(Scope::Log)).ok_or(Problem::new(Kind::Unauthenticated))?;
        app.limits.take(&token.directory)?;
        scim::touch(app, &token).await;
        return Ok(Credential::Token { tenant: token.tenant_id, directory: token.directory.id, token: token.token_id });
    }
    let session = extract::session(parts, app).await.map_err(|_| Problem::new(Kind::Unavailable))?;
    let session = session.ok_or(Problem::new(Kind::Unauthenticated))?;
    app.limits.take_login(session.active_login_id, app.settings.api)?;
    Ok(Credential::Session(session))
}

/// Who asks for decisions. What they may ask about is looked up account by account, not for the whole tenant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questioner {
    tenant: TenantId,
    asking: Asking,
}

impl Questioner {
    /// What answers them.
    pub(super) async fn evaluator(&self, app: &App) -> Result<Evaluator, Problem> {
        Ok(Evaluator::open(&app.store, self.tenant, self.asking, &app.rules).await?)
    }
}

impl FromRequestParts<App> for Questioner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let credential = credential(parts, app).await?;
        // Portals ask about their own tenant.
        if parts.headers.contains_key(TENANT) {
            return Err(Problem::not_found());
        }
        match credential {
            Credential::Session(session) => Ok(Self { tenant: session.tenant_id, asking: Asking::Login(session.active_login_id) }),
            Credential::Client(AccessTokenRow { tenant_id: tenant, scopes, within_id, .. }) => {
                if !scopes.contains(ClientScope::Evaluate) {
                    let detail = format!("this needs an access token with the scope {}", ClientScope::Evaluate);
                    return Err(Problem::with(Kind::Forbidden, detail));
                }
                Ok(Self { tenant, asking: Asking::Client(within_id) })
            }
            Credential::Token { .. } => {
                Err(Problem::with(Kind::Forbidden, "a directory's token asks for no decisions; use an administrator's session"))
            }
        }
    }
}

/// A JSON body, of a request or of an answer. A request's must say that it is JSON: another site's form cannot (and is refused by its
/// origin before that).
pub(super) struct Body<T>(pub(super) T);

impl IntoResponse for Body<serde_json::Value> {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(Kind::UnsupportedMediaType));
        }
        let limit = app.settings.server.body_limit;
        let bytes: Bytes = axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| Problem::new(Kind::TooLarge))?;
        let value = serde_json::from_slice(&bytes).map_err(|error| Problem::invalid(format!("the body: {error}")))?;
        Ok(Self(value))
    }
}
