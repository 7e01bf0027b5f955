//! Trace mode: reads in the log, for a time.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Office, noon};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn reads_are_logged_while_trace_mode_is_on_and_not_before_or_after(engine) {
        let office = Office::new(engine).await;
        let (blue, red) = (office.tenant("bluesky", "entra").await, office.tenant("redsky", "entra").await);
        let mut root = office.inside(&blue, "anne", "Cloud-Admins").await;
        let (trace, log) =
            (format!("/directories/{}/trace", blue.directory), format!("/directories/{}/provisioning-log", blue.directory));
        let flush = async || office.world.app.reads.flush(&office.world.app.store).await.unwrap();
        let joe = blue.scim.post("/Users", &json!({ "userName": "joe" })).await.expect(201).id();
        let person = format!("/Users/{joe}");
        blue.scim.get(&person).await.expect(200);
        assert_eq!(flush().await, 0, "off by default");
        let on = office.send(&mut root, Method::POST, &trace, Some(&json!({ "minutes": 10 }))).await.expect(200);
        let until = (noon() + TimeDelta::minutes(10)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        assert_eq!(on.body["trace_until"], until);
        assert_eq!(office.get(&mut root, "/directories").await.body["items"][0]["trace_until"], until);
        office.clock.advance(TimeDelta::minutes(9));
        blue.scim.get(&person).await.expect(200);
        blue.scim.get("/Users?filter=userName%20foo%20%22secret%22").await.expect(400);
        blue.scim.get("/Groups").await.expect(200);
        blue.scim.get("/Users/01900000-0000-7000-8000-000000000000").await.expect(404);
        blue.scim.get("/Schemas").await.expect(200);
        red.scim.get("/Users").await.expect(200);
        assert_eq!(flush().await, 4, "of this directory alone, and not discovery");
        let list = office.get(&mut root, &format!("{log}?limit=4")).await.expect(200).body;
        let told: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["operation"].as_str().unwrap(), item["resource_type"].as_str().unwrap(), item["status"].as_u64().unwrap()))
            .collect();
        assert_eq!(told, [("read", "User", 404), ("list", "Group", 200), ("list", "User", 400), ("read", "User", 200)]);
        assert_eq!(list["items"][2]["scim_type"], "invalidFilter");
        assert_eq!(list["items"][3]["resource_id"], joe.as_str());
        assert!(!list.to_string().contains("secret"), "filters hold values: {list}");
        let figures = office.get(&mut root, "/directories").await.body;
        assert_eq!(figures["items"][0]["refused_in_24_hours"], 2);
        // A write has its one entry, as always.
        blue.scim.delete(&person).await.expect(204);
        assert_eq!(flush().await, 0);
        office.clock.advance(TimeDelta::minutes(1));
        blue.scim.get("/Users").await.expect(200);
        assert_eq!(flush().await, 0, "its time is over");
        assert_eq!(office.get(&mut root, "/directories").await.body["items"][0]["trace_until"], Value::Null);
        office.send(&mut root, Method::POST, &trace, Some(&json!({ "minutes": 10 }))).await.expect(200);
        office.send(&mut root, Method::DELETE, &trace, None).await.expect(204);
        blue.scim.get("/Users").await.expect(200);
        assert_eq!(flush().await, 0, "switched off");
        let kinds = office.world.app.store.read(blue.id).event_kinds(blue.directory.uuid()).await.unwrap();
        assert_eq!(kinds.iter().filter(|kind| *kind == "directory.trace_changed").count(), 3);
    }
}
