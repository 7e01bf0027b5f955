//! What of a resource is shown: `attributes` and `excludedAttributes`.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, USER, directory, group, make_user, operations, refused, user};
use crate::support::world::on_every_engine;

fn keys(body: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn joe() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "joe",
        "title": "Boss",
        "name": {"givenName": "Joe", "familyName": "Bloggs"},
        "emails": [{"value": "a@b.c", "type": "work"}],
        (ENTERPRISE): {"department": "Sales", "manager": {"value": "1"}},
    })
}

on_every_engine! {
    async fn r16_r17_r18_attributes_are_named_in_any_way_that_the_rfc_knows(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let id = tenant.scim.post("/Users", &joe()).await.expect(201).id();
        let always = ["id", "schemas"];
        for (parameters, wanted) in [
            ("attributes=userName", vec!["userName"]),
            ("ATTRIBUTES=USERNAME,%20Title", vec!["title", "userName"]),
            ("attributes=name.givenName", vec!["name"]),
            ("attributes=urn:ietf:params:scim:schemas:core:2.0:User:userName", vec!["userName"]),
            ("attributes=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", vec![ENTERPRISE]),
            ("attributes=urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", vec![ENTERPRISE]),
            ("attributes=emails%5Btype%20eq%20%22work%22%5D", vec!["emails"]),
            ("attributes=nothing", vec![]),
            (
                "excludedAttributes=id,schemas,meta,name,emails,title,active,userName,\
                 urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                vec![],
            ),
        ] {
            let one = tenant.scim.get(&format!("/Users/{id}?{parameters}")).await.expect(200);
            let mut wanted = [wanted, always.to_vec()].concat();
            wanted.sort_unstable();
            assert_eq!(keys(&one.body), wanted, "{parameters}");
            let list = tenant.scim.get(&format!("/Users?{parameters}")).await.expect(200);
            assert_eq!(list.body["Resources"][0], one.body, "{parameters}");
        }
        let name = tenant.scim.get(&format!("/Users/{id}?attributes=name.givenName")).await.expect(200);
        assert_eq!(name.body["name"], json!({ "givenName": "Joe" }));
        let except = tenant.scim.get(&format!("/Users/{id}?excludedAttributes=name.familyName,emails.type")).await.expect(200);
        assert_eq!(
            (&except.body["name"], &except.body["emails"]),
            (&json!({ "givenName": "Joe" }), &json!([{ "value": "a@b.c" }]))
        );
    }

    async fn r19_both_parameters_together_are_refused(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let id = make_user(&tenant.scim, "joe").await;
        let both = "attributes=userName&excludedAttributes=title";
        for path in [format!("/Users/{id}?{both}"), format!("/Users?{both}"), format!("/Groups?{both}")] {
            refused(&tenant.scim.get(&path).await, 400, "invalidValue");
        }
        refused(&tenant.scim.post(&format!("/Users?{both}"), &user("jane")).await, 400, "invalidValue");
        assert_eq!(tenant.scim.get("/Users").await.body["totalResults"], 1);
    }

    async fn r21_p04_writes_show_what_is_asked_for(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let made = tenant.scim.post("/Users?attributes=userName", &joe()).await.expect(201);
        assert_eq!(keys(&made.body), ["id", "schemas", "userName"]);
        let path = format!("/Users/{}", made.id());
        let put = tenant.scim.put(&format!("{path}?excludedAttributes=emails,name"), &joe()).await.expect(200);
        assert!(put.body.get("emails").is_none() && put.body["title"] == "Boss");
        let retitle = operations(json!([{"op": "replace", "path": "title", "value": "Chief"}]));
        let patched = tenant.scim.patch(&format!("{path}?attributes=title"), &retitle).await.expect(200);
        assert_eq!(keys(&patched.body), ["id", "schemas", "title"]);
        assert_eq!(patched.body["title"], "Chief");

        // A PATCH of a group answers 204, but with the group when attributes are asked for.
        let made = tenant.scim.post("/Groups", &group("Team", &[&made.id()])).await.expect(201);
        assert_eq!(made.body["schemas"], json!([GROUP]));
        let path = format!("/Groups/{}", made.id());
        let rename = |name: &str| operations(json!([{"op": "replace", "path": "displayName", "value": name}]));
        let silent = tenant.scim.patch(&path, &rename("One")).await.expect(204);
        assert_eq!(silent.body, Value::Null);
        assert_eq!(silent.headers["etag"], "W/\"2\"");
        assert_eq!(silent.headers["location"], made.headers["location"]);
        let told = tenant.scim.patch(&format!("{path}?attributes=displayName"), &rename("Two")).await.expect(200);
        assert_eq!(keys(&told.body), ["displayName", "id", "schemas"]);
        assert_eq!(told.headers["etag"], "W/\"3\"");
    }
}
