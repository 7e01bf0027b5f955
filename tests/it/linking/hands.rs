//! Linking past the pages: by the functions that they call, at any replica, with identities that were proved or by the scripted identity
//! providers; and what must hold whatever was done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::json;
use url::Url;
use vestibule::app::App;
use vestibule::directory::Caller;
use vestibule::directory::linking::{self, Begun, Linked, Own, Switch, Unlinked};
use vestibule::directory::refusal::Refusal;
use vestibule::directory::sign_in::{self, Attempt, Outcome};
use vestibule::federation::Trace;
use vestibule::keys::{HashedToken, Place};
use vestibule::model::{
    Actor, ConnectionId, Demand, ExternalIdentity, LinkProofId, LoginId, PendingId, Purpose, Session, Subject, SubjectKind,
};
use vestibule::store::{Cookies, NewPending};

use super::{Pair, SESSION};
use crate::support::http::{Browser, Visit};
use crate::support::sql;

const SIGN_IN: &str = "__Host-vestibule-sign-in";

/// What a sign-in must prove that is to be fresh.
pub(super) const FRESHLY: Demand = Demand { is_fresh: true, max_age: None, acr: None };

/// What must never be, in the words of both engines.
const NEVER: &[(&str, &str)] = &[
    ("a person with three logins", "(select person_id from logins group by person_id having count(*) > 2) x"),
    ("a login without person", "logins l left join persons p on p.id = l.person_id where p.id is null"),
    ("a login in a merged person", "logins l join persons p on p.id = l.person_id where p.state = 'merged'"),
    (
        "a session with a foreign login",
        "session_logins sl join sessions s on s.id = sl.session_id join logins l on l.id = sl.login_id
         where l.person_id <> s.person_id or sl.person_id <> s.person_id",
    ),
    (
        "a session whose active login is not signed in there",
        "sessions s left join session_logins sl on sl.session_id = s.id and sl.login_id = s.active_login_id where sl.sid is null",
    ),
    ("a session of a merged person", "sessions s join persons p on p.id = s.person_id where p.state = 'merged'"),
    (
        "a grant of a login that is not its session's active one",
        "grants g join session_logins sl on sl.sid = g.sid join sessions s on s.id = sl.session_id
         where g.login_id <> sl.login_id or s.active_login_id <> g.login_id",
    ),
    (
        "a live part of somebody who was deactivated since",
        "session_logins sl join logins l on l.id = sl.login_id where not l.active and sl.login_epoch = l.epoch",
    ),
];

/// Another value of a cookie at each call.
fn another() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("cookie-{}", CALLS.fetch_add(1, Ordering::Relaxed))
}

/// The value of a session's cookie.
pub(super) type Cookie = String;

impl Pair {
    pub(super) fn app(&self) -> &App {
        &self.foyer.world.app
    }

    pub(super) fn first(&self) -> ConnectionId {
        self.foyer.tenant.connection
    }

    pub(super) async fn expect_sound(&self, after: &str) {
        let counts: Vec<_> = NEVER.iter().map(|(_, rows)| format!("(select count(*) from {rows})")).collect();
        if sql::number(&self.foyer.world.database.url, &format!("select {}", counts.join(" + "))).await == 0 {
            return;
        }
        for (what, rows) in NEVER {
            assert_eq!(self.foyer.count(rows).await, 0, "{what}, after {after}");
        }
    }

    /// The session of a cookie.
    pub(super) async fn session(&self, app: &App, cookie: &str) -> Option<Session> {
        app.store.doors().session(&HashedToken::of(cookie), app.clock.now(), app.session_limits()).await.unwrap()
    }

    /// Somebody comes back from an identity provider that has just asked them, as `sub`. Answers the cookie of whoever is signed in.
    pub(super) async fn arrives(
        &self,
        app: &App,
        (connection, sub): (ConnectionId, &str),
        before: Option<&str>,
        purpose: Purpose,
        demand: &Demand,
    ) -> (Outcome, Cookie) {
        let now = app.clock.now();
        let session = match before {
            Some(cookie) => self.session(app, cookie).await,
            None => None,
        };
        let (digest, after) = (before.map(HashedToken::of), another());
        let identity = ExternalIdentity {
            tenant: self.foyer.tenant.id,
            subject: Subject { connection, issuer: self.issuer(connection), kind: SubjectKind::Sub, value: sub.to_owned() },
            claims: BTreeMap::from([("sub".to_owned(), vec![sub.to_owned()])]),
            authenticated_at: Some(now),
            upstream_session: None,
            acr: None,
            amr: Vec::new(),
            assertion: None,
            session_until: None,
        };
        let attempt = Attempt {
            store: &app.store,
            rules: &app.rules,
            sealer: &app.sealer,
            caller: Caller { actor: Actor::Connection { connection }, now, request_id: None },
            browser: sign_in::Browser {
                session: &HashedToken::of(&after),
                user_agent: "test",
                address: None,
                lifetime: TimeDelta::days(1),
                before: session.as_ref().zip(digest.as_ref()),
            },
            purpose,
            demand,
            steps: &json!([]),
        };
        let outcome = sign_in::sign_in(attempt, &identity).await.unwrap_or_else(|error| panic!("{sub} at {connection}: {error:?}"));
        (outcome, after)
    }

    fn issuer(&self, connection: ConnectionId) -> String {
        let idp = if connection == self.second { &self.vault } else { &self.foyer.idp };
        idp.issuer().to_owned()
    }

    /// Somebody signs in, freshly, in a new browser.
    pub(super) async fn fresh(&self, sub: &str) -> Cookie {
        let (outcome, cookie) = self.arrives(self.app(), (self.first(), sub), None, Purpose::SignIn, &FRESHLY).await;
        assert!(matches!(outcome, Outcome::SignedIn { .. }), "{sub}: {outcome:?}");
        cookie
    }

    async fn own<T>(
        &self,
        app: &App,
        cookie: &str,
        act: impl AsyncFnOnce(Own<'_>) -> vestibule::directory::Result<Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        // Who has no session is sent to sign in.
        let session = self.session(app, cookie).await.ok_or(Refusal::LinkOver)?;
        let actor = Actor::Login { login: session.active_login_id };
        let caller = Caller { actor, now: app.clock.now(), request_id: None };
        let own = Own { store: &app.store, rules: &app.rules, caller, session: &session };
        act(own).await.unwrap_or_else(|error| panic!("no refusal but an error: {error:?}"))
    }

    pub(super) async fn begins(&self, cookie: &str, connection: ConnectionId, expected: Option<LoginId>) -> Result<Begun, Refusal> {
        self.own(self.app(), cookie, async |own| linking::begin(own, connection, expected).await).await
    }

    /// Begins a link at the second connection, and proves another login there.
    pub(super) async fn proved(&self, cookie: &str, sub: &str) -> LinkProofId {
        let link = self.begun(cookie).await;
        assert_eq!(self.proves_link(cookie, link, sub).await, Ok(()), "{sub}");
        link
    }

    pub(super) async fn begun(&self, cookie: &str) -> LinkProofId {
        match self.begins(cookie, self.second, None).await {
            Ok(Begun::Proof(link)) => link,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn proves_link(&self, cookie: &str, link: LinkProofId, sub: &str) -> Result<(), Refusal> {
        let who = (self.second, sub);
        match self.arrives(self.app(), who, Some(cookie), Purpose::Link { link }, &FRESHLY).await.0 {
            Outcome::Proved { .. } => Ok(()),
            Outcome::Refused { refusal, .. } => Err(refusal),
            Outcome::SignedIn { .. } => panic!("a proof signs nobody in"),
        }
    }

    pub(super) async fn confirms(&self, app: &App, cookie: &str, link: LinkProofId) -> Result<(Linked, Cookie), Refusal> {
        let after = another();
        let (before, digest) = (HashedToken::of(cookie), HashedToken::of(&after));
        let cookies = Cookies { before: &before, after: &digest };
        let linked = self.own(app, cookie, async |own| linking::confirm(own, cookies, link).await).await?;
        Ok((linked, after))
    }

    pub(super) async fn unlinks(&self, app: &App, cookie: &str) -> Result<(Unlinked, Cookie), Refusal> {
        let after = another();
        let (before, digest) = (HashedToken::of(cookie), HashedToken::of(&after));
        let cookies = Cookies { before: &before, after: &digest };
        let unlinked = self.own(app, cookie, async |own| linking::unlink(own, cookies, "test", None).await).await?;
        Ok((unlinked, after))
    }

    pub(super) async fn switches(&self, app: &App, cookie: &str, to: LoginId) -> Result<Switch, Refusal> {
        self.own(app, cookie, async |own| linking::switch(own, to).await).await
    }

    /// Links two people of the directory. Answers the cookie of the session in which both are signed in, the first one active.
    pub(super) async fn linked(&self, one: &str, other: &str) -> Cookie {
        let cookie = self.fresh(one).await;
        let link = self.proved(&cookie, other).await;
        self.confirms(self.app(), &cookie, link).await.unwrap().1
    }

    /// Begins what a page would, for a browser: answers where at the identity provider it is sent.
    pub(super) async fn errand(&self, browser: &mut Browser, connection: ConnectionId, purpose: Purpose, demand: &Demand) -> Url {
        let (app, now) = (self.app(), self.foyer.clock.now());
        let row = app.store.read(self.foyer.tenant.id).connection(connection).await.unwrap().unwrap();
        let callback = self.at(&format!("/sign-in/oidc/{connection}/callback")).parse().unwrap();
        let begun = app.federation.begin(&row, &callback, demand, &mut Trace::default()).await.unwrap();
        let id = PendingId::new(now);
        let proof = json!({ "nonce": begun.nonce.expose_secret(), "pkce_verifier": begun.pkce_verifier.expose_secret() });
        let place = Place { table: "pending_sign_ins", column: "proof_sealed", row: id.uuid() };
        let marker = browser.cookie(&self.foyer.world.base, SIGN_IN).map_or_else(another, ToOwned::to_owned);
        browser.plant(&self.foyer.world.base, SIGN_IN, &marker);
        let new = NewPending {
            id,
            connection_id: connection,
            state: &HashedToken::of(begun.state.expose_secret()),
            browser: &HashedToken::of(&marker),
            demand,
            purpose: &purpose,
            proof: &app.sealer.seal(&place, proof.to_string().as_bytes()),
            return_to: None,
            expires_at: now + TimeDelta::minutes(15),
        };
        let mut writer = app.store.write(self.foyer.tenant.id).await.unwrap();
        writer.insert_pending(&new, now).await.unwrap();
        writer.commit().await.unwrap();
        begun.authorization_url
    }

    /// Goes on an errand, a second each way, and answers what the callback was answered.
    pub(super) async fn comes_back(&self, browser: &mut Browser, away: &Url, claims: &serde_json::Value) -> Visit {
        for idp in [&self.foyer.idp, &self.vault] {
            idp.script().claims = claims.clone();
        }
        browser.follow(away.as_str(), Some(&self.at("/me"))).await
    }

    /// The value of a browser's session cookie.
    pub(super) fn cookie(&self, browser: &Browser) -> Cookie {
        browser.cookie(&self.foyer.world.base, SESSION).expect("a session").to_owned()
    }

    /// A browser with a session that was begun past the pages.
    pub(super) fn browser(&self, cookie: &str) -> Browser {
        let mut browser = Browser::new();
        browser.plant(&self.foyer.world.base, SESSION, cookie);
        browser
    }

    /// How many rows there are of what a link changes.
    pub(super) async fn tally(&self) -> [i64; 5] {
        let mut tally = [0; 5];
        let all = [
            "logins where person_id <> born_person_id",
            "persons where state = 'merged'",
            "sessions",
            "session_logins",
            "events where kind = 'login.linked'",
        ];
        for (at, what) in all.into_iter().enumerate() {
            tally[at] = self.foyer.count(what).await;
        }
        tally
    }
}
