//! What is run beside `serve`: `migrate`, `bootstrap`, `doctor`; and starts that are refused.

use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use serde_json::Value;
use vestibule::clock::Clock;
use vestibule::model::HolderId;
use vestibule::store::{Engine, Store};
use vestibule::work::sealing;

use super::{Home, read};
use crate::support::postgres;
use crate::support::sql;
use crate::support::world::on_every_engine;

const TABLES: [&str; 10] =
    ["tenants", "accounts", "connections", "domains", "directories", "bindings", "tokens", "rules", "events", "assignments"];

async fn counts(url: &str) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push(sql::number(url, &format!("select count(*) from {table}")).await);
    }
    counts
}

#[test]
fn a_key_that_nobody_knows_is_refused_by_name_wherever_it_stands() {
    let home = Home::empty();
    for command in ["serve", "migrate", "doctor"] {
        let said = home.run_with(&[command], &[("VESTIBULE__SERVER__COLOUR", "red-hot-value")]).expect(1);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains("VESTIBULE__SERVER__COLOUR") && all.contains("unknown key `colour`"), "{command}: {all}");
        assert!(!all.contains("red-hot-value"), "{command}: {all}");
    }
    std::fs::write(home.path("vestibule.toml"), "[sever]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let said = home.run(&["serve"]).expect(1);
    assert!(said.err.starts_with("vestibule: vestibule.toml: ") && said.err.contains("`sever`"), "{}", said.err);
    let missing = home.run(&["--config", "elsewhere.toml", "serve"]).expect(1);
    assert!(missing.err.contains("elsewhere.toml"), "{}", missing.err);
    assert!(!home.path("vestibule.db").exists() && !home.path("vestibule.keys").exists(), "nothing was made");
}

#[tokio::test]
async fn serve_waits_for_migrate_on_postgres() {
    let home = Home::at(&postgres::shared().empty_database().await);
    let said = home.run(&["serve"]).expect(1);
    assert!(said.err.contains("run `vestibule migrate` first"), "{}", said.err);
    let doctor = home.run(&["doctor"]).expect(1);
    assert!(doctor.out.contains("fail  migrations") && doctor.out.contains("run `vestibule migrate`"), "{}", doctor.out);
    assert_eq!(sql::number(&home.url(), "select count(*) from information_schema.tables where table_schema = 'public'").await, 0);
    assert!(home.run(&["migrate"]).expect(0).out.contains("is at this version now"));
    assert!(home.run(&["migrate"]).expect(0).out.contains("was at this version already"));
    let mut served = home.serve();
    assert_eq!(served.ops("/readyz").await.1, "ok");
    assert_eq!(served.end("TERM").code(), Some(0));
}

on_every_engine! {
    async fn a_second_bootstrap_makes_nothing(engine) {
        let home = Home::new(engine).await;
        std::fs::write(home.path("bluesky.toml"), home.described("http://127.0.0.1:1")).unwrap();
        let first = home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        assert!(first.out.contains("tenant bluesky") && first.out.contains("redirect URI of idp: http://"), "{}", first.out);
        assert!(!first.out.contains(&home.token) && !first.err.contains(&home.token), "a token that the file gives is not shown");
        let made = counts(&home.url()).await;
        let second = home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        assert!(second.out.ends_with("everything was there already\n"), "{}", second.out);
        assert_eq!(counts(&home.url()).await, made);
        // What somebody changed since is not restored.
        sql::change(&home.url(), "update connections set name = 'Renamed by hand', contact = null").await;
        home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        assert_eq!(sql::texts(&home.url(), "select name from connections").await, ["Renamed by hand"]);
    }

    async fn a_token_that_the_file_leaves_out_is_shown_once_and_works(engine) {
        let home = Home::new(engine).await;
        let left_out = home.described("http://127.0.0.1:1").replace(&format!("secret = {{ value = \"{}\" }}\n", home.token), "");
        let by_environment = left_out.replace("{ value = \"a client secret: with+signs%20\" }", "{ env = \"IDP_SECRET\" }");
        assert_ne!(by_environment, left_out);
        std::fs::write(home.path("bluesky.toml"), by_environment).unwrap();
        let absent = home.run(&["bootstrap", "bluesky.toml"]).expect(1);
        assert!(absent.err.contains("IDP_SECRET"), "{}", absent.err);
        let first = home.run_with(&["bootstrap", "bluesky.toml"], &[("IDP_SECRET", "hush-hush")]).expect(0);
        assert!(!first.out.contains("hush-hush") && !first.err.contains("hush-hush"));
        let (_, token) = first.out.split_once("shown only now: ").expect("the token");
        let token = token.lines().next().unwrap();
        let again = home.run_with(&["bootstrap", "bluesky.toml"], &[("IDP_SECRET", "hush-hush")]).expect(0);
        assert!(!again.out.contains(token), "{}", again.out);
        let (_, endpoint) = first.out.split_once("/scim/v2/").unwrap();
        let served = home.serve();
        let mut scim = served.scim(endpoint.split_whitespace().next().unwrap());
        scim.get("/Users").await.expect(401);
        scim.token = token.to_owned();
        scim.get("/Users").await.expect(200);
    }

    async fn doctor_tells_people_and_programs_how_it_is(engine) {
        let home = Home::new(engine).await;
        let human = home.run(&["doctor"]).expect(0);
        for name in ["configuration", "clock", "public-url", "keys-file", "database", "migrations", "tokens"] {
            assert!(human.out.contains(&format!("  {name} ")), "{name}: {}", human.out);
        }
        let json: Value = serde_json::from_str(&home.run(&["doctor", "--json"]).expect(0).out).unwrap();
        // Port 0 is no public address, which is what the tests ask for.
        assert_eq!(json["status"], "warn", "{json}");
        let failing = json["checks"].as_array().unwrap().iter().filter(|check| check["status"] == "fail").count();
        assert_eq!(failing, 0, "{json}");

        std::fs::write(home.path("bluesky.toml"), home.described("http://127.0.0.1:1")).unwrap();
        home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        let tokens = |said: &str| said.lines().find(|line| line.contains("  tokens ")).unwrap().to_owned();
        assert!(tokens(&home.run(&["doctor"]).expect(0).out).starts_with("ok "));
        sql::change(&home.url(), "update tokens set expires_at = '2020-01-01T00:00:00+00:00'").await;
        let said = tokens(&home.run(&["doctor"]).expect(0).out);
        assert!(said.starts_with("warn") && said.contains("bluesky/directory: \"provisioning\" ended on 2020-01-01"), "{said}");

        let broken = [("VESTIBULE__DATABASE__URL", "postgres://nobody:hunter2@127.0.0.1:1/none")];
        let json: Value = serde_json::from_str(&home.run_with(&["doctor", "--json"], &broken).expect(1).out).unwrap();
        let database = json["checks"].as_array().unwrap().iter().find(|check| check["name"] == "database").unwrap();
        assert_eq!((&json["status"], &database["status"]), (&"fail".into(), &"fail".into()), "{json}");
        assert!(database["hint"].is_string() && !json.to_string().contains("hunter2"), "{json}");
    }

    async fn doctor_says_whether_the_audit_trail_is_what_was_written(engine) {
        let home = Home::new(engine).await;
        std::fs::write(home.path("bluesky.toml"), home.described("http://127.0.0.1:1")).unwrap();
        home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        let young = home.run(&["doctor", "audit"]).expect(0);
        assert!(young.out.contains("ok    bluesky  0 events are sealed") && young.out.contains("not sealed yet"), "{}", young.out);
        let store = Store::open(&home.url(), 2).await.unwrap();
        let tomorrow = Clock::fixed(Clock::system().now() + TimeDelta::days(1));
        let sealed = sealing::seal(&store, &tomorrow, HolderId::new(tomorrow.now()), TimeDelta::days(1)).await.unwrap();
        assert!(sealed.is_some_and(|sealed| sealed > 5), "{sealed:?}");
        let whole: Value = serde_json::from_str(&home.run(&["doctor", "audit", "--json"]).expect(0).out).unwrap();
        let tenant = |report: &Value| report["tenants"].as_array().unwrap().iter().find(|one| one["tenant"] == "bluesky").unwrap().clone();
        let told = tenant(&whole);
        assert_eq!((&whole["status"], &told["unsealed"], &told["broken"]), (&"ok".into(), &0.into(), &Value::Null));
        assert!(told["sealed"].as_i64().unwrap() > 5 && told["head"].as_str().unwrap().len() == 64, "{told}");
        match engine {
            Engine::Sqlite => sql::change(&home.url(), "drop trigger events_not_changed").await,
            Engine::Postgres => sql::change(&home.url(), "drop trigger events_append_only on events").await,
        }
        sql::change(&home.url(), "update events set kind = 'nothing' where kind = 'connection.created'").await;
        let human = home.run(&["doctor", "audit"]).expect(1);
        assert!(human.out.contains("fail  bluesky") && human.out.contains("the event is not what was sealed"), "{}", human.out);
        let json: Value = serde_json::from_str(&home.run(&["doctor", "audit", "--json"]).expect(1).out).unwrap();
        assert_eq!((&json["status"], &tenant(&json)["broken"]["fault"]), (&"fail".into(), &"event_changed".into()), "{json}");
        store.close().await;
    }

    async fn the_operator_has_another_key_sign(engine) {
        let home = Home::new(engine).await;
        for (line, expected) in [
            (&["signing-keys", "rotate"][..], "stay published"),
            (&["signing-keys", "rotate"], "stay published"),
            (&["signing-keys", "rotate", "--compromised"], "are forgotten"),
        ] {
            let said = home.run(line).expect(0);
            assert!(said.out.contains("signs from now on") && said.out.contains(expected), "{}", said.out);
        }
        assert_eq!(sql::number(&home.url(), "select count(*) from keys").await, 1);
        assert_eq!(sql::number(&home.url(), "select count(*) from events where kind = 'signing_key.removed'").await, 2);
    }

    async fn serve_refuses_the_database_of_a_demo(engine) {
        let home = Home::new(engine).await;
        sql::change(&home.url(), "insert into marks (key, value) values ('demo', '0.1.0')").await;
        let said = home.run(&["serve"]).expect(1);
        assert!(said.err.contains("this database is a demo's"), "{}", said.err);
    }

    async fn the_wrong_keys_are_noticed(engine) {
        let home = Home::new(engine).await;
        let said = home.run_with(&["serve"], &[("VESTIBULE__KEYS__SECRET", "too short")]).expect(1);
        assert!(said.err.contains("keys.secret is no key ring") && !said.err.contains("too short"), "{}", said.err);
        if engine == Engine::Sqlite {
            let file = home.path("open.keys");
            std::fs::write(&file, "dmVzdGlidWxlIHRlc3RzIGtlZXAgbm8gc2VjcmV0cy4=\n").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
            std::fs::write(home.path("vestibule.toml"), "[keys]\nfile = \"open.keys\"\n").unwrap();
            let home = Home { url: None, ..home };
            let doctor = home.run(&["doctor"]).expect(1);
            assert!(doctor.out.contains("chmod 600 open.keys"), "{}", doctor.out);
            assert!(!doctor.out.contains(&read(&file)), "{}", doctor.out);
        }
    }

    async fn the_operator_appoints_the_first_administrator(engine) {
        let home = Home::new(engine).await;
        std::fs::write(home.path("bluesky.toml"), home.described("http://127.0.0.1:1")).unwrap();
        let made = home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        let (_, endpoint) = made.out.split_once("/scim/v2/").unwrap();
        let appoint = |from: &str, user_name: &str, role: &str, account: &str| {
            home.run(&["appoint", "--tenant", "bluesky", "--from", from, "--user-name", user_name, "--role", role, "--account", account])
        };
        assert!(appoint("directory", "joe", "administrator", "bluesky").expect(1).err.contains("has no login \"joe\""));
        let mut served = home.serve();
        served.scim(endpoint.split_whitespace().next().unwrap()).post("/Users", &serde_json::json!({ "userName": "Joe", "externalId": "joe" })).await.expect(201);
        for (from, role, account, told) in [
            ("nowhere", "administrator", "bluesky", "no directory or connection \"nowhere\""),
            ("directory", "emperor", "bluesky", "has no role \"emperor\""),
            ("directory", "administrator", "bluesky/mars", "no account \"bluesky/mars\""),
        ] {
            let said = appoint(from, "joe", role, account).expect(1);
            assert!(said.err.contains(told), "{}", said.err);
        }
        assert!(appoint("directory", "JOE", "administrator", "bluesky").expect(0).out.contains("is given the role administrator"));
        assert!(appoint("directory", "joe", "administrator", "bluesky").expect(0).out.contains("had before"));
        assert_eq!(sql::texts(&home.url(), "select source from assignments").await, ["operator"]);
        assert_eq!(sql::number(&home.url(), "select count(*) from events where kind = 'assignment.given'").await, 1);
        // Somebody who has left has what is personal in the audit trail erased, and nobody else.
        let person = sql::texts(&home.url(), "select details ->> 'person' from events where kind = 'assignment.given'").await.remove(0);
        let erase = |tenant: &str, person: &str| home.run(&["erase", "--tenant", tenant, person]);
        assert!(erase("bluesky", &person).expect(1).err.contains("still has a login"));
        assert!(erase("redsky", &person).expect(1).err.contains("no tenant \"redsky\""));
        assert!(erase("bluesky", "joe").expect(1).err.contains("not the id of a person"));
        let scim = served.scim(endpoint.split_whitespace().next().unwrap());
        let joe = scim.get("/Users").await.body["Resources"][0]["id"].as_str().unwrap().to_owned();
        scim.delete(&format!("/Users/{joe}")).await.expect(204);
        assert!(erase("bluesky", &person).expect(0).out.contains("held nothing about them"));
        assert_eq!(served.end("TERM").code(), Some(0));
    }
}

#[test]
fn a_catalogue_is_checked_where_it_is_written() {
    let home = Home::empty();
    std::fs::write(home.path("mine.toml"), "name = \"Mine\"\n[[role]]\nkey = \"a\"\nname = \"A\"\ndescription = \"One.\"\n")
        .unwrap();
    let good = home.run(&["catalogue", "check", "mine.toml"]).expect(0);
    assert!(good.out.contains("\"Mine\" is a catalogue: 1 roles"), "{}", good.out);
    std::fs::write(home.path("mine.toml"), "name = \"Mine\"\n[[role]]\nkey = \"A\"\nname = \"\"\ndescription = \"One.\"\n")
        .unwrap();
    let bad = home.run(&["catalogue", "check", "mine.toml"]).expect(1);
    let lines: Vec<_> = bad.out.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["mine.toml:3", "mine.toml:4"], "{}", bad.out);
    assert!(home.run(&["catalogue", "check", "gone.toml"]).expect(1).err.contains("gone.toml"));
}
