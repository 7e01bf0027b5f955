//! Sign-ins that do not bring what the rules of their connection read.

use serde_json::{Value, json};
use vestibule::store::Engine;

use super::{SESSION, Stage};
use crate::support::http::Browser;
use crate::support::sql;
use crate::support::world::on_every_engine;

const RULES: &str = r#"[[tenant.rule]]
name = "By a claim"
from = "connection:idp"
within = "bluesky"
when = 'claims.groups eq "helpers" or claims.dept eq "it"'
grant = [{ role = "support", account = "." }]

[[tenant.rule]]
name = "By what the directory says"
from = "directory:directory"
within = "bluesky"
when = "userName pr"
grant = [{ role = "technical", account = "." }]

[[tenant.rule]]
name = "EMEA administrators""#;

/// A stage whose connection has a policy, with Joe, whose last sign-in brought both claims.
async fn stage(engine: Engine, policy: &str) -> (Stage, Browser) {
    let jit = format!("jit = \"if-provisioned\"\nmissing_claim = \"{policy}\"");
    let changes = [("jit = \"if-provisioned\"", jit.as_str()), ("[[tenant.rule]]\nname = \"EMEA administrators\"", RULES)];
    let stage = Stage::set(engine, "if-provisioned", &changes).await;
    stage.provision("joe", "joe").await;
    stage.person(json!({ "sub": "joe", "groups": ["helpers"], "dept": "sales" }));
    let mut browser = Browser::new();
    stage.sign_in(&mut browser).await.expect(200, "Your accounts");
    assert_eq!(stage.roles().await, ["support", "technical"]);
    (stage, browser)
}

impl Stage {
    async fn roles(&self) -> Vec<String> {
        sql::texts(&self.world.database.url, "select role from assignments order by role").await
    }

    /// Joe signs in again with other claims.
    async fn again(&self, claims: Value) -> Vec<String> {
        self.person(claims);
        self.sign_in(&mut Browser::new()).await.expect(200, "Your accounts");
        self.roles().await
    }
}

on_every_engine! {
    async fn what_a_missing_claim_gave_goes_unless_the_connection_says_otherwise(engine) {
        let (stage, _) = stage(engine, "clear").await;
        assert_eq!(stage.again(json!({ "sub": "joe", "dept": "sales" })).await, ["technical"]);
        assert_eq!(stage.again(json!({ "sub": "joe", "dept": "it" })).await, ["support", "technical"]);
    }

    async fn a_missing_claim_keeps_its_last_values_where_the_connection_says_so(engine) {
        let (stage, _) = stage(engine, "keep").await;
        for claims in [json!({ "sub": "joe" }), json!({ "sub": "joe", "dept": "sales", "other": "x" })] {
            assert_eq!(stage.again(claims).await, ["support", "technical"]);
        }
        assert_eq!(stage.again(json!({ "sub": "joe", "groups": [] })).await, ["technical"], "in no group is no missing claim");
        assert_eq!(stage.again(json!({ "sub": "joe", "dept": "it" })).await, ["support", "technical"]);
        assert_eq!(stage.again(json!({ "sub": "joe", "groups": ["others"] })).await, ["support", "technical"], "by the department that stays");
    }

    async fn a_sign_in_without_a_claim_that_rules_read_is_refused_where_the_connection_says_so(engine) {
        let (stage, mut inside) = stage(engine, "deny").await;
        let before = stage.tally().await;
        for (claims, missing, named) in [
            (json!({ "sub": "joe", "dept": "it" }), "groups", false),
            (json!({ "sub": "joe" }), "dept, groups", true),
        ] {
            let before = stage.tally().await;
            stage.person(claims);
            let mut browser = Browser::new();
            let visit = stage.sign_in(&mut browser).await;
            stage.expect_refused(&visit, before, 403, "did not tell us enough", "missing_claim").await;
            assert!(visit.body.contains("must have it send the claims") && browser.cookie(&stage.world.base, SESSION).is_none());
            let steps = match engine { Engine::Postgres => "steps::text", Engine::Sqlite => "steps" };
            let traces = sql::texts(&stage.world.database.url, &format!("select {steps} from sign_in_traces where outcome = 'missing_claim' order by at, id")).await;
            let told = traces.last().unwrap();
            assert!(told.contains(&format!("rules of this connection read {missing}, which")) && !told.contains("helpers"), "{named} {told}");
        }
        assert_eq!((stage.roles().await, stage.tally().await.sessions), (vec!["support".to_owned(), "technical".to_owned()], before.sessions));
        stage.me(&mut inside).await.expect(200, "Your accounts");
        // Somebody new is not even bound; with both claims, whatever they say, all is well.
        stage.provision("eve", "eve").await;
        let before = stage.tally().await;
        stage.person(json!({ "sub": "eve" }));
        let visit = stage.sign_in(&mut Browser::new()).await;
        stage.expect_refused(&visit, before, 403, "did not tell us enough", "missing_claim").await;
        stage.person(json!({ "sub": "eve", "groups": [], "dept": "sales" }));
        stage.sign_in(&mut Browser::new()).await.expect(200, "Your accounts");
    }
}
