//! Keys follow one another while people sign in: nobody notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use reqwest::header::{COOKIE, LOCATION};
use serde_json::Value;
use url::Url;
use vestibule::directory::Caller;
use vestibule::keys::{PublicJwk, TokenHeader, Verifier};
use vestibule::model::Actor;

use super::authorize::{VERIFIER, query};
use super::{CALLBACK, Foyer, ask_at};
use crate::support::http;
use crate::support::world::on_every_engine;

const SIGN_INS: usize = 1_000;
/// Portals that sign people in at the same time.
const PORTALS: usize = 4;
/// The sign-ins before which another key takes over.
const ROTATIONS: [usize; 4] = [200, 400, 600, 800];

/// A portal as it is in life: it keeps the published keys, and reads them again for a `kid` that it does not know.
struct Portal {
    bases: [String; 2],
    cookie: String,
    keys: BTreeMap<String, Verifier>,
    client: reqwest::Client,
}

impl Portal {
    /// One whole sign-in; its steps meet one replica or the other. Answers the key of the ID token.
    async fn sign_in(&mut self, number: usize) -> String {
        let bases = self.bases.clone();
        let base = |step: usize| bases[(number + step) % 2].as_str();
        let request = self.client.get(format!("{}/oauth2/authorize?{}", base(0), query(&[]))).header(COOKIE, &self.cookie);
        let answer = request.send().await.unwrap();
        let back = Url::parse(answer.headers()[LOCATION].to_str().unwrap()).unwrap();
        let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap_or_else(|| panic!("no code in {back}"));
        let form =
            [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        let tokens = ask_at(base(1), "portal", "/token", &form).await.expect(200).body;
        let (id_token, access_token) = (tokens["id_token"].as_str().unwrap(), tokens["access_token"].as_str().unwrap());
        let kid = TokenHeader::read(id_token).unwrap().kid.unwrap();
        if !self.keys.contains_key(&kid) {
            self.read_keys(base(usize::from(!number.is_multiple_of(4)))).await;
        }
        let claims: Value = self.keys[&kid].verify(id_token).expect("a good signature");
        assert_eq!(claims["nonce"], "the nonce");
        // The other replica than the one that signed it knows it too.
        if number.is_multiple_of(10) {
            let said = ask_at(base(0), "portal", "/introspect", &[("token", access_token)]).await.expect(200).body;
            assert_eq!(said["active"], true, "{said}");
        }
        kid
    }

    async fn read_keys(&mut self, base: &str) {
        let published: Value = self.client.get(format!("{base}/oauth2/jwks")).send().await.unwrap().json().await.unwrap();
        for key in published["keys"].as_array().unwrap() {
            let key: PublicJwk = serde_json::from_value(key.clone()).unwrap();
            self.keys.insert(key.kid().to_owned(), Verifier::new(&key).unwrap());
        }
    }
}

async fn sign_in_for_long(mut portal: Portal, next: Arc<AtomicUsize>) -> BTreeMap<String, usize> {
    let mut signed = BTreeMap::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= SIGN_INS {
            return signed;
        }
        *signed.entry(portal.sign_in(number).await).or_default() += 1;
    }
}

on_every_engine! {
    async fn keys_rotate_amid_a_thousand_sign_ins_and_none_fails(engine) {
        // The clock stands still, and so would the allowance of the portal.
        let foyer = Foyer::with(engine, |settings| settings.api.client_burst = 1_000_000).await;
        let other = foyer.replica().await;
        let browser = foyer.joe().await;
        let session = browser.cookie(&foyer.world.base, "__Host-vestibule-session").unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let portals: Vec<_> = (0..PORTALS)
            .map(|_| {
                let bases = [foyer.world.base.clone(), other.base.clone()];
                let cookie = format!("__Host-vestibule-session={session}");
                let portal = Portal { bases, cookie, keys: BTreeMap::new(), client: http::client() };
                tokio::spawn(sign_in_for_long(portal, next.clone()))
            })
            .collect();
        for (turn, at) in ROTATIONS.into_iter().enumerate() {
            while next.load(Ordering::Relaxed) < at {
                assert!(portals.iter().all(|portal| !portal.is_finished()), "a sign-in failed");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            // Time goes by, and one replica or the other makes a key that signs from now on.
            foyer.clock.advance(TimeDelta::seconds(11));
            let app = if turn.is_multiple_of(2) { &foyer.world.app } else { &other.app };
            let caller = Caller { actor: Actor::Operator, now: foyer.clock.now(), request_id: None };
            app.signing.replace(false, caller).await.unwrap();
        }
        let mut signed: BTreeMap<String, usize> = BTreeMap::new();
        for portal in portals {
            for (kid, times) in portal.await.unwrap() {
                *signed.entry(kid).or_default() += times;
            }
        }
        assert_eq!(signed.values().sum::<usize>(), SIGN_INS);
        assert_eq!(signed.len(), ROTATIONS.len() + 1, "{signed:?}");
    }
}
