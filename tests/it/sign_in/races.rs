//! Sign-ins that race one another and the directory: whoever wins, there is one truth afterwards, and nobody gets a 5xx.

use serde_json::json;

use super::{Stage, patch};
use crate::support::http::{Browser, Visit};
use crate::support::world::on_every_engine;

/// How often a race is run: each time the threads meet elsewhere.
const ROUNDS: usize = 8;

/// Browsers that have all come to the way back.
async fn ready(stage: &Stage, browsers: usize) -> Vec<(Browser, String)> {
    let mut ready = Vec::new();
    for _ in 0..browsers {
        let mut browser = Browser::new();
        let back = stage.way_back(&mut browser).await;
        ready.push((browser, back));
    }
    ready
}

/// All go back at once.
async fn together(ready: Vec<(Browser, String)>) -> Vec<(Browser, Visit)> {
    let mut tasks = Vec::new();
    for (mut browser, back) in ready {
        tasks.push(tokio::spawn(async move {
            let visit = browser.visit(&back).await;
            (browser, visit)
        }));
    }
    let mut visits = Vec::new();
    for task in tasks {
        visits.push(task.await.unwrap());
    }
    visits
}

/// How many were let in and how many refused; anything else is a defect.
fn ends(visits: &[(Browser, Visit)]) -> (usize, usize) {
    let of = |status: u16| visits.iter().filter(|(_, visit)| visit.status == status).count();
    let (entered, refused) = (of(303), of(403) + of(400));
    for (_, visit) in visits {
        assert!(matches!(visit.status.as_u16(), 303 | 400 | 403), "{}: {}", visit.status, visit.body);
    }
    (entered, refused)
}

on_every_engine! {
    async fn racing_for_the_same_first_binding_makes_one(engine) {
        let stage = Stage::new(engine).await;
        for round in 0..ROUNDS {
            let sub = format!("joe-{round}");
            stage.provision(&sub, &sub).await;
            stage.person(json!({ "sub": sub }));
            let visits = together(ready(&stage, 4).await).await;
            assert_eq!(ends(&visits), (4, 0), "all of them are Joe");
            let tally = stage.tally().await;
            let made = i64::try_from(round).unwrap() + 1;
            assert_eq!((tally.logins, tally.persons, tally.subjects, tally.sessions), (made, made, made, 4 * made));
            assert_eq!(stage.count("events where kind = 'login.bound'").await, made);
        }
        assert_eq!(stage.tally().await.refusals, 0);
    }

    async fn two_subjects_racing_for_one_login_leave_it_to_one(engine) {
        let stage = Stage::set(engine, "if-provisioned", &[("claim = \"sub\"", "claim = \"oid\"")]).await;
        for round in 0..ROUNDS {
            let oid = format!("oid-{round}");
            stage.provision(&oid, &oid).await;
            let mut browsers = Vec::new();
            for sub in ["first", "second", "third"] {
                stage.person(json!({ "sub": format!("{sub}-{round}"), "oid": oid }));
                browsers.extend(ready(&stage, 1).await);
            }
            stage.person(json!({}));
            let visits = together(browsers).await;
            assert_eq!(ends(&visits), (1, 2), "round {round}");
            let made = i64::try_from(round).unwrap() + 1;
            assert_eq!((stage.count("subjects").await, stage.count("sessions").await), (made, made));
            assert_eq!(stage.count("sign_in_traces where outcome = 'already_bound'").await, 2 * made);
        }
    }

    async fn racing_to_create_makes_one(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        for round in 0..ROUNDS {
            stage.person(json!({ "sub": format!("stranger-{round}") }));
            let visits = together(ready(&stage, 4).await).await;
            assert_eq!(ends(&visits), (4, 0), "round {round}");
            let tally = stage.tally().await;
            let made = i64::try_from(round).unwrap() + 1;
            assert_eq!((tally.logins, tally.persons, tally.subjects, tally.sessions), (made, made, made, 4 * made));
        }
    }

    async fn o05_o10_a_callback_replayed_in_parallel_has_one_winner(engine) {
        let stage = Stage::new(engine).await;
        stage.provision("joe", "joe").await;
        for round in 0..ROUNDS {
            let browser = ready(&stage, 1).await.remove(0);
            let redeemed = stage.idp.seen().token;
            let visits = together(vec![browser; 6]).await;
            assert_eq!(ends(&visits), (1, 5), "round {round}");
            assert_eq!(stage.idp.seen().token, redeemed + 1, "the code is redeemed once");
            assert_eq!(stage.tally().await.sessions, i64::try_from(round).unwrap() + 1);
        }
        let replays = i64::try_from(5 * ROUNDS).unwrap();
        assert_eq!(stage.count("sign_in_traces where outcome = 'state_replayed'").await, replays);
    }

    async fn deactivated_during_the_callback_nobody_stays_in(engine) {
        let stage = Stage::new(engine).await;
        let id = stage.provision("joe", "joe").await;
        for round in 0..ROUNDS {
            let browsers = ready(&stage, 3).await;
            let operations = json!([{ "op": "Replace", "path": "active", "value": "False" }]);
            let (scim, path) = (stage.tenant.scim.clone(), format!("/Users/{id}"));
            let switched_off = tokio::spawn(async move { scim.patch(&path, &patch(&operations)).await.status });
            let visits = together(browsers).await;
            assert!(matches!(switched_off.await.unwrap(), 200 | 204));
            ends(&visits);
            for (mut browser, _) in visits {
                stage.me(&mut browser).await.expect_redirect("/sign-in");
            }
            assert_eq!(stage.tally().await.sessions, 0, "round {round}");
            stage.set_active(&id, true).await;
        }
    }

    async fn deleted_during_the_callback_nobody_stays_in(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        for round in 0..ROUNDS {
            let id = stage.provision("joe", "joe").await;
            let browsers = ready(&stage, 3).await;
            let (scim, path) = (stage.tenant.scim.clone(), format!("/Users/{id}"));
            let deleted = tokio::spawn(async move { scim.delete(&path).await.status });
            let visits = together(browsers).await;
            assert_eq!(deleted.await.unwrap(), 204);
            ends(&visits);
            for (mut browser, _) in visits {
                stage.me(&mut browser).await.expect_redirect("/sign-in");
            }
            let tally = stage.tally().await;
            assert_eq!((tally.logins, tally.subjects, tally.sessions), (0, 0, 0), "round {round}: JIT revives nobody");
        }
    }
}
