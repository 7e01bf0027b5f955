//! Discovery (RFC 7644 section 4): what the service says about itself, and that it keeps to it.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, LIST_RESPONSE, USER, directory, filtered, operations, refused};
use crate::support::http::{Scim, client};
use crate::support::world::on_every_engine;

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

on_every_engine! {
    async fn d01_d02_x01_the_configuration_says_everything_that_the_rfc_asks_for(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let config = tenant.scim.get("/ServiceProviderConfig").await.expect(200).body;
        assert_eq!(config["schemas"], json!([CONFIG]));
        for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
            assert!(config[feature]["supported"].is_boolean(), "{feature}");
        }
        assert_eq!(
            ["patch", "filter", "sort", "etag"].map(|feature| &config[feature]["supported"]),
            [&json!(true); 4]
        );
        for number in [&config["bulk"]["maxOperations"], &config["bulk"]["maxPayloadSize"], &config["filter"]["maxResults"]] {
            assert!(number.is_u64(), "{config}");
        }
        let pagination = &config["pagination"];
        assert_eq!(
            (&pagination["index"], &pagination["cursor"], &pagination["defaultPaginationMethod"]),
            (&json!(true), &json!(true), &json!("index"))
        );
        let scheme = &config["authenticationSchemes"][0];
        assert_eq!(scheme["type"], "oauthbearertoken");
        assert!(scheme["name"].is_string() && scheme["description"].is_string());
        // What is said not to be there is not there.
        for path in ["/Bulk", "/Me"] {
            refused(&tenant.scim.post(path, &json!({})).await, 501, "");
        }
        assert_eq!(config["meta"]["location"], format!("{}/ServiceProviderConfig", tenant.scim.base));
    }

    async fn d03_d10_discovery_asks_for_no_token_and_may_be_kept(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", &format!("/Schemas/{USER}")] {
            let with = tenant.scim.get(path).await.expect(200);
            let without = Scim::read(client().get(format!("{}{path}", tenant.scim.base)).send().await.unwrap()).await.expect(200);
            assert_eq!(without.body, with.body, "{path}");
            assert_eq!(without.headers["content-type"], "application/scim+json", "{path}");
            assert_eq!(without.headers["cache-control"], "public, max-age=300", "{path}");
        }
        let texts = ["/Schemas", "/Schemas/"].map(|path| client().get(format!("{}{path}", tenant.scim.base)).send());
        let [one, two] = texts;
        assert_eq!(one.await.unwrap().bytes().await.unwrap(), two.await.unwrap().bytes().await.unwrap(), "to the byte");
    }

    async fn d04_d06_types_name_schemas_and_each_is_found_by_its_id(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let types = tenant.scim.get("/ResourceTypes").await.expect(200).body;
        assert_eq!((&types["schemas"], &types["totalResults"]), (&json!([LIST_RESPONSE]), &json!(2)));
        let schemas = tenant.scim.get("/Schemas").await.expect(200).body;
        let ids: Vec<_> = schemas["Resources"].as_array().unwrap().iter().map(|schema| schema["id"].clone()).collect();
        assert_eq!(ids.len(), 4);
        for kind in types["Resources"].as_array().unwrap() {
            let id = kind["id"].as_str().unwrap();
            assert_eq!(&tenant.scim.get(&format!("/ResourceTypes/{id}")).await.expect(200).body, kind);
            assert!(ids.contains(&kind["schema"]), "{kind}");
            let endpoint = kind["endpoint"].as_str().unwrap();
            assert!(endpoint.starts_with('/'), "{kind}");
            tenant.scim.get(endpoint).await.expect(200);
            for extension in kind["schemaExtensions"].as_array().unwrap() {
                assert!(ids.contains(&extension["schema"]) && extension["required"].is_boolean(), "{kind}");
            }
        }
        for schema in schemas["Resources"].as_array().unwrap() {
            let id = schema["id"].as_str().unwrap();
            for path in [
                format!("/Schemas/{id}"),
                format!("/Schemas/{}", id.to_uppercase()),
                format!("/Schemas/{}", id.replace(':', "%3A")),
            ] {
                assert_eq!(&tenant.scim.get(&path).await.expect(200).body, schema, "{path}");
            }
        }
        for path in ["/ResourceTypes/Widget", "/Schemas/urn:nothing", "/Schemas/%FF", "/ResourceTypes/%FF"] {
            refused(&tenant.scim.get(path).await, 404, "");
        }
    }

    async fn d05_a_filter_on_discovery_is_refused_and_other_parameters_are_ignored(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas"] {
            refused(&tenant.scim.get(&format!("{path}?filter=id%20pr")).await, 403, "");
            let plain = tenant.scim.get(path).await.expect(200);
            let others = format!("{path}?startIndex=2&count=0&attributes=id&sortBy=x&aadOptscim062020");
            assert_eq!(tenant.scim.get(&others).await.expect(200).body, plain.body, "{path}");
        }
    }

    /// Drives the service by its own definitions: what they call required, read-only or never returned is just that.
    async fn d07_attributes_are_what_their_characteristics_say(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let characteristics = ["name", "type", "multiValued", "required", "mutability", "returned"];
        let made = tenant.scim.post("/Users", &json!({ "schemas": [USER], "userName": "driven" })).await.expect(201);
        let path = format!("/Users/{}", made.id());
        for (urn, kind) in [(USER, "User"), (ENTERPRISE, "User"), (GROUP, "Group")] {
            let schema = tenant.scim.get(&format!("/Schemas/{urn}")).await.expect(200).body;
            for attribute in schema["attributes"].as_array().unwrap() {
                let name = attribute["name"].as_str().unwrap();
                for characteristic in characteristics {
                    assert!(!attribute[characteristic].is_null(), "{urn}:{name} {characteristic}");
                }
                if attribute["type"] == "string" {
                    assert!(attribute["caseExact"].is_boolean() && attribute["uniqueness"].is_string(), "{urn}:{name}");
                }
                if kind == "Group" {
                    continue;
                }
                let remove = operations(json!([{"op": "remove", "path": format!("{urn}:{name}")}]));
                let removed = tenant.scim.patch(&path, &remove).await;
                if attribute["required"] == true || attribute["mutability"] == "readOnly" {
                    refused(&removed, 400, "mutability");
                } else {
                    assert_eq!(removed.status, 200, "{urn}:{name}: {}", removed.body);
                }
                let wrong: Value = if attribute["multiValued"] == true { json!([[1]]) } else { json!([[1], [2]]) };
                let set = operations(json!([{"op": "replace", "path": format!("{urn}:{name}"), "value": wrong}]));
                let answer = tenant.scim.patch(&path, &set).await;
                let keyword = if attribute["mutability"] == "readOnly" { "mutability" } else { "invalidValue" };
                refused(&answer, 400, keyword);
            }
        }
    }
    /// `id`, `externalId` and `meta` belong to every resource (RFC 7643 section 3.1), though no schema lists them all.
    async fn d08_common_attributes_behave_as_the_rfc_says_without_being_listed(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        for (path, body) in [
            ("/Users", json!({ "schemas": [USER], "userName": "joe", "externalId": "Ext-1" })),
            ("/Groups", json!({ "schemas": [GROUP], "displayName": "joes", "externalId": "Ext-1" })),
        ] {
            let made = tenant.scim.post(path, &body).await.expect(201);
            let one = format!("{path}/{}", made.id());
            assert_eq!(made.body["meta"]["resourceType"], path.trim_matches('/').trim_end_matches('s'));
            let shown = tenant.scim.get(&format!("{one}?attributes=externalId,meta.version")).await.expect(200).body;
            assert_eq!((&shown["id"], &shown["externalId"]), (&made.body["id"], &json!("Ext-1")));
            assert_eq!(shown["meta"], json!({ "version": made.body["meta"]["version"] }));
            for (filter, found) in [("externalId eq \"Ext-1\"", 1), ("externalId eq \"ext-1\"", 0), ("meta.created pr", 1)] {
                assert_eq!(tenant.scim.get(&filtered(path, filter)).await.expect(200).body["totalResults"], found, "{filter}");
            }
            for name in ["id", "meta", "meta.version"] {
                let change = operations(json!([{ "op": "replace", "path": name, "value": "mine" }]));
                refused(&tenant.scim.patch(&one, &change).await, 400, "mutability");
            }
            let change = operations(json!([{ "op": "replace", "path": "externalId", "value": "Ext-2" }]));
            tenant.scim.patch(&one, &change).await;
            assert_eq!(tenant.scim.get(&one).await.expect(200).body["externalId"], "Ext-2");
        }
    }
}
