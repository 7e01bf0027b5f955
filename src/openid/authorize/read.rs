//! Reading an authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1, RFC 7636 section 4.3).
//!
//! The order matters: as long as it is not proved whose request it is and where its answer goes, nobody is sent anywhere. Afterwards the
//! portal itself is told what is wrong.

use std::collections::BTreeSet;

use url::form_urlencoded;

use super::{AuthorizationRequest, ErrorCode, Prompt, Refusal, Wanted};
use crate::model::{Acr, Portal};

/// Bytes of what is kept for the portal and given back as it came.
const MAX_STATE: usize = 4_000;
const MAX_NONCE: usize = 1_000;
/// Bytes of any other parameter but the hint of an ID token.
const MAX_TEXT: usize = 1_000;
const MAX_ID_TOKEN: usize = 8_000;
/// SHA-256 in base64 without padding (RFC 7636 section 4.2).
const CHALLENGE_CHARS: usize = 43;
/// The scopes that mean something here. Others are passed over (OpenID Connect Core section 3.1.2.1).
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The parameters of a request, in order. One that is empty counts as left out (RFC 6749 section 3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query, or a form.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a parameter that stands there at most once.
    fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Repeated),
        }
    }

    /// A parameter that is one line of text. NUL among the control characters: PostgreSQL knows none.
    pub(in crate::openid) fn text(&self, name: &str, most: usize) -> Result<Option<String>, ()> {
        match self.one(name) {
            Ok(Some(value)) if value.len() > most || value.chars().any(char::is_control) => Err(()),
            Ok(value) => Ok(value.map(ToOwned::to_owned)),
            Err(Repeated) => Err(()),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// A parameter stands there more than once (RFC 6749 section 3.1).
struct Repeated;

/// Why the browser is sent nowhere: who asks, or where the answer would go, is not proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unproved {
    /// There is no `client_id`, or several, or none that there could be.
    ClientMissing,
    /// No portal is registered by that name.
    ClientUnknown,
    /// There is no `redirect_uri`, or several.
    RedirectMissing,
    /// It is none of those that are registered, to the letter.
    RedirectUnknown,
}

/// What is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A page says so.
    Unproved(Unproved),
    /// The portal is told, at the address that was proved.
    Told { redirect_uri: String, state: Option<String>, refusal: Refusal },
}

/// By what name the portal calls itself.
///
/// # Errors
/// When it does not, or twice.
pub fn client_id(parameters: &Parameters) -> Result<&str, Unproved> {
    let name = parameters.one("client_id").ok().flatten().ok_or(Unproved::ClientMissing)?;
    if name.len() > 100 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Unproved::ClientMissing);
    }
    Ok(name)
}

/// Reads the request of a portal.
///
/// # Errors
/// When it is not one that can be answered; says who is told.
pub fn read(parameters: &Parameters, portal: &Portal) -> Result<AuthorizationRequest, Wrong> {
    let uri = parameters.one("redirect_uri").ok().flatten().ok_or(Wrong::Unproved(Unproved::RedirectMissing))?;
    if !portal.redirect_uris.iter().any(|registered| registered == uri) {
        return Err(Wrong::Unproved(Unproved::RedirectUnknown));
    }
    // From here on the portal is told. What is wrong with the state itself is told without it.
    let state = parameters.text("state", MAX_STATE);
    let told = |refusal| Wrong::Told { redirect_uri: uri.to_owned(), state: state.as_ref().ok().cloned().flatten(), refusal };
    let state = state.clone().map_err(|()| told(bad("state stands there twice, is too long, or has control characters")))?;
    rest(parameters, portal, uri, state.clone()).map_err(|refusal| Wrong::Told { redirect_uri: uri.to_owned(), state, refusal })
}

fn rest(parameters: &Parameters, portal: &Portal, uri: &str, state: Option<String>) -> Result<AuthorizationRequest, Refusal> {
    use ErrorCode::{InvalidScope, RegistrationNotSupported, RequestNotSupported, RequestUriNotSupported, UnsupportedResponseType};
    for (name, code, why) in [
        ("request", RequestNotSupported, "send the parameters one by one, without a request object"),
        ("request_uri", RequestUriNotSupported, "send the parameters one by one, without a request_uri"),
        ("registration", RegistrationNotSupported, "portals are registered by whoever runs this service"),
    ] {
        if parameters.has(name) {
            return Err(Refusal::new(code, why));
        }
    }
    let text = |name: &'static str, why: &'static str| parameters.text(name, MAX_TEXT).map_err(|()| bad(why));
    match text("response_type", "response_type stands there twice, or cannot be read")?.as_deref() {
        Some("code") => {}
        Some(_) => return Err(Refusal::new(UnsupportedResponseType, "the response_type here is code")),
        None => return Err(bad("response_type: say code")),
    }
    match text("response_mode", "response_mode stands there twice, or cannot be read")?.as_deref() {
        None | Some("query") => {}
        Some(_) => return Err(bad("the response_mode here is query")),
    }
    let scope = text("scope", "scope stands there twice, or cannot be read")?.unwrap_or_default();
    let asked: BTreeSet<&str> = scope.split(' ').collect();
    if !asked.contains("openid") {
        return Err(Refusal::new(InvalidScope, "scope has to hold openid"));
    }
    let scopes = SCOPES.iter().filter(|scope| asked.contains(*scope)).map(|scope| (*scope).to_owned()).collect();
    Ok(AuthorizationRequest {
        client_id: portal.client_id.clone(),
        redirect_uri: uri.to_owned(),
        scopes,
        state,
        nonce: parameters
            .text("nonce", MAX_NONCE)
            .map_err(|()| bad("nonce stands there twice, is too long, or has control characters"))?,
        code_challenge: challenge(parameters)?,
        prompt: prompt(&text("prompt", "prompt stands there twice, or cannot be read")?.unwrap_or_default())?,
        max_age: match text("max_age", "max_age stands there twice, or cannot be read")? {
            Some(seconds) => Some(max_age(&seconds)?),
            None => None,
        },
        acr_values: text("acr_values", "acr_values stands there twice, or cannot be read")?
            .unwrap_or_default()
            .split(' ')
            .filter(|name| Acr::named(name).is_some())
            .map(ToOwned::to_owned)
            .collect(),
        login_hint: text("login_hint", "login_hint stands there twice, is too long, or has control characters")?,
        account: text("account", "account stands there twice, is too long, or has control characters")?,
        login: match text("login", "login stands there twice, or cannot be read")? {
            Some(name) => Some(wanted(&name)?),
            None => None,
        },
        hinted: None,
        id_token_hint: parameters
            .text("id_token_hint", MAX_ID_TOKEN)
            .map_err(|()| bad("id_token_hint stands there twice, or is too long"))?,
    })
}

const fn bad(description: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, description)
}

/// PKCE is not for public clients alone: it is what ties a code to who asked for it (RFC 9700 section 2.1.1).
fn challenge(parameters: &Parameters) -> Result<String, Refusal> {
    let method = parameters.one("code_challenge_method").map_err(|Repeated| bad("code_challenge_method stands there twice"))?;
    let challenge = parameters.one("code_challenge").map_err(|Repeated| bad("code_challenge stands there twice"))?;
    let challenge = challenge.ok_or(bad("code_challenge is missing: PKCE is required"))?;
    if method != Some("S256") {
        return Err(bad("the code_challenge_method here is S256"));
    }
    let is_digest = challenge.len() == CHALLENGE_CHARS
        && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_digest { Ok(challenge.to_owned()) } else { Err(bad("code_challenge is no SHA-256 in base64url without padding")) }
}

fn prompt(text: &str) -> Result<BTreeSet<Prompt>, Refusal> {
    let read = |name: &str| match name {
        "none" => Ok(Prompt::None),
        "login" => Ok(Prompt::Login),
        "select_account" => Ok(Prompt::SelectAccount),
        "consent" => Ok(Prompt::Consent),
        _ => Err(bad("prompt is none, login, select_account or consent")),
    };
    let prompts = text.split(' ').filter(|name| !name.is_empty()).map(read).collect::<Result<BTreeSet<_>, _>>()?;
    if prompts.contains(&Prompt::None) && prompts.len() > 1 {
        return Err(bad("prompt=none stands alone"));
    }
    Ok(prompts)
}

fn wanted(text: &str) -> Result<Wanted, Refusal> {
    match text {
        "other" => Ok(Wanted::Other),
        id => id.parse().map(Wanted::Login).map_err(|_| bad("login is the id of a login, or the word other")),
    }
}

/// A number of seconds. One that is too large to count asks for nothing.
fn max_age(text: &str) -> Result<u32, Refusal> {
    if text.is_empty() || text.len() > 20 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("max_age is a number of seconds"));
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}
