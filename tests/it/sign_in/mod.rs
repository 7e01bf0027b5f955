//! Signing in, as a browser, an identity provider and a directory see it: stories over HTTP, each on both engines.

mod adoption;
mod by_hand;
mod claims;
mod finding;
mod leaving;
mod main_job;
mod races;
mod refusals;
mod sessions;
mod states;
mod tokens;
mod tombstones;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use vestibule::clock::Clock;
use vestibule::store::Engine;

use crate::support::evil_idp::{CLIENT_SECRET, EvilIdp};
use crate::support::http::{Browser, Visit};
use crate::support::sql;
use crate::support::world::{Tenant, World, describe};

/// Where all stories with a scripted clock begin.
fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A world with one tenant, the scripted identity provider of its connection, and a clock that stands still at noon.
struct Stage {
    world: World,
    tenant: Tenant,
    idp: EvilIdp,
    clock: Clock,
}

/// How much there is of what a sign-in could change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    logins: i64,
    persons: i64,
    subjects: i64,
    sessions: i64,
    assignments: i64,
    traces: i64,
    refusals: i64,
    events: i64,
}

impl Stage {
    /// Only people whom the directory provisioned are let in.
    async fn new(engine: Engine) -> Self {
        Self::set(engine, "if-provisioned", &[]).await
    }

    /// With a just-in-time policy, and with words of the bootstrap file replaced by others.
    async fn set(engine: Engine, jit: &str, changes: &[(&str, &str)]) -> Self {
        let clock = Clock::fixed(noon());
        let idp = EvilIdp::start(noon()).await;
        let world = World::with_clock(engine, clock.clone()).await;
        let mut text = describe("bluesky", "entra", idp.issuer(), jit);
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let tenant = world.described("bluesky", &text).await;
        Self { world, tenant, idp, clock }
    }

    /// The directory pushes somebody. Answers the id of the User.
    async fn provision(&self, user_name: &str, external_id: &str) -> String {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": user_name, "externalId": external_id, "active": true,
        });
        self.tenant.scim.post("/Users", &user).await.expect(201).id()
    }

    /// The directory switches somebody on or off.
    async fn set_active(&self, id: &str, active: bool) {
        let body = patch(&json!([{ "op": "Replace", "path": "active", "value": active }]));
        let status = self.tenant.scim.patch(&format!("/Users/{id}"), &body).await.status;
        assert!(matches!(status, 200 | 204), "{status}");
    }

    /// Who signs in from now on.
    fn person(&self, claims: Value) {
        self.idp.script().claims = claims;
    }

    /// A browser begins to sign in and comes as far as the way back, which is not gone.
    async fn way_back(&self, browser: &mut Browser) -> String {
        let callback = self.world.redirect_uri(&self.tenant);
        let visit = browser.follow(&self.world.sign_in(&self.tenant), Some(&callback)).await;
        visit.location.unwrap_or_else(|| panic!("no way back: {visit:?}", visit = visit.status)).into()
    }

    /// A browser goes the whole way, to the page at its end.
    async fn sign_in(&self, browser: &mut Browser) -> Visit {
        browser.follow(&self.world.sign_in(&self.tenant), None).await
    }

    /// The session cookie of a browser.
    fn session<'a>(&self, browser: &'a Browser) -> Option<&'a str> {
        browser.cookie(&self.world.base, SESSION)
    }

    async fn me(&self, browser: &mut Browser) -> Visit {
        browser.visit(&format!("{}/me", self.world.base)).await
    }

    async fn count(&self, what: &str) -> i64 {
        sql::number(&self.world.database.url, &format!("select count(*) from {what}")).await
    }

    async fn tally(&self) -> Tally {
        Tally {
            logins: self.count("logins").await,
            persons: self.count("persons").await,
            subjects: self.count("subjects").await,
            sessions: self.count("sessions").await,
            assignments: self.count("assignments").await,
            traces: self.count("sign_in_traces").await,
            refusals: self.count("events where kind = 'session.refused'").await,
            events: self.count("events").await,
        }
    }

    /// The page is the refusal that it must be, the administrator finds it by the reference number, and nothing else has happened.
    async fn expect_refused(&self, visit: &Visit, before: Tally, status: u16, heading: &str, outcome: &str) {
        assert_eq!(visit.status, status, "{outcome}: {}", visit.body);
        assert!(visit.body.contains(heading), "{outcome}: {}", visit.body);
        assert!(!visit.set_cookies().iter().any(|cookie| cookie.starts_with(SESSION)), "{outcome}");
        let grown = |count| count + 1;
        let expected =
            Tally { traces: grown(before.traces), refusals: grown(before.refusals), events: grown(before.events), ..before };
        assert_eq!(self.tally().await, expected, "{outcome}");
        let reference = visit.reference();
        let traces = self.world.app.store.read(self.tenant.id).trace_outcomes(self.tenant.connection).await.unwrap();
        let trace = traces.iter().find(|(id, _)| id.to_string() == reference);
        assert_eq!(trace.map(|(_, outcome)| outcome.as_str()), Some(outcome), "{traces:?}");
        let event = format!(
            "events where kind = 'session.refused' and details ->> 'reference' = '{reference}' and details ->> 'reason' = '{outcome}'"
        );
        assert_eq!(self.count(&event).await, 1, "{outcome}");
        self.expect_no_secret(&visit.body);
    }

    /// No page tells what only Vestibule and the identity provider may know.
    fn expect_no_secret(&self, body: &str) {
        let id_token = self.idp.seen().id_token;
        for secret in [Some(CLIENT_SECRET), Some("an-access-token"), Some("code-"), id_token.as_deref()].into_iter().flatten() {
            assert!(!body.contains(secret), "{body}");
        }
    }
}

const SESSION: &str = "__Host-vestibule-session";
const SIGN_IN: &str = "__Host-vestibule-sign-in";

fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}
