//! Users: made, read, changed, deleted.

use serde_json::json;

use crate::support::world::{World, on_every_engine};

on_every_engine! {
    async fn r01_a_user_is_made_and_read_back(engine) {
        let world = World::empty(engine).await;
        let tenant = world.tenant("bluesky", "entra", "http://127.0.0.1:1").await;
        let made = tenant
            .scim
            .post("/Users", &json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": "Joe.Bloggs@bluesky.example",
                "externalId": "joe",
                "emails": [{"primary": true, "type": "work", "value": "joe@bluesky.example"}],
            }))
            .await
            .expect(201);
        let id = made.id();
        let location = format!("{}/Users/{id}", tenant.scim.base);
        assert_eq!(made.headers["location"], location.as_str());
        assert_eq!(made.body["meta"]["location"], location.as_str());
        assert_eq!(made.headers["etag"], made.body["meta"]["version"].as_str().unwrap());
        assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
        let read = tenant.scim.get(&format!("/Users/{id}")).await.expect(200);
        assert_eq!(read.body, made.body);
        for filter in [
            "userName eq \"JOE.bloggs@bluesky.EXAMPLE\"",
            "externalId eq \"joe\"",
            "emails.value eq \"JOE@bluesky.example\"",
            "emails[type eq \"work\" and value sw \"joe\"]",
            "not (title pr) and active eq true",
            "meta.created gt \"2020-01-01T00:00:00Z\"",
        ] {
            let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
            let list = tenant.scim.get(&format!("/Users?filter={query}")).await.expect(200);
            assert_eq!(list.body["totalResults"], 1, "{filter}");
            assert_eq!(list.body["Resources"][0]["id"], id.as_str(), "{filter}");
        }
    }
}
