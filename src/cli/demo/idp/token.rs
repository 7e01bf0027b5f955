//! The token endpoint: a code, a verifier and the client's secret, against an `id_token` (OpenID Connect Core section 3.1.3).

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Grant, Idp, json as answer, random};

/// How long an `id_token` is good for, in seconds.
const TOKEN_LIFETIME: i64 = 300;

#[derive(Debug, Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
}

/// RFC 6749 section 5.2.
fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    answer(status, &json!({ "error": error, "error_description": description }))
}

pub(super) async fn token(State(idp): State<Arc<Idp>>, headers: HeaderMap, Form(request): Form<TokenRequest>) -> Response {
    if !idp.knows(&headers) {
        let body = refuse(StatusCode::UNAUTHORIZED, "invalid_client", "the client or its secret is wrong");
        return ([(header::WWW_AUTHENTICATE, "Basic realm=\"Anchor\"")], body).into_response();
    }
    if request.grant_type.as_deref() != Some("authorization_code") {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only authorization_code is served");
    }
    let invalid = |description| refuse(StatusCode::BAD_REQUEST, "invalid_grant", description);
    // The code is used up by this attempt, whatever comes of it.
    let Some(grant) = request.code.as_deref().and_then(|code| idp.redeem(code)) else {
        return invalid("the code is unknown, used or too old");
    };
    if request.redirect_uri.as_ref() != Some(&grant.redirect_uri) {
        return invalid("the redirect_uri is not that of the request");
    }
    if !request.code_verifier.is_some_and(|verifier| fits(&verifier, &grant.code_challenge)) {
        return invalid("the code_verifier does not fit the code_challenge");
    }
    let failed = |description| refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", description);
    let Ok(access_token) = random() else { return failed("there is no randomness") };
    match idp.id_token(&grant, &access_token) {
        Ok(id_token) => answer(
            StatusCode::OK,
            &json!({
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": TOKEN_LIFETIME,
                "id_token": id_token,
                "scope": grant.scopes.join(" "),
            }),
        ),
        Err(_) => failed("the token could not be signed"),
    }
}

/// Whether the challenge is the S256 of the verifier (RFC 7636 section 4.6).
fn fits(verifier: &str, challenge: &str) -> bool {
    let computed = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    computed.as_bytes().ct_eq(challenge.as_bytes()).into()
}

impl Idp {
    /// Whether the request carries the client's id and secret by `client_secret_basic` (RFC 6749 section 2.3.1).
    fn knows(&self, headers: &HeaderMap) -> bool {
        let credentials = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, encoded)| STANDARD.decode(encoded).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((id, secret)) = credentials.as_deref().and_then(|credentials| credentials.split_once(':')) else { return false };
        let id_fits = form_decoded(id) == self.settings.client_id;
        let expected = Sha256::digest(self.settings.client_secret.expose_secret());
        let secret_fits: bool = Sha256::digest(form_decoded(secret)).as_slice().ct_eq(expected.as_slice()).into();
        id_fits && secret_fits
    }

    /// OpenID Connect Core section 2, with the claims that the scopes ask for (section 5.4).
    fn id_token(&self, grant: &Grant, access_token: &str) -> jsonwebtoken::errors::Result<String> {
        let now = self.clock.now().timestamp();
        let at_hash = Sha256::digest(access_token).iter().take(16).copied().collect::<Vec<_>>();
        let mut claims = json!({
            "iss": self.settings.issuer,
            "sub": grant.login.id,
            "aud": self.settings.client_id,
            "iat": now,
            "exp": now + TOKEN_LIFETIME,
            // The person was asked just now, every time.
            "auth_time": grant.issued_at.timestamp(),
            "amr": ["pwd"],
            "at_hash": URL_SAFE_NO_PAD.encode(at_hash),
        });
        let mut add = |name: &str, value: Value| claims[name] = value;
        if let Some(nonce) = &grant.nonce {
            add("nonce", json!(nonce));
        }
        let asked = |scope: &str| grant.scopes.iter().any(|asked| asked == scope);
        if asked("profile") {
            add("name", json!(grant.login.display_name()));
            add("given_name", json!(grant.login.given_name));
            add("family_name", json!(grant.login.family_name));
            add("preferred_username", json!(grant.login.user_name));
        }
        if asked("email") {
            add("email", json!(grant.login.email()));
            add("email_verified", json!(true));
        }
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

/// One value in the encoding of HTML forms.
fn form_decoded(text: &str) -> String {
    // A lone value has no `=` or `&`: both are encoded in it, so the whole text is read as one name.
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(value, _)| value.into_owned()).unwrap_or_default()
}
