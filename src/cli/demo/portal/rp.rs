//! What the portal says to Vestibule, and what it believes of the answers.
//!
//! Everything is asked anew each time, discovery and keys too: both are on this machine, and what a demo knows is never old. A portal
//! in earnest keeps both, and asks again for a key that it does not know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreJwsSigningAlgorithm,
    CoreTokenResponse,
};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::Settings;
use crate::net::{self, NetError};

/// What a logout token says by `events` (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old a logout token may be, in seconds.
const LOGOUT_TOKEN_AGE: i64 = 300;

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// The members of a token.
pub(super) type Claims = Map<String, Value>;

/// Why something did not work, in words for the page.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Vestibule said no, by an OAuth error.
    #[error("Vestibule refused: {error}. {description}")]
    Refused { error: String, description: String },
    #[error("Vestibule cannot be reached, or answered something that is not OpenID Connect: {0}")]
    Provider(String),
    #[error("a token does not hold: {0}")]
    Token(String),
}

/// What is special about one sign-in.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// The account that the tokens shall be for.
    pub(super) account: Option<String>,
    /// The login that the person shall go on as; `other` for their other one.
    pub(super) login: Option<String>,
    pub(super) prompt: Option<String>,
    pub(super) acr_values: Option<String>,
}

/// A sign-in that has begun: what the answer is compared with.
pub(super) struct Begun {
    pub(super) asked: Asked,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// Tokens that were verified.
pub(super) struct Tokens {
    pub(super) id_token: String,
    pub(super) id_claims: Claims,
    /// What the access token says to the portal's API, which verifies it itself.
    pub(super) access_claims: Claims,
    pub(super) refresh_token: Option<RefreshToken>,
    /// When the access token ends, in seconds since 1970.
    pub(super) expires_at: i64,
}

/// Whose sessions a logout token ends.
#[derive(Debug, Deserialize)]
pub(super) struct LogoutToken {
    pub(super) sid: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) jti: String,
    iat: i64,
    events: Map<String, Value>,
    nonce: Option<Value>,
}

/// The portal as a client of Vestibule.
pub(super) struct RelyingParty {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: SecretString,
    redirect_uri: RedirectUrl,
    home: PostLogoutRedirectUrl,
    http: Http,
}

impl RelyingParty {
    pub(super) fn new(settings: Settings) -> Result<Self, super::Error> {
        let address = |_| super::Error::Address(settings.portal.clone());
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|_| super::Error::Address(settings.issuer.clone()))?;
        let host = issuer.url().host_str().unwrap_or_default().to_owned();
        Ok(Self {
            issuer,
            client_id: ClientId::new(settings.client_id),
            client_secret: settings.client_secret,
            redirect_uri: RedirectUrl::new(format!("{}/callback", settings.portal)).map_err(address)?,
            home: PostLogoutRedirectUrl::new(format!("{}/", settings.portal)).map_err(address)?,
            http: Http(net::Client::new(net::Settings { allow: vec![host], ..net::Settings::default() })?),
        })
    }

    async fn provider(&self) -> Result<(ProviderMetadataWithLogout, Client), Trouble> {
        let metadata = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &self.http)
            .await
            .map_err(|error| Trouble::Provider(error.to_string()))?;
        let secret = ClientSecret::new(self.client_secret.expose_secret().to_owned());
        let client = CoreClient::from_provider_metadata(metadata.clone(), self.client_id.clone(), Some(secret))
            .set_redirect_uri(self.redirect_uri.clone());
        Ok((metadata, client))
    }

    /// Where to send the browser, the `state` that it shall bring back, and what to keep.
    pub(super) async fn begin(&self, asked: Asked) -> Result<(Url, String, Begun), Trouble> {
        let (_, client) = self.provider().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(["profile", "email"].map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge);
        if let Some(account) = &asked.account {
            request = request.add_extra_param("account", account);
        }
        if let Some(login) = &asked.login {
            request = request.add_extra_param("login", login);
        }
        if let Some(acr_values) = &asked.acr_values {
            request = request.add_extra_param("acr_values", acr_values);
        }
        request = match asked.prompt.as_deref() {
            Some("none") => request.add_prompt(CoreAuthPrompt::None),
            Some("login") => request.add_prompt(CoreAuthPrompt::Login),
            Some("select_account") => request.add_prompt(CoreAuthPrompt::SelectAccount),
            _ => request,
        };
        let (url, state, nonce) = request.url();
        Ok((url, state.into_secret(), Begun { asked, nonce, verifier }))
    }

    /// Whether an answer is from Vestibule and from nobody else (RFC 9207).
    pub(super) fn is_from(&self, iss: Option<&str>) -> bool {
        iss == Some(self.issuer.as_str())
    }

    /// Redeems a code, and holds the tokens against what was asked for.
    pub(super) async fn finish(&self, begun: Begun, code: String) -> Result<Tokens, Trouble> {
        let (_, client) = self.provider().await?;
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| Trouble::Provider(error.to_string()))?;
        let answer = request.set_pkce_verifier(begun.verifier).request_async(&self.http).await.map_err(refused)?;
        let tokens = verified(&client, &answer, Some(&begun.nonce))?;
        let says = |claim: &str, asked: &Option<String>| {
            asked.is_none() || tokens.id_claims.get(claim).and_then(Value::as_str) == asked.as_deref()
        };
        if !says("account", &begun.asked.account) {
            return Err(Trouble::Token("it is for another account than was asked for".to_owned()));
        }
        if !says("acr", &begun.asked.acr_values) {
            return Err(Trouble::Token("the sign-in is not as strong as was asked for".to_owned()));
        }
        Ok(tokens)
    }

    /// New tokens for a refresh token, which is good once. `invalid_grant` means that all is over.
    pub(super) async fn refresh(&self, refresh_token: &RefreshToken) -> Result<Tokens, Trouble> {
        let (_, client) = self.provider().await?;
        let request = client.exchange_refresh_token(refresh_token).map_err(|error| Trouble::Provider(error.to_string()))?;
        let answer = request.request_async(&self.http).await.map_err(refused)?;
        verified(&client, &answer, None)
    }

    /// Where to send the browser to sign out at Vestibule too (OpenID Connect RP-Initiated Logout 1.0).
    pub(super) async fn sign_out(&self, id_token: &str) -> Result<Url, Trouble> {
        let (metadata, _) = self.provider().await?;
        let endpoint = metadata.additional_metadata().end_session_endpoint.clone();
        let endpoint = endpoint.ok_or_else(|| Trouble::Provider("it does not say where to sign out".to_owned()))?;
        let hint: CoreIdToken = id_token.parse().map_err(|_| Trouble::Token("it is no JWT".to_owned()))?;
        let request = LogoutRequest::from(endpoint).set_id_token_hint(&hint).set_client_id(self.client_id.clone());
        Ok(request.set_post_logout_redirect_uri(self.home.clone()).http_get_url())
    }

    /// Verifies a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6).
    pub(super) async fn logout_token(&self, token: &str, now: i64) -> Result<LogoutToken, Trouble> {
        let bad = |why: &str| Trouble::Token(why.to_owned());
        let header = jsonwebtoken::decode_header(token).map_err(|_| bad("it is no JWT"))?;
        if header.typ.as_deref() != Some("logout+jwt") {
            return Err(bad("its typ is not logout+jwt"));
        }
        let (metadata, _) = self.provider().await?;
        let keys = serde_json::to_value(metadata.jwks()).and_then(serde_json::from_value::<jsonwebtoken::jwk::JwkSet>);
        let keys = keys.map_err(|error| Trouble::Provider(error.to_string()))?;
        let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or_else(|| bad("its key is unknown"))?;
        let key = DecodingKey::from_jwk(key).map_err(|error| Trouble::Provider(error.to_string()))?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[self.issuer.as_str()]);
        validation.set_audience(&[self.client_id.as_str()]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        let claims = jsonwebtoken::decode::<LogoutToken>(token, &key, &validation).map_err(|error| bad(&error.to_string()))?.claims;
        if !(now - LOGOUT_TOKEN_AGE..=now + 60).contains(&claims.iat) {
            return Err(bad("it was not made just now"));
        }
        if !claims.events.contains_key(LOGOUT_EVENT) || claims.nonce.is_some() || (claims.sid.is_none() && claims.sub.is_none()) {
            return Err(bad("it is no logout token"));
        }
        Ok(claims)
    }
}

/// The `id_token` of an answer, proved, and everything beside it.
fn verified(client: &Client, answer: &CoreTokenResponse, nonce: Option<&Nonce>) -> Result<Tokens, Trouble> {
    let id_token = answer.id_token().ok_or_else(|| Trouble::Token("there is no id_token".to_owned()))?;
    let verifier = client.id_token_verifier().set_allowed_algs([CoreJwsSigningAlgorithm::EcdsaP256Sha256]);
    // After a refresh there is no nonce to compare with (OpenID Connect Core section 12.2).
    let as_expected = |found: Option<&Nonce>| match (nonce, found) {
        (None, _) => Ok(()),
        (Some(expected), Some(found)) if expected.secret() == found.secret() => Ok(()),
        (Some(_), _) => Err("the nonce is another".to_owned()),
    };
    let claims = id_token.claims(&verifier, as_expected).map_err(|error| Trouble::Token(error.to_string()))?;
    let id_token_text = id_token.to_string();
    let access_claims = read(answer.access_token().secret());
    let ends = access_claims.get("exp").and_then(Value::as_i64);
    Ok(Tokens {
        expires_at: ends.unwrap_or_else(|| claims.expiration().timestamp()),
        id_claims: read(&id_token_text),
        access_claims,
        refresh_token: answer.refresh_token().cloned(),
        id_token: id_token_text,
    })
}

/// What a JWT says, whoever signed it; nothing for another token.
fn read(token: &str) -> Claims {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn refused(error: RequestTokenError<NetError, openidconnect::StandardErrorResponse<CoreErrorResponseType>>) -> Trouble {
    match error {
        RequestTokenError::ServerResponse(answer) => Trouble::Refused {
            error: answer.error().as_ref().to_owned(),
            description: answer.error_description().cloned().unwrap_or_default(),
        },
        other => Trouble::Provider(other.to_string()),
    }
}

/// The program's client for outgoing requests, as the library wants one.
struct Http(net::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = NetError;
    type Future = net::BoxedExchange;

    fn call(&'c self, request: http::Request<Vec<u8>>) -> Self::Future {
        let net = self.0.clone();
        Box::pin(async move { net.send(request).await })
    }
}
