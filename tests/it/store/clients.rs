//! Clients that work for themselves, and their access tokens.

use vestibule::keys::HashedToken;
use vestibule::model::{AccessTokenId, ClientId, ClientScope, ClientScopes, PortalSettings, TenantId};
use vestibule::store::{NewAccessToken, NewClient};

use super::{Ground, born, later, now, raw};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_client_is_found_by_its_name_and_its_token_by_the_prefix_until_it_is_revoked(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let scopes: ClientScopes = [ClientScope::Evaluate, ClientScope::ReadAccounts].into_iter().collect();
        let (secret, digest) = (HashedToken::of("secret"), HashedToken::of("token"));
        let settings = PortalSettings::default();
        let billing = NewClient {
            id: ClientId::new(born()),
            client_id: "billing",
            name: "Billing",
            secret: Some(&secret),
            redirect_uris: &[],
            backchannel_logout_uri: None,
            settings: &settings,
            access: Some((house.emea, &scopes)),
        };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.insert_client(&billing, now()).await.unwrap());
        let archive = NewClient { id: ClientId::new(born()), client_id: "archive", ..billing.clone() };
        assert!(writer.insert_client(&archive, now()).await.unwrap());
        let one: ClientScopes = [ClientScope::Evaluate].into_iter().collect();
        let token = NewAccessToken { id: AccessTokenId::new(born()), client: billing.id, prefix: "one", digest: &digest, scopes: &one, expires_at: later(10) };
        writer.insert_access_token(&token, now()).await.unwrap();
        writer.touch_client(billing.id, now()).await.unwrap();
        writer.touch_client(billing.id, now() + chrono::TimeDelta::seconds(30)).await.unwrap();
        writer.commit().await.unwrap();
        // A name is taken in the whole service, and no account of another tenant is reached.
        let mut writer = ground.store.write(other.tenant).await.unwrap();
        let again = NewClient { id: ClientId::new(born()), access: Some((other.emea, &scopes)), ..billing.clone() };
        assert!(!writer.insert_client(&again, now()).await.unwrap());
        assert!(!writer.revoke_client(billing.id, now()).await.unwrap());
        assert_eq!(writer.clients().await.unwrap(), []);
        let reaching = NewClient { id: ClientId::new(born()), client_id: "thief", ..billing.clone() };
        assert!(writer.insert_client(&reaching, now()).await.is_err());
        drop(writer);
        // A portal application is none of them.
        let mut operator = ground.store.write(TenantId::OPERATOR).await.unwrap();
        let portal = NewClient { id: ClientId::new(born()), client_id: "portal", access: None, ..billing.clone() };
        assert!(operator.insert_client(&portal, now()).await.unwrap());
        assert_eq!(operator.clients().await.unwrap(), []);
        assert!(!operator.revoke_client(portal.id, now()).await.unwrap());
        operator.commit().await.unwrap();
        let mut doors = ground.store.doors();
        assert!(doors.client("portal").await.unwrap().is_none() && doors.client("nobody").await.unwrap().is_none());
        let found = doors.client("billing").await.unwrap().unwrap();
        assert_eq!((found.tenant_id, found.id, &found.scopes), (house.tenant, billing.id, &scopes));
        assert_eq!(found.secret_digest, Some(secret.clone()));
        let found = doors.access_token("one").await.unwrap().unwrap();
        assert_eq!((found.tenant_id, found.client_id, found.within_id, found.expires_at), (house.tenant, billing.id, house.emea, later(10)));
        assert_eq!((&found.scopes, &found.digest), (&one, &digest));
        let list = ground.store.read(house.tenant).clients().await.unwrap();
        assert_eq!(list.iter().map(|client| client.client_id.as_str()).collect::<Vec<_>>(), ["archive", "billing"]);
        assert_eq!((list[1].last_used_at, list[1].revoked_at, list[0].last_used_at), (Some(now()), None, None));
        // Revoked once, and gone at once.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.revoke_client(billing.id, later(1)).await.unwrap());
        assert!(!writer.revoke_client(billing.id, later(2)).await.unwrap());
        assert_eq!(writer.clients().await.unwrap()[1].revoked_at, Some(later(1)));
        writer.commit().await.unwrap();
        assert!(doors.client("billing").await.unwrap().is_none() && doors.access_token("one").await.unwrap().is_none());
        // So is everything of a tenant that is off; and what has ended is swept away.
        assert!(doors.client("archive").await.unwrap().is_some());
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!((writer.purge_expired(later(10)).await.unwrap(), writer.purge_expired(later(11)).await.unwrap()), (0, 1));
        writer.commit().await.unwrap();
        raw!(ground.store, "update tenants set state = 'suspended' where tenant_id = $1", house.tenant).unwrap();
        assert!(doors.client("archive").await.unwrap().is_none());
    }
}
