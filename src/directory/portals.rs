//! Portal applications: registered by the operator, in the operator's own tenant, for people of every tenant to sign in to.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use url::{Host, Url};

use super::clients::{SECRET_CHARS, is_client_id};
use super::{Caller, Error, Result};
use crate::keys::HashedToken;
use crate::model::{ClientId, EventKind, PortalSettings, TenantId, TokenEndpointAuthMethod};
use crate::store::{NewClient, Store};

/// A portal to be registered.
#[derive(Clone, Debug)]
pub struct PortalSpec<'a> {
    /// What it calls itself; unique in the service.
    pub client_id: &'a str,
    pub name: &'a str,
    /// For `client_secret`, and for nothing else.
    pub secret: Option<&'a SecretString>,
    /// Where a browser may be sent with a code; at least one.
    pub redirect_uris: &'a [String],
    /// Where it is told that a session is over.
    pub backchannel_logout_uri: Option<&'a str>,
    pub settings: &'a PortalSettings,
}

/// Registers a portal, once: what is there is left as it is. Answers whether it was made.
///
/// # Errors
/// When an address is none that a browser may be sent to, or how it proves itself does not fit what it was given.
pub async fn ensure(store: &Store, caller: Caller<'_>, spec: &PortalSpec<'_>) -> Result<bool> {
    check(spec).map_err(|text| Error::Invalid(format!("client {:?}: {text}", spec.client_id)))?;
    let mut writer = store.write(TenantId::OPERATOR).await?;
    let id = ClientId::new(caller.now);
    let digest = spec.secret.map(|secret| HashedToken::of(secret.expose_secret()));
    let new = NewClient {
        id,
        client_id: spec.client_id,
        name: spec.name,
        secret: digest.as_ref(),
        redirect_uris: spec.redirect_uris,
        backchannel_logout_uri: spec.backchannel_logout_uri,
        settings: spec.settings,
        access: None,
    };
    if !writer.insert_client(&new, caller.now).await? {
        return Ok(false);
    }
    let event = caller.event(EventKind::ClientCreated, id.uuid(), json!({ "client_id": spec.client_id }));
    writer.record(&[event], caller.request_id).await?;
    writer.commit().await?;
    Ok(true)
}

fn check(spec: &PortalSpec<'_>) -> std::result::Result<(), String> {
    if !is_client_id(spec.client_id) {
        return Err("a client_id has 1 to 100 visible ASCII characters, and no colon".to_owned());
    }
    if spec.redirect_uris.is_empty() {
        return Err("it needs at least one redirect_uri".to_owned());
    }
    let addresses = spec.redirect_uris.iter().map(|uri| ("redirect_uri", uri.as_str()));
    let addresses =
        addresses.chain(spec.settings.post_logout_redirect_uris.iter().map(|uri| ("post_logout_redirect_uri", uri.as_str())));
    for (name, uri) in addresses.chain(spec.backchannel_logout_uri.map(|uri| ("backchannel_logout_uri", uri))) {
        check_address(uri).map_err(|why| format!("the {name} {uri:?} {why}"))?;
    }
    match (spec.settings.token_endpoint_auth_method, spec.secret, &spec.settings.jwks) {
        (TokenEndpointAuthMethod::ClientSecret, Some(secret), None) => {
            let chars = secret.expose_secret().chars().count();
            let (least, most) = (SECRET_CHARS.start(), SECRET_CHARS.end());
            if SECRET_CHARS.contains(&chars) {
                Ok(())
            } else {
                Err(format!("a secret is a random text of {least} to {most} characters"))
            }
        }
        (TokenEndpointAuthMethod::PrivateKeyJwt, None, Some(jwks)) => check_keys(jwks),
        (TokenEndpointAuthMethod::None, None, None) => Ok(()),
        (TokenEndpointAuthMethod::ClientSecret, ..) => {
            Err("it proves itself by a secret, and by nothing else; give it one, or keys, or say that it is public".to_owned())
        }
        (TokenEndpointAuthMethod::PrivateKeyJwt, ..) => {
            Err("private_key_jwt needs the portal's public keys, and no secret".to_owned())
        }
        (TokenEndpointAuthMethod::None, ..) => Err("a public client has neither a secret nor keys".to_owned()),
    }
}

/// An address of a portal: absolute, https (plain http on this machine alone), without a fragment (RFC 6749 section 3.1.2) and without
/// credentials. It is later compared character by character, so it must be written as a browser would write it.
fn check_address(uri: &str) -> std::result::Result<(), &'static str> {
    let url = Url::parse(uri).map_err(|_| "is no absolute address")?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if is_here => {}
        _ => return Err("does not begin with https://"),
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has credentials in it");
    }
    if uri.len() > 1_000 || uri.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Err("is too long, or has a space in it");
    }
    Ok(())
}

/// Public keys that sign with ES256, RS256 or PS256, and nothing private beside them.
fn check_keys(jwks: &Value) -> std::result::Result<(), String> {
    let keys = jwks.get("keys").and_then(Value::as_array).filter(|keys| (1..=10).contains(&keys.len()));
    let keys = keys.ok_or("jwks is a JWK set with 1 to 10 keys")?;
    for key in keys {
        if ["d", "k", "p", "q"].iter().any(|part| key.get(part).is_some()) {
            return Err("jwks has a private key in it: keep that where the portal is, and make a new one".to_owned());
        }
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) | (Some("RSA"), _) => {}
            _ => return Err("a key of jwks is neither EC on P-256 nor RSA".to_owned()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenEndpointAuthMethod::{ClientSecret, None as Public, PrivateKeyJwt};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn told(change: impl FnOnce(&mut PortalSpec<'_>)) -> std::result::Result<(), String> {
        let (redirects, settings, secret) =
            (["https://portal.example/callback".to_owned()], PortalSettings::default(), SECRET.to_owned().into());
        let mut spec = PortalSpec {
            client_id: "portal",
            name: "Portal",
            secret: Some(&secret),
            redirect_uris: &redirects,
            backchannel_logout_uri: None,
            settings: &settings,
        };
        change(&mut spec);
        check(&spec)
    }

    #[test]
    fn a_browser_is_only_sent_to_addresses_that_are_safe() {
        for good in [
            "https://portal.example/callback?x=1",
            "http://localhost:3000/cb",
            "http://portal.localhost/cb",
            "http://127.0.0.1:1/",
            "http://[::1]/",
        ] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in [
            "/callback",
            "portal.example/cb",
            "http://portal.example/cb",
            "https://portal.example/cb#x",
            "https://a:b@portal.example/",
            "javascript:alert(1)",
            "https://portal.example/a b",
            "http://localhost.evil.example/",
            "com.example.app:/cb",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn how_a_portal_proves_itself_fits_what_it_was_given() {
        assert_eq!(told(|_| ()), Ok(()));
        assert!(told(|spec| spec.secret = None).is_err());
        assert!(told(|spec| spec.client_id = "a b").is_err() && told(|spec| spec.redirect_uris = &[]).is_err());
        let key = json!({ "kty": "EC", "crv": "P-256", "x": "a", "y": "b" });
        let with = |method, jwks: Option<Value>, has_secret: bool| {
            let settings = PortalSettings { token_endpoint_auth_method: method, jwks, ..PortalSettings::default() };
            let (redirects, secret) = (["https://portal.example/callback".to_owned()], SecretString::from(SECRET));
            check(&PortalSpec {
                client_id: "portal",
                name: "Portal",
                secret: has_secret.then_some(&secret),
                redirect_uris: &redirects,
                backchannel_logout_uri: Some("https://portal.example/logout"),
                settings: &settings,
            })
        };
        let set = |key: &Value| Some(json!({ "keys": [key] }));
        assert_eq!(with(PrivateKeyJwt, set(&key), false), Ok(()));
        assert_eq!(with(Public, None, false), Ok(()));
        let mut private = key.clone();
        private["d"] = json!("secret");
        for (method, jwks, secret) in [
            (PrivateKeyJwt, None, false),
            (PrivateKeyJwt, set(&key), true),
            (PrivateKeyJwt, set(&private), false),
            (PrivateKeyJwt, set(&json!({ "kty": "oct", "k": "x" })), false),
            (PrivateKeyJwt, Some(json!({ "keys": [] })), false),
            (ClientSecret, set(&key), true),
            (Public, None, true),
            (Public, set(&key), false),
        ] {
            assert!(with(method, jwks.clone(), secret).is_err(), "{method:?} {jwks:?} {secret}");
        }
    }
}
