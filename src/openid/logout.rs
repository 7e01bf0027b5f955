//! Signing out because a portal asks for it (OpenID Connect RP-Initiated Logout 1.0): reading the request, and deciding about it. Pure.
//!
//! Whoever shows an ID token of the session that the browser is in is the portal, or was sent by it: the session ends at once. Everybody
//! else may only ask the person. Nobody is sent to an address that is not registered, and to none at all when no portal is named.

use url::Url;

use super::authorize::Parameters;
use super::hint::Hint;
use crate::model::{Portal, Sid};

/// Bytes of the parameters; what is longer is not read.
const MAX_TEXT: usize = 4_000;
const MAX_ID_TOKEN: usize = 8_000;

/// A request to sign out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    pub id_token_hint: Option<String>,
    pub client_id: Option<String>,
    pub post_logout_redirect_uri: Option<String>,
    pub state: Option<String>,
}

/// Why a request to sign out is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogoutRefused {
    /// A parameter stands there twice, is too long, or has control characters.
    Malformed,
    /// The hint is no ID token of this service, or of another portal than is named.
    Hint,
    /// No portal is registered by that name.
    Client,
    /// The address to go to is none of those that are registered, to the letter.
    Redirect,
}

/// Reads a request to sign out. `logout_hint` and `ui_locales` say nothing here.
///
/// # Errors
/// When a parameter cannot be read.
pub fn read(parameters: &Parameters) -> Result<LogoutRequest, LogoutRefused> {
    let text = |name: &str, most| parameters.text(name, most).map_err(|()| LogoutRefused::Malformed);
    Ok(LogoutRequest {
        id_token_hint: text("id_token_hint", MAX_ID_TOKEN)?,
        client_id: text("client_id", MAX_TEXT)?,
        post_logout_redirect_uri: text("post_logout_redirect_uri", MAX_TEXT)?,
        state: text("state", MAX_TEXT)?,
    })
}

/// What is done about a request to sign out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logout {
    Refuse(LogoutRefused),
    /// The person is asked first.
    Ask {
        back: Option<Url>,
    },
    /// The session ends, if there is one, and the browser goes back to the portal, if it says where.
    SignOut {
        back: Option<Url>,
    },
}

/// The name of the portal that a request is of, by its hint or by itself.
///
/// # Errors
/// When the two do not agree.
pub fn client_id<'a>(request: &'a LogoutRequest, hint: Option<&'a Hint>) -> Result<Option<&'a str>, LogoutRefused> {
    let Some(hint) = hint else { return Ok(request.client_id.as_deref()) };
    let of_hint = hint.client_id().ok_or(LogoutRefused::Hint)?;
    match &request.client_id {
        Some(named) if named != of_hint => Err(LogoutRefused::Hint),
        _ => Ok(Some(of_hint)),
    }
}

/// Decides about a request, given the hint that was proved, the portal that it is of, and the stay that the browser is in.
#[must_use]
pub fn decide(request: &LogoutRequest, hint: Option<&Hint>, portal: Option<&Portal>, active: Option<Sid>) -> Logout {
    let back = match (&request.post_logout_redirect_uri, portal) {
        (Some(uri), Some(portal)) => match address(portal, uri, request.state.as_deref()) {
            Some(url) => Some(url),
            None => return Logout::Refuse(LogoutRefused::Redirect),
        },
        // Nobody vouches for the address.
        (Some(_), None) | (None, _) => None,
    };
    match (active, hint) {
        (Some(active), Some(hint)) if hint.sid == active => Logout::SignOut { back },
        (Some(_), _) => Logout::Ask { back },
        // There is nothing to end; it was ended before.
        (None, _) => Logout::SignOut { back },
    }
}

/// A registered address with the state.
fn address(portal: &Portal, uri: &str, state: Option<&str>) -> Option<Url> {
    let registered = portal.settings.post_logout_redirect_uris.iter().find(|registered| *registered == uri)?;
    let mut url = Url::parse(registered).ok()?;
    if let Some(state) = state {
        url.query_pairs_mut().append_pair("state", state);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::model::{ClientId, PortalSettings};

    const GOODBYE: &str = "https://portal.example/goodbye?x=1";

    fn portal() -> Portal {
        let settings = PortalSettings { post_logout_redirect_uris: vec![GOODBYE.to_owned()], ..PortalSettings::default() };
        Portal {
            id: ClientId::from_uuid(Uuid::from_u128(1)),
            client_id: "portal".to_owned(),
            name: "Portal".to_owned(),
            redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            settings,
        }
    }

    fn sid(number: u128) -> Sid {
        Sid::from_uuid(Uuid::from_u128(number))
    }

    fn hint(number: u128, aud: &serde_json::Value) -> Hint {
        let sub = Uuid::from_u128(7);
        serde_json::from_value(json!({ "iss": "https://id.example", "aud": aud, "sub": sub, "sid": sid(number) })).unwrap()
    }

    fn request(uri: Option<&str>, state: Option<&str>) -> LogoutRequest {
        LogoutRequest {
            post_logout_redirect_uri: uri.map(ToOwned::to_owned),
            state: state.map(ToOwned::to_owned),
            ..LogoutRequest::default()
        }
    }

    #[test]
    fn only_the_portal_of_the_session_signs_out_without_a_question() {
        let portal = portal();
        let back = |state: &str| Some(Url::parse(&format!("{GOODBYE}{state}")).unwrap());
        let (own, other) = (hint(1, &json!("portal")), hint(2, &json!("portal")));
        let full = request(Some(GOODBYE), Some("s&t"));
        let with = back("&state=s%26t");
        for (request, hint, known, active, expected) in [
            (&full, Some(&own), Some(&portal), Some(sid(1)), Logout::SignOut { back: with.clone() }),
            (&full, Some(&other), Some(&portal), Some(sid(1)), Logout::Ask { back: with.clone() }),
            (&full, None, Some(&portal), Some(sid(1)), Logout::Ask { back: with.clone() }),
            (&full, None, None, Some(sid(1)), Logout::Ask { back: None }),
            (&full, Some(&own), Some(&portal), None, Logout::SignOut { back: with.clone() }),
            (&full, None, None, None, Logout::SignOut { back: None }),
            (&request(None, Some("s")), Some(&own), Some(&portal), Some(sid(1)), Logout::SignOut { back: None }),
            (&request(None, Some("s")), None, None, Some(sid(1)), Logout::Ask { back: None }),
            (&request(None, None), None, None, Some(sid(1)), Logout::Ask { back: None }),
            (&request(Some(GOODBYE), None), Some(&own), Some(&portal), Some(sid(1)), Logout::SignOut { back: back("") }),
        ] {
            assert_eq!(decide(request, hint, known, active), expected, "{request:?} {hint:?} {active:?}");
        }
        for uri in [
            "https://portal.example/goodbye",
            "https://portal.example/goodbye?x=1&y=2",
            "https://portal.example/goodbye?x=2",
            "https://evil.example/",
            "//evil.example",
        ] {
            for (hint, active) in [(Some(&own), Some(sid(1))), (None, Some(sid(1))), (None, None)] {
                let decision = decide(&request(Some(uri), None), hint, Some(&portal), active);
                assert_eq!(decision, Logout::Refuse(LogoutRefused::Redirect), "{uri}");
            }
        }
    }

    #[test]
    fn the_hint_and_the_name_agree() {
        let named = LogoutRequest { client_id: Some("portal".to_owned()), ..LogoutRequest::default() };
        let nameless = LogoutRequest::default();
        assert_eq!(client_id(&named, None), Ok(Some("portal")));
        assert_eq!(client_id(&nameless, None), Ok(None));
        assert_eq!(client_id(&named, Some(&hint(1, &json!(["portal"])))), Ok(Some("portal")));
        assert_eq!(client_id(&nameless, Some(&hint(1, &json!("portal")))), Ok(Some("portal")));
        assert_eq!(client_id(&named, Some(&hint(1, &json!("other")))), Err(LogoutRefused::Hint));
        assert_eq!(client_id(&nameless, Some(&hint(1, &json!(["portal", "other"])))), Err(LogoutRefused::Hint));
    }

    #[test]
    fn parameters_stand_there_once() {
        let read = |text: &str| read(&Parameters::parse(text.as_bytes()));
        assert_eq!(read("logout_hint=joe&ui_locales=de&extra=1&extra=2"), Ok(LogoutRequest::default()));
        assert_eq!(read("state=a").unwrap().state.as_deref(), Some("a"));
        for bad in ["state=a&state=b", "client_id=a%00", "post_logout_redirect_uri=a%0d%0ab"] {
            assert_eq!(read(bad), Err(LogoutRefused::Malformed), "{bad}");
        }
    }
}
