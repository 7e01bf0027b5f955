//! Whatever is asked, and whoever is there.

use proptest::prelude::*;

use super::super::*;
use super::{CALLBACK, account, asked, at, good, login, portal};
use crate::model::Acr;

prop_compose! {
    fn any_request()(
        prompt in prop::sample::select(vec!["", "none", "login", "select_account", "login select_account", "consent"]),
        max_age in prop::option::of(0_u32..400),
        acr in prop::sample::select(vec!["", "urn:vestibule:aal1", "urn:vestibule:aal2", "urn:vestibule:aal2 urn:vestibule:aal1"]),
        account in prop::sample::select(vec!["", "root/1", "root/2", "root/9"]),
        hinted in prop::option::of(1_u128..3),
        wanted in prop::option::of(prop::sample::select(vec![Wanted::Other, Wanted::Login(login(1)), Wanted::Login(login(2))])),
    ) -> AuthorizationRequest {
        let max_age = max_age.map(|seconds| seconds.to_string());
        let mut request = good(&[
            ("prompt", Some(prompt)), ("max_age", max_age.as_deref()), ("acr_values", Some(acr)), ("account", Some(account)),
        ]);
        request.hinted = hinted.map(login);
        request.login = wanted;
        request
    }
}

prop_compose! {
    fn any_session()(
        authenticated in 0_i64..200,
        asserted in prop::option::of(-100_i64..200),
        is_sure: bool,
        number in 1_u128..3,
        is_linked: bool,
    ) -> SessionFacts {
        SessionFacts {
            login: login(number),
            other: is_linked.then(|| login(3 - number)),
            authenticated_at: at(authenticated),
            asserted_at: asserted.map(at),
            acr: if is_sure { Acr::Aal2 } else { Acr::Aal1 },
        }
    }
}

proptest! {
    #[test]
    fn a_code_is_given_for_an_account_with_a_role_alone_and_a_silent_request_asks_nothing(
        request in any_request(),
        session in prop::option::of(any_session()),
        accounts in 0_usize..3,
        chosen in prop::option::of(1_u128..4),
    ) {
        let accounts: Vec<_> = (1..=accounts as u128).map(account).collect();
        let chosen = chosen.map(|number| account(number).id);
        let decision = next(&request, session.as_ref(), &accounts, chosen, at(100), at(200));
        if request.prompt.contains(&Prompt::None) {
            prop_assert!(matches!(decision, Next::Refuse(_) | Next::Issue { .. }), "{:?}", decision);
        }
        if let Next::Issue { account } = &decision {
            let session = session.as_ref().expect("a session");
            prop_assert!(accounts.iter().any(|one| one.id == *account));
            prop_assert!(request.hinted.is_none_or(|login| login == session.login));
            prop_assert!(request.login.is_none_or(|wanted| wanted == Wanted::Login(session.login)));
            prop_assert!(!request.prompt.contains(&Prompt::Login) || session.authenticated_at > at(100));
            prop_assert!(request.max_age.is_none() || session.asserted_at.is_some());
            prop_assert!(request.acr_values != ["urn:vestibule:aal2"] || session.acr == Acr::Aal2);
            let is_selected = !request.prompt.contains(&Prompt::SelectAccount) || chosen == Some(*account);
            prop_assert!(is_selected);
        }
        // Nobody is asked to become who they are, or somebody whom they are not linked with.
        if let Next::AskSwitch { login } = &decision {
            prop_assert_eq!(session.as_ref().and_then(|session| session.other), Some(*login));
            prop_assert!(!request.prompt.contains(&Prompt::None));
        }
        // Whoever just did what the request demands is not asked for it again.
        if let (Next::SignIn { .. }, Some(session)) = (&decision, session) {
            let met = SessionFacts { authenticated_at: at(150), asserted_at: Some(at(150)), acr: Acr::Aal2, ..session };
            let again = next(&request, Some(&met), &accounts, chosen, at(100), at(200));
            prop_assert!(!matches!(again, Next::SignIn { .. }), "{:?}", again);
        }
    }

    #[test]
    fn whatever_is_sent_is_read_or_refused_and_only_registered_addresses_are_answered(text in "\\PC{0,200}", bytes: Vec<u8>) {
        for parameters in [Parameters::parse(text.as_bytes()), Parameters::parse(&bytes)] {
            let _ = client_id(&parameters);
            prop_assert!(matches!(read(&parameters, &portal()), Err(Wrong::Unproved(_))));
        }
        let changed = asked(&[("state", Some(&text)), ("nonce", Some(&text)), ("login_hint", Some(&text))]);
        match read(&changed, &portal()) {
            Ok(request) => prop_assert_eq!(request.redirect_uri, CALLBACK),
            Err(Wrong::Told { redirect_uri, .. }) => prop_assert_eq!(redirect_uri, CALLBACK),
            Err(Wrong::Unproved(why)) => prop_assert!(false, "{:?}", why),
        }
    }
}
