//! Fresh proof is what an identity provider says that it has just asked for. Nothing else is.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vestibule::directory::linking::{Begun, Switch};
use vestibule::directory::refusal::Refusal;
use vestibule::directory::sign_in::Outcome;
use vestibule::model::{Demand, Purpose};

use super::Pair;
use super::hands::FRESHLY;
use crate::support::world::on_every_engine;

/// What identity providers say that is no fresh proof of `sub`.
fn stale(pair: &Pair, sub: &str) -> Vec<(&'static str, Value)> {
    let at = |seconds| json!({ "sub": sub, "auth_time": (pair.foyer.clock.now() + TimeDelta::seconds(seconds)).timestamp() });
    vec![
        ("nothing of the time", json!({ "sub": sub })),
        ("no time", json!({ "sub": sub, "auth_time": null })),
        ("more than five minutes ago", at(-301)),
        ("from before the request", at(-40)),
        ("a time that is to come", at(120)),
        ("a day that is to come", at(86_400)),
    ]
}

on_every_engine! {
    async fn who_does_not_say_when_they_asked_proves_neither_login(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.signed_in("joe").await;
        let cookie = pair.cookie(&browser);
        let prove = Purpose::Login { login: pair.joe };
        for (case, claims) in stale(&pair, "joe") {
            let away = pair.errand(&mut browser, pair.first(), prove, &FRESHLY).await;
            let page = pair.comes_back(&mut browser, &away, &claims).await;
            assert!(page.status.is_client_error(), "{case}: {} {}", page.status, page.body);
            assert_eq!(pair.cookie(&browser), cookie, "{case}");
            assert_eq!(pair.begins(&cookie, pair.second, None).await, Ok(Begun::ProveFirst), "{case}");
        }
        assert_eq!(pair.foyer.count("sign_in_traces where outcome = 'not_fresh'").await, 6);
        // The right answer does, and then the second login's turn is the same.
        let away = pair.errand(&mut browser, pair.first(), prove, &FRESHLY).await;
        let now = pair.foyer.clock.now().timestamp();
        assert_eq!(pair.comes_back(&mut browser, &away, &json!({ "sub": "joe", "auth_time": now })).await.status, 303);
        let cookie = pair.cookie(&browser);
        let link = pair.begun(&cookie).await;
        for (case, claims) in stale(&pair, "joe.gsa") {
            let away = pair.errand(&mut browser, pair.second, Purpose::Link { link }, &FRESHLY).await;
            let page = pair.comes_back(&mut browser, &away, &claims).await;
            assert!(page.status.is_client_error(), "{case}: {} {}", page.status, page.body);
            assert_eq!(pair.confirms(pair.app(), &cookie, link).await.unwrap_err(), Refusal::LinkOver, "{case}");
        }
        assert_eq!(pair.foyer.count("sign_in_traces where outcome = 'not_fresh'").await, 12);
        assert_eq!(pair.foyer.count("link_proofs where other_login_id is not null").await, 0);
        let away = pair.errand(&mut browser, pair.second, Purpose::Link { link }, &FRESHLY).await;
        let back = pair.comes_back(&mut browser, &away, &json!({ "sub": "joe.gsa", "auth_time": now })).await;
        back.expect_redirect(&format!("/me/logins/link/{link}"));
        pair.confirms(pair.app(), &cookie, link).await.unwrap();
        assert!(pair.is_linked().await);
        pair.expect_sound("the link").await;
    }

    async fn a_sign_in_of_seconds_ago_that_nobody_asked_for_anew_proves_nothing(engine) {
        let pair = Pair::new(engine).await;
        pair.asserts("joe");
        let mut browser = crate::support::http::Browser::new();
        pair.sign_in(&mut browser).await;
        let cookie = pair.cookie(&browser);
        assert_eq!(pair.begins(&cookie, pair.second, None).await, Ok(Begun::ProveFirst));
        assert_eq!(pair.unlinks(pair.app(), &cookie).await.unwrap_err(), Refusal::NotFresh);
        // Nor does a second login that came by a request which did not ask anew, whoever forgot to.
        let cookie = pair.fresh("joe").await;
        let link = pair.begun(&cookie).await;
        for demand in [Demand::default(), Demand { max_age: Some(0), ..Demand::default() }] {
            let who = (pair.second, "joe.gsa");
            let (outcome, _) = pair.arrives(pair.app(), who, Some(&cookie), Purpose::Link { link }, &demand).await;
            assert!(matches!(outcome, Outcome::Refused { refusal: Refusal::NotFresh, .. }), "{outcome:?}");
        }
        assert_eq!(pair.foyer.count("link_proofs where other_login_id is not null").await, 0);
    }

    async fn five_minutes_later_nothing_is_parted_and_no_privileged_login_is_switched_to(engine) {
        let pair = Pair::guarded(engine).await;
        let cookie = pair.linked("joe", "joe.gsa").await;
        let mut browser = pair.browser(&cookie);
        pair.wait(301);
        assert_eq!(pair.begins(&cookie, pair.first(), None).await, Ok(Begun::ProveFirst));
        for (case, claims) in stale(&pair, "joe.gsa") {
            assert_eq!(pair.unlinks(pair.app(), &cookie).await.unwrap_err(), Refusal::NotFresh, "{case}");
            let Ok(Switch::SignIn { connection, is_fresh: true }) = pair.switches(pair.app(), &cookie, pair.gsa).await else {
                panic!("{case}: it is privileged")
            };
            let away = pair.errand(&mut browser, connection, Purpose::Login { login: pair.gsa }, &FRESHLY).await;
            let page = pair.comes_back(&mut browser, &away, &claims).await;
            assert!(page.status.is_client_error(), "{case}: {}", page.status);
            assert_eq!(pair.active(&browser).await, Some(pair.joe), "{case}");
        }
        assert!(pair.is_linked().await);
        // The everyday login is switched to by a sign-in of any age.
        let away = pair.errand(&mut browser, pair.second, Purpose::Login { login: pair.gsa }, &FRESHLY).await;
        let now = pair.foyer.clock.now().timestamp();
        pair.comes_back(&mut browser, &away, &json!({ "sub": "joe.gsa", "auth_time": now })).await.expect_redirect("/me");
        assert_eq!(pair.active(&browser).await, Some(pair.gsa));
        assert_eq!(pair.switches(pair.app(), &pair.cookie(&browser), pair.joe).await, Ok(Switch::Done));
        pair.expect_sound("switching").await;
    }

    async fn a_later_sign_in_that_says_no_time_leaves_the_proof_as_it_is(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.browser(&pair.fresh("joe").await);
        pair.says_no_time("joe");
        pair.sign_in(&mut browser).await;
        let cookie = pair.cookie(&browser);
        assert!(matches!(pair.begins(&cookie, pair.second, None).await, Ok(Begun::Proof(_))));
        pair.wait(301);
        assert_eq!(pair.begins(&cookie, pair.second, None).await, Ok(Begun::ProveFirst));
    }
}
