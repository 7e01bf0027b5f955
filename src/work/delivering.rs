//! Tells portals that sessions are over (OpenID Connect Back-Channel Logout 1.0), from the rows that were written when they ended.
//!
//! Every replica does it. What one has taken, the others leave alone until its lease is over: when it dies, another sends it. Each portal has
//! a lane of its own, so that one which answers slowly, or not at all, delays no other. Whoever ended the session waits for none of it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::Clock;
use crate::directory::{Caller, ending};
use crate::metrics::{Logout, Metrics};
use crate::model::{Actor, ClientId, EventId, TenantId};
use crate::net;
use crate::openid::keys::SigningKeys;
use crate::openid::logout_token::{LogoutToken, TYPE, next_attempt};
use crate::store::{Delivered, DeliveryRow, Result, Store, ToldPortal};

/// How often it is looked for what portals are to be told.
const INTERVAL: Duration = Duration::from_millis(500);
/// For how long what was taken is left to whoever took it: longer than any exchange.
pub const LEASE: TimeDelta = TimeDelta::seconds(15);
/// How many requests one portal gets at a time.
const PARALLEL: u32 = 8;
/// How many looks there are between two at what has waited longest.
const ROUND: u32 = 20;

/// What telling is done with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Teller {
    pub store: Store,
    pub clock: Clock,
    pub signing: SigningKeys,
    pub client: net::Client,
    pub metrics: Metrics,
    /// Who says it: the address of the service.
    pub issuer: String,
}

pub(super) async fn keep_delivering(teller: Teller) {
    let mut lanes: HashMap<ClientId, AbortOnDropHandle<()>> = HashMap::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in (0..ROUND).cycle() {
        ticks.tick().await;
        lanes.retain(|_, lane| !lane.is_finished());
        match teller.store.doors().portals_to_tell(TenantId::OPERATOR, teller.clock.now()).await {
            Ok(portals) => {
                for portal in portals {
                    let lane = |portal| AbortOnDropHandle::new(tokio::spawn(keep_telling(teller.clone(), portal)));
                    lanes.entry(portal.id).or_insert_with(|| lane(portal));
                }
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what portals are to be told could not be looked for");
            }
        }
        if round == 0 {
            teller.look().await;
        }
    }
}

async fn keep_telling(teller: Teller, portal: ToldPortal) {
    loop {
        match teller.tell(&portal).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                let portal = &portal.client_id;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    portal,
                    "a portal could not be told that sessions are over"
                );
                break;
            }
        }
    }
}

impl Teller {
    /// Tells a portal some of what it is to be told now. Answers how much that was.
    ///
    /// # Errors
    /// When the database cannot be asked or written. What was taken is tried again when the lease is over.
    pub async fn tell(&self, portal: &ToldPortal) -> Result<usize> {
        let now = self.clock.now();
        let until = now + LEASE;
        let mut writer = self.store.write(TenantId::OPERATOR).await?;
        let taken = writer.take_deliveries(portal.id, now, until, PARALLEL).await?;
        writer.commit().await?;
        for told in join_all(taken.iter().map(|delivery| self.deliver(portal, delivery, until))).await {
            told?;
        }
        Ok(taken.len())
    }

    async fn deliver(&self, portal: &ToldPortal, delivery: &DeliveryRow, until: DateTime<Utc>) -> Result<()> {
        let outcome = self.send(portal, delivery).await;
        let now = self.clock.now();
        let became = match outcome {
            Ok(()) => Delivered::Yes,
            // Also where it was refused (section 2.8): the session there may be in the middle of something, or a clock wrong.
            Err(why) => match next_attempt(delivery.attempts + 1, delivery.created_at, now) {
                Some(next) => Delivered::Later(next, why),
                None => Delivered::Never(why),
            },
        };
        let mut writer = self.store.write(delivery.tenant_id).await?;
        if !writer.finish_delivery(delivery, until, &became, now).await? {
            return Ok(());
        }
        if let Delivered::Never(why) = &became {
            let caller = Caller { actor: Actor::System, now, request_id: None };
            let details = json!({ "portal": portal.client_id, "sid": delivery.sid, "error": why });
            let event = ending::undelivered(caller, delivery.login_id, details);
            writer.record(&[event], None).await?;
        }
        writer.commit().await?;
        self.metrics.back_channel_logout(match became {
            Delivered::Yes => Logout::Delivered,
            Delivered::Later(..) => Logout::Retried,
            Delivered::Never(_) => Logout::Failed,
        });
        Ok(())
    }

    /// One attempt. Answers why it was none.
    async fn send(&self, portal: &ToldPortal, delivery: &DeliveryRow) -> std::result::Result<(), String> {
        let now = self.clock.now();
        let jti = EventId::new(now).uuid();
        let claims = LogoutToken::new(&self.issuer, &portal.client_id, delivery.login_id, delivery.sid, jti, now);
        let token = self.signing.sign(TYPE, &claims).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a logout token could not be signed");
            "unsigned".to_owned()
        })?;
        // A token in its compact form has nothing that a form would escape.
        let mut request = Request::new(format!("logout_token={token}").into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = portal.backchannel_logout_uri.parse().map_err(|_| "bad_url".to_owned())?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let answer = self.client.send(request).await.map_err(|error| {
            let portal = &portal.client_id;
            tracing::warn!(error = &error as &dyn std::error::Error, portal, "a portal could not be told that a session is over");
            error.reason().to_owned()
        })?;
        if answer.status().is_success() {
            return Ok(());
        }
        tracing::warn!(
            status = answer.status().as_u16(),
            portal = portal.client_id,
            "a portal was told that a session is over, and did not take it"
        );
        Err(format!("status_{}", answer.status().as_u16()))
    }

    /// Looks how long the oldest waits.
    async fn look(&self) {
        match self.store.doors().oldest_delivery().await {
            Ok(since) => {
                let age = since.map_or(TimeDelta::zero(), |since| self.clock.now() - since);
                self.metrics.oldest_back_channel_logout(age);
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the age of what portals are to be told is not known");
            }
        }
    }
}
