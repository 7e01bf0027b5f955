//! The reading of requests and the decision, as tables and properties.

mod login;
mod properties;

use chrono::{DateTime, Utc};
use url::form_urlencoded;
use uuid::Uuid;

use super::*;
use crate::model::{AccountId, Acr, ClientId, Demand, Portal, PortalSettings};

const CALLBACK: &str = "https://portal.example/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn portal() -> Portal {
    Portal {
        id: ClientId::from_uuid(Uuid::from_u128(1)),
        client_id: "portal".to_owned(),
        name: "Portal".to_owned(),
        redirect_uris: vec![CALLBACK.to_owned(), format!("{CALLBACK}?x=1")],
        backchannel_logout_uri: None,
        settings: PortalSettings::default(),
    }
}

/// A good request, with parameters changed, added (also a second time, by `+name`), or left out (`None`).
fn asked(changes: &[(&str, Option<&str>)]) -> Parameters {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", "portal"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "the state"),
        ("nonce", "the nonce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        if let Some(name) = name.strip_prefix('+') {
            pairs.extend(value.map(|value| (name, value)));
        } else {
            pairs.retain(|(other, _)| other != name);
            pairs.extend(value.map(|value| (*name, value)));
        }
    }
    Parameters::parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().as_bytes())
}

fn good(changes: &[(&str, Option<&str>)]) -> AuthorizationRequest {
    read(&asked(changes), &portal()).unwrap()
}

/// The error that the portal is told.
fn told(changes: &[(&str, Option<&str>)]) -> ErrorCode {
    match read(&asked(changes), &portal()) {
        Err(Wrong::Told { redirect_uri, refusal, .. }) => {
            assert!(portal().redirect_uris.contains(&redirect_uri));
            refusal.code
        }
        other => panic!("{changes:?}: {other:?}"),
    }
}

#[test]
fn an_answer_keeps_the_query_of_the_registered_address_and_names_its_issuer() {
    let told =
        |uri: &str, state: Option<&str>, what: Answer<'_>| answer(uri, state, "https://id.example", what).unwrap().to_string();
    assert_eq!(
        told("https://portal.example/cb?x=1&y=%20", Some("a b&c=d"), Answer::Code("c0de")),
        "https://portal.example/cb?x=1&y=%20&code=c0de&state=a+b%26c%3Dd&iss=https%3A%2F%2Fid.example"
    );
    assert_eq!(
        told("https://portal.example/cb", None, Answer::Refused(Refusal::new(ErrorCode::AccessDenied, "no role"))),
        "https://portal.example/cb?error=access_denied&error_description=no+role&iss=https%3A%2F%2Fid.example"
    );
}

#[test]
fn a_request_is_read_as_it_was_sent() {
    let request = good(&[
        ("scope", Some("email something openid")),
        ("prompt", Some("login select_account")),
        ("max_age", Some("0")),
        ("acr_values", Some("gold urn:vestibule:aal2 1")),
        ("login_hint", Some("joe@bluesky.example")),
        ("account", Some("bluesky/emea")),
        ("id_token_hint", Some("a.b.c")),
    ]);
    assert_eq!((request.client_id.as_str(), request.redirect_uri.as_str()), ("portal", CALLBACK));
    assert_eq!(request.scopes, ["openid", "email"]);
    assert_eq!((request.state.as_deref(), request.nonce.as_deref()), (Some("the state"), Some("the nonce")));
    assert_eq!(request.code_challenge, CHALLENGE);
    assert_eq!(request.prompt, BTreeSet::from([Prompt::Login, Prompt::SelectAccount]));
    assert_eq!((request.max_age, request.acr_values.as_slice()), (Some(0), &["urn:vestibule:aal2".to_owned()][..]));
    assert_eq!((request.login_hint.as_deref(), request.account.as_deref()), (Some("joe@bluesky.example"), Some("bluesky/emea")));
    assert_eq!((request.hinted, request.id_token_hint.as_deref()), (None, Some("a.b.c")));
    // While it waits, the hint is not kept.
    let kept: AuthorizationRequest = serde_json::from_value(serde_json::to_value(&request).unwrap()).unwrap();
    assert_eq!(kept, AuthorizationRequest { id_token_hint: None, ..request });
}

#[test]
fn what_is_not_understood_is_passed_over_and_what_is_empty_was_not_sent() {
    let plain = good(&[]);
    for (name, value) in [
        ("claims", "{\"id_token\":{}}"),
        ("claims_locales", "de"),
        ("ui_locales", "de en"),
        ("display", "popup"),
        ("extra", "foobar\0"),
        ("resource", "https://api.example"),
        ("acr_values", "1 2"),
        ("response_mode", "query"),
        ("prompt", ""),
        ("max_age", ""),
        ("request", ""),
    ] {
        assert_eq!(good(&[(name, Some(value))]), plain, "{name}");
    }
    assert_eq!(good(&[("extra", Some("1")), ("+extra", Some("2"))]), plain);
    assert_eq!(good(&[("nonce", None)]).nonce, None);
    assert_eq!(good(&[("state", None)]).state, None);
    assert_eq!(good(&[("prompt", Some("consent"))]).prompt, BTreeSet::from([Prompt::Consent]));
    assert_eq!(good(&[("max_age", Some("99999999999"))]).max_age, Some(u32::MAX));
}

#[test]
fn as_long_as_the_address_is_not_proved_nobody_is_sent_anywhere() {
    for (changes, why) in [
        (vec![("redirect_uri", None)], Unproved::RedirectMissing),
        (vec![("redirect_uri", Some(""))], Unproved::RedirectMissing),
        (vec![("+redirect_uri", Some(CALLBACK))], Unproved::RedirectMissing),
        (vec![("redirect_uri", Some("https://portal.example/callbacK"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example/callback/"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example/callback?"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example/callback?x=1&y=2"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example/callback#x"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example:443/callback"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example/../callback"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some(" https://portal.example/callback"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://portal.example@evil.example/callback"))], Unproved::RedirectUnknown),
        (vec![("redirect_uri", Some("https://evil.example/")), ("response_type", None)], Unproved::RedirectUnknown),
    ] {
        assert_eq!(read(&asked(&changes), &portal()), Err(Wrong::Unproved(why)), "{changes:?}");
    }
    for id in [None, Some(""), Some("two words"), Some("a\0b"), Some("ä")] {
        assert_eq!(client_id(&asked(&[("client_id", id)])), Err(Unproved::ClientMissing), "{id:?}");
    }
    assert_eq!(client_id(&asked(&[("+client_id", Some("portal"))])), Err(Unproved::ClientMissing));
    assert_eq!(client_id(&asked(&[])), Ok("portal"));
    assert_eq!(good(&[("redirect_uri", Some("https://portal.example/callback?x=1"))]).redirect_uri, format!("{CALLBACK}?x=1"));
}

#[test]
fn a_portal_is_told_what_is_wrong_with_its_request() {
    use ErrorCode::{
        InvalidRequest, InvalidScope, RegistrationNotSupported, RequestNotSupported, RequestUriNotSupported,
        UnsupportedResponseType,
    };
    let long = "x".repeat(4_001);
    for (name, value, error) in [
        ("response_type", None, InvalidRequest),
        ("response_type", Some("token"), UnsupportedResponseType),
        ("response_type", Some("code id_token"), UnsupportedResponseType),
        ("response_type", Some("CODE"), UnsupportedResponseType),
        ("response_mode", Some("form_post"), InvalidRequest),
        ("response_mode", Some("fragment"), InvalidRequest),
        ("scope", None, InvalidScope),
        ("scope", Some("profile email"), InvalidScope),
        ("scope", Some("openidx"), InvalidScope),
        ("code_challenge", None, InvalidRequest),
        ("code_challenge", Some("short"), InvalidRequest),
        ("code_challenge", Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw=cM"), InvalidRequest),
        ("code_challenge_method", None, InvalidRequest),
        ("code_challenge_method", Some("plain"), InvalidRequest),
        ("code_challenge_method", Some("s256"), InvalidRequest),
        ("state", Some(&long), InvalidRequest),
        ("state", Some("a\0b"), InvalidRequest),
        ("nonce", Some(&long), InvalidRequest),
        ("nonce", Some("a\nb"), InvalidRequest),
        ("login_hint", Some("a\u{7f}b"), InvalidRequest),
        ("login", Some("Other"), InvalidRequest),
        ("login", Some("joe@bluesky.example"), InvalidRequest),
        ("login", Some("other 1"), InvalidRequest),
        ("account", Some("a\0"), InvalidRequest),
        ("prompt", Some("none login"), InvalidRequest),
        ("prompt", Some("create"), InvalidRequest),
        ("max_age", Some("-1"), InvalidRequest),
        ("max_age", Some("+1"), InvalidRequest),
        ("max_age", Some("1.5"), InvalidRequest),
        ("max_age", Some("ten"), InvalidRequest),
        ("request", Some("e30."), RequestNotSupported),
        ("request_uri", Some("https://evil.example/"), RequestUriNotSupported),
        ("registration", Some("{}"), RegistrationNotSupported),
    ] {
        assert_eq!(told(&[(name, value)]), error, "{name} {value:?}");
    }
    for name in [
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "acr_values",
        "login_hint",
        "login",
        "account",
        "id_token_hint",
        "response_mode",
    ] {
        assert_eq!(told(&[("+".to_owned() + name).as_str()].map(|name| (name, Some("1"))).repeat(2)), InvalidRequest, "{name}");
    }
    // The state goes back as it came, unless it is itself what is wrong.
    for (changes, state) in [(vec![("scope", None)], Some("the state")), (vec![("+state", Some("other"))], None)] {
        let Err(Wrong::Told { state: found, .. }) = read(&asked(&changes), &portal()) else { panic!("{changes:?}") };
        assert_eq!(found.as_deref(), state);
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn login(number: u128) -> LoginId {
    LoginId::from_uuid(Uuid::from_u128(number))
}

fn account(number: u128) -> Candidate {
    Candidate { id: AccountId::from_uuid(Uuid::from_u128(number)), path: format!("root/{number}") }
}

/// A session of login 1, which came and was asked at second 0.
fn session() -> SessionFacts {
    SessionFacts { login: login(1), other: None, authenticated_at: at(0), asserted_at: Some(at(0)), acr: Acr::Aal1 }
}

/// The decision about a request that came at second 100, at second 200.
fn decided(request: &AuthorizationRequest, session: Option<&SessionFacts>, accounts: &[Candidate]) -> Next {
    next(request, session, accounts, None, at(100), at(200))
}

fn refused(next: &Next) -> Option<ErrorCode> {
    match next {
        Next::Refuse(refusal) => Some(refusal.code),
        _ => None,
    }
}

#[test]
fn one_account_needs_no_question_and_several_do() {
    let (one, two) = ([account(1)], [account(1), account(2)]);
    let plain = good(&[]);
    let first = Next::Issue { account: one[0].id };
    assert_eq!(decided(&plain, None, &[]), Next::SignIn { demand: Demand::default() });
    assert_eq!(decided(&plain, Some(&session()), &one), first);
    assert_eq!(decided(&plain, Some(&session()), &two), Next::Choose);
    assert_eq!(decided(&plain, Some(&session()), &[]), Next::NoAccount);
    let select = good(&[("prompt", Some("select_account"))]);
    assert_eq!(decided(&select, Some(&session()), &one), Next::Choose);
    // What was chosen on our page counts, if there is a role.
    let chosen = |request, id| next(request, Some(&session()), &two, Some(account(id).id), at(100), at(200));
    assert_eq!(chosen(&plain, 2), Next::Issue { account: two[1].id });
    assert_eq!(chosen(&select, 1), Next::Issue { account: two[0].id });
    assert_eq!(chosen(&plain, 3), Next::Choose);
}

#[test]
fn a_portal_can_name_the_account_and_learns_nothing_of_others() {
    let two = [account(1), account(2)];
    let id = two[1].id.to_string();
    for name in [id.as_str(), "root/2"] {
        let request = good(&[("account", Some(name))]);
        assert_eq!(decided(&request, Some(&session()), &two), Next::Issue { account: two[1].id }, "{name}");
        let silent = good(&[("account", Some(name)), ("prompt", Some("none"))]);
        assert_eq!(decided(&silent, Some(&session()), &two), Next::Issue { account: two[1].id }, "{name}");
        let select = good(&[("account", Some(name)), ("prompt", Some("select_account"))]);
        assert_eq!(decided(&select, Some(&session()), &two), Next::Choose, "{name}");
    }
    let answers = ["root/3", "root/1/", "ROOT/1", "0", &account(3).id.to_string()]
        .map(|name| decided(&good(&[("account", Some(name))]), Some(&session()), &two));
    assert_eq!(refused(&answers[0]), Some(ErrorCode::AccessDenied));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn an_id_token_of_another_login_does_not_go_on() {
    let mut request = good(&[]);
    request.hinted = Some(login(1));
    assert_eq!(decided(&request, Some(&session()), &[account(1)]), Next::Issue { account: account(1).id });
    request.hinted = Some(login(2));
    assert_eq!(refused(&decided(&request, Some(&session()), &[account(1)])), Some(ErrorCode::LoginRequired));
    assert_eq!(decided(&request, None, &[]), Next::SignIn { demand: Demand::default() });
}

#[test]
fn who_has_to_prove_themselves_again_is_asked_until_they_did() {
    let one = [account(1)];
    let asserted = |authenticated: i64, asserted: Option<i64>| SessionFacts {
        authenticated_at: at(authenticated),
        asserted_at: asserted.map(at),
        ..session()
    };
    let (anew, young, zero) =
        (good(&[("prompt", Some("login"))]), good(&[("max_age", Some("150"))]), good(&[("max_age", Some("0"))]));
    for (request, session, goes_on) in [
        // Before the request began, or with it, or afterwards without the identity provider's word for it.
        (&anew, asserted(0, Some(0)), false),
        (&anew, asserted(99, Some(99)), false),
        (&anew, asserted(100, Some(100)), false),
        (&anew, asserted(150, None), false),
        (&anew, asserted(150, Some(0)), false),
        (&anew, asserted(150, Some(69)), false),
        // Its clock may be a little behind.
        (&anew, asserted(150, Some(70)), true),
        (&anew, asserted(101, Some(101)), true),
        // The age counts from the word of the identity provider, now.
        (&young, asserted(0, Some(49)), false),
        (&young, asserted(0, Some(50)), true),
        (&young, asserted(150, None), false),
        (&young, asserted(0, None), false),
        (&zero, asserted(0, Some(99)), false),
        // Since the request began is as new as it gets: a person takes longer than a second.
        (&zero, asserted(150, Some(150)), true),
    ] {
        let expected = if goes_on { Next::Issue { account: one[0].id } } else { Next::SignIn { demand: demand(request) } };
        assert_eq!(decided(request, Some(&session), &one), expected, "{session:?}");
    }
    assert_eq!(demand(&anew), Demand { is_fresh: true, ..Demand::default() });
    assert_eq!(demand(&young), Demand { max_age: Some(150), ..Demand::default() });
}

#[test]
fn any_of_the_classes_that_are_asked_for_is_enough() {
    let one = [account(1)];
    let sure = SessionFacts { acr: Acr::Aal2, ..session() };
    let demand = Demand { acr: Some("urn:vestibule:aal2".to_owned()), ..Demand::default() };
    for (values, weak_goes_on) in [
        ("urn:vestibule:aal2", false),
        ("urn:vestibule:aal1", true),
        ("urn:vestibule:aal2 urn:vestibule:aal1", true),
        ("gold urn:vestibule:aal2", false),
        ("1 2", true),
    ] {
        let request = good(&[("acr_values", Some(values))]);
        let issued = Next::Issue { account: one[0].id };
        assert_eq!(decided(&request, Some(&sure), &one), issued, "{values}");
        let expected = if weak_goes_on { issued } else { Next::SignIn { demand: demand.clone() } };
        assert_eq!(decided(&request, Some(&session()), &one), expected, "{values}");
    }
}

#[test]
fn a_silent_request_is_answered_silently() {
    let silent = |more: &[(&str, Option<&str>)]| good(&[&[("prompt", Some("none"))], more].concat());
    let two = [account(1), account(2)];
    for (request, session, accounts, error) in [
        (silent(&[]), None, &two[..], ErrorCode::LoginRequired),
        (silent(&[("max_age", Some("1"))]), Some(session()), &two[..1], ErrorCode::LoginRequired),
        (silent(&[("acr_values", Some("urn:vestibule:aal2"))]), Some(session()), &two[..1], ErrorCode::InteractionRequired),
        (silent(&[]), Some(session()), &two[..], ErrorCode::AccountSelectionRequired),
        (silent(&[]), Some(session()), &[], ErrorCode::AccessDenied),
    ] {
        assert_eq!(refused(&decided(&request, session.as_ref(), accounts)), Some(error), "{request:?}");
    }
    assert_eq!(decided(&silent(&[]), Some(&session()), &two[..1]), Next::Issue { account: two[0].id });
}
