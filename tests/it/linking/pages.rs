//! What people see of their two logins, and the way through the pages that link them.

use reqwest::Method;
use vestibule::model::{Actor, LoginId};

use super::{Pair, SESSION, leads_away};
use crate::support::http::{Browser, Visit};
use crate::support::sql;
use crate::support::world::on_every_engine;

/// The page says this, and who is signed in, and leads back to this address.
#[track_caller]
fn expect_refused(page: Visit, status: u16, text: &str, back: &str) {
    let page = page.expect(status, text);
    assert!(page.body.contains("You are still signed in as"), "{}", page.body);
    assert!(page.body.contains(&format!("<a class=\"button\" href=\"{back}\">")), "{}", page.body);
    assert!(page.body.contains("@bluesky.example?subject="), "whom to ask: {}", page.body);
}

/// What an authorization request asks for.
fn asked(leaving: &Visit) -> (Option<String>, Option<String>) {
    let url = url::Url::parse(&leads_away(leaving)).unwrap();
    let find = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    (find("prompt"), find("max_age"))
}

async fn propose(pair: &Pair, one: LoginId, other: LoginId) {
    let foyer = &pair.foyer;
    let mut writer = foyer.world.app.store.write(foyer.tenant.id).await.unwrap();
    assert!(writer.insert_link_proposal(one, other, &Actor::Operator, foyer.clock.now()).await.unwrap());
    writer.commit().await.unwrap();
}

on_every_engine! {
    async fn two_logins_of_one_identity_provider_are_linked_step_by_step(engine) {
        let pair = Pair::new(engine).await;
        let (mut phone, mut there) = (pair.signed_in("joe").await, pair.signed_in("joe.gsa").await);
        let mut browser = pair.signed_in("joe").await;
        let page = browser.visit(&pair.at("/me/logins")).await.expect(200, "You have one login");
        assert!(page.body.contains("href=\"/me/logins/link\"") && !page.body.contains("/me/switch"), "{}", page.body);
        // The first step: the active login is asked anew.
        let page = browser.visit(&pair.at("/me/logins/link")).await.expect(200, "Sign in again as joe@bluesky.example");
        assert!(page.body.contains("action=\"/me/logins/prove\"") && !page.body.contains("name=\"connection\""), "{}", page.body);
        let leaving = browser.post(&pair.at("/me/logins/prove"), &[]).await;
        assert_eq!(asked(&leaving), (Some("login".into()), Some("0".into())));
        // The second one: among the connections, the other login.
        let page = pair.proves(&mut browser, &leaving, "joe").await.expect(200, "asked you just now");
        for connection in [pair.foyer.tenant.connection, pair.second] {
            assert!(page.body.contains(&format!("name=\"connection\" value=\"{connection}\"")), "{}", page.body);
        }
        let first = pair.foyer.tenant.connection.to_string();
        let leaving = browser.post(&pair.at("/me/logins/link"), &[("connection", &first)]).await;
        assert_eq!(asked(&leaving), (Some("login".into()), Some("0".into())));
        let cookie = pair.shown_by(&browser);
        // The last one: both, what each can do, and what ends.
        let page = pair.proves(&mut browser, &leaving, "joe.gsa").await.expect(200, "Link these two logins?");
        for text in ["joe@bluesky.example", "joe.gsa@bluesky.example", "EMEA administrators", "All 2 other sessions"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        assert_eq!((pair.shown_by(&browser), pair.active(&browser).await), (cookie.clone(), Some(pair.joe)));
        assert!(!pair.is_linked().await && pair.is_signed_in(&mut phone).await && pair.is_signed_in(&mut there).await);
        browser.post(page.url.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
        assert!(pair.is_linked().await);
        assert_ne!(pair.shown_by(&browser), cookie);
        let mut thief = Browser::new();
        thief.plant(&pair.foyer.world.base, SESSION, &cookie.unwrap());
        for other in [&mut phone, &mut there, &mut thief] {
            assert!(!pair.is_signed_in(other).await);
        }
        let page = browser.visit(&pair.at("/me/logins?done=linked")).await.expect(200, "The two logins are linked");
        for text in ["signed in as <a href=\"/me/logins\">joe@bluesky.example</a> (first login)", "Linked since", "here only",
            "Switch to joe.gsa@bluesky.example (second login)", "href=\"/me/logins/unlink\"", "EMEA administrators"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        // Each can do what it can do: the active one has no role.
        browser.visit(&pair.at("/me")).await.expect(200, "No account yet");
    }

    async fn logins_of_two_identity_providers_are_linked(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.signed_in("joe").await;
        pair.proves_first(&mut browser, "joe").await;
        let page = pair.proves_second(&mut browser, pair.second, "joe.gsa").await.expect(200, "The vault of bluesky");
        assert_eq!(pair.vault.seen().asked["prompt"], "login");
        // What was thought better of leaves everything as it was, and can still be confirmed for ten minutes.
        browser.visit(&pair.at("/me/logins")).await.expect(200, "You have one login");
        pair.wait(560);
        browser.post(page.url.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
        assert!(pair.is_linked().await);
        // A second time it is over.
        expect_refused(browser.post(page.url.as_str(), &[]).await, 400, "Please begin again", "/me/logins");
        expect_refused(browser.visit(page.url.as_str()).await, 400, "Please begin again", "/me/logins");
    }

    async fn without_fresh_proof_of_the_active_login_nothing_begins(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.signed_in("joe").await;
        let (first, login) = (pair.foyer.tenant.connection.to_string(), pair.gsa.to_string());
        let begins = async |browser: &mut Browser, more: &[(&str, &str)]| {
            let mut form = vec![("connection", first.as_str())];
            form.extend(more);
            browser.post(&pair.at("/me/logins/link"), &form).await
        };
        begins(&mut browser, &[]).await.expect_redirect("/me/logins/link");
        begins(&mut browser, &[("login", &login)]).await.expect_redirect(&format!("/me/logins/link?login={login}"));
        // It does not say when it asked, or says that it did so an hour ago.
        let leaving = browser.post(&pair.at("/me/logins/prove"), &[]).await;
        pair.says_no_time("joe");
        let page = browser.follow(&leads_away(&leaving), None).await;
        expect_refused(page, 403, "did not confirm it afresh", "/me/logins/link");
        let leaving = browser.post(&pair.at("/me/logins/prove"), &[]).await;
        pair.asserts("joe");
        pair.wait(3_600);
        let page = browser.follow(&leads_away(&leaving), None).await;
        assert!(page.body.contains("did not confirm it afresh") || page.body.contains("begin again"), "{}", page.body);
        begins(&mut browser, &[]).await;
        assert_eq!(pair.foyer.count("link_proofs").await, 0);
        // Five minutes after it was proved it no longer counts.
        let mut browser = pair.signed_in("joe").await;
        pair.proves_first(&mut browser, "joe").await;
        pair.wait(300);
        begins(&mut browser, &[]).await.expect_redirect("/me/logins/link");
        browser.visit(&pair.at("/me/logins/link")).await.expect(200, "action=\"/me/logins/prove\"");
        assert_eq!(pair.foyer.count("link_proofs").await, 0);
    }

    async fn another_login_than_the_active_one_proves_nothing(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.signed_in("joe").await;
        let cookie = pair.shown_by(&browser);
        let leaving = browser.post(&pair.at("/me/logins/prove"), &[]).await;
        expect_refused(pair.proves(&mut browser, &leaving, "joe.gsa").await, 403, "That was another login", "/me/logins/link");
        assert_eq!((pair.active(&browser).await, pair.shown_by(&browser)), (Some(pair.joe), cookie));
    }

    async fn a_proposal_is_for_the_login_that_it_names_and_for_no_other(engine) {
        let pair = Pair::new(engine).await;
        let eve = pair.foyer.person("eve", &[]).await;
        propose(&pair, pair.gsa, pair.joe).await;
        let mut browser = pair.signed_in("joe").await;
        let login = pair.gsa.to_string();
        let wizard = format!("/me/logins/link?login={login}");
        let page = browser.visit(&pair.at("/me/logins")).await.expect(200, "Your administrator says");
        assert!(page.body.contains(&format!("href=\"{wizard}\">Link joe.gsa@bluesky.example</a>")), "{}", page.body);
        // Nobody proposed this one.
        for stranger in [eve.to_string(), "nonsense".to_owned()] {
            let address = pair.at(&format!("/me/logins/link?login={stranger}"));
            expect_refused(browser.visit(&address).await, 400, "Please begin again", "/me/logins");
        }
        // The proposal is kept on the way through the proof.
        browser.visit(&pair.at(&wizard)).await.expect(200, &format!("name=\"login\" value=\"{login}\""));
        let leaving = browser.post(&pair.at("/me/logins/prove"), &[("login", &login)]).await;
        let page = pair.proves(&mut browser, &leaving, "joe").await.expect(200, "<strong>joe.gsa@bluesky.example</strong> is yours too");
        assert!(page.url.as_str().ends_with(&wizard) && page.body.contains("asked you just now"), "{}", page.url);
        let first = pair.foyer.tenant.connection.to_string();
        let begins = async |browser: &mut Browser, login: &str| {
            browser.post(&pair.at("/me/logins/link"), &[("connection", &first), ("login", login)]).await
        };
        expect_refused(begins(&mut browser, &eve.to_string()).await, 400, "Please begin again", "/me/logins");
        let leaving = begins(&mut browser, &login).await;
        expect_refused(pair.proves(&mut browser, &leaving, "eve").await, 403, "That was another login", "/me/logins");
        let leaving = begins(&mut browser, &login).await;
        let page = pair.proves(&mut browser, &leaving, "joe.gsa").await.expect(200, "Link these two logins?");
        browser.post(page.url.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
        assert!(pair.is_linked().await);
        assert_eq!(pair.foyer.count("link_proposals").await, 0);
    }

    async fn a_refused_link_says_which_rule_refused_and_leaves_everything_as_it_was(engine) {
        let pair = Pair::new(engine).await;
        let connection = pair.foyer.tenant.connection;
        let mut browser = pair.signed_in("joe").await;
        pair.proves_first(&mut browser, "joe").await;
        let cookie = pair.shown_by(&browser);
        for (sub, text) in [("joe", "That was the same login again"), ("stranger", "That login has no access here")] {
            expect_refused(pair.proves_second(&mut browser, connection, sub).await, 403, text, "/me/logins");
        }
        // It does not say when it asked.
        let leaving = browser.post(&pair.at("/me/logins/link"), &[("connection", &pair.second.to_string())]).await;
        pair.says_no_time("joe.gsa");
        let page = browser.follow(&leads_away(&leaving), None).await;
        assert!(page.body.contains("mailto:vault@bluesky.example"), "who runs that one is asked: {}", page.body);
        expect_refused(page, 403, "The vault of bluesky did not confirm it afresh", "/me/logins");
        // It refuses.
        let leaving = browser.post(&pair.at("/me/logins/link"), &[("connection", &pair.second.to_string())]).await;
        pair.vault.script().response = serde_json::json!({ "code": null, "error": "access_denied" });
        expect_refused(pair.proves(&mut browser, &leaving, "joe.gsa").await, 403, "was not completed", "/me/logins");
        // It is switched off.
        pair.foyer.set_active(pair.gsa, false).await;
        let off = "One of the two logins is switched off";
        expect_refused(pair.proves_second(&mut browser, connection, "joe.gsa").await, 403, off, "/me/logins");
        pair.foyer.set_active(pair.gsa, true).await;
        // No connection, and one that is switched off.
        for nowhere in ["nonsense".to_owned(), pair.joe.to_string()] {
            let page = browser.post(&pair.at("/me/logins/link"), &[("connection", &nowhere)]).await;
            expect_refused(page, 403, "This way to sign in is switched off", "/me/logins/link");
        }
        sql::change(&pair.foyer.world.database.url, "update connections set state = 'disabled' where slug = 'vault'").await;
        let page = browser.post(&pair.at("/me/logins/link"), &[("connection", &pair.second.to_string())]).await;
        expect_refused(page, 403, "This way to sign in is switched off", "/me/logins/link");
        let page = browser.visit(&pair.at("/me/logins/link")).await;
        assert!(!page.body.contains("The vault of bluesky"), "{}", page.body);
        assert_eq!((pair.active(&browser).await, pair.shown_by(&browser)), (Some(pair.joe), cookie));
        assert!(!pair.is_linked().await);
        assert_eq!(pair.foyer.count("link_proofs where other_login_id is not null").await, 0);
    }

    async fn there_is_no_third_login(engine) {
        let pair = Pair::new(engine).await;
        let connection = pair.foyer.tenant.connection;
        pair.foyer.person("eve", &[]).await;
        let mut browser = pair.signed_in("joe").await;
        pair.proves_first(&mut browser, "joe").await;
        // Two tabs begin; one of them is finished.
        let late = browser.post(&pair.at("/me/logins/link"), &[("connection", &connection.to_string())]).await;
        let later = browser.post(&pair.at("/me/logins/link"), &[("connection", &connection.to_string())]).await;
        let page = pair.proves_second(&mut browser, connection, "joe.gsa").await.expect(200, "Link these two logins?");
        browser.post(page.url.as_str(), &[]).await.expect_redirect("/me/logins?done=linked");
        expect_refused(pair.proves(&mut browser, &late, "joe.gsa").await, 403, "are linked already", "/me/logins");
        expect_refused(pair.proves(&mut browser, &later, "eve").await, 403, "You have two logins already", "/me/logins");
        expect_refused(browser.visit(&pair.at("/me/logins/link")).await, 403, "You have two logins already", "/me/logins");
        let page = browser.post(&pair.at("/me/logins/link"), &[("connection", &connection.to_string())]).await;
        expect_refused(page, 403, "You have two logins already", "/me/logins");
        // And neither of the two is anybody else's.
        let mut eve = pair.signed_in("eve").await;
        pair.proves_first(&mut eve, "eve").await;
        expect_refused(pair.proves_second(&mut eve, connection, "joe.gsa").await, 403, "linked with another one", "/me/logins");
    }

    async fn a_link_is_of_the_session_that_began_it_and_of_nobody_else(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.signed_in("joe").await;
        pair.proves_first(&mut browser, "joe").await;
        let page = pair.proves_second(&mut browser, pair.second, "joe.gsa").await.expect(200, "Link these two logins?");
        let (mut other, mut gsa) = (pair.signed_in("joe").await, pair.signed_in("joe.gsa").await);
        for foreign in [&mut other, &mut gsa] {
            expect_refused(foreign.visit(page.url.as_str()).await, 400, "Please begin again", "/me/logins");
            expect_refused(foreign.post(page.url.as_str(), &[]).await, 400, "Please begin again", "/me/logins");
        }
        other.visit(&pair.at("/me/logins/link/nonsense")).await.expect(404, "There is no page here");
        assert!(!pair.is_linked().await);
        // What is not proved yet cannot be confirmed, and leads back to the steps.
        pair.proves_first(&mut other, "joe").await;
        other.post(&pair.at("/me/logins/link"), &[("connection", &pair.second.to_string())]).await;
        let url = &pair.foyer.world.database.url;
        let id = if url.starts_with("sqlite") { "lower(hex(id))" } else { "cast(id as text)" };
        let id = sql::texts(url, &format!("select {id} from link_proofs where other_login_id is null")).await.remove(0);
        let open = pair.at(&format!("/me/logins/link/{}", uuid::Uuid::parse_str(&id).unwrap()));
        other.visit(&open).await.expect_redirect("/me/logins/link");
        expect_refused(other.post(&open, &[]).await, 400, "Please begin again", "/me/logins");
        assert!(!pair.is_linked().await);
    }

    async fn no_other_site_and_nobody_who_is_signed_out_does_any_of_it(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.linked_by_pages().await;
        let (login, connection) = (pair.gsa.to_string(), pair.second.to_string());
        let form = [("login", login.as_str()), ("connection", connection.as_str())];
        let before = pair.foyer.count("events").await;
        for path in ["/me/switch", "/me/logins/prove", "/me/logins/link", "/me/logins/link/0198", "/me/logins/unlink"] {
            for site in ["cross-site", "same-site"] {
                assert_eq!(browser.post_from(site, &pair.at(path), &form).await.status, 403, "{site} {path}");
            }
            Browser::new().post(&pair.at(path), &form).await.expect_redirect("/sign-in");
        }
        for path in ["/me/logins", "/me/logins/link", "/me/logins/link/0198", "/me/logins/unlink"] {
            Browser::new().visit(&pair.at(path)).await.expect_redirect("/sign-in");
        }
        // Nothing is done by following a link.
        for path in ["/me/switch", "/me/logins/prove"] {
            assert_eq!(browser.send(Method::GET, &pair.at(path), &[], None).await.status, 405, "{path}");
        }
        assert_eq!((pair.active(&browser).await, pair.foyer.count("events").await), (Some(pair.joe), before));
        assert!(pair.is_linked().await);
    }
}
