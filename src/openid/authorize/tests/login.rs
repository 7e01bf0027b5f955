//! Requests that name a login.

use super::super::*;
use super::{account, decided, good, login, refused, session};
use crate::model::Demand;

/// Login 1 is active, and login 2 is the other one.
fn linked() -> SessionFacts {
    SessionFacts { other: Some(login(2)), ..session() }
}

/// The same, after a switch.
fn switched() -> SessionFacts {
    SessionFacts { login: login(2), other: Some(login(1)), ..session() }
}

fn id(number: u128) -> String {
    login(number).to_string()
}

#[test]
fn a_portal_can_ask_for_a_login_and_the_person_decides() {
    let one = [account(1)];
    let issued = Next::Issue { account: one[0].id };
    let ask = |number| Next::AskSwitch { login: login(number) };
    for (wanted, session, expected) in [
        ("other", linked(), ask(2)),
        ("other", switched(), ask(1)),
        (&id(2), linked(), ask(2)),
        (&id(1), switched(), ask(1)),
        // It is the active one: there is nothing to ask.
        (&id(1), linked(), issued.clone()),
        (&id(1), session(), issued.clone()),
        (&id(2), switched(), issued),
    ] {
        assert_eq!(decided(&good(&[("login", Some(wanted))]), Some(&session), &one), expected, "{wanted} {session:?}");
        // The roles of the active login are nothing to the other one.
        let nowhere = decided(&good(&[("login", Some(wanted))]), Some(&session), &[]);
        assert_eq!(matches!(nowhere, Next::AskSwitch { .. }), matches!(expected, Next::AskSwitch { .. }), "{wanted} {session:?}");
        // Silently it asks nobody.
        let silent = decided(&good(&[("login", Some(wanted)), ("prompt", Some("none"))]), Some(&session), &one);
        match expected {
            Next::AskSwitch { .. } => assert_eq!(refused(&silent), Some(ErrorCode::InteractionRequired), "{wanted} {session:?}"),
            expected => assert_eq!(silent, expected, "{wanted} {session:?}"),
        }
    }
    // Nobody is signed in: then somebody has to be first, whoever is wanted.
    for wanted in ["other", &id(1), &id(2), &id(3)] {
        assert_eq!(decided(&good(&[("login", Some(wanted))]), None, &[]), Next::SignIn { demand: Demand::default() }, "{wanted}");
        let silent = good(&[("login", Some(wanted)), ("prompt", Some("none"))]);
        assert_eq!(refused(&decided(&silent, None, &[])), Some(ErrorCode::LoginRequired), "{wanted}");
    }
}

#[test]
fn a_login_of_somebody_else_is_refused_like_one_that_never_was() {
    let one = [account(1)];
    let answers: Vec<_> = [("other", session()), (&id(2), session()), (&id(3), linked()), (&id(3), session())]
        .into_iter()
        .flat_map(|(wanted, session)| {
            ["", "none", "login", "select_account"]
                .map(|prompt| decided(&good(&[("login", Some(wanted)), ("prompt", Some(prompt))]), Some(&session), &one))
        })
        .collect();
    assert_eq!(refused(&answers[0]), Some(ErrorCode::AccessDenied));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn the_other_login_is_one_certain_login_as_soon_as_somebody_is_known() {
    let request = good(&[("login", Some("other"))]);
    let one = [account(1)];
    let kept = settled(request.clone(), &linked());
    assert_eq!(kept, AuthorizationRequest { login: Some(Wanted::Login(login(2))), ..request.clone() });
    // While it waits it is written down, and after the switch nobody is asked to switch back.
    let kept: AuthorizationRequest = serde_json::from_value(serde_json::to_value(kept).unwrap()).unwrap();
    assert_eq!(settled(kept.clone(), &switched()), kept);
    assert_eq!(decided(&kept, Some(&switched()), &one), Next::Issue { account: one[0].id });
    // Who has none other may still get one.
    let waits: AuthorizationRequest =
        serde_json::from_value(serde_json::to_value(settled(request.clone(), &session())).unwrap()).unwrap();
    assert_eq!(waits, request);
    for untouched in [good(&[]), good(&[("login", Some(&id(1)))]), good(&[("login", Some(&id(3)))])] {
        assert_eq!(settled(untouched.clone(), &linked()), untouched);
    }
}

#[test]
fn the_login_comes_before_what_it_has_to_prove() {
    let one = [account(1)];
    for more in [("prompt", "login"), ("max_age", "1"), ("acr_values", "urn:vestibule:aal2"), ("account", "root/9")] {
        let request = good(&[("login", Some(&id(2))), (more.0, Some(more.1))]);
        assert_eq!(decided(&request, Some(&linked()), &one), Next::AskSwitch { login: login(2) }, "{more:?}");
        // Now it is about the other one.
        let after = decided(&request, Some(&switched()), &one);
        match more.0 {
            "account" => assert_eq!(refused(&after), Some(ErrorCode::AccessDenied)),
            _ => assert_eq!(after, Next::SignIn { demand: demand(&request) }, "{more:?}"),
        }
    }
}

#[test]
fn an_id_token_and_a_login_have_to_be_of_one_login() {
    let one = [account(1)];
    let mut request = good(&[("login", Some(&id(2)))]);
    request.hinted = Some(login(2));
    assert_eq!(decided(&request, Some(&linked()), &one), Next::AskSwitch { login: login(2) });
    assert_eq!(decided(&request, Some(&switched()), &one), Next::Issue { account: one[0].id });
    // Nobody is asked to switch in vain.
    for hinted in [1, 3] {
        request.hinted = Some(login(hinted));
        for session in [linked(), switched()] {
            assert_eq!(refused(&decided(&request, Some(&session), &one)), Some(ErrorCode::LoginRequired), "{hinted} {session:?}");
        }
    }
}
