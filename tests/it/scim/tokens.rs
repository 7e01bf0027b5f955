//! The tokens of a directory: what they may do, how they end and are handed on, and that none tells why it is refused.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::cli::bootstrap;
use vestibule::clock::Clock;
use vestibule::directory::Caller;
use vestibule::directory::tokens::{Issued, MAX_OVERLAP, Rotation, TokenError, TokenSpec, Tokens};
use vestibule::model::{Actor, Scope, Scopes, Token, TokenId, TokenState};
use vestibule::store::Engine;

use super::{NOBODY, directory, events_of, log_of, make_user, operations, refused, user};
use crate::support::http::{Scim, client};
use crate::support::sql;
use crate::support::world::{Tenant, World, describe, on_every_engine};

on_every_engine! {
    async fn a07_z04_z05_every_token_that_is_no_good_gets_the_same_bytes(engine) {
        let (clock, world, tenant) = setting(engine).await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let off = world.tenant("greysky", "strict", "http://127.0.0.1:1").await;
        let suspended = world.tenant("darksky", "strict", "http://127.0.0.1:1").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let soon = clock.now() + TimeDelta::hours(1);
        let expired = issue(&world, &tenant, "expired", &[Scope::Scim], Some(soon)).await;
        let revoked = issue(&world, &tenant, "revoked", &[Scope::Scim], None).await;
        let replaced = issue(&world, &tenant, "replaced", &[Scope::Scim], None).await;
        let rotation = Rotation { overlap: TimeDelta::hours(1), ..Rotation::default() };
        let successor = tokens(&world, &tenant).rotate(replaced.id, &rotation).await.unwrap();
        for scim in [&expired.scim, &revoked.scim, &replaced.scim, &off.scim, &suspended.scim] {
            scim.get("/Users").await.expect(200);
        }
        tokens(&world, &tenant).revoke(revoked.id).await.unwrap();
        clock.advance(TimeDelta::hours(1));
        sql::change(&world.database.url, "update directories set state = 'disabled' where name = 'The directory of greysky'").await;
        sql::change(&world.database.url, "update tenants set state = 'suspended' where slug = 'darksky'").await;
        let nowhere = Scim::new(format!("{}/scim/v2/{NOBODY}", world.base), tenant.scim.token.clone());
        let with = |token: &str| Scim::new(tenant.scim.base.clone(), token.to_owned());
        let forged = format!("{}{}", &tenant.scim.token[..17], &other.scim.token[17..]);
        let mut answers = Vec::new();
        for (what, scim) in [
            ("none", with("")),
            ("malformed", with("nonsense")),
            ("never issued", with(&format!("vst_000000000000_{}", "A".repeat(43)))),
            ("right prefix, wrong secret", with(&forged)),
            ("an unknown directory", nowhere),
            ("another tenant's token", with(&other.scim.token)),
            ("another tenant's directory", Scim::new(other.scim.base.clone(), tenant.scim.token.clone())),
            ("expired", expired.scim),
            ("revoked", revoked.scim),
            ("rotated out", replaced.scim),
            ("a directory that is off", off.scim),
            ("a suspended tenant", suspended.scim),
        ] {
            for (method, path) in [(Method::GET, "/Users".to_owned()), (Method::DELETE, format!("/Users/{joe}"))] {
                let response = scim.request(method, &path).send().await.unwrap();
                let status = response.status();
                let mut headers: Vec<_> =
                    response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
                headers.retain(|(name, _)| name != "date" && name != "x-request-id");
                headers.sort();
                answers.push((what, format!("{status} {headers:?} {}", response.text().await.unwrap())));
            }
        }
        assert!(answers[0].1.starts_with("401 ") && answers[0].1.contains("(\"www-authenticate\", \"Bearer\")"), "{}", answers[0].1);
        for (what, answer) in &answers {
            assert_eq!(answer, &answers[0].1, "{what}");
        }
        tenant.scim.get(&format!("/Users/{joe}")).await.expect(200);
        scim(&tenant, successor).get("/Users").await.expect(200);
    }

    async fn a08_z05_a_token_does_what_its_scopes_say(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let joe = make_user(&tenant.scim, "joe").await;
        let path = format!("/Users/{joe}");
        let writes = [
            (Method::POST, "/Users", user("jane")),
            (Method::PUT, &path, user("jane")),
            (Method::PATCH, &path, operations(json!([{"op": "replace", "path": "title", "value": "x"}]))),
            (Method::DELETE, &path, json!(null)),
            (Method::POST, "/Groups", json!({})),
        ];
        let reader = issue(&world, &tenant, "reader", &[Scope::ScimRead, Scope::Log], None).await.scim;
        reader.get(&path).await.expect(200);
        reader.get("/Groups").await.expect(200);
        let auditor = issue(&world, &tenant, "auditor", &[Scope::Log], None).await.scim;
        refused(&auditor.get(&path).await, 403, "");
        for (method, path, body) in &writes {
            let answer = reader.send(method.clone(), path, Some(body)).await;
            refused(&answer, 403, "");
            let log = log_of(&world, &tenant).await;
            let entry = log.last().unwrap();
            assert_eq!((entry.status, entry.request_id.as_deref()), (403, answer.headers["x-request-id"].to_str().ok()));
            refused(&auditor.send(method.clone(), path, Some(body)).await, 403, "");
        }
        assert_eq!(tenant.scim.get(&path).await.body["meta"]["version"], "W/\"1\"");
        let writer = issue(&world, &tenant, "writer", &[Scope::Scim], None).await.scim;
        writer.patch(&path, &writes[2].2).await.expect(200);
    }

    async fn z05_rotation_gives_a_second_token_before_it_takes_the_first(engine) {
        let (clock, world, tenant) = setting(engine).await;
        let begin = clock.now();
        let year = begin + TimeDelta::days(365);
        let old = issue(&world, &tenant, "entra", &[Scope::ScimRead], Some(year)).await;
        clock.advance(TimeDelta::days(100));
        let new = tokens(&world, &tenant).rotate(old.id, &Rotation::default()).await.unwrap();
        let now = clock.now();
        assert_eq!((new.token.name.as_str(), &new.token.scopes), ("entra", &Scopes::new([Scope::ScimRead]).unwrap()));
        assert_eq!((new.token.replaces, new.token.expires_at), (Some(old.id), Some(now + TimeDelta::days(365))));
        let new_id = new.token.id;
        let new = scim(&tenant, new);
        // The rotated one has handed on its place; only its heir can do so again.
        let again = tokens(&world, &tenant).rotate(old.id, &Rotation::default()).await.unwrap_err();
        assert!(matches!(again, TokenError::Ended(TokenState::Replaced)), "{again}");
        let third = tokens(&world, &tenant).rotate(new_id, &Rotation { overlap: MAX_OVERLAP, expires_at: None }).await.unwrap();
        let third = scim(&tenant, third);
        for scim in [&old.scim, &new, &third] {
            scim.get("/Users").await.expect(200);
        }
        clock.advance(TimeDelta::hours(24) - TimeDelta::microseconds(1));
        old.scim.get("/Users").await.expect(200);
        clock.advance(TimeDelta::microseconds(1));
        refused(&old.scim.get("/Users").await, 401, "");
        new.get("/Users").await.expect(200);
        clock.advance(TimeDelta::days(29));
        refused(&new.get("/Users").await, 401, "");
        third.get("/Users").await.expect(200);
        let states: Vec<_> = list(&world, &tenant, "entra").await.iter().map(|token| token.state(clock.now())).collect();
        assert_eq!(states, [TokenState::Expired, TokenState::Expired, TokenState::Active]);
    }

    async fn z05_an_overlap_has_bounds_and_never_outlives_the_old_token(engine) {
        let (clock, world, tenant) = setting(engine).await;
        let soon = clock.now() + TimeDelta::hours(1);
        let short = issue(&world, &tenant, "short", &[Scope::Scim], Some(soon)).await;
        for overlap in [TimeDelta::microseconds(-1), MAX_OVERLAP + TimeDelta::microseconds(1), TimeDelta::MAX] {
            let error = tokens(&world, &tenant).rotate(short.id, &Rotation { overlap, expires_at: None }).await.unwrap_err();
            assert!(matches!(error, TokenError::Invalid(_)), "{error}");
        }
        let wish = clock.now() + TimeDelta::days(7);
        let heir = tokens(&world, &tenant).rotate(short.id, &Rotation { expires_at: Some(wish), ..Rotation::default() }).await.unwrap();
        assert_eq!(heir.token.expires_at, Some(wish));
        let pair = list(&world, &tenant, "short").await;
        assert_eq!((pair[0].expires_at, pair[1].expires_at), (Some(soon), Some(wish)));
        let at_once = Rotation { overlap: TimeDelta::zero(), expires_at: None };
        let forever = issue(&world, &tenant, "forever", &[Scope::Scim], None).await;
        let heir = tokens(&world, &tenant).rotate(forever.id, &at_once).await.unwrap();
        assert_eq!(heir.token.expires_at, None);
        refused(&forever.scim.get("/Users").await, 401, "");
        scim(&tenant, heir).get("/Users").await.expect(200);
        let error = tokens(&world, &tenant).rotate(forever.id, &at_once).await.unwrap_err();
        assert!(matches!(error, TokenError::Ended(TokenState::Expired)), "{error}");
        let foreign = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let error = tokens(&world, &foreign).rotate(pair[1].id, &at_once).await.unwrap_err();
        assert!(matches!(error, TokenError::NotFound("token")), "{error}");
        let error = tokens(&world, &foreign).revoke(pair[1].id).await.unwrap_err();
        assert!(matches!(error, TokenError::NotFound("token")), "{error}");
    }

    async fn z05_of_two_rotations_at_once_one_wins(engine) {
        let (_clock, world, tenant) = setting(engine).await;
        let old = issue(&world, &tenant, "entra", &[Scope::Scim], None).await;
        let (one, two) = (tokens(&world, &tenant), tokens(&world, &tenant));
        let rotation = Rotation::default();
        let (one, two) = tokio::join!(one.rotate(old.id, &rotation), two.rotate(old.id, &rotation));
        let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
        assert!(matches!(lost, Err(TokenError::Ended(TokenState::Replaced))), "{lost:?}");
        assert_eq!(list(&world, &tenant, "entra").await.len(), 2);
        scim(&tenant, won.unwrap()).get("/Users").await.expect(200);
    }

    async fn z05_a_name_is_one_live_token_and_what_ended_frees_it(engine) {
        let (clock, world, tenant) = setting(engine).await;
        let spec = TokenSpec { name: "entra".to_owned(), scopes: Scopes::default(), expires_at: Some(clock.now() + TimeDelta::days(1)) };
        let first = tokens(&world, &tenant).issue(&spec).await.unwrap();
        assert!(matches!(tokens(&world, &tenant).issue(&spec).await.unwrap_err(), TokenError::NameTaken));
        tokens(&world, &tenant).revoke(first.token.id).await.unwrap();
        tokens(&world, &tenant).revoke(first.token.id).await.unwrap();
        let second = tokens(&world, &tenant).issue(&spec).await.unwrap();
        clock.advance(TimeDelta::days(1));
        let past = tokens(&world, &tenant).issue(&spec).await.unwrap_err();
        assert!(matches!(past, TokenError::Invalid(_)), "{past}");
        let third = tokens(&world, &tenant).issue(&TokenSpec { expires_at: None, ..spec.clone() }).await.unwrap();
        for name in ["", "  ", "a\nb", &"x".repeat(101)] {
            let error = tokens(&world, &tenant).issue(&TokenSpec { name: name.to_owned(), ..spec.clone() }).await.unwrap_err();
            assert!(matches!(error, TokenError::Invalid(_)), "{name:?}: {error}");
        }
        let ended = ["token.issued", "token.revoked"];
        assert_eq!(events_of(&world, &tenant, &first.token.id.to_string()).await, ended);
        assert_eq!(events_of(&world, &tenant, &second.token.id.to_string()).await, ended);
        assert_eq!(events_of(&world, &tenant, &third.token.id.to_string()).await, ["token.issued"]);
        let rotated = tokens(&world, &tenant).rotate(third.token.id, &Rotation::default()).await.unwrap();
        assert_eq!(events_of(&world, &tenant, &third.token.id.to_string()).await, ["token.issued", "token.rotated"]);
        assert_eq!(events_of(&world, &tenant, &rotated.token.id.to_string()).await, ["token.issued"]);
        assert!(matches!(tokens(&world, &tenant).issue(&spec).await.unwrap_err(), TokenError::Invalid(_)));
    }

    async fn z05_nothing_that_is_kept_gives_a_token_away(engine) {
        let (_clock, world, tenant) = setting(engine).await;
        let first = issue(&world, &tenant, "entra", &[Scope::Scim], None).await;
        let heir = tokens(&world, &tenant).rotate(first.id, &Rotation::default()).await.unwrap();
        let heir = scim(&tenant, heir);
        make_user(&heir, "joe").await;
        refused(&heir.get("/Users/nobody").await, 404, "");
        let rows = [
            "select name || prefix || scopes || created_by from tokens",
            "select kind || details || actor || coalesce(request_id, '') from events",
            "select operation || attributes || coalesce(detail, '') from provisioning_log",
        ];
        for statement in rows {
            let statement = if engine == Engine::Postgres { statement.replace("details", "details::text") } else { statement.to_owned() };
            let statement = statement.replace("scopes", "cast(scopes as text)").replace("created_by", "cast(created_by as text)");
            let statement = statement.replace("|| actor", "|| cast(actor as text)").replace("|| attributes", "|| cast(attributes as text)");
            let told = sql::texts(&world.database.url, &statement).await.join("\n");
            assert!(!told.is_empty());
            for token in [&first.scim.token, &heir.token, &tenant.scim.token] {
                assert!(!told.contains(&token[17..]), "{statement}");
            }
        }
        assert_eq!(sql::number(&world.database.url, "select count(*) from tokens where length(digest) <> 32").await, 0);
    }

    async fn z05_the_last_use_is_noted_to_the_minute(engine) {
        let (clock, world, tenant) = setting(engine).await;
        let token = issue(&world, &tenant, "entra", &[Scope::Scim], None).await;
        assert_eq!(list(&world, &tenant, "entra").await[0].last_used_at, None);
        let first = clock.now();
        for seconds in [0, 30, 30] {
            clock.advance(TimeDelta::seconds(seconds));
            token.scim.get("/Users").await.expect(200);
            assert_eq!(list(&world, &tenant, "entra").await[0].last_used_at, Some(first), "within a minute");
        }
        clock.advance(TimeDelta::seconds(1));
        token.scim.get("/Users").await.expect(200);
        assert_eq!(list(&world, &tenant, "entra").await[0].last_used_at, Some(clock.now()));
    }

    async fn z05_a_bootstrap_file_says_scopes_and_end_and_never_brings_a_token_back(engine) {
        let (clock, world, _) = setting(engine).await;
        let text = describe("redsky", "strict", "http://127.0.0.1:1", "off");
        let text = text.replace("name = \"provisioning\"\n", "name = \"provisioning\"\nscopes = [\"scim:read\", \"log\"]\nexpires_at = 2028-01-01T01:00:00+01:00\n");
        let tenant = world.described("redsky", &text).await;
        let kept = list(&world, &tenant, "provisioning").await.remove(0);
        assert_eq!(kept.scopes, Scopes::new([Scope::ScimRead, Scope::Log]).unwrap());
        assert_eq!(kept.expires_at, Some("2028-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap()));
        tenant.scim.get("/Users").await.expect(200);
        refused(&tenant.scim.post("/Users", &user("joe")).await, 403, "");
        tokens(&world, &tenant).revoke(kept.id).await.unwrap();
        let again = world.described("redsky", &text).await;
        refused(&again.scim.get("/Users").await, 401, "");
        clock.advance(TimeDelta::days(3_650));
        let known = text.replace("{token}", &tenant.scim.token);
        bootstrap::apply(&world.app, &bootstrap::parse(&known).unwrap()).await.expect("a token that was made may have an end in the past");
        for (from, to, says) in [
            ("+01:00", "", "zone"),
            ("2028-01-01T01:00:00+01:00", "2020-01-01T00:00:00Z", "end before it begins"),
            ("\"log\"", "\"all\"", "all"),
            ("\"scim:read\", \"log\"", "", "at least one scope"),
        ] {
            let text = text.replace(from, to).replace("redsky", "greysky").replace("{token}", &tenant.scim.token);
            let failed = match bootstrap::parse(&text) {
                Ok(file) => bootstrap::apply(&world.app, &file).await.unwrap_err(),
                Err(error) => error,
            };
            assert!(format!("{failed:#}").contains(says), "{failed:#}");
        }
    }

    async fn z05_a_token_that_is_not_there_cannot_be_rotated_or_revoked(engine) {
        let (clock, world, tenant) = setting(engine).await;
        let nobody = TokenId::new(clock.now());
        let error = tokens(&world, &tenant).rotate(nobody, &Rotation::default()).await.unwrap_err();
        assert!(matches!(error, TokenError::NotFound("token")), "{error}");
        assert!(matches!(tokens(&world, &tenant).revoke(nobody).await.unwrap_err(), TokenError::NotFound("token")));
        let foreign = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let elsewhere = Tokens { directory: foreign.directory, ..tokens(&world, &tenant) };
        let spec = TokenSpec { name: "x".to_owned(), scopes: Scopes::default(), expires_at: None };
        assert!(matches!(elsewhere.issue(&spec).await.unwrap_err(), TokenError::NotFound("directory")));
        let bare = client().get(format!("{}/Users", tenant.scim.base)).send().await.unwrap();
        assert_eq!(bare.json::<Value>().await.unwrap()["status"], "401");
    }
}

/// A world whose clock stands still, with one tenant.
async fn setting(engine: Engine) -> (Clock, World, Tenant) {
    let clock = Clock::fixed(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let world = World::with_clock(engine, clock.clone()).await;
    let tenant = world.tenant("bluesky", "strict", "http://127.0.0.1:1").await;
    (clock, world, tenant)
}

/// The tokens of a tenant's directory, as its operator handles them.
pub(super) fn tokens<'a>(world: &'a World, tenant: &Tenant) -> Tokens<'a> {
    let caller = Caller { actor: Actor::Operator, now: world.app.clock.now(), request_id: None };
    Tokens { store: &world.app.store, tenant: tenant.id, directory: tenant.directory, caller }
}

/// A token that was made for a test, and a client that carries it.
pub(super) struct Made {
    pub(super) id: TokenId,
    pub(super) scim: Scim,
}

pub(super) async fn issue(world: &World, tenant: &Tenant, name: &str, scopes: &[Scope], expires_at: Option<DateTime<Utc>>) -> Made {
    let spec = TokenSpec { name: name.to_owned(), scopes: Scopes::new(scopes.iter().copied()).unwrap(), expires_at };
    let issued = tokens(world, tenant).issue(&spec).await.unwrap();
    Made { id: issued.token.id, scim: scim(tenant, issued) }
}

/// A client of the tenant's directory with a token that was just made.
fn scim(tenant: &Tenant, issued: Issued) -> Scim {
    Scim::new(tenant.scim.base.clone(), secrecy::ExposeSecret::expose_secret(&issued.plain.reveal()).to_owned())
}

/// The directory's tokens of a name, in the order in which they were made.
async fn list(world: &World, tenant: &Tenant, name: &str) -> Vec<Token> {
    let mut found = tokens(world, tenant).list().await.unwrap();
    found.retain(|token| token.name == name);
    found
}
