//! New certificates of an identity provider: they come by its metadata, and nobody is turned away meanwhile.

use serde_json::json;
use vestibule::store::Engine;

use super::Sites;
use super::idp::{Kind, Make};
use crate::support::world::on_every_engine;

impl Sites {
    /// Joe signs in with whatever key the identity provider has now, as somebody whom it does not know yet.
    fn joe_signs_in(&self) {
        let mut steps = vec![json!({ "newContext": true })];
        steps.extend(self.sign_in());
        self.walk(&steps);
    }
}

async fn from_rsa_to_ec_and_back(engine: Engine) {
    let mut sites = Sites::new(engine, Make::Pysaml2).await;
    sites.idp.make_key("two", Kind::Ec);
    sites.idp.make_key("three", Kind::Rsa);
    sites.joe_signs_in();
    for (old, new) in [("one", "two"), ("two", "three")] {
        // Announced, used, and then alone: each is read after a while, and each sign-in between them succeeds.
        for (published, signing) in [([old, new].as_slice(), old), (&[old, new], new), (&[new], new)] {
            sites.idp.change(&json!({ "published": published, "signing": signing })).await;
            if signing == old {
                sites.joe_signs_in();
                sites.refresh().await;
            }
            sites.joe_signs_in();
            sites.refresh().await;
            sites.joe_signs_in();
        }
    }
}

/// The old certificate is not in the metadata any more, and still some of its answers are on their way.
async fn the_old_one_overlaps(engine: Engine) {
    let mut sites = Sites::new(engine, Make::Pysaml2).await;
    sites.idp.make_key("two", Kind::Ec);
    sites.idp.change(&json!({ "published": ["two"] })).await;
    sites.refresh().await;
    sites.joe_signs_in();
    sites.idp.change(&json!({ "signing": "two" })).await;
    sites.joe_signs_in();
}

/// SimpleSAMLphp announces a new key beside the old one, and then signs with it.
async fn simplesamlphp_announces_its_next_key(engine: Engine) {
    let mut sites = Sites::new(engine, Make::SimpleSamlPhp).await;
    sites.idp.make_key("two", Kind::Rsa);
    sites.idp.change(&json!({ "next": "two" })).await;
    sites.refresh().await;
    sites.joe_signs_in();
    sites.idp.change(&json!({ "signing": "two", "next": null })).await;
    sites.joe_signs_in();
    sites.refresh().await;
    sites.joe_signs_in();
}

on_every_engine! {
    async fn sso_r04_certificates_go_from_rsa_to_ec_and_back_and_nobody_is_turned_away(engine) {
        from_rsa_to_ec_and_back(engine).await;
    }

    async fn sso_r04_a_certificate_that_left_the_metadata_is_taken_for_a_while(engine) {
        the_old_one_overlaps(engine).await;
    }

    async fn sso_r04_simplesamlphp_announces_its_next_key_before_it_signs_with_it(engine) {
        simplesamlphp_announces_its_next_key(engine).await;
    }
}
