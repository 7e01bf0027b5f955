//! Groups, without their members.

use vestibule::model::GroupId;
use vestibule::store::filter::Where;
use vestibule::store::{Error, GROUP_LAYOUT, Order, Page, Start};

use super::{Ground, group, later, now};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_group_is_changed_listed_and_deleted(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let (one, two) = (house.group(&ground.store, "One", &[joe]).await, house.group(&ground.store, "Two", &[]).await);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let before = writer.group_for_update(house.directory, one).await.unwrap().unwrap().group;
        assert_eq!((before.display.as_str(), before.external_id.as_deref(), before.version), ("One", Some("ext-One"), 1));
        writer.update_group(one, &group("Uno"), later(1)).await.unwrap();
        writer.touch_group(one, later(2)).await.unwrap();
        writer.touch_groups(&[two, one], later(3)).await.unwrap();
        writer.touch_groups(&[], later(4)).await.unwrap();
        writer.lock_groups(&[two, one]).await.unwrap();
        let nobody = GroupId::new(now());
        assert!(matches!(writer.update_group(nobody, &group("x"), now()).await, Err(Error::Raced)));
        assert!(matches!(writer.delete_group(nobody).await, Err(Error::Raced)));
        writer.commit().await.unwrap();

        let mut reader = ground.store.read(house.tenant);
        let row = reader.group(house.directory, one).await.unwrap().unwrap();
        assert_eq!((row.group.display.as_str(), row.group.version), ("Uno", 4));
        assert_eq!((row.group.created_at, row.group.updated_at), (now(), later(3)));
        assert_eq!(row.scim["displayName"], "Uno");
        let page = Page { start: Start::Offset(1), limit: 5 };
        let order = Order::new(None, &GROUP_LAYOUT);
        let rows = reader.list_groups(house.directory, &Where::everything(), &order, &page).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.group.id).collect::<Vec<_>>(), [one.max(two)]);
        assert_eq!(reader.count_groups(house.directory, &Where::everything()).await.unwrap(), 2);

        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.delete_group(one).await.unwrap();
        writer.commit().await.unwrap();
        assert!(reader.group(house.directory, one).await.unwrap().is_none());
        assert_eq!(reader.memberships(&[joe]).await.unwrap(), []);
    }
}
