//! Who was deleted stays away until the directory wants them back: subjects, pair values, and what is free at once.

use serde_json::json;

use super::{Stage, patch};
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

/// The pair `oid` = `externalId`: a person can come with another subject and the same pair value.
const BY_OID: &[(&str, &str)] = &[("claim = \"sub\"", "claim = \"oid\"")];
const GONE: &str = "Your access has ended";
const ROUNDS: usize = 6;

impl Stage {
    async fn expect_gone(&self) {
        let before = self.tally().await;
        let page = self.sign_in(&mut Browser::new()).await;
        self.expect_refused(&page, before, 403, GONE, "gone").await;
    }

    async fn expect_entered(&self) {
        self.sign_in(&mut Browser::new()).await.expect(200, "No account yet");
    }

    async fn delete(&self, id: &str) {
        self.tenant.scim.delete(&format!("/Users/{id}")).await.expect(204);
    }

    /// The directory gives somebody another externalId.
    async fn rename(&self, id: &str, external_id: &str) {
        let body = patch(&json!([{ "op": "Replace", "path": "externalId", "value": external_id }]));
        self.tenant.scim.patch(&format!("/Users/{id}"), &body).await.expect(200);
    }
}

on_every_engine! {
    async fn r08_r27_only_a_new_post_with_the_pair_value_lifts_a_tombstone(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let joe = stage.provision("joe", "0a1b").await;
        stage.person(json!({ "sub": "s1", "oid": "0a1b" }));
        stage.expect_entered().await;
        stage.delete(&joe).await;
        stage.expect_gone().await;
        // The name is free at once, and whoever has it now is somebody else.
        let namesake = stage.provision("joe", "other").await;
        stage.expect_gone().await;
        // Nor does the same pair value in another subject help.
        stage.person(json!({ "sub": "s2", "oid": "0a1b" }));
        stage.expect_gone().await;
        // Somebody else who signs in is no concern of it.
        stage.person(json!({ "sub": "s3", "oid": "4e5f" }));
        stage.expect_entered().await;
        // The directory wants Joe back.
        stage.provision("joe.bloggs", "0a1b").await;
        stage.person(json!({ "sub": "s1", "oid": "0a1b" }));
        stage.expect_entered().await;
        stage.delete(&namesake).await;
        stage.expect_entered().await;
    }

    async fn a_login_that_lives_beats_a_tombstone_of_the_same_pair_value(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let (one, two) = (stage.provision("joe", "0a1b").await, stage.provision("joe.gsa", "0a1b").await);
        // Two have the value: nobody is bound.
        stage.person(json!({ "sub": "s1", "oid": "0a1b" }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, "We could not tell who you are", "ambiguous").await;
        // One of them goes. The other one is provisioned, and its first sign-in binds it.
        stage.delete(&one).await;
        stage.expect_entered().await;
        assert_eq!(stage.count("subjects").await, 1);
        // When it goes too, nobody has the value, and nobody comes in by it.
        stage.delete(&two).await;
        for sub in ["s1", "s2"] {
            stage.person(json!({ "sub": sub, "oid": "0a1b" }));
            stage.expect_gone().await;
        }
    }

    async fn the_subjects_of_a_deleted_login_stay_refused_beside_one_that_lives(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let one = stage.provision("joe", "0a1b").await;
        stage.person(json!({ "sub": "s1", "oid": "0a1b" }));
        stage.expect_entered().await;
        stage.provision("joe.gsa", "0a1b").await;
        stage.delete(&one).await;
        stage.expect_gone().await;
        stage.person(json!({ "sub": "s2", "oid": "0a1b" }));
        stage.expect_entered().await;
    }

    async fn a_patch_or_put_lifts_no_tombstone(engine) {
        let stage = Stage::set(engine, "on", BY_OID).await;
        let joe = stage.provision("joe", "0a1b").await;
        stage.person(json!({ "sub": "s1", "oid": "0a1b" }));
        stage.expect_entered().await;
        stage.delete(&joe).await;
        let eve = stage.provision("eve", "2c3d").await;
        stage.rename(&eve, "0a1b").await;
        // The deleted subject stays out; the login that now has the value lives, and its own first sign-in binds it.
        stage.expect_gone().await;
        stage.person(json!({ "sub": "s2", "oid": "0a1b" }));
        stage.expect_entered().await;
        assert_eq!(stage.count("tombstones where lifted_at is null").await, 1);
        // Without that login the value is a deleted one's again.
        let put = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "eve", "externalId": "2c3d",
        });
        stage.tenant.scim.put(&format!("/Users/{eve}"), &put).await.expect(200);
        stage.person(json!({ "sub": "s3", "oid": "0a1b" }));
        stage.expect_gone().await;
    }

    async fn z07_a_new_pair_value_or_name_leaves_the_binding_where_it_is(engine) {
        let stage = Stage::new(engine).await;
        let joe = stage.provision("joe", "0a1b").await;
        stage.person(json!({ "sub": "0a1b" }));
        stage.expect_entered().await;
        stage.rename(&joe, "2c3d").await;
        let rename = patch(&json!([{ "op": "Replace", "path": "userName", "value": "joseph" }]));
        stage.tenant.scim.patch(&format!("/Users/{joe}"), &rename).await.expect(200);
        // By its subject alone it is found.
        stage.expect_entered().await;
        assert_eq!(stage.tally().await.logins, 1);
        // The new value is no way to a second subject.
        stage.person(json!({ "sub": "2c3d" }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, "This access belongs to another sign-in", "already_bound").await;
        // Switched off and on again it is the same login; deleted, neither value comes in.
        stage.set_active(&joe, false).await;
        stage.person(json!({ "sub": "0a1b" }));
        let before = stage.tally().await;
        let page = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&page, before, 403, "Your access is switched off", "inactive").await;
        stage.set_active(&joe, true).await;
        stage.expect_entered().await;
        stage.delete(&joe).await;
        for sub in ["0a1b", "2c3d"] {
            stage.person(json!({ "sub": sub }));
            stage.expect_gone().await;
        }
    }

    async fn a_push_and_a_deletion_at_once_leave_one_truth(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        let mut joe = stage.provision("joe", "0a1b").await;
        stage.person(json!({ "sub": "0a1b" }));
        stage.expect_entered().await;
        for round in 0..ROUNDS {
            let (scim, path) = (stage.tenant.scim.clone(), format!("/Users/{joe}"));
            let deleting = tokio::spawn(async move { scim.delete(&path).await.status });
            let body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "joe", "externalId": "0a1b",
            });
            let pushed = stage.tenant.scim.post("/Users", &body).await;
            assert_eq!(deleting.await.unwrap(), 204, "round {round}");
            if pushed.status == 201 {
                // It came after the deletion, and lifted what that left.
                joe = pushed.id();
            } else {
                assert_eq!((pushed.status, &pushed.body["scimType"]), (409, &json!("uniqueness")), "round {round}");
                stage.expect_gone().await;
                joe = stage.provision("joe", "0a1b").await;
            }
            stage.expect_entered().await;
            assert_eq!(stage.tally().await.logins, 1, "round {round}");
        }
    }
}
