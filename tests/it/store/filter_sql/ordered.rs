//! An order means one thing: what the documents' keys say is what SQLite and PostgreSQL list, whole and in pages after a mark.

use uuid::Uuid;
use vestibule::scim::Value;
use vestibule::scim::profile::Profile;
use vestibule::scim::query::ListQuery;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::sort::{Sort, SortKey, SortOrder};
use vestibule::store::filter::Where;
use vestibule::store::{GROUP_LAYOUT, Mark, Order, Page, Start, USER_LAYOUT};

use super::super::{Ground, House};
use super::population::population;
use super::{Three, runner};

const USERS_BY: &[&str] = &[
    "id",
    "userName",
    "externalId",
    "active",
    "displayName",
    "title",
    "profileUrl",
    "schemas",
    "name.familyName",
    "emails.value",
    "emails.type",
    "emails.primary",
    "addresses.formatted",
    "meta.resourceType",
    "meta.created",
    "meta.lastModified",
    "meta.version",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
];
const GROUPS_BY: &[&str] = &["id", "displayName", "externalId", "meta.created", "meta.version", "meta.resourceType"];

/// What the documents say: keys and ids, in order.
fn meant(sort: &Sort, documents: &[(Uuid, Value)]) -> Vec<(SortKey, Uuid)> {
    let mut keys: Vec<_> = documents.iter().map(|(id, document)| (sort.key(document), *id)).collect();
    keys.sort();
    if sort.order == SortOrder::Descending {
        keys.reverse();
    }
    keys
}

async fn listed((ground, house): &(Ground, House), kind: ResourceKind, sort: &Sort, page: &Page) -> Vec<Uuid> {
    let mut reader = ground.store.read(house.tenant);
    let everything = Where::everything();
    match kind {
        ResourceKind::User => {
            let order = Order::new(Some(sort), &USER_LAYOUT);
            let rows = reader.list_logins(house.directory, &everything, &order, page).await.unwrap();
            rows.iter().map(|row| row.login.id.uuid()).collect()
        }
        ResourceKind::Group => {
            let order = Order::new(Some(sort), &GROUP_LAYOUT);
            let rows = reader.list_groups(house.directory, &everything, &order, page).await.unwrap();
            rows.iter().map(|row| row.group.id.uuid()).collect()
        }
        ResourceKind::GroupMember => unreachable!("a membership has two ids; its orders are told of in scim::group_members"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l05_l11_the_documents_and_both_engines_agree_on_every_order() {
    let (mut runner, seed) = runner();
    let (people, crowds) = population(&mut runner);
    let three = Three::of(&people, &crowds).await;
    let users = USERS_BY.iter().map(|by| (ResourceKind::User, &three.users, *by));
    let groups = GROUPS_BY.iter().map(|by| (ResourceKind::Group, &three.groups, *by));
    for (kind, documents, by) in users.chain(groups) {
        for order in ["ascending", "descending"] {
            let query = ListQuery::parse(&[kind], &[("sortBy", by), ("sortOrder", order)], Profile::Strict).unwrap();
            let sort = query.selections[0].sort.as_ref().unwrap();
            let meant = meant(sort, documents);
            let ids: Vec<Uuid> = meant.iter().map(|(_, id)| *id).collect();
            for side in [&three.sqlite, &three.postgres] {
                let told = format!("VESTIBULE_SEED={seed} {by} {order} {:?}", side.0.store.engine());
                assert_eq!(listed(side, kind, sort, &Page::first(1_000)).await, ids, "{told}: {meant:?}");
                let middle = Page { start: Start::Offset(3), limit: 4 };
                assert_eq!(listed(side, kind, sort, &middle).await, ids[3..7], "{told}");
                for (at, (key, id)) in meant.iter().enumerate() {
                    let page = Page { start: Start::After(Mark { key: key.clone(), ids: vec![*id] }), limit: 5 };
                    let wanted: Vec<Uuid> = ids.iter().skip(at + 1).take(5).copied().collect();
                    assert_eq!(listed(side, kind, sort, &page).await, wanted, "{told} after {key:?}");
                }
            }
        }
    }
}
