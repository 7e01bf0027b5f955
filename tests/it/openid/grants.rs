//! What a portal was given counts on every replica for as long as what it rests on does.

use super::Foyer;
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_grant_is_found_on_another_replica_until_its_login_is_deactivated(engine) {
        let foyer = Foyer::new(engine).await;
        let joe = foyer.person("joe", &["Cloud-EMEA-Admins"]).await;
        let browser = foyer.sign_in("joe").await;
        let code = foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let replica = foyer.replica().await;
        let now = foyer.clock.now();
        let found = async || replica.app.store.read(foyer.tenant.id).grant(code.grant, now, replica.app.session_limits()).await.unwrap();
        let grant = found().await.unwrap();
        assert_eq!((grant.login_id, grant.account_id), (joe, foyer.account("bluesky/emea").await));
        foyer.set_active(joe, false).await;
        assert_eq!(found().await, None);
        assert_eq!(foyer.count("grants").await, 0);
    }
}
