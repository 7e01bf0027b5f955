//! The account tree, what accounts subscribe to, and what is given there by hand.

use vestibule::model::{
    Account, AccountId, AccountState, AssignmentId, AssignmentSource, Instance, InstanceId, LoginId, Service, ServiceId, TenantId,
};
use vestibule::store::NewAssignment;

use super::{Ground, House, later, now, raw, roles};
use crate::support::world::on_every_engine;

fn service(house: &House, key: &str) -> Service {
    Service { id: ServiceId::new(now()), account_id: house.emea, key: key.to_owned() }
}

fn gift<'a>(house: &House, login: LoginId, role: &'a str) -> NewAssignment<'a> {
    NewAssignment {
        id: AssignmentId::new(now()),
        login,
        account: house.emea,
        service: None,
        instance: None,
        role,
        source: AssignmentSource::Manual,
        source_id: login.uuid(),
    }
}

async fn with_roles(ground: &Ground) {
    let mut operator = ground.store.write(TenantId::OPERATOR).await.unwrap();
    operator.sync_roles("customer-portal", &roles(&["administrator", "finance"]), now()).await.unwrap();
    operator.commit().await.unwrap();
}

on_every_engine! {
    async fn an_account_knows_those_above_it_and_is_changed_in_place(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let path = writer.account_path(house.emea).await.unwrap();
        assert_eq!(path.iter().map(|account| account.id).collect::<Vec<_>>(), [house.emea, house.root]);
        assert_eq!(writer.account_path(AccountId::new(now())).await.unwrap(), []);
        let mut ids = [house.emea, house.root];
        assert_eq!(writer.lock_accounts(&ids).await.unwrap().len(), 2);
        ids.sort_unstable();
        assert_eq!(writer.lock_accounts(&[AccountId::new(now()), house.emea]).await.unwrap(), [house.emea]);
        let mut emea = path[0].clone();
        emea = Account { name: "Europe".to_owned(), slug: "europe".to_owned(), ..emea };
        emea.state = AccountState::Suspended;
        writer.update_account(&emea).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(ground.store.read(house.tenant).account_path(house.emea).await.unwrap()[0], emea);
    }

    async fn what_was_narrowed_to_a_service_goes_with_it(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        with_roles(&ground).await;
        let joe = house.login(&ground.store, "joe").await;
        let (mail, disk) = (service(&house, "mail"), service(&house, "disk"));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.insert_service(&mail, now()).await.unwrap() && writer.insert_service(&disk, now()).await.unwrap());
        assert!(!writer.insert_service(&service(&house, "mail"), now()).await.unwrap(), "once is enough");
        assert_eq!(writer.services().await.unwrap(), [disk.clone(), mail.clone()]);
        assert_eq!(writer.services_of(house.emea).await.unwrap().len(), 2);
        assert_eq!(writer.services_of(house.root).await.unwrap(), []);
        let [one, two] = ["one", "two"].map(|reference| Instance { id: InstanceId::new(now()), service_id: mail.id, reference: reference.to_owned() });
        assert!(writer.insert_instance(&one, now()).await.unwrap() && writer.insert_instance(&two, now()).await.unwrap());
        assert!(!writer.insert_instance(&Instance { id: InstanceId::new(now()), ..one.clone() }, now()).await.unwrap());
        assert_eq!(writer.instances_of(house.emea).await.unwrap(), [one.clone(), two.clone()]);
        for (service, instance) in [(None, None), (Some(mail.id), None), (Some(mail.id), Some(one.id)), (Some(mail.id), Some(two.id)), (Some(disk.id), None)] {
            let new = NewAssignment { id: AssignmentId::new(now()), service, instance, ..gift(&house, joe, "finance") };
            assert!(writer.insert_assignment(&new, now()).await.unwrap());
            assert!(!writer.insert_assignment(&NewAssignment { id: AssignmentId::new(now()), ..new }, now()).await.unwrap(), "twice is once");
        }
        let held = writer.assignments_of(joe).await.unwrap();
        assert_eq!(held.iter().filter(|held| held.service.as_deref() == Some("mail")).count(), 3);
        assert_eq!(held.iter().filter_map(|held| held.instance.as_deref()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(writer.delete_narrowed(mail.id, Some(one.id)).await.unwrap(), 1);
        writer.delete_instance(one.id).await.unwrap();
        assert_eq!(writer.delete_narrowed(mail.id, None).await.unwrap(), 2);
        writer.delete_service(mail.id).await.unwrap();
        assert_eq!((writer.instances_of(house.emea).await.unwrap(), writer.services().await.unwrap()), (vec![], vec![disk]));
        assert_eq!(writer.assignments_of(joe).await.unwrap().len(), 2);
        assert_eq!(writer.assignments_of_logins(&[joe]).await.unwrap(), writer.assignments_of(joe).await.unwrap());
        let accounts: Vec<_> = writer.accounts().await.unwrap().iter().map(|account| account.id).collect();
        let given = writer.logins_given(&accounts, None, 10).await.unwrap();
        assert!(given.iter().any(|login| login.id == joe && login.active && login.user_name == "joe"), "{given:?}");
        assert!(writer.logins_given(&accounts, given.last().map(|login| login.id), 10).await.unwrap().is_empty());
        assert!(writer.logins_given(&[], None, 10).await.unwrap().is_empty());
    }

    async fn who_holds_roles_on_accounts_is_found_if_they_are_active(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        with_roles(&ground).await;
        let (joe, eve) = (house.login(&ground.store, "joe").await, house.login(&ground.store, "eve").await);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let given = gift(&house, joe, "administrator");
        for new in [given.clone(), gift(&house, joe, "finance"), gift(&house, eve, "finance")] {
            writer.insert_assignment(&new, later(1)).await.unwrap();
        }
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let found = reader.assignment(given.id).await.unwrap().unwrap();
        assert_eq!((found.login_id, found.role.as_str(), found.granted_at), (joe, "administrator", later(1)));
        assert!(reader.assignment(AssignmentId::new(now())).await.unwrap().is_none());
        let administrators = ["administrator".to_owned()];
        let holders = reader.holders(&[house.root, house.emea], &administrators).await.unwrap();
        assert_eq!(holders.iter().map(|row| row.assignment.id).collect::<Vec<_>>(), [given.id]);
        let person = reader.any_login(joe).await.unwrap().unwrap().login.person_id;
        assert_eq!(holders[0].person_id, person);
        assert_eq!(reader.holders(&[house.root], &administrators).await.unwrap().len(), 0);
        assert_eq!(reader.holders(&[house.emea], &[]).await.unwrap().len(), 0);
        assert_eq!(reader.assignments_on(&[house.emea], &[joe]).await.unwrap().len(), 2);
        assert_eq!(reader.assignments_on(&[house.root], &[joe, eve]).await.unwrap().len(), 0);
        let of_directory = house.directory.uuid();
        assert_eq!(reader.login_named(of_directory, "joe").await.unwrap(), Some(joe));
        for (namespace, name) in [(of_directory, "nobody"), (house.connection.uuid(), "joe")] {
            assert_eq!(reader.login_named(namespace, name).await.unwrap(), None);
        }
        assert_eq!(reader.signed_in_at(joe).await.unwrap(), None);
        raw!(ground.store, "update logins set active = not active where id = $1", joe).unwrap();
        assert_eq!(reader.holders(&[house.emea], &administrators).await.unwrap().len(), 0);
        assert_eq!(reader.assignments_on(&[house.emea], &[joe, eve]).await.unwrap().len(), 1);
        // Hands take what hands gave.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.delete_assignments(&[given.id, given.id]).await.unwrap(), 1);
        raw_source(&mut writer, &house, eve).await;
    }
}

/// What a rule gave no hand takes.
async fn raw_source(writer: &mut vestibule::store::Writer, house: &House, login: LoginId) {
    let held = writer.assignments_of(login).await.unwrap();
    let by_rule = NewAssignment { source: AssignmentSource::Rule, ..gift(house, login, "administrator") };
    assert!(writer.insert_assignment(&by_rule, now()).await.unwrap());
    assert_eq!(writer.delete_assignments(&[by_rule.id]).await.unwrap(), 0);
    assert_eq!(writer.assignments_of(login).await.unwrap().len(), held.len() + 1);
}
