//! The code flow against the demo's identity provider, good and bad.

use axum::body::{Body, to_bytes};
use base64::engine::general_purpose::STANDARD;
use http::Request as HttpRequest;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;

const ISSUER: &str = "http://idp.localhost:4001";
const CALLBACK: &str = "http://vestibule.localhost:4000/sign-in/oidc/0198/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SECRET: &str = "s3cr:et+ö";

struct Anchor {
    router: Router,
    clock: Clock,
}

fn anchor() -> Anchor {
    let clock = Clock::fixed(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let settings = Settings {
        issuer: ISSUER.into(),
        client_id: "vestibule".into(),
        client_secret: SECRET.into(),
        redirect_uris: vec![CALLBACK.into()],
    };
    Anchor { router: router(settings, clock.clone()).unwrap(), clock }
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A good authentication request with `changes` made: another value, or none.
fn request(changes: &[(&'static str, Option<&'static str>)]) -> String {
    let mut pairs = vec![
        ("client_id", "vestibule"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid profile email"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        pairs.retain(|(other, _)| other != name);
        pairs.extend(value.map(|value| (*name, value)));
    }
    encoded(&pairs)
}

impl Anchor {
    async fn send(&self, request: HttpRequest<Body>) -> (StatusCode, http::HeaderMap, String) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, http::HeaderMap, String) {
        self.send(HttpRequest::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, authorization: Option<String>, body: String) -> (StatusCode, http::HeaderMap, String) {
        let mut request = HttpRequest::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Chooses `login` and returns the parameters with which the browser comes back.
    async fn choose(&self, login: &'static str) -> HashMap<String, String> {
        let (status, headers, _) = self.post("/authorize", None, request(&[("chosen", Some(login))])).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        back(&headers)
    }

    async fn redeem(&self, authorization: Option<String>, pairs: &[(&str, &str)]) -> (StatusCode, Value) {
        let (status, headers, body) = self.post("/token", authorization, encoded(pairs)).await;
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn back(headers: &http::HeaderMap) -> HashMap<String, String> {
    let url = Url::parse(headers[header::LOCATION].to_str().unwrap()).unwrap();
    assert!(url.as_str().starts_with(CALLBACK));
    url.query_pairs().into_owned().collect()
}

fn basic(secret: &str) -> String {
    let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("vestibule:{}", form(secret))))
}

fn redemption(code: &str) -> [(&str, &str); 4] {
    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)]
}

#[tokio::test]
async fn joe_signs_in_and_the_token_verifies_by_the_published_key() {
    let anchor = anchor();
    let answer = anchor.choose(LOGINS[0].id).await;
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", ISSUER));

    let (status, token) = anchor.redeem(Some(basic(SECRET)), &redemption(&answer["code"])).await;
    assert_eq!((status, token["token_type"].as_str()), (StatusCode::OK, Some("Bearer")));

    let (_, _, keys) = anchor.get("/jwks").await;
    let keys: JwkSet = serde_json::from_str(&keys).unwrap();
    let id_token = token["id_token"].as_str().unwrap();
    let header = jsonwebtoken::decode_header(id_token).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false; // the clock of this test stands still
    validation.set_audience(&["vestibule"]);
    validation.set_issuer(&[ISSUER]);
    let claims: Value = jsonwebtoken::decode(id_token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], LOGINS[0].id);
    assert_eq!(claims["nonce"], "the nonce");
    assert_eq!(claims["iat"], 1_800_000_000);
    assert_eq!(claims["exp"], 1_800_000_300);
    assert_eq!(claims["auth_time"], 1_800_000_000);
    assert_eq!(claims["name"], "Joe Bloggs");
    assert_eq!(claims["preferred_username"], "joe.bloggs");
    assert_eq!(claims["email"], "joe.bloggs@bluesky.example");
    let at_hash = &Sha256::digest(token["access_token"].as_str().unwrap())[..16];
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(at_hash));
}

#[tokio::test]
async fn claims_come_only_with_their_scope() {
    let anchor = anchor();
    let (_, headers, _) =
        anchor.post("/authorize", None, request(&[("chosen", Some(LOGINS[2].id)), ("scope", Some("openid"))])).await;
    let (_, token) = anchor.redeem(Some(basic(SECRET)), &redemption(&back(&headers)["code"])).await;
    let payload = token["id_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["sub"], LOGINS[2].id);
    assert!(claims.get("email").is_none() && claims.get("name").is_none());
}

#[tokio::test]
async fn a_code_is_good_once() {
    let anchor = anchor();
    let code = &anchor.choose(LOGINS[0].id).await["code"];
    assert_eq!(anchor.redeem(Some(basic(SECRET)), &redemption(code)).await.0, StatusCode::OK);
    let (status, error) = anchor.redeem(Some(basic(SECRET)), &redemption(code)).await;
    assert_eq!((status, error["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")));
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    let anchor = anchor();
    let code = &anchor.choose(LOGINS[0].id).await["code"];
    anchor.clock.advance(TimeDelta::seconds(60));
    assert_eq!(anchor.redeem(Some(basic(SECRET)), &redemption(code)).await.0, StatusCode::OK);
    let code = &anchor.choose(LOGINS[0].id).await["code"];
    anchor.clock.advance(TimeDelta::seconds(61));
    assert_eq!(anchor.redeem(Some(basic(SECRET)), &redemption(code)).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_wrong_verifier_or_redirect_is_refused_and_uses_the_code_up() {
    let anchor = anchor();
    let wrong = [("code_verifier", Some("A9jftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")), ("code_verifier", None)];
    let elsewhere = [("redirect_uri", Some("http://vestibule.localhost:4000/sign-in/oidc/0199/callback")), ("redirect_uri", None)];
    for (name, value) in wrong.into_iter().chain(elsewhere) {
        let code = &anchor.choose(LOGINS[0].id).await["code"];
        let mut pairs = redemption(code).to_vec();
        pairs.retain(|(other, _)| *other != name);
        pairs.extend(value.map(|value| (name, value)));
        let (status, error) = anchor.redeem(Some(basic(SECRET)), &pairs).await;
        assert_eq!((status, error["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")), "{name} {value:?}");
        assert_eq!(anchor.redeem(Some(basic(SECRET)), &redemption(code)).await.1["error"], "invalid_grant", "used up");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_leaves_the_code() {
    let anchor = anchor();
    let code = &anchor.choose(LOGINS[0].id).await["code"];
    let other_client = Some(format!("Basic {}", STANDARD.encode("portal:s3cr%3Aet%2B%C3%B6")));
    for authorization in
        [Some(basic("another")), Some(basic("")), None, Some("Basic !".into()), Some("Bearer x".into()), other_client]
    {
        let (status, error) = anchor.redeem(authorization.clone(), &redemption(code)).await;
        assert_eq!((status, error["error"].as_str()), (StatusCode::UNAUTHORIZED, Some("invalid_client")), "{authorization:?}");
    }
    assert_eq!(anchor.redeem(Some(basic(SECRET)), &redemption(code)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_names_another_client_or_redirect_goes_nowhere() {
    let anchor = anchor();
    for change in [
        ("client_id", Some("portal")),
        ("client_id", None),
        ("redirect_uri", Some("http://vestibule.localhost:4000/sign-in/oidc/0198/callback/")),
        ("redirect_uri", Some("http://evil.example/")),
        ("redirect_uri", None),
    ] {
        let (status, headers, body) = anchor.get(&format!("/authorize?{}", request(&[change]))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{change:?}");
        assert!(!headers.contains_key(header::LOCATION) && body.contains("Anchor refuses this request"));
    }
}

#[tokio::test]
async fn other_faults_are_told_to_the_client() {
    let anchor = anchor();
    for (change, error) in [
        (("response_type", Some("token")), "unsupported_response_type"),
        (("scope", Some("profile")), "invalid_scope"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("code_challenge", Some("short")), "invalid_request"),
        (("code_challenge", None), "invalid_request"),
        (("prompt", Some("none")), "login_required"),
    ] {
        let (status, headers, _) = anchor.get(&format!("/authorize?{}", request(&[change]))).await;
        let answer = back(&headers);
        assert_eq!(
            (status, answer["error"].as_str(), answer["state"].as_str()),
            (StatusCode::SEE_OTHER, error, "the state"),
            "{change:?}"
        );
        assert_eq!(answer["iss"], ISSUER);
    }
    assert_eq!(anchor.choose("").await["error"], "access_denied");
    assert_eq!(anchor.choose("nobody").await["error"], "access_denied");
}

#[tokio::test]
async fn the_page_offers_everybody_with_the_hinted_one_first() {
    let anchor = anchor();
    let (status, headers, body) = anchor.get(&format!("/authorize?{}", request(&[("state", Some("\"><b>"))]))).await;
    assert_eq!(status, StatusCode::OK);
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.ends_with("form-action 'self' http://vestibule.localhost:4000"), "{policy}");
    assert!(body.contains("Sign in as Joe Bloggs") && body.contains("Demo") && !body.contains("\"><b>"));
    for login in LOGINS.iter().chain([&STRANGER]) {
        assert!(body.contains(&format!("value=\"{}\"", login.id)), "{}", login.user_name);
    }
    let (_, _, body) =
        anchor.get(&format!("/authorize?{}", request(&[("login_hint", Some("nina.kowalski@bluesky.example"))]))).await;
    assert!(body.find("Nina Kowalski").unwrap() < body.find("Joe Bloggs").unwrap());
}

#[tokio::test]
async fn discovery_names_its_own_issuer() {
    let (_, _, body) = anchor().get("/.well-known/openid-configuration").await;
    let discovery: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(discovery["issuer"], ISSUER);
    assert_eq!(discovery["token_endpoint"], format!("{ISSUER}/token"));
}

#[test]
#[ignore = "writes Anchor's pages to the folder that VESTIBULE_PAGES names, for a look in a browser"]
fn write_anchor_pages() {
    let folder = std::path::PathBuf::from(std::env::var_os("VESTIBULE_PAGES").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    let logins = LOGINS.iter().chain([&STRANGER]).collect();
    let choose = Choose { application: "vestibule.localhost", carried: vec![("state", "x")], logins };
    std::fs::write(folder.join("anchor_choose.html"), choose.render().unwrap()).unwrap();
    let refused = Refused { what: "This application is not known here." };
    std::fs::write(folder.join("anchor_refused.html"), refused.render().unwrap()).unwrap();
    std::fs::write(folder.join("anchor_about.html"), About.render().unwrap()).unwrap();
    std::fs::write(folder.join("style.css"), include_str!("style.css")).unwrap();
}
