//! Random changes of a few groups within each other, against a model that computes everything anew.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{directory, filtered, make_group, make_user, names, operations, roles_of};
use crate::support::http::Scim;
use crate::support::world::on_every_engine;

const USERS: usize = 4;
const GROUPS: usize = 5;
const STEPS: usize = 80;

/// Who a member is: a user or a group, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    User(usize),
    Group(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, Vec<Who>),
    Remove(usize, Vec<Who>),
    Replace(usize, Vec<Who>),
    /// Whether it gets the name that gives a role.
    Rename(usize, bool),
    /// It is made again at once, empty.
    Delete(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = prop_oneof![(0..USERS).prop_map(Who::User), (0..GROUPS).prop_map(Who::Group)];
    let some = || proptest::collection::vec(who.clone(), 1..3);
    prop_oneof![
        6 => (0..GROUPS, some()).prop_map(|(group, who)| Step::Add(group, who)),
        3 => (0..GROUPS, some()).prop_map(|(group, who)| Step::Remove(group, who)),
        1 => (0..GROUPS, some()).prop_map(|(group, who)| Step::Replace(group, who)),
        2 => (0..GROUPS, any::<bool>()).prop_map(|(group, gives)| Step::Rename(group, gives)),
        1 => (0..GROUPS).prop_map(Step::Delete),
    ]
}

/// What the groups are, in the plainest words.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    members: [BTreeSet<Who>; GROUPS],
    gives: [bool; GROUPS],
}

impl Model {
    /// Takes a step, unless a group would come to be within itself.
    fn take(&mut self, step: &Step) -> bool {
        let before = self.clone();
        match step {
            Step::Add(group, who) => self.members[*group].extend(who),
            Step::Remove(group, who) => self.members[*group].retain(|member| !who.contains(member)),
            Step::Replace(group, who) => self.members[*group] = who.iter().copied().collect(),
            Step::Rename(group, gives) => self.gives[*group] = *gives,
            Step::Delete(group) => {
                self.members[*group].clear();
                self.gives[*group] = false;
                for members in &mut self.members {
                    members.remove(&Who::Group(*group));
                }
            }
        }
        let fine = (0..GROUPS).all(|group| !self.within(group).contains(&Who::Group(group)));
        if !fine {
            *self = before;
        }
        fine
    }

    /// Everybody in a group, by going round until nobody new is found.
    fn within(&self, group: usize) -> BTreeSet<Who> {
        let mut all = self.members[group].clone();
        loop {
            let more: BTreeSet<Who> = all
                .iter()
                .filter_map(|who| if let Who::Group(at) = who { Some(*at) } else { None })
                .flat_map(|at| self.members[at].clone())
                .collect();
            let before = all.len();
            all.extend(more);
            if all.len() == before {
                return all;
            }
        }
    }
}

fn runner() -> (TestRunner, u64) {
    let seed = std::env::var("VESTIBULE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let (high, low) = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0)).as_u64_pair();
        high ^ low
    });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    (TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)), seed)
}

/// The ids that users and groups have in the service.
struct Ids {
    users: Vec<String>,
    groups: Vec<String>,
}

impl Ids {
    fn of(&self, who: Who) -> &str {
        match who {
            Who::User(at) => &self.users[at],
            Who::Group(at) => &self.groups[at],
        }
    }

    fn values(&self, who: &[Who]) -> Vec<Value> {
        who.iter().map(|who| json!({ "value": self.of(*who) })).collect()
    }
}

/// Sends a step; answers the status.
async fn send(scim: &Scim, ids: &mut Ids, step: &Step) -> u16 {
    let (group, operation) = match step {
        Step::Add(group, who) => (*group, json!({"op": "add", "path": "members", "value": ids.values(who)})),
        Step::Remove(group, who) => (*group, json!({"op": "remove", "path": "members", "value": ids.values(who)})),
        Step::Replace(group, who) => (*group, json!({"op": "replace", "path": "members", "value": ids.values(who)})),
        Step::Rename(group, gives) => {
            let name = if *gives { "Cloud-EMEA-Admins" } else { "Others" };
            (*group, json!({"op": "replace", "path": "displayName", "value": name}))
        }
        Step::Delete(group) => {
            let status = scim.delete(&format!("/Groups/{}", ids.groups[*group])).await.status;
            ids.groups[*group] = make_group(scim, "Others", &[]).await;
            return status;
        }
    };
    scim.patch(&format!("/Groups/{}", ids.groups[group]), &operations(json!([operation]))).await.status
}

/// Who the service says is in which group how, as users see it: user, group, type.
async fn shown(scim: &Scim, ids: &Ids) -> BTreeSet<(usize, usize, String)> {
    let list = scim.get("/Users?attributes=groups").await.expect(200);
    let at = |all: &[String], id: &Value| all.iter().position(|one| json!(one) == *id).unwrap();
    let users = list.body["Resources"].as_array().unwrap();
    users
        .iter()
        .flat_map(|user| user["groups"].as_array().into_iter().flatten().map(move |group| (user, group)))
        .map(|(user, group)| {
            (at(&ids.users, &user["id"]), at(&ids.groups, &group["value"]), group["type"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn meant(model: &Model) -> BTreeSet<(usize, usize, String)> {
    let of = |group: usize| model.within(group).into_iter().map(move |who| (who, group));
    (0..GROUPS)
        .flat_map(of)
        .filter_map(|(who, group)| match who {
            Who::User(user) if model.members[group].contains(&who) => Some((user, group, "direct".to_owned())),
            Who::User(user) => Some((user, group, "indirect".to_owned())),
            Who::Group(_) => None,
        })
        .collect()
}

on_every_engine! {
    async fn r29_r31_groups_and_roles_are_what_the_closure_of_the_members_says(engine) {
        let (world, tenant) = directory(engine, "okta").await;
        let scim = &tenant.scim;
        let mut ids = Ids { users: Vec::new(), groups: Vec::new() };
        for at in 0..USERS {
            ids.users.push(make_user(scim, &format!("user{at}")).await);
        }
        for _ in 0..GROUPS {
            ids.groups.push(make_group(scim, "Others", &[]).await);
        }
        let (mut runner, seed) = runner();
        let mut model = Model::default();
        let mut taken = Vec::new();
        let mut seen = BTreeMap::<&str, usize>::new();
        for _ in 0..STEPS {
            let step = step().new_tree(&mut runner).unwrap().current();
            let fine = model.take(&step);
            let status = send(scim, &mut ids, &step).await;
            taken.push(step);
            let told = || format!("VESTIBULE_SEED={seed}: {taken:?}");
            assert_eq!(status, if fine { 204 } else { 400 }, "{}", told());
            let meant = meant(&model);
            assert_eq!(shown(scim, &ids).await, meant, "{}", told());
            for user in 0..USERS {
                let holds = (0..GROUPS).any(|group| model.gives[group] && model.within(group).contains(&Who::User(user)));
                let wanted: &[&str] = if holds { &["EMEA: administrator"] } else { &[] };
                assert_eq!(roles_of(&world, &tenant, &ids.users[user]).await, wanted, "user {user}: {}", told());
            }
            let group = select((0..GROUPS).collect::<Vec<_>>()).new_tree(&mut runner).unwrap().current();
            let list = scim.get(&filtered("/Users", &format!(r#"groups.value eq "{}""#, ids.groups[group]))).await.expect(200);
            let listed: Vec<_> = meant.iter().filter(|(_, of, _)| *of == group).map(|(user, ..)| format!("user{user}")).collect();
            assert_eq!(names(&list, "userName"), listed, "{}", told());
            *seen.entry(if fine { "taken" } else { "refused" }).or_default() += 1;
            *seen.entry("indirect").or_default() += usize::from(meant.iter().any(|(.., kind)| kind == "indirect"));
        }
        // Steps that never nest, or never make a cycle, would prove nothing.
        assert!(seen["taken"] > STEPS / 4 && seen["indirect"] > STEPS / 10 && seen.contains_key("refused"), "{seen:?} {seed}");
    }
}
