//! Signing in, and out from both sides.

use serde_json::json;
use vestibule::store::Engine;

use super::idp::{Kind, Make};
use super::{JOE, Sites};
use crate::support::world::on_every_engine;

async fn signs_in_and_out(engine: Engine, make: Make) {
    let sites = Sites::new(engine, make).await;
    let mut steps = sites.sign_in();
    steps.push(json!({ "axe": true }));
    // Out by Vestibule, which sends the browser to the identity provider; that has forgotten Joe too, and asks again.
    steps
        .extend([json!({ "click": "header button:has-text('Sign out')" }), json!({ "expectText": "Your session here has ended" })]);
    steps.push(json!({ "axe": true }));
    steps.extend(sites.is_out());
    steps.extend(sites.sign_in());
    // Out at the identity provider, which tells Vestibule.
    steps.extend(sites.idp.sign_out());
    steps.extend(sites.is_out());
    sites.walk(&steps);
}

/// Logout messages that come and go in forms, signed by an EC key.
async fn signs_out_by_forms(engine: Engine) {
    let mut sites = Sites::new(engine, Make::Pysaml2).await;
    sites.idp.make_key("two", Kind::Ec);
    sites.idp.change(&json!({ "published": ["one", "two"], "signing": "two", "logout": "post" })).await;
    sites.refresh().await;
    let mut steps = sites.sign_in();
    steps
        .extend([json!({ "click": "header button:has-text('Sign out')" }), json!({ "expectText": "Your session here has ended" })]);
    steps.extend(sites.sign_in());
    steps.extend(sites.idp.sign_out());
    steps.extend(sites.is_out());
    sites.walk(&steps);
}

/// Without scripts a button does what the script would have done.
async fn signs_in_without_scripts(engine: Engine) {
    let sites = Sites::new(engine, Make::Pysaml2).await;
    let mut steps = vec![json!({ "javaScript": false })];
    steps.extend(sites.leave());
    steps.extend(sites.idp.proves(JOE));
    // The identity provider's own button, then ours.
    steps.push(json!({ "click": "button" }));
    steps.extend([json!({ "expectText": "One moment" }), json!({ "click": "main button" })]);
    steps.extend(sites.arrived());
    sites.walk(&steps);
}

on_every_engine! {
    async fn joe_signs_in_and_out_by_simplesamlphp(engine) {
        signs_in_and_out(engine, Make::SimpleSamlPhp).await;
    }

    async fn joe_signs_in_and_out_by_pysaml2(engine) {
        signs_in_and_out(engine, Make::Pysaml2).await;
    }

    async fn joe_signs_out_by_forms_that_an_ec_key_signed(engine) {
        signs_out_by_forms(engine).await;
    }

    async fn joe_signs_in_without_scripts(engine) {
        signs_in_without_scripts(engine).await;
    }
}
