//! Memberships as they are read: counted, page by page, and one by one.

use uuid::Uuid;
use vestibule::model::{GroupId, MemberId};
use vestibule::store::filter::Where;
use vestibule::store::{GROUP_MEMBER_LAYOUT, GroupMemberRow, Order, Page, Start};

use super::{Ground, now};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn members_are_counted_and_read_in_pages_by_their_ids(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut all = Vec::new();
        let inner = house.group(&ground.store, "Inner", &[]).await;
        for name in ["joe", "eve", "ada", "zoe"] {
            all.push(house.login(&ground.store, name).await);
        }
        let outer = house.group(&ground.store, "Outer", &all).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.add_member_groups(outer, &[inner]).await.unwrap();
        writer.commit().await.unwrap();
        let mut wanted: Vec<_> = all.iter().copied().map(MemberId::Login).chain([MemberId::Group(inner)]).collect();
        wanted.sort_by_key(|member| member.uuid());

        let mut reader = ground.store.read(house.tenant);
        let mut counts = reader.member_counts(&[outer, inner, GroupId::new(now())], i64::MAX).await.unwrap();
        counts.sort_unstable();
        assert_eq!(counts, [(inner, 0), (outer, 5)]);
        assert_eq!(reader.member_counts(&[outer], 2).await.unwrap(), [(outer, 3)], "two logins are counted, and every group");
        assert_eq!(reader.member_counts(&[], 2).await.unwrap(), []);

        for limit in 1..=6 {
            let (mut told, mut after) = (Vec::new(), Uuid::nil());
            loop {
                let page = reader.members_after(outer, after, limit).await.unwrap();
                assert!(page.iter().all(|row| row.group_id == outer && !row.display.is_empty()));
                told.extend(page.iter().map(|row| row.member));
                match page.last() {
                    Some(last) => after = last.member.uuid(),
                    None => break,
                }
                assert!(i64::try_from(page.len()).unwrap() <= limit);
            }
            assert_eq!(told, wanted, "{limit} at a time");
        }
        assert_eq!(reader.members_after(inner, Uuid::nil(), 10).await.unwrap(), []);
    }

    async fn memberships_belong_to_the_directory_of_their_group(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let (one, two) = (house.group(&ground.store, "One", &[joe]).await, house.group(&ground.store, "Two", &[joe]).await);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.add_member_groups(two, &[one]).await.unwrap();
        writer.commit().await.unwrap();
        let other = ground.tenant("redsky").await;

        let mut reader = ground.store.read(house.tenant);
        let row = |group_id, member| GroupMemberRow { group_id, member };
        let found = reader.group_member(house.directory, two, joe.uuid()).await.unwrap();
        assert_eq!(found, Some(row(two, MemberId::Login(joe))));
        let found = reader.group_member(house.directory, two, one.uuid()).await.unwrap();
        assert_eq!(found, Some(row(two, MemberId::Group(one))));
        for (directory, group, member) in
            [(house.directory, one, two.uuid()), (other.directory, two, joe.uuid()), (house.directory, two, Uuid::nil())]
        {
            assert_eq!(reader.group_member(directory, group, member).await.unwrap(), None);
        }
        let (everything, order) = (Where::everything(), Order::new(None, &GROUP_MEMBER_LAYOUT));
        let rows = reader.list_group_members(house.directory, &everything, &order, &Page::first(10)).await.unwrap();
        let mut wanted = vec![row(one, MemberId::Login(joe)), row(two, MemberId::Login(joe)), row(two, MemberId::Group(one))];
        wanted.sort_by_key(|row| (row.group_id, row.member.uuid()));
        assert_eq!(rows, wanted);
        let page = reader.list_group_members(house.directory, &everything, &order, &Page { start: Start::Offset(1), limit: 1 }).await.unwrap();
        assert_eq!(page, wanted[1..2]);
        assert_eq!(reader.count_group_members(house.directory, &everything).await.unwrap(), 3);

        let mut stranger = ground.store.read(other.tenant);
        assert_eq!(stranger.member_counts(&[one], 10).await.unwrap(), []);
        assert_eq!(stranger.members_after(one, Uuid::nil(), 10).await.unwrap(), []);
        assert_eq!(stranger.group_member(house.directory, two, joe.uuid()).await.unwrap(), None);
        assert_eq!(stranger.list_group_members(house.directory, &everything, &order, &Page::first(10)).await.unwrap(), []);
        assert_eq!(stranger.count_group_members(house.directory, &everything).await.unwrap(), 0);
    }
}
