//! The same response at two replicas at once, and somebody who is switched off meanwhile: there is one truth afterwards.

use serde_json::json;

use super::{SESSION, SIGN_IN, Stage, posts};
use crate::support::http::Browser;
use crate::support::saml_idp::Says;
use crate::support::world::on_every_engine;

/// How often a race is run: each time the threads meet elsewhere.
const ROUNDS: usize = 6;

on_every_engine! {
    async fn sso_s27_a_response_that_is_posted_twice_at_once_counts_once(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let replica = stage.foyer.replica().await;
        for round in 0..ROUNDS {
            let mut browser = Browser::new();
            let asked = stage.asked(&mut browser).await;
            let response = stage.idp.response(&asked, &Says::of("joe", stage.now()));
            let marker = browser.cookie(&stage.foyer.world.base, SIGN_IN).unwrap().to_owned();
            let mut tasks = Vec::new();
            for base in [&stage.foyer.world.base, &replica.base, &stage.foyer.world.base, &replica.base] {
                let (mut browser, response) = (Browser::new(), response.clone());
                browser.plant(base, SIGN_IN, &marker);
                let acs = asked.acs().replace(&stage.foyer.world.base, base);
                tasks.push(tokio::spawn(async move { posts(&mut browser, "same-origin", &acs, &response).await.status.as_u16() }));
            }
            let mut statuses = Vec::new();
            for task in tasks {
                statuses.push(task.await.unwrap());
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 400, 400, 400], "round {round}");
        }
        assert_eq!(stage.count("sessions").await, i64::try_from(ROUNDS).unwrap());
    }

    async fn sso_s27_an_assertion_in_two_responses_at_once_counts_once(engine) {
        let stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let replica = stage.foyer.replica().await;
        for round in 0..ROUNDS {
            let says = Says { assertion_id: Some(format!("_round-{round}")), ..Says::of("joe", stage.now()) };
            let mut tasks = Vec::new();
            for base in [&stage.foyer.world.base, &replica.base, &stage.foyer.world.base] {
                let mut browser = Browser::new();
                let asked = stage.asked(&mut browser).await;
                let response = stage.idp.response(&asked, &says);
                let marker = browser.cookie(&stage.foyer.world.base, SIGN_IN).unwrap().to_owned();
                browser.plant(base, SIGN_IN, &marker);
                let acs = asked.acs().replace(&stage.foyer.world.base, base);
                tasks.push(tokio::spawn(async move { posts(&mut browser, "same-origin", &acs, &response).await.status.as_u16() }));
            }
            let mut statuses = Vec::new();
            for task in tasks {
                statuses.push(task.await.unwrap());
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [303, 400, 400], "round {round}");
        }
        let refused = i64::try_from(2 * ROUNDS).unwrap();
        assert_eq!(stage.count("sign_in_traces where outcome = 'assertion_used'").await, refused);
    }

    async fn deactivated_during_the_callback_nobody_stays_in(engine) {
        let stage = Stage::new(engine).await;
        let joe = stage.foyer.person("joe", &[]).await;
        for round in 0..ROUNDS {
            let mut ready = Vec::new();
            for _ in 0..2 {
                let mut browser = Browser::new();
                let asked = stage.asked(&mut browser).await;
                ready.push((browser, asked.acs(), stage.idp.response(&asked, &Says::of("joe", stage.now()))));
            }
            let (scim, path) = (stage.foyer.tenant.scim.clone(), format!("/Users/{joe}"));
            let off = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{ "op": "Replace", "path": "active", "value": "False" }],
            });
            let switched_off = tokio::spawn(async move { scim.patch(&path, &off).await.status });
            let mut tasks = Vec::new();
            for (mut browser, acs, response) in ready {
                tasks.push(tokio::spawn(async move {
                    let status = posts(&mut browser, "same-origin", &acs, &response).await.status.as_u16();
                    (browser, status)
                }));
            }
            assert!(matches!(switched_off.await.unwrap(), 200 | 204));
            for task in tasks {
                let (mut browser, status) = task.await.unwrap();
                assert!(matches!(status, 303 | 403), "round {round}: {status}");
                assert_eq!(browser.cookie(&stage.foyer.world.base, SESSION).is_some(), status == 303);
                assert!(!stage.is_signed_in(&mut browser).await, "round {round}");
            }
            assert_eq!(stage.count("sessions").await, 0, "round {round}");
            stage.foyer.set_active(joe, true).await;
        }
    }
}
