//! What portals were given: codes, refresh tokens, and what ends them.

use chrono::TimeDelta;
use serde_json::json;
use vestibule::keys::HashedToken;
use vestibule::model::{
    Authentication, AuthorizationRequestId, ClientId, GrantId, LoginId, PortalGrant, PortalSettings, SessionId, SessionLimits, Sid,
    TenantId,
};
use vestibule::store::{NewAuthorizationRequest, NewClient, NewGrant, NewSession};

use super::{Ground, House, LIMITS, how, later, now, raw, rows};
use crate::support::world::on_every_engine;

/// A portal in the operator's tenant.
pub(super) async fn portal(ground: &Ground, client_id: &str) -> ClientId {
    let id = ClientId::new(now());
    let uris = ["https://portal.example/callback".to_owned()];
    let new = NewClient {
        id,
        client_id,
        name: "Portal",
        secret: Some(&HashedToken::of("secret")),
        redirect_uris: &uris,
        backchannel_logout_uri: Some("https://portal.example/logout"),
        settings: &PortalSettings::default(),
        access: None,
    };
    let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
    assert!(writer.insert_client(&new, now()).await.unwrap());
    writer.commit().await.unwrap();
    id
}

/// A session of a login, in which the portal was given a grant with the code `code`.
pub(super) async fn grant(ground: &Ground, house: &House, login: LoginId, client: ClientId, code: &str) -> (GrantId, SessionId) {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    let person_id = writer.any_login(login).await.unwrap().unwrap().login.person_id;
    let (session, sid, id) = (SessionId::new(now()), Sid::new(now()), GrantId::new(now()));
    let new = NewSession {
        id: session,
        sid,
        digest: &HashedToken::of(&format!("cookie of {code}")),
        person_id,
        login_id: login,
        user_agent: "test",
        address: None,
        authentication: &Authentication {
            asserted_at: Some(now() - TimeDelta::minutes(2)),
            acr: Some("high".to_owned()),
            amr: vec!["pwd".to_owned()],
            ..how(house.connection)
        },
        expires_at: later(60),
    };
    writer.insert_session(&new, now()).await.unwrap();
    let new = NewGrant {
        id,
        client,
        sid,
        login,
        account: house.emea,
        scopes: &["openid".to_owned()],
        nonce: Some("nonce"),
        redirect_uri: "https://portal.example/callback",
        code_challenge: "challenge",
        code: &HashedToken::of(code),
        code_expires_at: later(1),
    };
    writer.insert_grant(&new, now()).await.unwrap();
    writer.commit().await.unwrap();
    (id, session)
}

pub(super) async fn live(ground: &Ground, house: &House, id: GrantId) -> Option<PortalGrant> {
    ground.store.read(house.tenant).grant(id, now(), LIMITS).await.unwrap()
}

on_every_engine! {
    async fn a_code_leads_to_its_grant_and_is_redeemed_once(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let client = portal(&ground, "portal").await;
        let (id, session) = grant(&ground, &house, joe, client, "code").await;
        let mut reader = ground.store.read(house.tenant);
        let sid = reader.sid_of_session(session, joe).await.unwrap();
        let row = reader.session_login(session, joe).await.unwrap().unwrap();
        assert_eq!((Some(row.sid), row.authentication.connection_id, row.authentication.authenticated_at), (sid, Some(house.connection), now()));
        assert_eq!((row.authentication.asserted_at, row.authentication.acr.as_deref()), (Some(now() - TimeDelta::minutes(2)), Some("high")));
        assert_eq!(reader.session_login(SessionId::new(now()), joe).await.unwrap(), None);
        let mut doors = ground.store.doors();
        assert_eq!(doors.portal("other").await.unwrap().map(|row| row.portal.id), None);
        let row = doors.portal("portal").await.unwrap().unwrap();
        assert_eq!((row.portal.id, row.portal.audience()), (client, "portal"));
        assert_eq!(row.secret_digest, Some(HashedToken::of("secret")));
        assert!(doors.code(&HashedToken::of("other")).await.unwrap().is_none());
        let row = doors.code(&HashedToken::of("code")).await.unwrap().unwrap();
        assert_eq!((row.tenant_id, row.grant_id, row.client_id, row.redeemed_at), (house.tenant, id, client, None));
        let found = live(&ground, &house, id).await.unwrap();
        assert_eq!(Some(found.sid), sid);
        assert_eq!((found.session_id, found.login_id, found.account_id, found.connection_id), (session, joe, house.emea, Some(house.connection)));
        assert_eq!((found.auth_time(), found.acr.as_deref(), found.amr.as_slice()), (now() - TimeDelta::minutes(2), Some("high"), &["pwd".to_owned()][..]));

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.redeem_code(id, now()).await.unwrap());
        assert!(!writer.redeem_code(id, now()).await.unwrap());
        writer.commit().await.unwrap();
        assert_eq!(doors.code(&HashedToken::of("code")).await.unwrap().unwrap().redeemed_at, Some(now()));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.revoke_grant(id, now()).await.unwrap());
        assert!(!writer.revoke_grant(id, now()).await.unwrap());
        assert!(!writer.redeem_code(id, now()).await.unwrap());
        writer.commit().await.unwrap();
        assert_eq!(live(&ground, &house, id).await, None);
    }

    async fn a_refresh_token_is_used_once_and_goes_with_its_session(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let client = portal(&ground, "portal").await;
        let (id, session) = grant(&ground, &house, joe, client, "code").await;
        let (token, mut doors) = (HashedToken::of("refresh"), ground.store.doors());
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_refresh_token(id, &token, now()).await.unwrap();
        assert!(!writer.use_refresh_token(&HashedToken::of("other"), now()).await.unwrap());
        writer.commit().await.unwrap();
        let row = doors.refresh_token(&token).await.unwrap().unwrap();
        assert_eq!((row.tenant_id, row.grant_id, row.client_id, row.used_at), (house.tenant, id, client, None));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.use_refresh_token(&token, now()).await.unwrap());
        assert!(!writer.use_refresh_token(&token, now()).await.unwrap());
        writer.commit().await.unwrap();
        assert_eq!(doors.refresh_token(&token).await.unwrap().unwrap().used_at, Some(now()));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.end_sessions(&[session], now()).await.unwrap(), 1);
        writer.commit().await.unwrap();
        assert!(doors.refresh_token(&token).await.unwrap().is_none());
        assert!(doors.code(&HashedToken::of("code")).await.unwrap().is_none());
        assert_eq!(rows!(ground.store, (i64,), "select count(*) from grants"), [(0,)]);
    }

    async fn a_request_waits_in_the_operators_tenant_and_is_answered_once(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let client = portal(&ground, "portal").await;
        let (id, handle, browser) = (AuthorizationRequestId::new(now()), HashedToken::of("handle"), HashedToken::of("browser"));
        let parameters = json!({ "scope": "openid" });
        let new = NewAuthorizationRequest {
            id, client, handle: &handle, browser: &browser, parameters: &parameters, expires_at: later(15),
        };
        let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
        writer.insert_authorization_request(&new, now()).await.unwrap();
        writer.commit().await.unwrap();
        let found = async |handle: &HashedToken| ground.store.read(TenantId::OPERATOR).authorization_request(handle).await.unwrap();
        assert!(found(&HashedToken::of("other")).await.is_none());
        let row = found(&handle).await.unwrap();
        assert_eq!((row.id, row.browser_digest, row.parameters, row.consumed_at), (id, browser, parameters, None));
        assert_eq!((row.created_at, row.expires_at), (now(), later(15)));
        // What it is for becomes clearer while it waits.
        let clearer = json!({ "scope": "openid", "login": "0198" });
        let change = async || {
            let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
            writer.change_authorization_request(id, &clearer).await.unwrap();
            writer.commit().await.unwrap();
            found(&handle).await.unwrap().parameters
        };
        assert_eq!(change().await, clearer);
        // It is used up in the transaction of whoever the answer is of.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.consume_authorization_request(id, now()).await.unwrap());
        assert!(!writer.consume_authorization_request(id, now()).await.unwrap());
        writer.commit().await.unwrap();
        assert_eq!(found(&handle).await.unwrap().consumed_at, Some(now()));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.purge_expired(later(14)).await.unwrap(), 0);
        assert_eq!(writer.purge_expired(later(16)).await.unwrap(), 1);
        writer.commit().await.unwrap();
        assert!(found(&handle).await.is_none());
    }

    async fn an_assertion_is_used_once_and_forgotten_when_it_is_over(engine) {
        let ground = Ground::fresh(engine).await;
        let client = portal(&ground, "portal").await;
        let used = async |id: &str, expires_at| {
            let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
            let used = writer.use_assertion(client, &HashedToken::of(id), expires_at).await.unwrap();
            writer.commit().await.unwrap();
            used
        };
        assert!(used("first", later(1)).await);
        assert!(!used("first", later(2)).await);
        assert!(used("second", later(3)).await);
        let purge = async |before, limit| {
            let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
            let gone = writer.purge_assertions(before, limit).await.unwrap();
            writer.commit().await.unwrap();
            gone
        };
        assert_eq!((purge(later(1), 10).await, purge(later(4), 1).await, purge(later(4), 10).await), (0, 1, 1));
        assert!(used("first", later(5)).await);
    }

    async fn a_grant_counts_while_everything_that_it_rests_on_does(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let eve = house.login(&ground.store, "eve").await;
        let client = portal(&ground, "portal").await;
        let (id, _) = grant(&ground, &house, joe, client, "code").await;
        assert!(live(&ground, &house, id).await.is_some());
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.grant(id, later(60), SessionLimits { idle: TimeDelta::MAX, ..LIMITS }).await.unwrap(), None, "over");
        assert_eq!(reader.grant(id, later(30), LIMITS).await.unwrap(), None, "idle");
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
            assert_eq!(live(&ground, &house, id).await, None, "{table}: {there}");
            raw!(*store, text(back), house.tenant).unwrap();
            assert!(live(&ground, &house, id).await.is_some(), "{table}: {back}");
        }
        // The session's other login is another one's grant.
        raw!(*store, "update sessions set active_login_id = $2 where active_login_id = $1".to_owned(), joe, eve).unwrap();
        assert_eq!(live(&ground, &house, id).await, None, "another login is active");
        raw!(*store, "update sessions set active_login_id = $1 where active_login_id = $2".to_owned(), joe, eve).unwrap();
        raw!(*store, "update clients set revoked_at = created_at where id = $1".to_owned(), client).unwrap();
        assert_eq!(live(&ground, &house, id).await, None, "the portal is no more");
    }
}
