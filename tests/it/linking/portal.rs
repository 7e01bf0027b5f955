//! What portals see of two logins: they ask for the other one, the person decides, and what they get is that one's alone.

use serde_json::{Value, json};
use vestibule::model::{LoginId, Slot};
use vestibule::store::Engine;

use super::{Pair, leads_away};
use crate::openid::authorize::{VERIFIER, carried, code, error};
use crate::openid::ending::{Ear, tell};
use crate::openid::{CALLBACK, claims};
use crate::support::http::{Answer, Browser, Visit};
use crate::support::world::on_every_engine;

const PORTAL: &str = "https://portal.example/";
const OTHER: (&str, Option<&str>) = ("login", Some("other"));
const SILENT: (&str, Option<&str>) = ("prompt", Some("none"));

/// Joe's two logins are one person's: `joe` is on the support desk of EMEA, and `joe.gsa` administrates it.
async fn linked(engine: Engine) -> Pair {
    let pair = apart(engine).await;
    // Each has been here: whom nobody has proved is nobody to switch to.
    let mut once = pair.signed_in("joe.gsa").await;
    once.post(&pair.at("/sign-out"), &[]).await.expect(200, "signed out");
    let mut writer = pair.foyer.world.app.store.write(pair.foyer.tenant.id).await.unwrap();
    let (person, emptied) = (pair.person_of(pair.joe).await.0, pair.person_of(pair.gsa).await.0);
    writer.move_login(pair.gsa, person, Slot::Two).await.unwrap();
    writer.merge_person(emptied, person, pair.foyer.clock.now()).await.unwrap();
    writer.commit().await.unwrap();
    pair
}

/// The same before they are linked.
async fn apart(engine: Engine) -> Pair {
    let pair = Pair::new(engine).await;
    let members = json!([{ "value": pair.joe }]);
    let group = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Support", "members": members });
    pair.foyer.tenant.scim.post("/Groups", &group).await.expect(201);
    pair
}

/// Where the page that asks for a switch waits.
#[track_caller]
fn waits(page: &Visit) -> String {
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("<form method=\"post\" action=\"/me/switch\">"), "{}", page.body);
    let path = page.url.path().to_owned();
    assert!(path.starts_with("/oauth2/authorize/"), "{path}");
    assert!(page.body.contains(&format!("name=\"return_to\" value=\"{path}\"")), "{}", page.body);
    path
}

/// Presses Switch on the page of a portal's request, and signs in where that is asked. Answers how the browser comes back to the portal.
async fn switches(pair: &Pair, browser: &mut Browser, page: &Visit, to: (LoginId, &str)) -> Visit {
    let path = waits(page);
    let next = pair.switch(browser, to.0, Some(&path)).await;
    let away = leads_away(&next);
    if away == path {
        return browser.follow(&pair.at(&away), Some(PORTAL)).await;
    }
    pair.until_back(browser, &next, to.1, Some(PORTAL)).await
}

/// Presses Stay.
async fn stays(pair: &Pair, browser: &mut Browser, page: &Visit) -> Visit {
    browser.post(&pair.at(&waits(page)), &[("cancel", "yes")]).await
}

/// The tokens for what a browser brought back.
async fn tokens(pair: &Pair, back: &Visit) -> Value {
    let code = code(&pair.foyer, back);
    let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    pair.foyer.ask("portal", "/token", &form).await.expect(200).body
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name} in {tokens}"))
}

/// Whom all that a portal can ask says it is, with which roles and in which stay.
async fn who(pair: &Pair, tokens: &Value) -> (LoginId, Vec<String>, String) {
    let access = text(tokens, "access_token");
    let told = [
        claims(&tokens["id_token"]),
        claims(&tokens["access_token"]),
        pair.foyer.userinfo(access).await.expect(200).body,
        pair.foyer.ask("portal", "/introspect", &[("token", access)]).await.expect(200).body,
    ];
    for claim in ["sub", "roles", "login", "person", "account", "entitlements"] {
        assert!(told.iter().all(|one| one[claim] == told[0][claim]), "{claim}: {told:?}");
    }
    let said = &told[0];
    assert_eq!((&said["login"]["id"], &said["login"]["kind"]), (&said["sub"], &json!("byoi")));
    assert_eq!(said["login"]["linked"], json!(pair.is_linked().await));
    let roles = said["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()).collect();
    (said["sub"].as_str().unwrap().parse().unwrap(), roles, text(said, "sid").to_owned())
}

/// Nothing that a portal was given is good any more.
async fn are_over(pair: &Pair, tokens: &Value) {
    let (access, refresh) = (text(tokens, "access_token"), text(tokens, "refresh_token"));
    let refused: Answer = pair.foyer.refresh("portal", refresh).await.expect(400);
    assert_eq!(refused.body["error"], "invalid_grant");
    assert!(!pair.foyer.is_active("portal", access).await && !pair.foyer.is_active("portal", refresh).await);
    pair.foyer.userinfo(access).await.expect(401);
}

on_every_engine! {
    async fn a_portal_gets_the_roles_of_the_active_login_alone_before_and_after_each_switch(engine) {
        let pair = linked(engine).await;
        let (joe, gsa) = ((pair.joe, "joe"), (pair.gsa, "joe.gsa"));
        let mut browser = pair.signed_in("joe").await;
        let first = tokens(&pair, &pair.foyer.visits(&mut browser, &[]).await).await;
        let (login, roles, sid) = who(&pair, &first).await;
        assert_eq!((login, roles), (pair.joe, vec!["support".to_owned()]));
        // The person is asked, and until they have answered nothing is otherwise.
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await.expect(200, "Go on as joe.gsa@bluesky.example?");
        assert!(page.body.contains("<strong>The portal</strong> asks you"), "{}", page.body);
        assert_eq!(who(&pair, &first).await.0, pair.joe);
        // The other one has to sign in first, and then the request goes on by itself.
        let second = tokens(&pair, &switches(&pair, &mut browser, &page, gsa).await).await;
        let (login, roles, other_sid) = who(&pair, &second).await;
        assert_eq!((login, roles), (pair.gsa, vec!["administrator".to_owned()]));
        assert_eq!(claims(&first["id_token"])["person"], claims(&second["id_token"])["person"]);
        are_over(&pair, &first).await;
        // Back, at once: both are signed in here. What portals know the stay by is another name.
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await.expect(200, "Go on as joe@bluesky.example?");
        let third = tokens(&pair, &switches(&pair, &mut browser, &page, joe).await).await;
        let (login, roles, last_sid) = who(&pair, &third).await;
        assert_eq!((login, roles), (pair.joe, vec!["support".to_owned()]));
        assert!(sid != other_sid && sid != last_sid && other_sid != last_sid, "{sid} {other_sid} {last_sid}");
        are_over(&pair, &second).await;
        // By the header it is the same.
        pair.switch(&mut browser, pair.gsa, None).await.expect_redirect("/me");
        are_over(&pair, &third).await;
        let silently = tokens(&pair, &pair.foyer.visits(&mut browser, &[SILENT]).await).await;
        assert_eq!(who(&pair, &silently).await.0, pair.gsa);
        assert_eq!(pair.foyer.count("authorization_requests where consumed_at is null").await, 0);
    }

    async fn a_portal_is_told_that_the_stay_of_the_former_login_is_over(engine) {
        let pair = linked(engine).await;
        let ear = Ear::open().await;
        pair.foyer.register(&ear.described("listener")).await;
        let mut browser = pair.signed_in("joe").await;
        let given = pair.foyer.grant(&browser, "listener", "bluesky/emea", "openid").await;
        let sid = claims(&pair.foyer.redeem("listener", &given).await.expect(200).body["id_token"])["sid"].clone();
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await;
        assert_eq!((tell(&pair.foyer).await, ear.tokens().len()), (0, 0), "nobody has switched yet");
        code(&pair.foyer, &switches(&pair, &mut browser, &page, (pair.gsa, "joe.gsa")).await);
        assert_eq!(tell(&pair.foyer).await, 1);
        let told = claims(&json!(ear.tokens()[0]));
        assert_eq!((&told["sid"], &told["sub"]), (&sid, &json!(pair.joe)));
    }

    async fn what_is_asked_silently_or_of_somebody_without_that_login_is_refused(engine) {
        let pair = apart(engine).await;
        let gsa = pair.gsa.to_string();
        let wanted = [OTHER, ("login", Some(gsa.as_str())), ("login", Some("0198c2a4-7d1e-7c3b-9a55-0f6f2f9f3d21"))];
        let mut stranger = Browser::new();
        assert_eq!(error(&pair.foyer, &pair.foyer.visits(&mut stranger, &[OTHER, SILENT]).await), "login_required");
        let mut browser = pair.signed_in("joe").await;
        let mut told = Vec::new();
        for one in wanted {
            for changes in [vec![one], vec![one, SILENT], vec![one, ("prompt", Some("login"))]] {
                told.push(carried(&pair.foyer, &pair.foyer.visits(&mut browser, &changes).await));
            }
        }
        assert_eq!(told[0]["error"], "access_denied");
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        assert_eq!(error(&pair.foyer, &pair.foyer.visits(&mut browser, &[("login", Some("joe"))]).await), "invalid_request");
        // Linked, it is asked; the active one goes on without a question.
        let pair = linked(engine).await;
        let mut browser = pair.signed_in("joe").await;
        let (joe, gsa) = (pair.joe.to_string(), pair.gsa.to_string());
        for wanted in ["other", &gsa] {
            let told = pair.foyer.visits(&mut browser, &[("login", Some(wanted)), SILENT]).await;
            assert_eq!(error(&pair.foyer, &told), "interaction_required");
        }
        code(&pair.foyer, &pair.foyer.visits(&mut browser, &[("login", Some(&joe)), SILENT]).await);
        // An ID token says who shall go on, and a login that says otherwise leads nowhere.
        let first = tokens(&pair, &pair.foyer.visits(&mut browser, &[]).await).await;
        let hint = ("id_token_hint", Some(text(&first, "id_token")));
        assert_eq!(error(&pair.foyer, &pair.foyer.visits(&mut browser, &[OTHER, hint]).await), "login_required");
        code(&pair.foyer, &pair.foyer.visits(&mut browser, &[("login", Some(&joe)), hint]).await);
    }

    async fn who_stays_is_who_they_were_and_the_portal_is_told(engine) {
        let pair = linked(engine).await;
        let mut browser = pair.signed_in("joe").await;
        let before = tokens(&pair, &pair.foyer.visits(&mut browser, &[]).await).await;
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await;
        let away = leads_away(&stays(&pair, &mut browser, &page).await);
        assert!(away.starts_with(CALLBACK) && away.contains("error=access_denied"), "{away}");
        assert_eq!((pair.active(&browser).await, who(&pair, &before).await.0), (Some(pair.joe), pair.joe));
        // That was the answer: switching afterwards leads to no code for that request.
        let next = pair.switch(&mut browser, pair.gsa, Some(&waits(&page))).await;
        pair.until_back(&mut browser, &next, "joe.gsa", None).await.expect(400, "This sign-in was completed before");
    }

    async fn who_signs_in_for_the_other_login_is_asked_once(engine) {
        let pair = linked(engine).await;
        pair.asserts("joe");
        let mut browser = Browser::new();
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await.expect(200, "Sign in to The portal");
        let page = pair.foyer.goes_on(&mut browser, &page).await.expect(200, "Go on as joe.gsa@bluesky.example?");
        let given = tokens(&pair, &switches(&pair, &mut browser, &page, (pair.gsa, "joe.gsa")).await).await;
        assert_eq!(who(&pair, &given).await.0, pair.gsa);
        // Whoever comes as the login that is asked for is asked nothing, and somebody else is refused.
        pair.foyer.person("eve", &["Cloud-Admins"]).await;
        let gsa = pair.gsa.to_string();
        for (name, is_let_in) in [("joe.gsa", true), ("eve", false)] {
            pair.asserts(name);
            let mut browser = Browser::new();
            let page = pair.foyer.visits(&mut browser, &[("login", Some(&gsa))]).await.expect(200, "Sign in to The portal");
            let back = pair.foyer.goes_on(&mut browser, &page).await;
            if is_let_in {
                code(&pair.foyer, &back);
            } else {
                assert_eq!(error(&pair.foyer, &back), "access_denied", "{name}");
            }
        }
    }

    async fn what_the_login_has_to_prove_is_asked_of_it_after_the_switch_and_of_nobody_else(engine) {
        let pair = linked(engine).await;
        let (joe, gsa) = ((pair.joe, "joe"), (pair.gsa, "joe.gsa"));
        let mut browser = pair.signed_in("joe").await;
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await;
        code(&pair.foyer, &switches(&pair, &mut browser, &page, gsa).await);
        pair.wait(60);
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await;
        code(&pair.foyer, &switches(&pair, &mut browser, &page, joe).await);
        pair.wait(60);
        // Both are signed in. The switch is made at once; then the identity provider is told to ask, and joe is not joe.gsa.
        let asked = [OTHER, ("prompt", Some("login"))];
        let page = pair.foyer.visits(&mut browser, &asked).await;
        let path = waits(&page);
        let next = pair.switch(&mut browser, pair.gsa, Some(&path)).await;
        assert_eq!(leads_away(&next), path);
        let idp = format!("{}/authorize", pair.foyer.idp.issuer());
        let there = browser.follow(&pair.at(&path), Some(&idp)).await.location.unwrap();
        let demanded: std::collections::HashMap<_, _> = there.query_pairs().into_owned().collect();
        assert_eq!((demanded["prompt"].as_str(), demanded["max_age"].as_str()), ("login", "0"));
        assert_eq!(pair.active(&browser).await, Some(pair.gsa));
        pair.wait(1);
        pair.asserts("joe");
        browser.follow(there.as_str(), Some(PORTAL)).await.expect(403, "joe.gsa");
        assert_eq!(pair.active(&browser).await, Some(pair.gsa));
        // Tried again, by whom it is for.
        let there = browser.follow(&pair.at(&path), Some(&idp)).await.location.unwrap();
        pair.wait(1);
        pair.asserts("joe.gsa");
        let now = pair.foyer.clock.now().timestamp();
        pair.wait(1);
        let given = tokens(&pair, &browser.follow(there.as_str(), Some(PORTAL)).await).await;
        assert_eq!((who(&pair, &given).await.0, &claims(&given["id_token"])["auth_time"]), (pair.gsa, &json!(now)));
        // What cannot be proved of the login that it asks for is for the portal to know.
        let id = pair.gsa.to_string();
        let there = browser.follow(&pair.foyer.asks(&[("login", Some(&id)), ("prompt", Some("login"))]), Some(&idp)).await.location.unwrap();
        pair.says_no_time("joe.gsa");
        assert_eq!(error(&pair.foyer, &browser.follow(there.as_str(), Some(PORTAL)).await), "login_required");
        assert_eq!(pair.active(&browser).await, Some(pair.gsa));
    }

    async fn a_login_that_is_switched_off_meanwhile_is_not_switched_to(engine) {
        let pair = linked(engine).await;
        let mut browser = pair.signed_in("joe").await;
        let given = tokens(&pair, &pair.foyer.visits(&mut browser, &[]).await).await;
        assert_eq!(claims(&given["id_token"])["login"]["linked"], true);
        let page = pair.foyer.visits(&mut browser, &[OTHER]).await;
        let path = waits(&page);
        pair.foyer.set_active(pair.gsa, false).await;
        assert_eq!(pair.switch(&mut browser, pair.gsa, Some(&path)).await.status, 403);
        let back = browser.follow(&pair.at(&path), Some(PORTAL)).await;
        assert_eq!(error(&pair.foyer, &back), "access_denied");
        // The everyday one is as it was, and its portal learns that there is nothing to switch to.
        let fresh = pair.foyer.refresh("portal", text(&given, "refresh_token")).await.expect(200).body;
        let told = claims(&fresh["id_token"]);
        assert_eq!((&told["sub"], &told["roles"], &told["login"]["linked"]), (&json!(pair.joe), &json!(["support"]), &json!(false)));
    }
}
