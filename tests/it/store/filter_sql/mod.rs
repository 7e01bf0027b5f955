//! A filter means one thing: evaluated on the whole document it selects what its SQL selects on SQLite and on PostgreSQL.
//!
//! Random Users and Groups are put into a directory of each engine, with members, times and versions; then random filters are asked
//! of all three. A disagreement is made smaller before it is reported, with the seed that brings it back (ids are new each time).

mod filters;
mod ordered;
mod population;
#[path = "../../../properties/strategies.rs"]
#[expect(dead_code, reason = "the property tests use the rest")]
mod strategies;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use uuid::Uuid;
use vestibule::scim::filter::{Filter, Scope, resolve};
use vestibule::scim::profile::Profile;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{Object, ResolvedFilter, Value, search_form};
use vestibule::store::filter::Where;
use vestibule::store::{Engine, GROUP_LAYOUT, Order, Page, USER_LAYOUT};

use self::filters::{groups_filter, users_filter};
use self::population::{Crowd, Person, fill, population, whole, within};
use super::{Ground, House};

/// How many random filters are asked of Users, and of Groups.
const FILTERS: usize = 300;

/// A value of `groups` or `members`.
fn element(id: Uuid, display: &str, kind: &str) -> Value {
    let (id, display, kind) = (id.to_string(), display.to_owned(), kind.to_owned());
    Value::Object(Object::from_iter([("value", id), ("display", display), ("type", kind)]))
}

/// The same world on both engines, and as documents.
struct Three {
    sqlite: (Ground, House),
    postgres: (Ground, House),
    users: Vec<(Uuid, Value)>,
    groups: Vec<(Uuid, Value)>,
}

impl Three {
    async fn of(people: &[Person], crowds: &[Crowd]) -> Self {
        let mut engines = Vec::new();
        for engine in [Engine::Sqlite, Engine::Postgres] {
            let ground = Ground::fresh(engine).await;
            let house = ground.tenant("bluesky").await;
            fill(&ground, &house, people, crowds).await;
            engines.push((ground, house));
        }
        let postgres = engines.remove(1);
        let users = (0..).zip(people).map(|(at, person)| {
            let times = (person.created, person.modified);
            let mut document =
                whole(&person.resource, person.resource.as_object().clone(), person.id.uuid(), times, person.version);
            let groups = crowds.iter().enumerate().filter(|(group, _)| within(crowds, *group).contains(&at)).map(|(_, crowd)| {
                let kind = if crowd.members.contains(&at) { "direct" } else { "indirect" };
                element(crowd.id.uuid(), crowd.resource.display_name().unwrap(), kind)
            });
            document.insert("groups", groups.collect::<Vec<_>>());
            (person.id.uuid(), search_form(ResourceKind::User, &document))
        });
        let groups = crowds.iter().map(|crowd| {
            let stored = crowd.resource.as_object().clone();
            let mut document = whole(&crowd.resource, stored, crowd.id.uuid(), (crowd.created, crowd.created), crowd.version);
            let users = crowd.members.iter().map(|at| &people[*at]);
            let users = users.map(|person| element(person.id.uuid(), person.resource.user_name().unwrap(), "User"));
            let inner = crowd.groups.iter().map(|at| &crowds[*at]);
            let inner = inner.map(|crowd| element(crowd.id.uuid(), crowd.resource.display_name().unwrap(), "Group"));
            document.insert("members", users.chain(inner).collect::<Vec<_>>());
            (crowd.id.uuid(), search_form(ResourceKind::Group, &document))
        });
        Self { users: users.collect(), groups: groups.collect(), sqlite: engines.remove(0), postgres }
    }

    /// What each says of a filter, where they do not all say the same.
    async fn disagreement(&self, scope: Scope, filter: &Filter) -> Option<String> {
        let resolved = resolve(filter, scope, Profile::Strict).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let documents = if scope == Scope::User { &self.users } else { &self.groups };
        let meant: BTreeSet<Uuid> =
            documents.iter().filter(|(_, document)| resolved.matches(document)).map(|(id, _)| *id).collect();
        let sqlite = selected(&self.sqlite, scope, &resolved).await;
        let postgres = selected(&self.postgres, scope, &resolved).await;
        if sqlite.as_ref() == Ok(&meant) && postgres.as_ref() == Ok(&meant) {
            return None;
        }
        let differs = |(id, _): &&(Uuid, Value)| {
            [&sqlite, &postgres].iter().any(|set| set.as_ref().is_ok_and(|set| set.contains(id) != meant.contains(id)))
        };
        let example = documents.iter().find(differs);
        Some(format!("{filter}\nmeant {meant:?}\nSQLite {sqlite:?}\nPostgreSQL {postgres:?}\nsuch as {example:?}"))
    }
}

/// Whom the store lists; it also has to count them.
async fn selected((ground, house): &(Ground, House), scope: Scope, filter: &ResolvedFilter) -> Result<BTreeSet<Uuid>, String> {
    let text = |error: vestibule::store::Error| format!("{error:?}");
    let mut reader = ground.store.read(house.tenant);
    let page = Page::first(1_000);
    let (ids, count): (Vec<Uuid>, i64) = if scope == Scope::User {
        let condition = Where::new(filter, &USER_LAYOUT);
        let rows = reader.list_logins(house.directory, &condition, &Order::new(None, &USER_LAYOUT), &page).await.map_err(text)?;
        let count = reader.count_logins(house.directory, &condition).await.map_err(text)?;
        (rows.iter().map(|row| row.login.id.uuid()).collect(), count)
    } else {
        let condition = Where::new(filter, &GROUP_LAYOUT);
        let rows = reader.list_groups(house.directory, &condition, &Order::new(None, &GROUP_LAYOUT), &page).await.map_err(text)?;
        let count = reader.count_groups(house.directory, &condition).await.map_err(text)?;
        (rows.iter().map(|row| row.group.id.uuid()).collect(), count)
    };
    if !ids.is_sorted() || i64::try_from(ids.len()) != Ok(count) {
        return Err(format!("counted {count}, listed {ids:?}"));
    }
    Ok(ids.into_iter().collect())
}

/// A runner whose choices a seed repeats: `VESTIBULE_SEED`, or a new one.
fn runner() -> (TestRunner, u64) {
    let seed = std::env::var("VESTIBULE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let (high, low) = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0)).as_u64_pair();
        high ^ low
    });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    (TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)), seed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_evaluator_and_both_engines_agree_on_random_filters() {
    let (mut runner, seed) = runner();
    let (people, crowds) = population(&mut runner);
    let three = Three::of(&people, &crowds).await;
    let users: Vec<_> = people.iter().map(|person| person.id.to_string()).collect();
    let groups: Vec<_> = crowds.iter().map(|crowd| crowd.id.to_string()).collect();
    let mut matched = 0;
    for (scope, strategy) in
        [(Scope::User, users_filter(users.clone(), groups.clone())), (Scope::Group, groups_filter(users, groups))]
    {
        for _ in 0..FILTERS {
            let mut tree = strategy.new_tree(&mut runner).unwrap();
            if let Some(mut found) = three.disagreement(scope, &tree.current()).await {
                let mut smaller = tree.simplify();
                for _ in 0..200 {
                    if !smaller {
                        break;
                    }
                    match three.disagreement(scope, &tree.current()).await {
                        Some(still) => {
                            found = still;
                            smaller = tree.simplify();
                        }
                        None => smaller = tree.complicate(),
                    }
                }
                panic!("VESTIBULE_SEED={seed}\n{found}");
            }
            let resolved = resolve(&tree.current(), scope, Profile::Strict).unwrap();
            let documents = if scope == Scope::User { &three.users } else { &three.groups };
            let hits = documents.iter().filter(|(_, document)| resolved.matches(document)).count();
            matched += usize::from(hits > 0 && hits < documents.len());
        }
    }
    // Filters that always select nobody, or everybody, would prove nothing.
    assert!(matched > FILTERS / 4, "only {matched} filters selected some and not all");
}

#[tokio::test]
async fn filters_that_once_disagreed() {
    let (mut runner, _) = runner();
    let (people, crowds) = population(&mut runner);
    let three = Three::of(&people, &crowds).await;
    for text in [
        r#"id co "-7""#,
        r#"id gt "0""#,
        r#"schemas gt "urn""#,
        r"meta pr",
        r"not (meta pr)",
        r"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref pr",
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref co "a""#,
        r#"not (externalId eq "a")"#,
        r#"not (externalId ne "a")"#,
        r#"userName co """#,
        r#"groups.type eq "Indirect""#,
        r#"groups[type eq "indirect" and not (display eq "a")]"#,
        r#"not (groups.type eq "direct")"#,
    ] {
        assert_eq!(three.disagreement(Scope::User, &Filter::parse(text).unwrap()).await, None);
    }
    for text in [
        r#"not (externalId eq "a")"#,
        r#"members.value gt "0""#,
        r#"members.value co "-""#,
        r#"not (members.display eq "a")"#,
        r#"members.type eq "Group""#,
        r#"members[type eq "group" and display pr]"#,
    ] {
        assert_eq!(three.disagreement(Scope::Group, &Filter::parse(text).unwrap()).await, None);
    }
}
