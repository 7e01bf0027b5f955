//! Switching between two linked logins, and parting them, as browsers see it.

use super::{Pair, SESSION, leads_away};
use crate::openid::CALLBACK;
use crate::openid::authorize::query;
use crate::support::http::{Browser, Visit};
use crate::support::world::on_every_engine;

/// Whether the identity provider is to ask anew.
fn asks_anew(leaving: &Visit) -> bool {
    let url = url::Url::parse(&leads_away(leaving)).unwrap();
    url.query_pairs().any(|pair| pair == ("prompt".into(), "login".into()))
}

on_every_engine! {
    async fn the_header_switches_both_ways_and_the_page_shows_whose_it_is(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.linked_by_pages().await;
        let cookie = pair.shown_by(&browser);
        pair.switch(&mut browser, pair.gsa, Some("/me/sessions")).await.expect_redirect("/me/sessions");
        let page = browser.visit(&pair.at("/me")).await.expect(200, "EMEA administrators");
        for text in ["joe.gsa@bluesky.example</a> (second login)", "Switch to joe@bluesky.example (first login)",
            &format!("name=\"login\" value=\"{}\"", pair.joe)] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        // Twice pressed, and back.
        pair.switch(&mut browser, pair.gsa, None).await.expect_redirect("/me");
        pair.switch(&mut browser, pair.joe, None).await.expect_redirect("/me");
        browser.visit(&pair.at("/me")).await.expect(200, "No account yet");
        assert_eq!(pair.shown_by(&browser), cookie);
        // A place of another site is no place to return to.
        for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
            pair.switch(&mut browser, pair.gsa, Some(elsewhere)).await.expect_redirect("/me");
        }
    }

    async fn a_login_that_did_not_sign_in_here_signs_in_first(engine) {
        let pair = Pair::new(engine).await;
        pair.linked_by_pages().await;
        // Another browser, in which one of the two is signed in.
        let mut browser = pair.signed_in("joe").await;
        let (session, cookie) = (pair.foyer.session(&browser).await.unwrap(), pair.shown_by(&browser));
        let leaving = pair.switch(&mut browser, pair.gsa, Some("/me/sessions")).await;
        assert!(!asks_anew(&leaving) && leaving.body.contains("signed in as"), "{}", leaving.body);
        let page = pair.proves(&mut browser, &leaving, "joe.gsa").await.expect(200, "Where you are signed in");
        assert!(page.body.contains("joe.gsa@bluesky.example</a> (second login)"), "{}", page.body);
        let after = pair.foyer.session(&browser).await.unwrap();
        assert_eq!((after.id, after.active_login_id), (session.id, pair.gsa));
        assert_ne!(pair.shown_by(&browser), cookie);
    }

    async fn a_privileged_login_is_asked_afresh_and_the_everyday_one_is_not(engine) {
        let pair = Pair::guarded(engine).await;
        let mut browser = pair.linked_by_pages().await;
        let page = browser.visit(&pair.at("/me")).await;
        for text in ["(everyday)", "Switch to joe.gsa@bluesky.example (privileged)"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }
        // It was proved a moment ago; after five minutes that is no longer so.
        pair.switch(&mut browser, pair.gsa, None).await.expect_redirect("/me");
        pair.switch(&mut browser, pair.joe, None).await.expect_redirect("/me");
        pair.wait(301);
        let leaving = pair.switch(&mut browser, pair.gsa, Some("/me/logins")).await;
        assert!(asks_anew(&leaving));
        // Somebody else comes back, or nobody who was asked: then nothing changes.
        let page = pair.proves(&mut browser, &leaving, "joe").await.expect(403, "That was another login");
        assert!(page.body.contains("href=\"/me/logins\">To your logins</a>"), "{}", page.body);
        let leaving = pair.switch(&mut browser, pair.gsa, Some("/me/sessions")).await;
        pair.says_no_time("joe.gsa");
        let page = browser.follow(&leads_away(&leaving), None).await.expect(403, "did not confirm it afresh");
        assert!(page.body.contains("href=\"/me/sessions\">Try again</a>"), "{}", page.body);
        assert_eq!(pair.active(&browser).await, Some(pair.joe));
        let leaving = pair.switch(&mut browser, pair.gsa, Some("/me/logins")).await;
        let page = pair.proves(&mut browser, &leaving, "joe.gsa").await.expect(200, "You have two logins");
        assert!(page.body.contains("joe.gsa@bluesky.example</a> (privileged)"), "{}", page.body);
        pair.wait(301);
        pair.switch(&mut browser, pair.joe, None).await.expect_redirect("/me");
        assert_eq!(pair.active(&browser).await, Some(pair.joe));
    }

    async fn a_login_that_is_switched_off_is_not_switched_to(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.linked_by_pages().await;
        pair.foyer.set_active(pair.gsa, false).await;
        let page = browser.visit(&pair.at("/me/logins")).await.expect(200, "deactivated");
        assert!(!page.body.contains("/me/switch"), "{}", page.body);
        for path in ["/me/switch", "/me/logins/unlink"] {
            let page = browser.post(&pair.at(path), &[("login", &pair.gsa.to_string())]).await;
            // To part them needs a proof first, and the page that asks for it refuses.
            let page = if page.status == 303 { browser.visit(&pair.at("/me/logins/unlink")).await } else { page };
            page.expect(403, "One of the two logins is switched off");
        }
        assert_eq!(pair.active(&browser).await, Some(pair.joe));
    }

    async fn switching_at_a_request_of_a_portal_goes_on_by_a_page(engine) {
        let pair = Pair::new(engine).await;
        let mut browser = pair.linked_by_pages().await;
        pair.switch(&mut browser, pair.gsa, None).await.expect_redirect("/me");
        let address = pair.at(&format!("/oauth2/authorize?{}", query(&[])));
        let back = browser.follow(&address, Some(CALLBACK)).await;
        assert!(back.location.is_some(), "one account, and no question: {}", back.body);
        let handle = format!("/oauth2/authorize/{}", "a".repeat(43));
        let page = pair.switch(&mut browser, pair.joe, Some(&handle)).await.expect(200, "On to the application");
        assert_eq!(leads_away(&page), handle);
    }

    async fn the_two_are_parted_from_either_side(engine) {
        for active in ["joe", "joe.gsa"] {
            let pair = Pair::new(engine).await;
            let mut browser = pair.linked_by_pages().await;
            let (own, other) = if active == "joe" { (pair.joe, pair.gsa) } else { (pair.gsa, pair.joe) };
            if own == pair.gsa {
                pair.switch(&mut browser, pair.gsa, None).await.expect_redirect("/me");
            }
            pair.wait(301);
            let (mut phone, mut tablet) = (pair.signed_in("joe").await, pair.signed_in("joe.gsa").await);
            // Fresh proof comes first, whoever posts what.
            browser.post(&pair.at("/me/logins/unlink"), &[]).await.expect_redirect("/me/logins/unlink");
            let page = browser.visit(&pair.at("/me/logins/unlink")).await.expect(200, "First, sign in again");
            assert!(page.body.contains("One other session ends at once, in which joe.gsa@bluesky.example"), "{}", page.body);
            assert!(pair.is_linked().await);
            let leaving = browser.post(&pair.at("/me/logins/prove"), &[("next", "unlink")]).await;
            assert!(asks_anew(&leaving));
            let page = pair.proves(&mut browser, &leaving, active).await.expect(200, "Unlink the two logins?");
            assert!(page.body.contains("action=\"/me/logins/unlink\""), "{}", page.body);
            let cookie = pair.shown_by(&browser);
            browser.post(&pair.at("/me/logins/unlink"), &[]).await.expect_redirect("/me/logins?done=unlinked");
            assert!(!pair.is_linked().await);
            assert_eq!((pair.person_of(own).await.1, pair.person_of(other).await.1), (1, 1));
            assert_ne!(pair.shown_by(&browser), cookie);
            let mut thief = Browser::new();
            thief.plant(&pair.foyer.world.base, SESSION, &cookie.unwrap());
            assert!(!pair.is_signed_in(&mut thief).await);
            // Whoever is active goes on, alone; what the guest had open has ended.
            let page = browser.visit(&pair.at("/me/logins?done=unlinked")).await.expect(200, "no longer linked");
            assert!(page.body.contains("You have one login") && !page.body.contains("/me/switch"), "{}", page.body);
            assert_eq!(pair.active(&browser).await, Some(own));
            assert!(pair.is_signed_in(&mut phone).await);
            assert!(!pair.is_signed_in(&mut tablet).await);
            // There is nothing more to part or to switch to.
            browser.post(&pair.at("/me/logins/unlink"), &[]).await.expect(403, "There is no other login");
            browser.visit(&pair.at("/me/logins/unlink")).await.expect(403, "There is no other login");
            pair.switch(&mut browser, other, None).await.expect(403, "There is no other login");
            // They can be linked again.
            let (first, second) = if own == pair.joe { ("joe", "joe.gsa") } else { ("joe.gsa", "joe") };
            pair.link(&mut browser, first, second).await;
            assert!(pair.is_linked().await);
        }
    }
}
