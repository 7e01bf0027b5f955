//! The portal against the demo's identity provider, which is an OpenID Provider too; the whole chain is told by `tests/it/process/demo.rs`.

use std::net::Ipv4Addr;

use axum::body::{Body, to_bytes};
use http::Request;
use tower::ServiceExt as _;
use url::Url;

use super::pages::{rows, shown};
use super::*;
use crate::cli::demo::idp;

const PORTAL: &str = "http://portal.localhost:4002";
const JOE: &str = "6f0d7c52-3b0e-4c55-9d0a-5f3f6f5a1c01";

struct Lookout {
    portal: Router,
    anchor: Router,
    issuer: String,
}

/// What was answered: status, where to, the cookie that was set, and the page.
struct Seen {
    status: StatusCode,
    to: String,
    cookie: Option<String>,
    page: String,
}

async fn lookout() -> Lookout {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let issuer = format!("http://idp.localhost:{}", listener.local_addr().unwrap().port());
    let secret = SecretString::from("a secret between the two");
    let anchor = idp::Settings {
        issuer: issuer.clone(),
        client_id: "lookout".into(),
        client_secret: secret.clone(),
        redirect_uris: vec![format!("{PORTAL}/callback")],
    };
    let anchor = idp::router(anchor, Clock::system()).unwrap();
    tokio::spawn(axum::serve(listener, anchor.clone()).into_future());
    let settings = Settings { portal: PORTAL.into(), issuer: issuer.clone(), client_id: "lookout".into(), client_secret: secret };
    Lookout { portal: router(settings, Clock::system()).unwrap(), anchor, issuer }
}

async fn send(router: &Router, request: Request<Body>) -> Seen {
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let cookie = header(header::SET_COOKIE).map(|cookie| {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    });
    let page = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    Seen { status: parts.status, to: header(header::LOCATION).unwrap_or_default(), cookie, page }
}

impl Lookout {
    async fn get(&self, path: &str, cookie: Option<&str>) -> Seen {
        let request = cookie.iter().fold(Request::get(path), |request, cookie| request.header(header::COOKIE, *cookie));
        send(&self.portal, request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &str) -> Seen {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        send(&self.portal, request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Begins to sign in, and chooses Joe. Answers the browser's cookie, and the path with which it comes back.
    async fn begun(&self) -> (String, String) {
        let begun = self.get("/sign-in", None).await;
        let asked = Url::parse(&begun.to).unwrap();
        let asked = format!("{}&chosen={JOE}", asked.query().unwrap());
        let request = Request::post("/authorize").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let back = send(&self.anchor, request.body(Body::from(asked)).unwrap()).await.to;
        (begun.cookie.unwrap(), back.strip_prefix(PORTAL).unwrap_or_else(|| panic!("{back}")).to_owned())
    }
}

#[tokio::test]
async fn joe_signs_in_under_a_new_cookie_and_sees_what_the_tokens_say() {
    let lookout = lookout().await;
    assert!(lookout.get("/", None).await.page.contains("Welcome to your cloud"));
    let (before, back) = lookout.begun().await;
    let seen = lookout.get(&back, Some(&before)).await;
    assert_eq!((seen.status, seen.to.as_str()), (StatusCode::SEE_OTHER, "/"), "{}", seen.page);
    let after = seen.cookie.unwrap();
    assert_ne!(before, after);
    let page = lookout.get("/", Some(&after)).await.page;
    for text in ["Hello, Joe Bloggs", "joe.bloggs", JOE, "the login, for ever", "binds it to this sign-in"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(lookout.get("/", Some(&before)).await.page.contains("Welcome to your cloud"), "the cookie of before is nobody's");
    assert_eq!(lookout.get(&back, Some(&after)).await.status, StatusCode::BAD_REQUEST, "an answer counts once");
}

#[tokio::test]
async fn an_answer_counts_in_the_browser_that_asked_and_from_whom_was_asked() {
    let lookout = lookout().await;
    let (cookie, back) = lookout.begun().await;
    let (other, _) = lookout.begun().await;
    for thief in [None, Some(other.as_str()), Some("lookout=made-up")] {
        assert_eq!(lookout.get(&back, thief).await.status, StatusCode::BAD_REQUEST, "{thief:?}");
    }
    let iss: String = url::form_urlencoded::byte_serialize(lookout.issuer.as_bytes()).collect();
    assert!(back.contains(&iss), "{back}");
    let seen = lookout.get(&back.replace(&iss, "http%3A%2F%2Fevil.localhost"), Some(&cookie)).await;
    assert!(seen.status == StatusCode::BAD_REQUEST && seen.page.contains("not from Vestibule"), "{}", seen.page);
    assert_eq!(lookout.get(&back, Some(&cookie)).await.status, StatusCode::BAD_REQUEST, "its state is used up");
}

#[tokio::test]
async fn what_cannot_be_done_silently_is_asked_again_with_a_page() {
    let lookout = lookout().await;
    let silent = lookout.get("/sign-in?prompt=none&account=0198", None).await;
    let cookie = silent.cookie.unwrap();
    let asked = Url::parse(&silent.to).unwrap();
    let value = |name: &str| asked.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned());
    assert_eq!((value("prompt").as_deref(), value("account").as_deref()), (Some("none"), Some("0198")));
    // Anchor answers prompt=none by login_required.
    let back = send(&lookout.anchor, Request::get(&silent.to[lookout.issuer.len()..]).body(Body::empty()).unwrap()).await.to;
    let again = lookout.get(back.strip_prefix(PORTAL).unwrap(), Some(&cookie)).await;
    let asked = Url::parse(&again.to).unwrap();
    let names: Vec<_> = asked.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert!(names.contains(&"account".to_owned()) && !names.contains(&"prompt".to_owned()), "{names:?}");
}

#[tokio::test]
async fn what_is_no_logout_token_ends_nothing() {
    let lookout = lookout().await;
    let (cookie, back) = lookout.begun().await;
    let cookie = lookout.get(&back, Some(&cookie)).await.cookie.unwrap_or(cookie);
    for token in ["", "nonsense", "e30.e30.", "eyJ0eXAiOiJsb2dvdXQrand0IiwiYWxnIjoibm9uZSJ9.e30."] {
        assert_eq!(
            lookout.post("/backchannel-logout", &format!("logout_token={token}")).await.status,
            StatusCode::BAD_REQUEST,
            "{token}"
        );
    }
    assert!(lookout.get("/", Some(&cookie)).await.page.contains("Hello, Joe Bloggs"));
}

#[tokio::test]
async fn another_login_is_asked_for_by_its_parameter_and_offered_where_there_is_one() {
    let lookout = lookout().await;
    let asked = lookout.get("/sign-in?login=other", None).await;
    let asked = Url::parse(&asked.to).unwrap();
    assert!(asked.query_pairs().any(|(name, value)| name == "login" && value == "other"), "{asked}");
    for (login, offered) in [
        (serde_json::json!({ "kind": "byoi", "linked": true }), true),
        (serde_json::json!({ "kind": "byoi", "linked": false }), false),
        (serde_json::json!({ "kind": "byoi" }), false),
    ] {
        let claims = Claims::from_iter([("login".to_owned(), login), ("iss".to_owned(), "http://vestibule.localhost".into())]);
        let tokens = Tokens {
            id_token: String::new(),
            id_claims: claims.clone(),
            access_claims: claims,
            refresh_token: None,
            expires_at: 0,
        };
        let page = SignedIn::of(&tokens, &BTreeSet::new()).render().unwrap();
        assert_eq!(page.contains("href=\"/sign-in?login=other\""), offered, "{page}");
        assert_ne!(page.contains("href=\"http://vestibule.localhost/me/logins\""), offered, "{page}");
    }
}

#[test]
fn what_waits_for_the_browser_outlives_the_end_of_its_session() {
    let account = Account { id: "0198".into(), roles: String::new() };
    let mut session = Session { accounts: BTreeSet::from([account]), ..Session::default() };
    session.left(Ended::Refused);
    assert!(session.tokens.is_none() && session.accounts.is_empty() && matches!(session.ended, Some(Ended::Refused)));
}

#[test]
fn claims_are_shown_in_an_order_that_people_read() {
    let claims =
        serde_json::json!({ "zone": "x", "exp": 1_800_000_000, "sub": "0198", "roles": ["a", "b"], "iss": "me", "age": 1 });
    let claims = claims.as_object().unwrap();
    assert_eq!(rows(claims).iter().map(|row| row.name).collect::<Vec<_>>(), ["iss", "sub", "roles", "exp", "age", "zone"]);
    assert_eq!(shown("exp", &claims["exp"]), "2027-01-15 08:00:00 UTC");
    assert_eq!(shown("age", &claims["age"]), "1");
    let login = serde_json::json!({ "kind": "byoi", "id": "0198" });
    assert_eq!(shown("login", &login), "id: 0198, kind: byoi");
    assert_eq!(shown("roles", &claims["roles"]), "a, b");
}

#[test]
#[ignore = "writes Lookout's pages to the folder that VESTIBULE_PAGES names, for a look in a browser"]
fn write_lookout_pages() {
    let folder = std::path::PathBuf::from(std::env::var_os("VESTIBULE_PAGES").unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let claims = serde_json::json!({
        "iss": "http://vestibule.localhost:8080", "sub": "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c01", "aud": "lookout", "exp": 1_800_000_300, "iat": 1_800_000_000,
        "auth_time": 1_799_999_990, "name": "Joe Bloggs", "given_name": "Joe", "family_name": "Bloggs", "preferred_username": "joe.bloggs",
        "email": "joe.bloggs@bluesky.example", "email_verified": false, "person": "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c02", "tenant": "0199a3c2-7b1e-7c44-9d0a-000000000001",
        "login": { "id": "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c01", "kind": "byoi", "connection": "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c09", "linked": true },
        "account": "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c03", "account_path": ["0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c00", "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c03"],
        "roles": ["administrator", "support"], "groups": ["Cloud-EMEA-Admins", "Support"], "entitlements": ["people.view", "people.edit", "tickets.view", "tickets.edit"],
        "acr": "urn:vestibule:aal1", "amr": ["fed"], "sid": "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c05", "nonce": "qk2zRrW0TtQ", "at_hash": "ab3c",
    });
    let claims = claims.as_object().unwrap();
    let tokens = Tokens {
        id_token: String::new(),
        id_claims: claims.clone(),
        access_claims: claims.clone(),
        refresh_token: None,
        expires_at: 0,
    };
    let other = Account { id: "0199a3c2-7b1e-7c44-9d0a-5f3f6f5a1c04".into(), roles: "support".into() };
    write("lookout_signed_in.html", SignedIn::of(&tokens, &BTreeSet::from([other])).render().unwrap());
    let told = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    for (name, ended) in
        [("out", None), ("told", Some(Ended::Told(told))), ("left", Some(Ended::SignedOut)), ("refused", Some(Ended::Refused))]
    {
        write(&format!("lookout_{name}.html"), SignedOut { ended }.render().unwrap());
    }
    write(
        "lookout_failed.html",
        Failed { what: "Vestibule refused: access_denied. the login has no role on this account" }.render().unwrap(),
    );
    write("style.css", include_str!("style.css").to_owned());
}
