//! Somebody who was there first, or comes from elsewhere: nobody's login gets to another one's person, and what was open before a link is
//! not open afterwards.

use serde_json::json;
use vestibule::directory::linking::proposals;
use vestibule::directory::refusal::Refusal;
use vestibule::directory::sign_in::Outcome;
use vestibule::model::Purpose;

use super::Pair;
use super::hands::FRESHLY;
use crate::openid::Foyer;
use crate::support::http::Browser;
use crate::support::sql;
use crate::support::world::on_every_engine;

/// Everybody is an administrator at `bluesky/emea`, so that portals give them something.
async fn with_roles(pair: &Pair, people: &[&str]) {
    for name in people {
        pair.foyer.person(name, &[]).await;
    }
    let text = "insert into assignments (tenant_id, id, login_id, account_id, catalogue, role, source, source_id, granted_at)
                select l.tenant_id, l.id, l.id, a.id, 'customer-portal', 'administrator', 'manual', l.id, l.created_at
                from logins l join accounts a on a.tenant_id = l.tenant_id where a.slug = 'emea' and l.user_name not like 'joe%'";
    sql::change(&pair.foyer.world.database.url, text).await;
}

/// What a portal holds of a session: an access token and a refresh token.
async fn tokens(foyer: &Foyer, browser: &Browser) -> (String, String) {
    let code = foyer.grant(browser, "portal", "bluesky/emea", "openid offline_access").await;
    let answer = foyer.redeem("portal", &code).await.expect(200).body;
    let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned();
    (text("access_token"), text("refresh_token"))
}

on_every_engine! {
    async fn the_same_address_at_two_connections_is_no_link_and_no_proposal(engine) {
        let pair = Pair::new(engine).await;
        sql::change(&pair.foyer.world.database.url, "update connections set jit = 'on'").await;
        for verified in [json!(true), json!(false), json!(null)] {
            let claims = json!({
                "sub": "mallory", "email": "joe@bluesky.example", "preferred_username": "joe@bluesky.example",
                "email_verified": verified, "auth_time": pair.foyer.clock.now().timestamp(),
            });
            let mut browser = Browser::new();
            let away = pair.errand(&mut browser, pair.second, Purpose::SignIn, &FRESHLY).await;
            pair.comes_back(&mut browser, &away, &claims).await.expect_redirect("/me");
            let mallory = pair.active(&browser).await.unwrap();
            assert!(mallory != pair.joe && mallory != pair.gsa);
            assert_ne!(pair.person_of(mallory).await.0, pair.person_of(pair.joe).await.0);
            let mut reader = pair.app().store.read(pair.foyer.tenant.id);
            for login in [mallory, pair.joe] {
                let login = reader.any_login(login).await.unwrap().unwrap().login;
                let proposed = proposals::of_login(&mut reader, &login).await.unwrap();
                assert!(proposed.iter().all(|one| one.login.id != mallory && one.login.id != pair.joe), "{proposed:?}");
            }
        }
        assert_eq!((pair.foyer.count("logins").await, pair.foyer.count("persons").await), (3, 3));
        assert_eq!(pair.foyer.count("persons where state = 'merged'").await, 0);
    }

    async fn a_link_ends_what_was_open_of_both_but_where_it_was_made(engine) {
        let pair = Pair::new(engine).await;
        with_roles(&pair, &["ann", "ann.gsa"]).await;
        let mut open = Vec::new();
        for name in ["ann", "ann.gsa"] {
            let browser = pair.browser(&pair.fresh(name).await);
            let tokens = tokens(&pair.foyer, &browser).await;
            assert!(pair.foyer.is_active("portal", &tokens.0).await);
            open.push((browser, tokens));
        }
        let cookie = pair.fresh("ann").await;
        let kept = tokens(&pair.foyer, &pair.browser(&cookie)).await;
        let link = pair.proved(&cookie, "ann.gsa").await;
        let (_, after) = pair.confirms(pair.app(), &cookie, link).await.unwrap();
        open.push((pair.browser(&cookie), open[0].1.clone()));
        for (browser, (access, refresh)) in &mut open {
            browser.visit(&pair.at("/me")).await.expect_redirect("/sign-in");
            assert_eq!(pair.foyer.userinfo(access).await.status, 401);
            assert!(!pair.foyer.is_active("portal", access).await && !pair.foyer.is_active("portal", refresh).await);
            pair.foyer.refresh("portal", refresh).await.expect(400);
        }
        // Where it was made it goes on, as the one who made it.
        let active = pair.session(pair.app(), &after).await.unwrap().active_login_id;
        assert_eq!(pair.foyer.userinfo(&kept.0).await.expect(200).body["sub"], active.to_string());
        pair.foyer.refresh("portal", &kept.1).await.expect(200);
        pair.expect_sound("the link").await;
    }

    async fn a_callback_in_another_browser_links_nothing_either_way(engine) {
        let pair = Pair::new(engine).await;
        pair.foyer.person("mallory", &[]).await;
        let callback = pair.at(&format!("/sign-in/oidc/{}/callback", pair.second));
        // The attacker's link, the victim's browser and identity; and the victim's link, with the attacker's answer.
        for (maker, comer, lured) in [("mallory", "joe.gsa", true), ("joe", "mallory", false)] {
            let cookie = pair.fresh(maker).await;
            let link = pair.begun(&cookie).await;
            let mut making = pair.browser(&cookie);
            let away = pair.errand(&mut making, pair.second, Purpose::Link { link }, &FRESHLY).await;
            pair.vault.script().claims = json!({ "sub": comer, "auth_time": pair.foyer.clock.now().timestamp() });
            let mut other = pair.browser(&pair.fresh(comer).await);
            let through = if lured { &mut other } else { &mut making };
            let back = through.follow(away.as_str(), Some(&callback)).await;
            let before = pair.tally().await;
            // Whose browser has no part in it is refused, with its own session or without.
            for mut browser in [other, Browser::new()] {
                let page = browser.visit(back.location.as_ref().unwrap().as_str()).await;
                assert!(page.status.is_client_error(), "{}: {}", page.status, page.body);
            }
            assert_eq!(pair.foyer.count("link_proofs where other_login_id is not null").await, 0);
            assert_eq!(pair.confirms(pair.app(), &cookie, link).await.unwrap_err(), Refusal::LinkOver);
            assert_eq!(pair.tally().await, before);
        }
        assert!(!pair.is_linked().await);
    }

    async fn a_link_is_of_the_session_that_began_it(engine) {
        let pair = Pair::new(engine).await;
        pair.foyer.person("mallory", &[]).await;
        let cookie = pair.fresh("joe").await;
        let link = pair.begun(&cookie).await;
        let (elsewhere, hers) = (pair.fresh("joe").await, pair.fresh("mallory").await);
        // Another tenant at the same identity provider.
        let tenant = pair.foyer.world.tenant("redsky", "entra", pair.vault.issuer()).await;
        let scim = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "red", "externalId": "red", "active": true });
        tenant.scim.post("/Users", &scim).await.expect(201);
        pair.vault.script().claims = json!({ "sub": "red" });
        let mut browser = Browser::new();
        browser.follow(&pair.foyer.world.sign_in(&tenant), None).await.expect(200, "Your accounts");
        let foreign = pair.cookie(&browser);
        for other in [&elsewhere, &hers, &foreign] {
            let who = (pair.second, "joe.gsa");
            let (outcome, _) = pair.arrives(pair.app(), who, Some(other), Purpose::Link { link }, &FRESHLY).await;
            assert!(matches!(outcome, Outcome::Refused { refusal: Refusal::LinkOver, .. }), "{outcome:?}");
        }
        let (outcome, _) = pair.arrives(pair.app(), (pair.second, "joe.gsa"), None, Purpose::Link { link }, &FRESHLY).await;
        assert!(matches!(outcome, Outcome::Refused { refusal: Refusal::LinkOver, .. }), "{outcome:?}");
        assert_eq!(pair.proves_link(&cookie, link, "joe.gsa").await, Ok(()));
        let before = pair.tally().await;
        for other in [&elsewhere, &hers, &foreign, &"nobody's".to_owned()] {
            assert_eq!(pair.confirms(pair.app(), other, link).await.unwrap_err(), Refusal::LinkOver);
        }
        // Nor is it proved a second time, by anybody.
        for sub in ["joe.gsa", "mallory"] {
            assert_eq!(pair.proves_link(&cookie, link, sub).await, Err(Refusal::LinkOver));
        }
        assert_eq!(pair.tally().await, before);
        pair.confirms(pair.app(), &cookie, link).await.unwrap();
        pair.expect_sound("the link").await;
    }

    async fn whoever_has_to_come_as_one_login_does_not_come_as_another_nor_is_made(engine) {
        let pair = Pair::new(engine).await;
        sql::change(&pair.foyer.world.database.url, "update connections set jit = 'on'").await;
        let cookie = pair.linked("joe", "joe.gsa").await;
        pair.foyer.person("mallory", &[]).await;
        let before = pair.foyer.count("logins").await;
        for sub in ["mallory", "joe", "stranger"] {
            let purpose = Purpose::Login { login: pair.gsa };
            let (outcome, _) = pair.arrives(pair.app(), (pair.second, sub), Some(&cookie), purpose, &FRESHLY).await;
            assert!(matches!(outcome, Outcome::Refused { refusal: Refusal::OtherLogin, .. }), "{sub}: {outcome:?}");
            assert_eq!(pair.session(pair.app(), &cookie).await.unwrap().active_login_id, pair.joe);
        }
        assert_eq!(pair.foyer.count("logins").await, before);
    }

    async fn a_link_begun_before_another_link_is_of_no_more_use(engine) {
        let pair = Pair::new(engine).await;
        pair.foyer.person("mallory", &[]).await;
        let cookie = pair.fresh("joe").await;
        let (early, link) = (pair.begun(&cookie).await, pair.proved(&cookie, "joe.gsa").await);
        let (_, after) = pair.confirms(pair.app(), &cookie, link).await.unwrap();
        assert_eq!(pair.proves_link(&after, early, "mallory").await, Err(Refusal::PersonFull));
        assert_eq!(pair.confirms(pair.app(), &after, early).await.unwrap_err(), Refusal::LinkOver);
    }
}
