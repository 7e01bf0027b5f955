//! Who is in which group, directly and through others.

use uuid::Uuid;
use vestibule::model::{GroupId, LoginId, MemberId, Membership, MembershipType};
use vestibule::store::{GroupFact, Reader};

use super::{Ground, House, now};
use crate::support::world::on_every_engine;

/// Puts groups into a group.
async fn nest(ground: &Ground, house: &House, group: GroupId, members: &[GroupId]) {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    assert_eq!(sorted(writer.add_member_groups(group, members).await.unwrap()), sorted(members.to_vec()));
    writer.commit().await.unwrap();
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// The groups of a login: name, and whether it is a member itself.
async fn groups_of(reader: &mut Reader, login: LoginId) -> Vec<(String, bool)> {
    let memberships = reader.memberships(&[login]).await.unwrap();
    memberships.into_iter().map(|one: Membership| (one.display, one.kind == MembershipType::Direct)).collect()
}

on_every_engine! {
    async fn members_come_and_go_and_once_more_changes_nothing(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, eve) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "eve").await);
        let admins = house.group(&ground.store, "Admins", &[joe]).await;
        let others = house.group(&ground.store, "Others", &[joe]).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.add_members(admins, &[joe, eve]).await.unwrap(), [eve]);
        assert_eq!(writer.add_members(admins, &[joe, eve]).await.unwrap(), []);
        assert_eq!(writer.add_members(admins, &[LoginId::new(now())]).await.unwrap(), [], "nobody is no member");
        assert_eq!(writer.remove_members(others, &[eve]).await.unwrap(), []);
        assert_eq!(writer.add_member_groups(admins, &[others, GroupId::new(now())]).await.unwrap(), [others]);
        assert_eq!(writer.add_member_groups(admins, &[others]).await.unwrap(), []);
        let members = writer.members(&[admins], 10).await.unwrap();
        let told: Vec<_> = members.iter().map(|row| (row.member, row.display.as_str())).collect();
        let others_too = (MemberId::Group(others), "Others");
        assert_eq!(told, [(MemberId::Login(joe), "joe"), (MemberId::Login(eve), "eve"), others_too], "by id");
        assert_eq!(writer.members(&[admins, others], 2).await.unwrap().len(), 2, "no more than were asked for");
        assert_eq!(writer.members(&[], 10).await.unwrap(), []);
        let among = writer.members_among(admins, &[eve.uuid(), others.uuid(), admins.uuid()]).await.unwrap();
        assert_eq!(sorted(among.iter().map(|row| row.member.uuid()).collect()), [eve.uuid(), others.uuid()]);
        assert_eq!(writer.surplus_logins(admins, &[joe]).await.unwrap(), [eve]);
        assert_eq!(writer.surplus_logins(admins, &[]).await.unwrap(), [joe, eve]);
        assert_eq!(writer.absent_logins(others, &[eve, joe]).await.unwrap(), [eve]);
        let known = writer.known_members(house.directory, &[joe.uuid(), others.uuid(), Uuid::nil()]).await.unwrap();
        assert_eq!(sorted(known), [MemberId::Login(joe), MemberId::Group(others)]);
        assert_eq!(writer.remove_members(admins, &[joe]).await.unwrap(), [joe]);
        assert_eq!(writer.remove_members(admins, &[joe]).await.unwrap(), []);
        assert_eq!(writer.remove_member_groups(admins, &[others]).await.unwrap(), [others]);
        assert_eq!(writer.remove_member_groups(admins, &[others]).await.unwrap(), []);
        // Who goes takes the memberships along.
        writer.delete_login(eve).await.unwrap();
        assert_eq!(writer.members(&[admins], 10).await.unwrap(), []);
        writer.commit().await.unwrap();
    }

    async fn who_is_in_a_group_within_is_in_the_groups_around_it(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let (joe, eve) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "eve").await);
        // Both ways from Inner to Outer, and joe is in Outer himself too.
        let outer = house.group(&ground.store, "Outer", &[joe]).await;
        let (left, right) = (house.group(&ground.store, "Left", &[]).await, house.group(&ground.store, "Right", &[eve]).await);
        let inner = house.group(&ground.store, "Inner", &[joe]).await;
        let alone = house.group(&ground.store, "Alone", &[]).await;
        nest(&ground, &house, outer, &[left, right]).await;
        nest(&ground, &house, left, &[inner]).await;
        nest(&ground, &house, right, &[inner]).await;
        let mut reader = ground.store.read(house.tenant);
        let named = |name: &str, direct| (name.to_owned(), direct);
        let joes = [named("Outer", true), named("Left", false), named("Right", false), named("Inner", true)];
        assert_eq!(groups_of(&mut reader, joe).await, joes);
        assert_eq!(groups_of(&mut reader, eve).await, [named("Outer", false), named("Right", true)]);
        assert_eq!(reader.memberships(&[]).await.unwrap(), []);
        assert_eq!(reader.memberships(&[joe, eve]).await.unwrap().len(), 6);
        let facts = reader.facts(&[eve]).await.unwrap().remove(0).groups;
        let fact = |id: GroupId, display: &str, kind| GroupFact { value: id.to_string(), display: display.to_owned(), kind };
        assert_eq!(facts, [fact(outer, "outer", MembershipType::Indirect), fact(right, "right", MembershipType::Direct)]);
        assert_eq!(reader.effective_logins(&[left]).await.unwrap(), [joe]);
        assert_eq!(reader.effective_logins(&[outer, inner]).await.unwrap(), [joe, eve], "each once");
        assert_eq!(reader.effective_logins(&[alone]).await.unwrap(), []);
        assert_eq!(reader.effective_logins(&[]).await.unwrap(), []);
        assert_eq!(sorted(reader.groups_within(&[left, alone]).await.unwrap()), [left, inner, alone]);
        assert_eq!(sorted(reader.groups_around(inner).await.unwrap()), [outer, left, right, inner]);
        assert_eq!(reader.groups_around(alone).await.unwrap(), [alone]);
        assert_eq!(reader.member_groups(outer).await.unwrap(), [left, right]);
        assert_eq!(reader.parent_groups(inner).await.unwrap(), [left, right]);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.delete_group(left).await.unwrap();
        writer.delete_group(right).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(groups_of(&mut reader, joe).await, [named("Outer", true), named("Inner", true)]);
    }

    async fn a_cycle_that_is_there_all_the_same_ends_no_query_late(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let (one, two) = (house.group(&ground.store, "One", &[joe]).await, house.group(&ground.store, "Two", &[]).await);
        nest(&ground, &house, one, &[two]).await;
        nest(&ground, &house, two, &[one]).await;
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(groups_of(&mut reader, joe).await, [("One".to_owned(), true), ("Two".to_owned(), false)]);
        assert_eq!(reader.effective_logins(&[two]).await.unwrap(), [joe]);
        assert_eq!(sorted(reader.groups_within(&[two]).await.unwrap()), [one, two]);
        assert_eq!(sorted(reader.groups_around(two).await.unwrap()), [one, two]);
    }
}
