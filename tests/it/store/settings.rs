//! What the operator sets up: connections, domains, directories, tokens, clients, marks; and the logs.

use std::collections::BTreeSet;

use uuid::Uuid;
use vestibule::keys::{HashedToken, KeyRing, Place, Sealer};
use vestibule::model::{
    Actor, ChangedRules, ClientId, ConnectionId, ConnectionState, DirectoryId, DomainId, Event, EventId, EventKind, JitPolicy,
    MissingClaim, OidcSettings, Scope, Scopes, SecondFactor, TenantId, TenantState, TokenId, TokenState,
};
use vestibule::store::{EventQuery, LogEntry, LogQuery, NewClient, NewConnection, NewToken};

use super::{Ground, born, later, now, rows};
use crate::support::source::files;
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn tenants_are_found_by_their_slug(engine) {
        let ground = Ground::fresh(engine).await;
        let (zen, acme) = (ground.tenant("zen").await, ground.tenant("acme").await);
        let mut doors = ground.store.doors();
        let all = doors.tenants().await.unwrap();
        assert_eq!(all.iter().map(|tenant| tenant.slug.as_str()).collect::<Vec<_>>(), ["acme", "zen"], "without the operator's");
        let found = doors.tenant_by_slug("zen").await.unwrap().unwrap();
        assert_eq!((found.id, found.catalogue.as_str(), found.created_at), (zen.tenant, "customer-portal", now()));
        assert_eq!(doors.tenant_by_slug("ZEN").await.unwrap(), None);
        assert_eq!(doors.tenant_of_connection(acme.connection).await.unwrap(), Some(acme.tenant));
        assert_eq!(doors.tenant_of_connection(ConnectionId::new(now())).await.unwrap(), None);
        assert_eq!(doors.tenants_of_domain("zen.example").await.unwrap(), [zen.tenant]);
        assert_eq!(doors.tenants_of_domain("nobody.example").await.unwrap(), []);
        // With figures, for the operator; and suspended, which ends what was signed in before.
        let listed = doors.tenant_figures("", 9).await.unwrap();
        assert_eq!(listed.iter().map(|row| (row.slug.as_str(), row.accounts)).collect::<Vec<_>>(), [("acme", 2), ("zen", 2)]);
        assert_eq!(doors.tenant_figures("acme", 9).await.unwrap(), [doors.figures_of_tenant("zen").await.unwrap().unwrap()]);
        assert_eq!((doors.tenant_figures("", 1).await.unwrap().len(), doors.figures_of_tenant("operator").await.unwrap()), (1, None));
        let mut writer = ground.store.write(acme.tenant).await.unwrap();
        assert!(writer.change_tenant_state(TenantState::Suspended).await.unwrap());
        assert!(!writer.change_tenant_state(TenantState::Suspended).await.unwrap());
        assert_eq!(writer.population().await.unwrap(), (0, 0));
        writer.commit().await.unwrap();
        assert_eq!(doors.figures_of_tenant("acme").await.unwrap().unwrap().state, TenantState::Suspended);
        assert_eq!(doors.tenant_of_connection(acme.connection).await.unwrap(), None);
        let mut operator = ground.store.write(TenantId::OPERATOR).await.unwrap();
        assert!(!operator.change_tenant_state(TenantState::Suspended).await.unwrap(), "there is always an operator");
        drop(operator);
        let mut reader = ground.store.read(zen.tenant);
        assert_eq!(reader.tenant_row().await.unwrap(), Some(found));
        let accounts = reader.accounts().await.unwrap();
        let told: Vec<_> = accounts.iter().map(|account| (account.slug.as_str(), account.parent_id)).collect();
        assert_eq!(told, [("emea", Some(zen.root)), ("zen", None)]);
    }

    async fn connections_keep_their_settings_and_their_secret_sealed(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let id = ConnectionId::new(now());
        let sealer = Sealer::new(KeyRing::generate());
        let place = Place { table: "connections", column: "secret_sealed", row: id.uuid() };
        let secret = sealer.seal(&place, b"hush");
        let settings = OidcSettings { client_id: "other".to_owned(), scopes: vec!["openid".to_owned(), "groups".to_owned()], second_factor: SecondFactor::default() }.into();
        let new = NewConnection {
            id,
            slug: "adfs",
            name: "AD FS",
            state: ConnectionState::Enabled,
            issuer: "https://adfs.example",
            secret: Some(&secret),
            jit: JitPolicy::On,
            missing_claim: MissingClaim::Keep,
            home_account_id: house.emea,
            contact: Some("it@bluesky.example"),
            settings: &settings,
        };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_connection(&new, now()).await.unwrap();
        writer.insert_domain(DomainId::new(now()), "two.example", "operator", &[id, house.connection], now()).await.unwrap();
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let found = reader.connection(id).await.unwrap().unwrap();
        assert_eq!((found.slug.as_str(), found.issuer.as_str(), found.jit), ("adfs", "https://adfs.example", JitPolicy::On));
        assert_eq!((found.state, found.missing_claim, found.epoch), (ConnectionState::Enabled, MissingClaim::Keep, 0));
        assert_eq!((found.settings, found.contact.as_deref()), (settings, Some("it@bluesky.example")));
        let sealed = reader.connection_secret(id).await.unwrap().unwrap();
        assert_eq!(sealer.open(&place, &sealed).unwrap().as_slice(), b"hush");
        assert!(reader.connection_secret(house.connection).await.unwrap().is_none());
        let names = |connections: Vec<vestibule::model::Connection>| -> Vec<String> {
            connections.into_iter().map(|connection| connection.name).collect()
        };
        assert_eq!(names(reader.connections().await.unwrap()), ["AD FS", "IdP"]);
        assert_eq!(names(reader.connections_of_domain("two.example").await.unwrap()), ["AD FS", "IdP"]);
        assert_eq!(names(reader.connections_of_domain("bluesky.example").await.unwrap()), ["IdP"]);
    }

    async fn a_directory_is_reached_by_its_token(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let mut doors = ground.store.doors();
        let row = doors.token(&house.token).await.unwrap().unwrap();
        assert_eq!((row.tenant_id, row.digest, row.last_used_at), (house.tenant, HashedToken::of(&house.token), None));
        assert_eq!((row.scopes, row.expires_at), (Scopes::default(), None));
        assert_eq!(row.directory, house.directory(&ground.store).await);
        assert!(doors.token("another").await.unwrap().is_none());
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.touch_token(row.token_id, later(1)).await.unwrap();
        writer.touch_token(row.token_id, later(1) + chrono::TimeDelta::seconds(59)).await.unwrap();
        let again = NewToken {
            id: TokenId::new(now()),
            directory_id: house.directory,
            name: "provisioning",
            prefix: "new",
            digest: &HashedToken::of("new"),
            scopes: &Scopes::new([Scope::Log]).unwrap(),
            created_by: &Actor::Operator,
            expires_at: Some(later(5)),
            replaces: None,
        };
        assert!(!writer.insert_token(&again, now()).await.unwrap(), "the name is taken");
        assert!(writer.insert_token(&NewToken { name: "second", ..again }, now()).await.unwrap());
        house.insert_directory(&mut writer, DirectoryId::new(now()), "another").await;
        writer.commit().await.unwrap();
        assert_eq!(doors.token(&house.token).await.unwrap().unwrap().last_used_at, Some(later(1)));
        assert_eq!(doors.token("new").await.unwrap().unwrap().expires_at, Some(later(5)));
        let mut reader = ground.store.read(house.tenant);
        let found = reader.directory(house.directory).await.unwrap().unwrap();
        assert_eq!((found.id, found.slug.as_str()), (house.directory, "directory"));
        assert_eq!(reader.directory(DirectoryId::new(now())).await.unwrap(), None);
        let slugs: Vec<_> = reader.directories().await.unwrap().into_iter().map(|directory| directory.slug).collect();
        assert_eq!(slugs, ["another", "directory"]);
        let bindings = reader.bindings_of_directory(house.directory).await.unwrap();
        assert_eq!((bindings[0].claim.as_str(), bindings[0].attribute.as_str()), ("sub", "externalId"));
        assert_eq!(reader.bindings_of_connection(house.connection).await.unwrap(), bindings);
    }

    async fn a_token_is_replaced_and_revoked_once_and_gives_up_its_name(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let first = writer.tokens(house.directory).await.unwrap().remove(0);
        assert_eq!((first.name.as_str(), first.prefix.as_str(), first.created_by), ("provisioning", &*house.token, Actor::Operator));
        assert_eq!((&first.scopes, first.created_at, first.state(now())), (&Scopes::default(), now(), TokenState::Active));
        assert_eq!(writer.token_for_update(house.directory, first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(writer.token_for_update(other.directory, first.id).await.unwrap(), None);
        assert_eq!(writer.tokens(other.directory).await.unwrap(), []);
        let second = TokenId::new(now());
        let new = NewToken {
            id: second,
            directory_id: house.directory,
            name: "provisioning",
            prefix: "second",
            digest: &HashedToken::of("second"),
            scopes: &Scopes::new([Scope::ScimRead, Scope::Log]).unwrap(),
            created_by: &Actor::System,
            expires_at: None,
            replaces: Some(first.id),
        };
        assert!(!writer.insert_token(&new, later(1)).await.unwrap(), "the first one holds the name");
        writer.replace_token(first.id, later(60), later(1)).await.unwrap();
        assert!(writer.insert_token(&new, later(1)).await.unwrap());
        assert!(writer.replace_token(first.id, later(90), later(2)).await.unwrap_err().is_race(), "a token is replaced once");
        let tokens = writer.tokens(house.directory).await.unwrap();
        let told: Vec<_> = tokens.iter().map(|token| (token.id, token.state(later(2)), token.expires_at, token.replaces)).collect();
        let replaced = (first.id, TokenState::Replaced, Some(later(60)), None);
        assert_eq!(told, [replaced, (second, TokenState::Active, None, Some(first.id))]);
        assert!(writer.revoke_token(second, later(3)).await.unwrap());
        assert!(!writer.revoke_token(second, later(4)).await.unwrap(), "a token is revoked once");
        assert!(writer.replace_token(second, later(60), later(4)).await.unwrap_err().is_race());
        writer.commit().await.unwrap();
        let mut doors = ground.store.doors();
        assert!(doors.token("second").await.unwrap().is_none());
        assert_eq!(doors.token(&house.token).await.unwrap().unwrap().expires_at, Some(later(60)));
    }

    async fn clients_and_marks_are_made_once(engine) {
        let ground = Ground::fresh(engine).await;
        let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
        let uris = ["https://portal.example/callback".to_owned()];
        let settings = vestibule::model::PortalSettings::default();
        let new = NewClient { id: ClientId::new(now()), client_id: "portal", name: "Portal", secret: None, redirect_uris: &uris, backchannel_logout_uri: None, settings: &settings, access: None };
        assert!(writer.insert_client(&new, now()).await.unwrap());
        let again = NewClient { id: ClientId::new(now()), name: "Other", ..new };
        assert!(!writer.insert_client(&again, now()).await.unwrap());
        writer.set_mark("demo", "yes").await.unwrap();
        writer.set_mark("demo", "no").await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(rows!(ground.store, (String,), "select name from clients"), [("Portal".to_owned(),)]);
        let mut doors = ground.store.doors();
        assert_eq!(doors.mark("demo").await.unwrap().as_deref(), Some("yes"));
        assert_eq!(doors.mark("other").await.unwrap(), None);
    }

    async fn events_and_log_entries_are_kept(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let target = house.directory.uuid();
        let event = |kind| Event {
            id: EventId::new(born()),
            at: now(),
            kind,
            actor: Actor::Directory { directory: house.directory, token: TokenId::new(now()) },
            target,
            account: None,
            details: serde_json::json!({ "quote": "'", "nothing": null }),
        };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.record(&[], None).await.unwrap();
        writer.record(&[event(EventKind::DirectoryCreated), event(EventKind::TokenIssued)], Some("request")).await.unwrap();
        let entry = LogEntry {
            id: EventId::new(now()).uuid(),
            directory_id: house.directory,
            at: now(),
            operation: "create",
            resource_type: "User",
            resource_id: None,
            status: 409,
            scim_type: Some("uniqueness"),
            detail: Some("taken".to_owned()),
            attributes: vec!["userName".to_owned()],
            values: None,
            coercions: vec![],
            rules: ChangedRules::default(),
            token_id: None,
        };
        writer.log_provisioning(&entry, Some("request")).await.unwrap();
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.event_kinds(target).await.unwrap(), ["directory.created", "token.issued"]);
        // Nobody said which account they were about: the directory's home.
        let query = EventQuery { target: Some(target), ..EventQuery::default() };
        let events = reader.events(&query, 10).await.unwrap();
        let told: Vec<_> = events.iter().map(|row| (row.kind.as_str(), row.account_id, row.request_id.as_deref())).collect();
        assert_eq!(told, ["token.issued", "directory.created"].map(|kind| (kind, Some(house.root), Some("request"))));
        assert_eq!(events[0].details, serde_json::json!({ "quote": "'", "nothing": null }));
        let after = EventQuery { before: Some(events[0].position()), ..EventQuery::default() };
        assert_eq!(reader.events(&after, 10).await.unwrap(), events[1..]);
        assert_eq!(reader.events_of_accounts(&[house.emea, house.root], &after, 10).await.unwrap(), events[1..]);
        assert_eq!(reader.events_of_accounts(&[house.emea], &query, 10).await.unwrap(), []);
        let log = reader.provisioning_log(house.directory, &LogQuery::default(), 10).await.unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!((log[0].status, log[0].scim_type.as_deref()), (409, Some("uniqueness")));
        assert_eq!(reader.event_kinds(Uuid::nil()).await.unwrap(), Vec::<String>::new());
        let text = "select actor ->> 'kind', details ->> 'quote' from events where request_id = 'request'";
        let told = rows!(ground.store, (String, String), text);
        assert_eq!(told, vec![("directory".to_owned(), "'".to_owned()); 2]);
        let text = "select status, attributes ->> 0 from provisioning_log where scim_type = 'uniqueness'";
        assert_eq!(rows!(ground.store, (i64, String), text), [(409, "userName".to_owned())]);
    }
}

#[test]
fn every_method_of_the_store_is_called_here() {
    let read =
        |folder: &str| -> String { files(folder, "rs").into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect() };
    let (source, tests) = (read("src/store"), read("tests/it/store"));
    let methods: BTreeSet<_> = source.split("pub async fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).collect();
    assert!(methods.len() > 80, "only {methods:?} were found");
    let idle: Vec<_> = methods
        .iter()
        .filter(|method| ![".", "::", " ", "("].iter().any(|before| tests.contains(&format!("{before}{method}("))))
        .collect();
    assert!(idle.is_empty(), "no story tells of {idle:?}");
}
