//! The store on both engines: its schema, its wall, its statements.

mod accounts;
mod approvals;
mod clients;
mod deliveries;
mod ending;
mod filter_sql;
mod grants;
mod group_members;
mod groups;
mod idempotency;
mod invariants;
mod jobs;
mod linked;
mod links;
mod logins;
mod memberships;
mod migrating;
mod people;
mod plans;
mod provisioning_log;
mod roles;
mod saml;
mod schema;
mod schemas_agree;
mod seals;
mod settings;
mod sign_in;
mod signing_keys;
mod statements;
mod statistics;
mod tombstones;
mod transactions;
mod wall;

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;
use vestibule::keys::HashedToken;
use vestibule::model::{
    AccountId, Actor, Authentication, Binding, ConnectionId, ConnectionState, Directory, DirectoryId, DirectorySettings, DomainId,
    Email, GroupId, JitPolicy, LoginId, LoginKind, MissingClaim, OidcSettings, PersonId, Scopes, SecondFactor, SessionLimits, Slot,
    TenantId, TokenId,
};
use vestibule::scim::fold::{FOLDING_VERSION, fold};
use vestibule::store::{
    AccountRow, Engine, LoginDocument, NewConnection, NewDirectory, NewGroup, NewLogin, NewToken, RoleRow, Store, Uniqueness,
    Writer,
};

use crate::support::world::Database;

/// The instant at which the stories begin.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_790_000_000_000_001).unwrap()
}

/// Some time after [`now`].
fn later(minutes: i64) -> DateTime<Utc> {
    now() + TimeDelta::minutes(minutes)
}

/// How long sessions of the stories last.
const LIMITS: SessionLimits = SessionLimits { idle: TimeDelta::minutes(30), absolute: TimeDelta::days(1) };

/// A later instant at each call, for ids whose order is that in which they were made.
fn born() -> DateTime<Utc> {
    static CALLS: AtomicI64 = AtomicI64::new(0);
    now() + TimeDelta::milliseconds(CALLS.fetch_add(1, Ordering::Relaxed))
}

/// Runs a text on the database itself, past all walls: for the schema as the last one.
macro_rules! raw {
    ($store:expr, $text:expr $(, $argument:expr)* $(,)?) => {
        match &$store {
            vestibule::store::Store::Sqlite { writer, .. } => {
                sqlx::query(sqlx::AssertSqlSafe($text.to_owned()))$(.bind($argument))*.execute(writer).await.map(|done| done.rows_affected())
            }
            vestibule::store::Store::Postgres(pool) => {
                sqlx::query(sqlx::AssertSqlSafe($text.to_owned()))$(.bind($argument))*.execute(pool).await.map(|done| done.rows_affected())
            }
        }
    };
}
use raw;

/// Reads rows of the named type past all walls.
macro_rules! rows {
    ($store:expr, $row:ty, $text:expr $(, $argument:expr)* $(,)?) => {
        match &$store {
            vestibule::store::Store::Sqlite { writer, .. } => {
                sqlx::query_as::<_, $row>(sqlx::AssertSqlSafe($text.to_owned()))$(.bind($argument))*.fetch_all(writer).await.unwrap()
            }
            vestibule::store::Store::Postgres(pool) => {
                sqlx::query_as::<_, $row>(sqlx::AssertSqlSafe($text.to_owned()))$(.bind($argument))*.fetch_all(pool).await.unwrap()
            }
        }
    };
}
use rows;

/// A migrated database with nobody in it but the operator.
struct Ground {
    store: Store,
    _database: Database,
}

impl Ground {
    async fn fresh(engine: Engine) -> Self {
        let database = Database::fresh(engine).await;
        let store = Store::open(&database.url, 4).await.unwrap();
        if engine == Engine::Sqlite {
            store.migrate().await.unwrap();
        }
        Self { store, _database: database }
    }

    /// A tenant: accounts `slug` and `slug/emea`, the connection `idp` and the directory `directory`, joined by `sub` = `externalId`,
    /// with a token, and the domain `slug.example`. Its catalogue has the roles `administrator` and `finance`.
    async fn tenant(&self, slug: &str) -> House {
        let mut operator = self.store.write(TenantId::OPERATOR).await.unwrap();
        operator.sync_roles("customer-portal", &roles(&["administrator", "finance"]), now()).await.unwrap();
        operator.commit().await.unwrap();
        let house = House {
            tenant: TenantId::new(now()),
            root: AccountId::new(now()),
            emea: AccountId::new(now()),
            connection: ConnectionId::new(now()),
            directory: DirectoryId::new(now()),
            token: format!("{slug}-token"),
        };
        let mut writer = self.store.write(house.tenant).await.unwrap();
        writer.insert_tenant(slug, slug, "customer-portal", now()).await.unwrap();
        writer.insert_account(&AccountRow { id: house.root, parent_id: None, slug, name: slug }, now()).await.unwrap();
        let emea = AccountRow { id: house.emea, parent_id: Some(house.root), slug: "emea", name: "EMEA" };
        writer.insert_account(&emea, now()).await.unwrap();
        house.fill(&mut writer, slug).await;
        writer.commit().await.unwrap();
        house
    }
}

fn roles(keys: &[&str]) -> Vec<RoleRow> {
    (0_i64..)
        .zip(keys)
        .map(|(rank, key)| RoleRow {
            key: (*key).to_owned(),
            name: (*key).to_owned(),
            description: String::new(),
            exclusive_set: None,
            rank,
        })
        .collect()
}

/// One tenant.
#[derive(Clone, Debug)]
struct House {
    tenant: TenantId,
    root: AccountId,
    emea: AccountId,
    connection: ConnectionId,
    directory: DirectoryId,
    /// The public part of the directory's token.
    token: String,
}

impl House {
    async fn fill(&self, writer: &mut Writer, slug: &str) {
        let connection = NewConnection {
            id: self.connection,
            slug: "idp",
            name: "IdP",
            state: ConnectionState::Enabled,
            issuer: "https://idp.example",
            secret: None,
            jit: JitPolicy::IfProvisioned,
            missing_claim: MissingClaim::Clear,
            home_account_id: self.root,
            contact: None,
            settings: &OidcSettings {
                client_id: "vestibule".to_owned(),
                scopes: vec!["openid".to_owned()],
                second_factor: SecondFactor::default(),
            }
            .into(),
        };
        writer.insert_connection(&connection, now()).await.unwrap();
        let domain = format!("{slug}.example");
        writer.insert_domain(DomainId::new(now()), &domain, "operator", &[self.connection], now()).await.unwrap();
        self.insert_directory(writer, self.directory, "directory").await;
        let binding = Binding {
            directory_id: self.directory,
            connection_id: self.connection,
            claim: "sub".to_owned(),
            attribute: "externalId".to_owned(),
        };
        writer.insert_binding(&binding, now()).await.unwrap();
        let token = NewToken {
            id: TokenId::new(now()),
            directory_id: self.directory,
            name: "provisioning",
            prefix: &self.token,
            digest: &HashedToken::of(&self.token),
            scopes: &Scopes::default(),
            created_by: &Actor::Operator,
            expires_at: None,
            replaces: None,
        };
        assert!(writer.insert_token(&token, now()).await.unwrap());
    }

    async fn insert_directory(&self, writer: &mut Writer, id: DirectoryId, slug: &str) {
        let new = NewDirectory {
            id,
            slug,
            name: slug,
            profile: "strict",
            home_account_id: self.root,
            settings: &DirectorySettings::default(),
            unique: Uniqueness::default(),
        };
        writer.insert_directory(&new, now()).await.unwrap();
    }

    /// The directory as requests know it.
    async fn directory(&self, store: &Store) -> Directory {
        store.read(self.tenant).directories().await.unwrap().remove(0)
    }

    /// A login of the directory with the external id `ext-NAME`, and its person.
    async fn login(&self, store: &Store, name: &str) -> LoginId {
        let mut writer = store.write(self.tenant).await.unwrap();
        let id = self.insert_login(&mut writer, &document(name)).await;
        writer.commit().await.unwrap();
        id
    }

    async fn insert_login(&self, writer: &mut Writer, document: &LoginDocument) -> LoginId {
        let person = PersonId::new(now());
        writer.insert_person(person, now()).await.unwrap();
        let new = self.new_login(person, document);
        writer.insert_login(&new, now()).await.unwrap();
        new.id
    }

    fn new_login<'d>(&self, person_id: PersonId, document: &'d LoginDocument) -> NewLogin<'d> {
        NewLogin {
            id: LoginId::new(born()),
            person_id,
            slot: Slot::One,
            kind: LoginKind::Byoi,
            directory_id: Some(self.directory),
            connection_id: None,
            home_account_id: self.root,
            namespace: self.directory.uuid(),
            document,
        }
    }

    /// A group of the directory with these members.
    async fn group(&self, store: &Store, display: &str, members: &[LoginId]) -> GroupId {
        let mut writer = store.write(self.tenant).await.unwrap();
        let id = GroupId::new(born());
        writer.insert_group(self.directory, id, &group(display), now()).await.unwrap();
        assert_eq!(writer.add_members(id, members).await.unwrap().len(), members.len());
        writer.commit().await.unwrap();
        id
    }
}

/// What a directory says of NAME: e-mail `NAME@b.example`, external id `ext-NAME`.
fn document(name: &str) -> LoginDocument {
    let email = format!("{name}@B.example");
    LoginDocument {
        user_name: name.to_owned(),
        user_name_key: fold(name),
        folding: FOLDING_VERSION,
        external_id: Some(format!("ext-{name}")),
        active: true,
        scim: json!({ "userName": name }),
        search: json!({ "userName": fold(name), "emails": [{ "value": fold(&email) }], "active": true }),
        emails: vec![Email { value_key: fold(&email), value: email }],
        other_user_name_key: None,
    }
}

/// A sign-in by a connection, of which its identity provider says nothing more.
fn how(connection: ConnectionId) -> Authentication {
    Authentication {
        connection_id: Some(connection),
        authenticated_at: now(),
        asserted_at: None,
        proved_at: None,
        upstream_session: None,
        acr: None,
        amr: Vec::new(),
        name_id: None,
        session_until: None,
    }
}

/// What a directory says of a group.
fn group(display: &str) -> NewGroup {
    NewGroup {
        display: display.to_owned(),
        display_key: fold(display),
        external_id: Some(format!("ext-{display}")),
        scim: json!({ "displayName": display }),
        search: json!({ "displayName": fold(display) }),
    }
}

/// An id as a literal of the engine.
fn literal(store: &Store, id: Uuid) -> String {
    match store.engine() {
        Engine::Sqlite => format!("x'{}'", id.simple()),
        Engine::Postgres => format!("'{id}'::uuid"),
    }
}
