//! Signing in and out by SAML, as a browser, an identity provider and a directory see it: stories over HTTP, each on both engines.

mod linking;
mod logout;
mod races;
mod replacing;
mod signing_in;
mod trying;
mod unasked;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use vestibule::directory::Caller;
use vestibule::directory::connections::{NewSaml, OurKey, SamlConnections};
use vestibule::federation::saml;
use vestibule::model::{Actor, Binding, ConnectionId, Endpoint, JitPolicy, MissingClaim, SamlBinding, SamlSettings};
use vestibule::store::Engine;

use crate::linking::leads_away;
use crate::openid::{Foyer, noon};
use crate::support::http::{Browser, Visit};
use crate::support::saml_idp::{Asked, Fields, SamlIdp, Says, form};

const SESSION: &str = "__Host-vestibule-session";
const SIGN_IN: &str = "__Host-vestibule-sign-in";

/// A [`Foyer`] with a SAML connection beside its own, by which the same directory's people sign in: their `externalId` is the attribute `uid`.
struct Stage {
    foyer: Foyer,
    idp: SamlIdp,
    connection: ConnectionId,
}

impl Stage {
    async fn new(engine: Engine) -> Self {
        Self::set(engine, |_| ()).await
    }

    /// With other settings of the connection.
    async fn set(engine: Engine, change: impl FnOnce(&mut SamlSettings)) -> Self {
        let foyer = Foyer::new(engine).await;
        let idp = SamlIdp::new("idp", noon());
        let connection = connect(&foyer, "saml", &idp, change).await;
        Self { foyer, idp, connection }
    }

    /// An address of the connection.
    fn at(&self, end: &str) -> String {
        self.of(self.connection, end)
    }

    fn of(&self, connection: ConnectionId, end: &str) -> String {
        format!("{}/sign-in/saml/{connection}{end}", self.foyer.world.base)
    }

    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.foyer.world.base)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.foyer.clock.now()
    }

    fn wait(&self, seconds: i64) {
        self.foyer.clock.advance(TimeDelta::seconds(seconds));
        self.foyer.idp.script().now += TimeDelta::seconds(seconds);
    }

    /// A browser begins to sign in. Answers what the identity provider is asked.
    async fn asked(&self, browser: &mut Browser) -> Asked {
        let visit = browser.visit(&self.at("")).await;
        assert_eq!(visit.status, 303, "{}", visit.body);
        Asked::by_redirect(&visit.location.unwrap())
    }

    /// A page of the identity provider's has the browser post a form to us, which then posts it again itself. Answers the end.
    async fn brings(&self, browser: &mut Browser, acs: &str, fields: &Fields) -> Visit {
        let page = posts(&mut Browser::new(), "cross-site", acs, fields).await.expect(200, "One moment");
        assert!(page.set_cookies().is_empty(), "{page:?}");
        let (action, again) = form(&page.body);
        assert_eq!(format!("{}{action}", self.foyer.world.base), acs);
        posts(browser, "same-origin", acs, &again).await
    }

    /// A browser goes the whole way, as somebody, to what the response is answered.
    async fn sign_in(&self, browser: &mut Browser, says: &Says) -> Visit {
        let asked = self.asked(browser).await;
        self.brings(browser, &asked.acs(), &self.idp.response(&asked, says)).await
    }

    /// A browser in which somebody is signed in.
    async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = Browser::new();
        self.sign_in(&mut browser, &Says::of(name, self.now())).await.expect_redirect("/me");
        browser
    }

    async fn is_signed_in(&self, browser: &mut Browser) -> bool {
        browser.visit(&self.page("/me")).await.status == 200
    }

    async fn count(&self, what: &str) -> i64 {
        self.foyer.count(what).await
    }

    /// A sign-in was refused, for this reason, with this page.
    async fn expect_refused(&self, visit: &Visit, status: u16, heading: &str, outcome: &str) {
        assert_eq!(visit.status, status, "{outcome}: {}", visit.body);
        assert!(visit.body.contains(heading), "{outcome}: {}", visit.body);
        assert!(!visit.set_cookies().iter().any(|cookie| cookie.starts_with(SESSION)), "{outcome}");
        let event = format!(
            "events where kind = 'session.refused' and details ->> 'reference' = '{}' and details ->> 'reason' = '{outcome}'",
            visit.reference()
        );
        assert_eq!(self.count(&event).await, 1, "{outcome}: {}", visit.body);
    }
}

/// What a page that sends the browser away asks the identity provider.
fn asked_by(leaving: &Visit) -> Asked {
    Asked::by_redirect(&leads_away(leaving).parse().unwrap())
}

/// Posts a form.
async fn posts(browser: &mut Browser, site: &str, url: &str, fields: &Fields) -> Visit {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post_from(site, url, &fields).await
}

/// The connections of the tenant, as the service itself changes them.
fn connections(foyer: &Foyer) -> SamlConnections<'_> {
    let app = &foyer.world.app;
    let caller = Caller { actor: Actor::System, now: foyer.clock.now(), request_id: None };
    SamlConnections { store: &app.store, sealer: &app.sealer, tenant: foyer.tenant.id, reach: None, caller }
}

/// Makes a SAML connection, enabled, with the certificate of its identity provider and a key of ours, joined with the directory.
async fn connect(foyer: &Foyer, slug: &str, idp: &SamlIdp, change: impl FnOnce(&mut SamlSettings)) -> ConnectionId {
    let (app, now) = (&foyer.world.app, foyer.clock.now());
    let endpoint = |location| Endpoint { binding: SamlBinding::Redirect, location, response_location: None };
    let mut settings = SamlSettings {
        sso: vec![endpoint(idp.sso())],
        slo: vec![endpoint(idp.slo())],
        attributes: BTreeMap::from([("uid".to_owned(), "uid".to_owned())]),
        ..SamlSettings::default()
    };
    change(&mut settings);
    let made = saml::new_credential("vestibule", now, now + TimeDelta::days(3650)).unwrap();
    let key = OurKey { certificate: made.certificate, private_key: made.private_key };
    let new = NewSaml {
        id: ConnectionId::new(now),
        slug,
        name: "Anchor & <Sons>",
        within: None,
        jit: JitPolicy::IfProvisioned,
        missing_claim: MissingClaim::Clear,
        contact: Some("anchor@bluesky.example"),
        entity_id: &idp.entity_id,
        certificates: &[saml::certificate(&idp.certificate).unwrap()],
        metadata: None,
        metadata_url: None,
        settings: &settings,
        key: &key,
        enable: true,
    };
    let connection = connections(foyer).create(&new).await.unwrap();
    let mut writer = app.store.write(foyer.tenant.id).await.unwrap();
    let (claim, attribute) = ("uid".to_owned(), "externalId".to_owned());
    let binding = Binding { directory_id: foyer.tenant.directory, connection_id: connection, claim, attribute };
    writer.insert_binding(&binding, now).await.unwrap();
    writer.commit().await.unwrap();
    connection
}
