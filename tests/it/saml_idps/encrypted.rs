//! Encrypted assertions, as each of the two makes them.

use serde_json::{Value, json};
use vestibule::store::Engine;

use super::idp::Make;
use super::{JOE, Sites};
use crate::support::node::browse;
use crate::support::world::on_every_engine;

/// Signs in with assertions as `settings` of the identity provider make them.
async fn signs_in(engine: Engine, make: Make, connection: &str, settings: &Value) {
    let mut sites = Sites::with(engine, make, connection).await;
    sites.idp.change(settings).await;
    sites.walk(&sites.sign_in());
}

on_every_engine! {
    async fn sso_s29_simplesamlphp_encrypts_in_cbc_which_a_connection_takes_when_it_says_so(engine) {
        let connection = "require_encryption = true, allow_cbc = true";
        signs_in(engine, Make::SimpleSamlPhp, connection, &json!({ "encrypt": true })).await;
    }

    async fn sso_s29_simplesamlphp_encrypts_in_cbc_which_is_refused_otherwise(engine) {
        let mut sites = Sites::new(engine, Make::SimpleSamlPhp).await;
        sites.idp.change(&json!({ "encrypt": true })).await;
        let mut steps = sites.leave().to_vec();
        steps.extend(sites.idp.proves(JOE));
        steps.push(json!({ "expectText": "We could not accept the answer" }));
        steps.extend(sites.is_out());
        let seen = browse(&json!(steps));
        assert_eq!(seen["csp"], json!([]), "{seen}");
    }

    async fn sso_s29_pysaml2_signs_then_encrypts_by_gcm_within_a_response_that_nobody_signed(engine) {
        let settings = json!({ "sign": "assertion", "encrypt": "aes256-gcm" });
        let connection = "require_encryption = true";
        signs_in(engine, Make::Pysaml2, connection, &settings).await;
    }

    async fn sso_s29_pysaml2_encrypts_by_gcm_within_a_response_that_it_signed(engine) {
        let settings = json!({ "sign": "response", "encrypt": "aes128-gcm" });
        signs_in(engine, Make::Pysaml2, "", &settings).await;
    }
}
