//! Catalogues, rules, and the assignments they give.

use vestibule::model::{AssignmentId, AssignmentSource, Grant, LoginId, RuleBody, RuleId, RuleOrigin, TenantId};
use vestibule::store::{GrantRow, NewRule};

use super::{Ground, House, later, now, raw, roles, rows};
use crate::support::world::on_every_engine;

async fn rule(ground: &Ground, house: &House, name: &str, origin: RuleOrigin) -> RuleId {
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    writer.change_rules(now()).await.unwrap();
    let id = RuleId::new(now());
    let body = RuleBody {
        when: r#"userName eq "joe""#.to_owned(),
        grants: vec![Grant::fixed("administrator", house.emea)],
        ..RuleBody::default()
    };
    writer.insert_rule(&NewRule { id, name, origin, within: house.root, body: &body }, now()).await.unwrap();
    writer.commit().await.unwrap();
    id
}

fn grant(house: &House, login: LoginId, rule: RuleId, role: &str) -> GrantRow {
    GrantRow { id: AssignmentId::new(now()), login, account: house.emea, role: role.to_owned(), rule }
}

on_every_engine! {
    async fn rules_are_read_in_the_order_in_which_they_were_made(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let first = rule(&ground, &house, "z", RuleOrigin::Directory(house.directory)).await;
        let second = rule(&ground, &house, "a", RuleOrigin::Connection(house.connection)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.share_rules().await.unwrap();
        let rules = writer.rules().await.unwrap();
        assert_eq!(rules.iter().map(|rule| rule.id).collect::<Vec<_>>(), [first, second]);
        let placed = writer.placed_rules().await.unwrap();
        assert!(placed[0].0 < placed[1].0, "{placed:?}");
        assert_eq!(placed.into_iter().map(|(_, rule)| rule).collect::<Vec<_>>(), rules);
        assert_eq!(rules[0].origin, RuleOrigin::Directory(house.directory));
        assert_eq!(rules[1].origin, RuleOrigin::Connection(house.connection));
        assert_eq!((rules[1].name.as_str(), rules[1].within, rules[1].version), ("a", house.root, 1));
        assert_eq!(rules[1].body.grants, [Grant::fixed("administrator", house.emea)]);
        drop(writer);
        let version = rows!(ground.store, (i64,), "select version from rule_sets where tenant_id = $1", house.tenant);
        assert_eq!(version, [(2,)]);
    }

    async fn a_rule_is_changed_in_its_place_and_deleted(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let first = rule(&ground, &house, "first", RuleOrigin::Directory(house.directory)).await;
        let second = rule(&ground, &house, "second", RuleOrigin::Directory(house.directory)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let before = writer.rule(first).await.unwrap().unwrap();
        assert_eq!(writer.rules_among(&[first]).await.unwrap(), std::slice::from_ref(&before));
        assert_eq!((before.id, before.version), (first, 1));
        let after = vestibule::model::Rule {
            name: "renamed".to_owned(),
            origin: RuleOrigin::Connection(house.connection),
            within: house.emea,
            body: RuleBody { when: "userName pr".to_owned(), ..before.body },
            version: 2,
            ..before
        };
        writer.update_rule(&after, later(1)).await.unwrap();
        let rules = writer.rules().await.unwrap();
        assert_eq!((&rules[0], rules[1].id), (&after, second));
        writer.commit().await.unwrap();
        // Another tenant sees none of it, and changes none.
        let mut foreign = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(foreign.rule(first).await.unwrap(), None);
        assert_eq!(foreign.rules_among(&[first]).await.unwrap(), []);
        foreign.delete_rule(first).await.unwrap();
        foreign.update_rule(&vestibule::model::Rule { name: "theirs".to_owned(), ..after.clone() }, later(2)).await.unwrap();
        foreign.commit().await.unwrap();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.rule(first).await.unwrap(), Some(after));
        writer.delete_rule(first).await.unwrap();
        assert_eq!(writer.rule(first).await.unwrap(), None);
        assert_eq!(writer.rules().await.unwrap().len(), 1);
        assert_eq!(writer.placed_rules().await.unwrap().len(), 1);
    }

    async fn granting_and_revoking_twice_is_once(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let rule = rule(&ground, &house, "EMEA", RuleOrigin::Directory(house.directory)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.grant(&[grant(&house, joe, rule, "administrator"), grant(&house, joe, rule, "finance")], now()).await.unwrap();
        writer.grant(&[grant(&house, joe, rule, "administrator")], now()).await.unwrap();
        writer.grant(&[], now()).await.unwrap();
        let held = writer.rule_assignments(&[joe]).await.unwrap();
        let mut told: Vec<_> = held.iter().map(|row| (row.login_id, row.account_id, row.role.as_str(), row.source_id)).collect();
        told.sort_unstable();
        assert_eq!(told, [(joe, house.emea, "administrator", rule), (joe, house.emea, "finance", rule)]);

        let mut counting = writer.counting_assignments(joe).await.unwrap();
        counting.sort_by(|one, other| one.role.cmp(&other.role));
        let told: Vec<_> = counting.iter().map(|held| (held.account_id, held.role.as_str(), held.source, held.source_id)).collect();
        let (source, rule_id) = (AssignmentSource::Rule, rule.uuid());
        assert_eq!(told, [(house.emea, "administrator", source, rule_id), (house.emea, "finance", source, rule_id)]);
        assert_eq!((&counting[0].service, &counting[0].instance, counting[0].granted_at), (&None, &None, now()));
        assert_eq!(writer.assignments_of(joe).await.unwrap().len(), 2);
        let held_now = writer.held_roles(&[joe, LoginId::new(now())]).await.unwrap();
        let told: Vec<_> = held_now.iter().map(|row| (row.login_id, row.account.as_str(), row.role.as_str(), &row.service)).collect();
        assert_eq!(told, [(joe, "bluesky/emea", "administrator", &None), (joe, "bluesky/emea", "finance", &None)]);
        assert_eq!(writer.held_roles(&[]).await.unwrap(), []);

        let finance = held.iter().find(|row| row.role == "finance").unwrap().id;
        writer.revoke(&[finance]).await.unwrap();
        writer.revoke(&[finance]).await.unwrap();
        writer.revoke(&[]).await.unwrap();
        assert_eq!(writer.rule_assignments(&[joe]).await.unwrap().len(), 1);
        writer.commit().await.unwrap();

        // What a hand gave no rule takes away.
        raw!(ground.store, "update assignments set source = 'manual' where tenant_id = $1", house.tenant).unwrap();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.revoke(&[held.iter().find(|row| row.role == "administrator").unwrap().id]).await.unwrap();
        assert_eq!(writer.assignments_of(joe).await.unwrap().len(), 1);
        assert_eq!(writer.rule_assignments(&[joe]).await.unwrap(), []);
    }

    async fn roles_need_an_active_login_person_account_and_catalogue_entry(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let joe = house.login(&ground.store, "joe").await;
        let rule = rule(&ground, &house, "EMEA", RuleOrigin::Directory(house.directory)).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.grant(&[grant(&house, joe, rule, "finance")], now()).await.unwrap();
        writer.commit().await.unwrap();
        let store = &ground.store;
        let mut reader = store.read(house.tenant);
        // The text, what is left to count, and what the portal extension still shows: suspended accounts are left out where roles are resolved.
        for (off, on, counting, shown) in [
            ("update logins set active = not active where id = $1", "update logins set active = not active where id = $1", 0, 0),
            ("update persons set state = 'deactivated' where id <> $1", "update persons set state = 'active' where id <> $1", 0, 1),
            ("update accounts set state = 'suspended' where id <> $1", "update accounts set state = 'active' where id <> $1", 1, 0),
        ] {
            assert_eq!(reader.counting_assignments(joe).await.unwrap().len(), 1);
            raw!(*store, off, joe).unwrap();
            assert_eq!(reader.counting_assignments(joe).await.unwrap().len(), counting, "{off}");
            assert_eq!(reader.held_roles(&[joe]).await.unwrap().len(), shown, "{off}");
            raw!(*store, on, joe).unwrap();
        }
        // A role that is gone from its file is retired, and comes back with it.
        for (keys, held) in [(&["administrator"][..], 0), (&["finance", "administrator"][..], 1)] {
            let mut operator = store.write(TenantId::OPERATOR).await.unwrap();
            operator.sync_roles("customer-portal", &roles(keys), later(1)).await.unwrap();
            operator.sync_roles("another", &roles(&["finance"]), later(1)).await.unwrap();
            operator.commit().await.unwrap();
            assert_eq!(reader.held_roles(&[joe]).await.unwrap().len(), held, "{keys:?}");
        }
        let order = rows!(*store, (String, i64), "select key, rank from roles where catalogue = 'customer-portal' order by rank");
        assert_eq!(order, [("finance".to_owned(), 0), ("administrator".to_owned(), 1)]);
    }
}
