//! The relying party of OpenID Connect: authorization code flow with PKCE (S256), `state` and `nonce`, no other flow.
//!
//! `discovery` knows where an identity provider is and what its keys are; `claims` proves an ID token and is pure. Here is the
//! conversation itself: the request that the browser carries there, the answer that it carries back, the code's redemption.

mod claims;
mod discovery;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJsonWebKeySet,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AsyncHttpClient, AuthenticationContextClass, AuthenticationFlow, AuthorizationCode, AuthorizationRequest,
    ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet, IdToken, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardErrorResponse,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::refused::unreachable;
use super::trace::clean;
use super::{BadToken, Begun, Callback, Endpoint, Pending, Refused, Step, Trace};
use crate::clock::Clock;
use crate::keys::PlainToken;
use crate::model::{Acr, Assurance, Connection, Demand, ExternalIdentity, OidcSettings, Subject, SubjectKind};
use crate::net::{self, NetError};
use claims::{Expected, OtherClaims, Verified};
use discovery::{Provider, Providers};

type Client = openidconnect::Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    TokenAnswer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// What is read of a token endpoint's answer. The rest (lifetimes, refresh token, scopes) is never used, so that an identity provider
/// that sends it in some other shape is no problem.
#[derive(Serialize, Deserialize)]
struct TokenAnswer {
    access_token: AccessToken,
    /// Kept as it came; `claims` reads it, and says what is wrong with it.
    id_token: Option<String>,
    #[serde(skip, default = "bearer")]
    token_type: CoreTokenType,
}

fn bearer() -> CoreTokenType {
    CoreTokenType::Bearer
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenAnswer(..)")
    }
}

impl OAuth2TokenResponse for TokenAnswer {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }
    fn token_type(&self) -> &CoreTokenType {
        &self.token_type
    }
    fn expires_in(&self) -> Option<std::time::Duration> {
        None
    }
    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }
    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl openidconnect::TokenResponse<OtherClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>
    for TokenAnswer
{
    fn id_token(
        &self,
    ) -> Option<&IdToken<OtherClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>> {
        None
    }
}

/// This service in the eyes of the customers' identity providers.
#[derive(Clone)]
pub(super) struct RelyingParty {
    net: net::Client,
    clock: Clock,
    providers: Providers,
}

impl RelyingParty {
    pub(super) fn new(net: net::Client, clock: Clock) -> Self {
        Self { providers: Providers::new(net.clone(), clock.clone()), net, clock }
    }

    pub(super) async fn begin(
        &self,
        connection: &Connection,
        redirect_uri: &Url,
        demand: &Demand,
        trace: &mut Trace,
    ) -> Result<Begun, Refused> {
        let settings = settings(connection)?;
        let provider = self.providers.get(connection, trace).await?;
        let [state, nonce, pkce_verifier] = [(); 3].map(|()| PlainToken::bare().reveal());
        let verifier = PkceCodeVerifier::new(pkce_verifier.expose_secret().to_owned());
        let (sent_state, sent_nonce) = (state.expose_secret().to_owned(), nonce.expose_secret().to_owned());
        let client = client(settings, &provider, redirect_uri);
        let request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || CsrfToken::new(sent_state),
                || Nonce::new(sent_nonce),
            )
            .add_scopes(settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        let (authorization_url, _, _) = demanding(request, connection, demand).url();
        trace.ok(Step::Request, format!("the browser is sent to {}", authorization_url.host_str().unwrap_or_default()));
        Ok(Begun { authorization_url, state, nonce, pkce_verifier })
    }

    pub(super) async fn finish(
        &self,
        pending: &Pending<'_>,
        callback: &Callback,
        trace: &mut Trace,
    ) -> Result<ExternalIdentity, Refused> {
        let connection = pending.connection;
        let settings = settings(connection)?;
        let provider = self.providers.get(connection, trace).await?;
        check_response_issuer(connection, &provider, callback)?;
        let code = read_code(callback)?;
        trace.ok(Step::Callback, "a code came back");
        let tokens = self.redeem(pending, &provider, code).await?;
        trace.ok(Step::Token, "the code was redeemed");
        let id_token = tokens.id_token.as_deref().ok_or(Refused::IdTokenMissing)?;

        let expected = Expected {
            issuer: &connection.issuer,
            client_id: &settings.client_id,
            nonce: pending.nonce,
            access_token: &tokens.access_token,
            code,
            now: self.clock.now(),
        };
        let verified = match claims::verify(id_token, &provider.keys, &expected) {
            // The keys may have been changed since they were read. Without a `kid` that looks like a wrong signature.
            Err(bad @ (BadToken::UnknownKey | BadToken::Signature)) => {
                match self.providers.with_new_keys(connection, &provider, trace).await {
                    Some(provider) => claims::verify(id_token, &provider.keys, &expected),
                    None => Err(bad),
                }
            }
            result => result,
        }?;
        let names: Vec<_> = verified.claims.keys().map(|name| clean(name)).collect();
        trace.ok(Step::IdToken, format!("signed with {}; claims: {}", verified.alg, names.join(", ")));
        let reached = Assurance::of(connection.second_factor(), verified.acr.as_deref(), &verified.amr);
        trace.ok(Step::Assurance, said(&verified, &reached));
        pending.demand.check(verified.authenticated_at, reached.acr, pending.began, self.clock.now())?;
        Ok(identity(pending, verified))
    }

    /// Exchanges the code for tokens (RFC 6749 section 4.1.3).
    async fn redeem(&self, pending: &Pending<'_>, provider: &Provider, code: &SecretString) -> Result<TokenAnswer, Refused> {
        // The library tells the status of an answer only within a message; it is kept on the way.
        let status = Arc::new(AtomicU16::new(0));
        let http = Exchange { net: self.net.clone(), status: Arc::clone(&status) };
        client(settings(pending.connection)?, provider, pending.redirect_uri)
            .set_client_secret(ClientSecret::new(pending.client_secret.expose_secret().to_owned()))
            .set_auth_type(provider.client_auth.clone())
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(pending.pkce_verifier.expose_secret().to_owned()))
            .request_async(&http)
            .await
            .map_err(|error| match error {
                RequestTokenError::Request(error) => unreachable(Endpoint::Token, &error),
                RequestTokenError::ServerResponse(answer) => Refused::CodeRefused {
                    error: clean(answer.error().as_ref()),
                    description: clean(answer.error_description().map_or("", String::as_str)),
                },
                // Neither the body nor the parser's message may be shown: both can hold a token.
                RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                    Refused::Nonsense { endpoint: Endpoint::Token, what: format!("status {}", status.load(Ordering::Relaxed)) }
                }
            })
    }
}

/// Our guarded client as the library wants one, which also remembers the status of the answer. A named type: with a closure the
/// compiler cannot tell that whoever waits for the exchange may change threads.
struct Exchange {
    net: net::Client,
    status: Arc<AtomicU16>,
}

impl<'c> AsyncHttpClient<'c> for Exchange {
    type Error = NetError;
    type Future = net::BoxedExchange;

    fn call(&'c self, request: http::Request<Vec<u8>>) -> Self::Future {
        let (net, status) = (self.net.clone(), Arc::clone(&self.status));
        Box::pin(async move { net.send(request).await.inspect(|answer| status.store(answer.status().as_u16(), Ordering::Relaxed)) })
    }
}

fn settings(connection: &Connection) -> Result<&OidcSettings, Refused> {
    connection.oidc().ok_or(Refused::OtherProtocol)
}

/// The library's client, for making requests. It is given no keys: `claims` proves what comes back.
fn client(settings: &OidcSettings, provider: &Provider, redirect_uri: &Url) -> Client {
    openidconnect::Client::new(ClientId::new(settings.client_id.clone()), provider.issuer.clone(), CoreJsonWebKeySet::default())
        .set_auth_uri(provider.authorization_endpoint.clone())
        .set_token_uri(provider.token_endpoint.clone())
        .set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()))
}

type Request<'a> = AuthorizationRequest<'a, CoreAuthDisplay, CoreAuthPrompt, CoreResponseType>;

/// The request with what is demanded of the sign-in.
fn demanding<'a>(mut request: Request<'a>, connection: &Connection, demand: &Demand) -> Request<'a> {
    if demand.is_fresh {
        request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
    } else if let Some(seconds) = demand.max_age {
        request = request.set_max_age(Duration::from_secs(seconds.into()));
    }
    if demand.class() > Some(Acr::Aal1) {
        let wanted = connection.second_factor().ask.iter().cloned();
        request = wanted.map(AuthenticationContextClass::new).fold(request, Request::add_auth_context_value);
    }
    request
}

/// How sure the identity provider says that it is, in its words, and what that comes to in ours.
fn said(verified: &Verified, reached: &Assurance) -> String {
    let words = |words: &[String]| words.iter().map(|word| clean(word)).collect::<Vec<_>>().join(", ");
    let acr = verified.acr.as_deref().map_or_else(|| "none".to_owned(), clean);
    let when = verified.authenticated_at.map_or_else(|| "none".to_owned(), |at| at.to_rfc3339());
    format!("acr: {acr}; amr: {}; auth_time: {when}; counts as {}", words(&verified.amr), reached.acr.as_str())
}

/// RFC 9207 section 2.4: the answer must be from the issuer that was asked. Checked before anything else in the answer is read, an error too.
fn check_response_issuer(connection: &Connection, provider: &Provider, callback: &Callback) -> Result<(), Refused> {
    match &callback.iss {
        Some(found) if *found == connection.issuer => Ok(()),
        Some(found) => Err(Refused::ResponseIssuerMismatch { expected: connection.issuer.clone(), found: clean(found) }),
        None if provider.sends_issuer => Err(Refused::ResponseIssuerMissing),
        None => Ok(()),
    }
}

fn read_code(callback: &Callback) -> Result<&SecretString, Refused> {
    if let Some(error) = &callback.error {
        let description = clean(callback.error_description.as_deref().unwrap_or("no description"));
        return Err(Refused::Declined { error: clean(error), description });
    }
    callback.code.as_ref().filter(|code| !code.expose_secret().is_empty()).ok_or(Refused::CodeMissing)
}

fn identity(pending: &Pending<'_>, verified: Verified) -> ExternalIdentity {
    ExternalIdentity {
        tenant: pending.tenant,
        subject: Subject {
            connection: pending.connection.id,
            issuer: pending.connection.issuer.clone(),
            kind: SubjectKind::Sub,
            value: verified.subject,
        },
        claims: verified.claims,
        authenticated_at: verified.authenticated_at,
        upstream_session: verified.upstream_session,
        acr: verified.acr,
        amr: verified.amr,
        assertion: None,
        session_until: None,
    }
}
