//! Sessions, sign-ins that wait, and traces.

use chrono::{DateTime, Utc};
use vestibule::keys::{HashedToken, KeyRing, Place, Sealer};
use vestibule::model::{Authentication, Demand, LoginId, PendingId, Purpose, Session, SessionId, Sid, TraceId};
use vestibule::store::{NewPending, NewSession, NewTrace};

use super::{Ground, House, LIMITS, how, later, now, raw};
use crate::support::world::on_every_engine;

pub(super) async fn begin(ground: &Ground, house: &House, login: LoginId, cookie: &str, expires_at: DateTime<Utc>) -> SessionId {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    let person_id = writer.any_login(login).await.unwrap().unwrap().login.person_id;
    let id = SessionId::new(now());
    let new = NewSession {
        id,
        sid: Sid::new(now()),
        digest: &HashedToken::of(cookie),
        person_id,
        login_id: login,
        user_agent: "test",
        address: Some("192.0.2.7"),
        authentication: &Authentication {
            upstream_session: Some("upstream".to_owned()),
            amr: vec!["pwd".to_owned()],
            ..how(house.connection)
        },
        expires_at,
    };
    writer.insert_session(&new, now()).await.unwrap();
    writer.commit().await.unwrap();
    id
}

pub(super) async fn session(ground: &Ground, cookie: &str, at: DateTime<Utc>) -> Option<Session> {
    ground.store.doors().session(&HashedToken::of(cookie), at, LIMITS).await.unwrap()
}

on_every_engine! {
    async fn a_session_holds_while_nothing_that_it_stands_on_changes(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let id = begin(&ground, &house, joe, "cookie", later(600)).await;
        let found = session(&ground, "cookie", later(1)).await.unwrap();
        assert_eq!((found.id, found.tenant_id, found.active_login_id), (id, house.tenant, joe));
        assert_eq!(session(&ground, "another", later(1)).await, None);
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.connection_of_session(id, joe).await.unwrap(), Some(house.connection));

        let store = &ground.store;
        for (table, there, back) in [
            ("logins", "active = not active", "active = not active"),
            ("logins", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("persons", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("persons", "state = 'deactivated'", "state = 'active'"),
            ("connections", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("connections", "state = 'disabled'", "state = 'enabled'"),
            ("tenants", "epoch = epoch + 1", "epoch = epoch - 1"),
            ("tenants", "state = 'suspended'", "state = 'active'"),
        ] {
            let text = |change| format!("update {table} set {change} where tenant_id = $1");
            raw!(*store, text(there), house.tenant).unwrap();
            assert_eq!(session(&ground, "cookie", later(1)).await, None, "{table}: {there}");
            raw!(*store, text(back), house.tenant).unwrap();
            assert!(session(&ground, "cookie", later(1)).await.is_some(), "{table}: {back}");
        }
    }

    async fn a_session_ends_by_time_idleness_and_word(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let eve = house.login(&ground.store, "eve").await;
        let id = begin(&ground, &house, joe, "joe", later(60)).await;
        assert!(session(&ground, "joe", later(29)).await.is_some());
        assert!(session(&ground, "joe", later(30)).await.is_none(), "idle");
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        // To the minute: a write for every request would be too many.
        writer.touch_session(id, now() + chrono::TimeDelta::seconds(30)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(session(&ground, "joe", later(1)).await.unwrap().last_seen_at, now());
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.touch_session(id, later(31)).await.unwrap();
        writer.commit().await.unwrap();
        assert!(session(&ground, "joe", later(59)).await.is_some());
        assert!(session(&ground, "joe", later(60)).await.is_none(), "over");

        begin(&ground, &house, eve, "eve", later(60)).await;
        let other = begin(&ground, &house, joe, "joe's other", later(60)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.end_sessions(&[id], later(2)).await.unwrap(), 1);
        assert_eq!(writer.end_sessions(&[id], later(2)).await.unwrap(), 0);
        let left = writer.sessions_of_login(joe).await.unwrap();
        assert_eq!(left, [other]);
        assert_eq!(writer.end_sessions(&left, later(2)).await.unwrap(), 1);
        writer.commit().await.unwrap();
        assert!(session(&ground, "joe's other", later(1)).await.is_none());
        assert_eq!(ground.store.read(house.tenant).connection_of_session(other, joe).await.unwrap(), None);
        assert!(session(&ground, "eve", later(1)).await.is_some());
        // Who is deleted takes the sessions along.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.delete_login(eve).await.unwrap();
        writer.commit().await.unwrap();
        assert!(session(&ground, "eve", later(1)).await.is_none());
    }

    async fn a_session_is_shortened_and_never_made_longer(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let id = begin(&ground, &house, joe, "joe", later(20)).await;
        for (until, end) in [(later(30), 20), (later(10), 10), (later(15), 10)] {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            writer.shorten_session(id, until).await.unwrap();
            writer.commit().await.unwrap();
            assert_eq!(session(&ground, "joe", later(1)).await.unwrap().expires_at, later(end));
        }
    }

    async fn a_session_is_kept_with_another_cookie_while_it_counts(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let id = begin(&ground, &house, joe, "first", later(60)).await;
        let renew = async |login: LoginId, before: &str, after: &str| {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            let person_id = writer.any_login(joe).await.unwrap().unwrap().login.person_id;
            let new = NewSession {
                id: SessionId::new(now()),
                sid: Sid::new(now()),
                digest: &HashedToken::of(after),
                person_id,
                login_id: login,
                user_agent: "other",
                address: None,
                authentication: &Authentication { asserted_at: Some(later(1)), acr: Some("urn:vestibule:aal2".to_owned()), amr: vec!["fed".to_owned(), "mfa".to_owned()], ..how(house.connection) },
                expires_at: later(90),
            };
            let renewed = writer.renew_session(id, &HashedToken::of(before), &new, later(2)).await.unwrap();
            writer.commit().await.unwrap();
            renewed
        };
        let eve = house.login(&ground.store, "eve").await;
        assert!(!renew(joe, "another", "second").await && !renew(eve, "first", "second").await);
        assert!(session(&ground, "second", later(3)).await.is_none());
        let sid = ground.store.read(house.tenant).sid_of_session(id, joe).await.unwrap();
        assert!(renew(joe, "first", "second").await);
        assert!(session(&ground, "first", later(3)).await.is_none());
        let kept = session(&ground, "second", later(3)).await.unwrap();
        assert_eq!((kept.id, kept.created_at, kept.last_seen_at, kept.expires_at), (id, later(2), later(2), later(90)));
        let row = ground.store.read(house.tenant).session_login(id, joe).await.unwrap().unwrap();
        assert_eq!((Some(row.sid), row.authentication.authenticated_at, row.authentication.asserted_at), (sid, later(2), Some(later(1))));
        assert_eq!(row.authentication.acr.as_deref(), Some("urn:vestibule:aal2"));
        for table in ["logins", "persons", "connections", "tenants"] {
            let text = |change| format!("update {table} set epoch = epoch {change} where tenant_id = $1");
            raw!(ground.store, text("+ 1"), house.tenant).unwrap();
            assert!(!renew(joe, "second", "third").await, "{table}");
            raw!(ground.store, text("- 1"), house.tenant).unwrap();
        }
        raw!(ground.store, "update sessions set expires_at = last_seen_at where tenant_id = $1".to_owned(), house.tenant).unwrap();
        assert!(!renew(joe, "second", "third").await, "over");
    }

    async fn a_pending_sign_in_is_taken_once(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (id, state) = (PendingId::new(now()), HashedToken::of("state"));
        let sealer = Sealer::new(KeyRing::generate());
        let place = Place { table: "pending_sign_ins", column: "proof_sealed", row: id.uuid() };
        let new = NewPending {
            id,
            connection_id: house.connection,
            state: &state,
            browser: &HashedToken::of("browser"),
            purpose: &Purpose::Login { login: LoginId::new(now()) },
            demand: &Demand { is_fresh: true, max_age: Some(60), acr: None },
            proof: &sealer.seal(&place, b"nonce"),
            return_to: Some("/portal"),
            expires_at: later(10),
        };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_pending(&new, now()).await.unwrap();
        writer.commit().await.unwrap();

        let mut doors = ground.store.doors();
        assert!(doors.pending_sign_in(&HashedToken::of("another")).await.unwrap().is_none());
        let (tenant, row) = doors.pending_sign_in(&state).await.unwrap().unwrap();
        assert_eq!((tenant, row.id, row.connection_id), (house.tenant, id, house.connection));
        assert_eq!((row.return_to.as_deref(), row.expires_at), (Some("/portal"), later(10)));
        assert_eq!(row.browser_digest, HashedToken::of("browser"));
        assert_eq!(sealer.open(&place, &row.proof_sealed).unwrap().as_slice(), b"nonce");

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.consume_pending(id, later(1)).await.unwrap());
        assert!(!writer.consume_pending(id, later(1)).await.unwrap());
        writer.commit().await.unwrap();
        // It is still found, so that a replay can be told from a state that never was.
        let (_, row) = doors.pending_sign_in(&state).await.unwrap().unwrap();
        assert_eq!(row.consumed_at, Some(later(1)));
    }

    async fn traces_tell_how_sign_ins_went(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let ids = [TraceId::new(now()), TraceId::new(now())];
        for (minute, id, outcome) in [(2, ids[0], "signed_in"), (1, ids[1], "no_such_person")] {
            let new = NewTrace { id, connection_id: house.connection, outcome, login_id: None, steps: serde_json::json!(["begin"]) };
            writer.insert_trace(&new, later(minute), Some("request")).await.unwrap();
        }
        let outcomes = writer.trace_outcomes(house.connection).await.unwrap();
        assert_eq!(outcomes, [(ids[1], "no_such_person".to_owned()), (ids[0], "signed_in".to_owned())]);
    }
}
