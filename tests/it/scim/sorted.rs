//! Sorted lists (RFC 7644 section 3.4.2.3).

use serde_json::json;

use super::{ENTERPRISE, directory, group, names, refused, user};
use crate::support::http::Scim;
use crate::support::world::on_every_engine;

/// People who differ in what they are sorted by. One of them lacks almost everything.
async fn people(scim: &Scim) {
    let mut bodies = [
        json!({ "userName": "Zoe", "title": "b", "externalId": "B", "active": false }),
        json!({ "userName": "ada", "title": "A", "externalId": "a" }),
        json!({ "userName": "Éva", "title": "c" }),
        json!({ "userName": "joe" }),
    ];
    bodies[0]["emails"] = json!([{ "value": "b@x.example" }, { "value": "z@x.example", "primary": true, "type": "work" }]);
    bodies[1]["emails"] = json!([{ "value": "Y@x.example" }, { "value": "a@x.example", "type": "home" }]);
    bodies[0][ENTERPRISE] = json!({ "department": "sales", "manager": { "value": "2" } });
    bodies[2][ENTERPRISE] = json!({ "department": "Law", "manager": { "value": "1" } });
    bodies[0]["name"] = json!({ "familyName": "B" });
    bodies[3]["name"] = json!({ "familyName": "a" });
    for mut body in bodies {
        body["schemas"] = user("")["schemas"].clone();
        if body[ENTERPRISE].is_object() {
            body["schemas"].as_array_mut().unwrap().push(json!(ENTERPRISE));
        }
        scim.post("/Users", &body).await.expect(201);
    }
}

on_every_engine! {
    async fn l05_users_are_sorted_by_any_attribute_that_has_an_order(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        people(&tenant.scim).await;
        let department = format!("{ENTERPRISE}:department");
        let manager = format!("{ENTERPRISE}:manager.value");
        for (by, wanted) in [
            ("userName", ["ada", "joe", "Zoe", "Éva"]),
            ("USERNAME", ["ada", "joe", "Zoe", "Éva"]),
            // Exact text: capital letters come first. Who has no value comes last, in the order of birth.
            ("externalId", ["Zoe", "ada", "Éva", "joe"]),
            ("title", ["ada", "Zoe", "Éva", "joe"]),
            ("name.familyName", ["joe", "Zoe", "ada", "Éva"]),
            ("emails.value", ["ada", "Zoe", "Éva", "joe"]),
            ("emails.type", ["Zoe", "ada", "Éva", "joe"]),
            ("active", ["Zoe", "ada", "Éva", "joe"]),
            ("meta.created", ["Zoe", "ada", "Éva", "joe"]),
            ("meta.lastModified", ["Zoe", "ada", "Éva", "joe"]),
            ("meta.resourceType", ["Zoe", "ada", "Éva", "joe"]),
            ("meta.version", ["Zoe", "ada", "Éva", "joe"]),
            ("id", ["Zoe", "ada", "Éva", "joe"]),
            ("schemas", ["Zoe", "ada", "Éva", "joe"]),
            (&department, ["Éva", "Zoe", "ada", "joe"]),
            (&manager, ["Éva", "Zoe", "ada", "joe"]),
        ] {
            let list = tenant.scim.get(&format!("/Users?sortBy={by}")).await.expect(200);
            assert_eq!(names(&list, "userName"), wanted, "{by}");
            let list = tenant.scim.get(&format!("/Users?sortBy={by}&sortOrder=DESCENDING")).await.expect(200);
            let mut backwards = wanted;
            backwards.reverse();
            assert_eq!(names(&list, "userName"), backwards, "{by} descending");
            // The pages of a sorted list are parts of it.
            let mut pages = Vec::new();
            for start in [1, 3] {
                let list = tenant.scim.get(&format!("/Users?sortBy={by}&startIndex={start}&count=2")).await.expect(200);
                pages.extend(names(&list, "userName"));
            }
            assert_eq!(pages, wanted, "{by} in pages");
        }
    }

    async fn l05_groups_are_sorted_too(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for name in ["b", "C", "a"] {
            tenant.scim.post("/Groups", &group(name, &[])).await.expect(201);
        }
        for (order, wanted) in [("ascending", ["a", "b", "C"]), ("descending", ["C", "b", "a"])] {
            let list = tenant.scim.get(&format!("/Groups?sortBy=displayName&sortOrder={order}")).await.expect(200);
            assert_eq!(names(&list, "displayName"), wanted);
        }
    }

    async fn l05_l06_what_cannot_be_sorted_by_is_refused(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for parameters in [
            "sortBy=nonsense",
            "sortBy=name",
            "sortBy=emails",
            "sortBy=name.nonsense",
            "sortBy=password",
            "sortBy=groups.value",
            "sortBy=meta.location",
            "sortBy=x509Certificates.value",
            "sortBy=",
            "sortBy=title&sortOrder=up",
            "sortBy=title&sortBy=userName",
        ] {
            refused(&tenant.scim.get(&format!("/Users?{parameters}")).await, 400, "invalidValue");
        }
        refused(&tenant.scim.get("/Groups?sortBy=members.value").await, 400, "invalidValue");
    }
}
