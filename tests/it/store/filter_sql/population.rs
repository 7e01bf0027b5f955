//! Who is in the directory.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use uuid::Uuid;
use vestibule::model::{Email, GroupId, LoginId, PersonId};
use vestibule::scim::fold::{FOLDING_VERSION, fold};
use vestibule::scim::profile::Profile;
use vestibule::scim::resource::{Meta, Resource};
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{Object, Value};
use vestibule::store::{LoginDocument, NewGroup};

use super::super::{Ground, House, born, now, raw};
use super::strategies::{some_text, user_body};

const USERS: usize = 40;
const GROUPS: usize = 8;

const TIMES: [&str; 6] = [
    "2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00.000001Z",
    "2026-01-31T11:59:59.999999Z",
    "2026-01-31T12:00:00.5Z",
    "1969-07-20T20:17:40-05:00",
    "9999-12-31T23:59:59Z",
];

/// A User to be stored.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) id: LoginId,
    pub(super) resource: Resource,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) version: i64,
}

/// A Group to be stored.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    pub(super) id: GroupId,
    pub(super) resource: Resource,
    pub(super) members: BTreeSet<usize>,
    /// Which of the groups before it are members.
    pub(super) groups: BTreeSet<usize>,
    pub(super) created: DateTime<Utc>,
    pub(super) version: i64,
}

fn time() -> impl Strategy<Value = DateTime<Utc>> {
    select(&TIMES[..]).prop_map(|text| DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

fn person() -> impl Strategy<Value = Person> {
    (user_body(), time(), time(), 1..12_i64).prop_map(|(body, created, modified, version)| Person {
        id: LoginId::new(born()),
        resource: Resource::from_body(ResourceKind::User, body.into(), Profile::Strict).unwrap().resource,
        created,
        modified,
        version,
    })
}

fn crowd() -> impl Strategy<Value = Crowd> {
    let members = proptest::collection::vec(any::<Index>(), 0..9);
    let groups = proptest::collection::btree_set(0..GROUPS, 0..3);
    (some_text(), proptest::option::of(some_text()), (members, groups), time(), 1..12_i64).prop_map(
        |(display, external_id, (members, groups), created, version)| {
            let mut body = json!({ "schemas": [ResourceKind::Group.urn()], "displayName": display });
            if let Some(external_id) = external_id {
                body["externalId"] = json!(external_id);
            }
            Crowd {
                id: GroupId::new(born()),
                resource: Resource::from_body(ResourceKind::Group, body.into(), Profile::Strict).unwrap().resource,
                members: members.iter().map(|member| member.index(USERS)).collect(),
                groups,
                created,
                version,
            }
        },
    )
}

impl Person {
    fn document(&self) -> LoginDocument {
        let user_name = self.resource.user_name().unwrap();
        LoginDocument {
            other_user_name_key: None,
            user_name: user_name.to_owned(),
            user_name_key: fold(user_name),
            folding: FOLDING_VERSION,
            external_id: self.resource.external_id().map(ToOwned::to_owned),
            active: self.resource.active(),
            scim: serde_json::Value::from(Value::Object(self.resource.as_object().clone())),
            search: self.resource.search_form().into(),
            emails: self
                .resource
                .emails()
                .map(|email| Email { value: email.value.to_owned(), value_key: fold(email.value) })
                .collect(),
        }
    }
}

/// Who is in the group at this place, directly or through others.
pub(super) fn within(crowds: &[Crowd], at: usize) -> BTreeSet<usize> {
    let through = crowds[at].groups.iter().flat_map(|member| within(crowds, *member));
    crowds[at].members.iter().copied().chain(through).collect()
}

/// The document as a client sees it, without addresses of other resources and its own, in search form.
pub(super) fn whole(resource: &Resource, stored: Object, id: Uuid, times: (DateTime<Utc>, DateTime<Utc>), version: i64) -> Object {
    let version = format!("W/\"{version}\"");
    let meta = Meta { created: times.0, last_modified: times.1, location: "", version: &version };
    let mut document = Resource::from_stored(resource.kind(), stored).document(&id.to_string(), &meta);
    if let Some(Value::Object(meta)) = document.get_mut("meta") {
        meta.remove("location");
    }
    document
}

pub(super) async fn fill(ground: &Ground, house: &House, people: &[Person], crowds: &[Crowd]) {
    let store = &ground.store;
    let mut writer = store.write(house.tenant).await.unwrap();
    for person in people {
        let owner = PersonId::new(now());
        writer.insert_person(owner, now()).await.unwrap();
        let document = person.document();
        let mut new = house.new_login(owner, &document);
        new.id = person.id;
        writer.insert_login(&new, person.created).await.unwrap();
    }
    for crowd in crowds {
        let display = crowd.resource.display_name().unwrap();
        let new = NewGroup {
            display: display.to_owned(),
            display_key: fold(display),
            external_id: crowd.resource.external_id().map(ToOwned::to_owned),
            scim: serde_json::Value::from(Value::Object(crowd.resource.as_object().clone())),
            search: crowd.resource.search_form().into(),
        };
        writer.insert_group(house.directory, crowd.id, &new, crowd.created).await.unwrap();
        let members: Vec<_> = crowd.members.iter().map(|at| people[*at].id).collect();
        writer.add_members(crowd.id, &members).await.unwrap();
        let groups: Vec<_> = crowd.groups.iter().map(|at| crowds[*at].id).collect();
        writer.add_member_groups(crowd.id, &groups).await.unwrap();
    }
    writer.commit().await.unwrap();
    for person in people {
        let text = "update logins set updated_at = $2, version = $3 where id = $1";
        raw!(*store, text, person.id, person.modified, person.version).unwrap();
    }
    for crowd in crowds {
        raw!(*store, "update groups set version = $2 where id = $1", crowd.id, crowd.version).unwrap();
    }
}

/// Some people with names of their own, and some groups of them.
pub(super) fn population(runner: &mut TestRunner) -> (Vec<Person>, Vec<Crowd>) {
    let mut names = BTreeSet::new();
    let people = (0..USERS).map(|at| {
        let mut person = person().new_tree(runner).unwrap().current();
        let name = person.resource.user_name().unwrap().to_owned();
        if !names.insert(fold(&name)) {
            let mut body = person.resource.as_object().clone();
            body.insert("userName", format!("{name} {at}"));
            person.resource = Resource::from_stored(ResourceKind::User, body);
        }
        person
    });
    let people = people.collect();
    let crowds = (0..GROUPS).map(|at| {
        let mut crowd = crowd().new_tree(runner).unwrap().current();
        crowd.groups.retain(|member| *member < at);
        crowd
    });
    (people, crowds.collect())
}
