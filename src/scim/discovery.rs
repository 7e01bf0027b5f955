//! What the service says about itself: `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas` (RFC 7643 sections 5 to 7, RFC 7644
//! section 4).
//!
//! Every document is made from the schema files and from [`super::limits`], and depends on nothing but the base URL, so that its bytes
//! never vary (D10).

use crate::scim::limits::{CURSOR_TIMEOUT_SECONDS, DEFAULT_RESULTS, MAX_RESULTS};
use crate::scim::message::{ListResponse, PagePlace, urn};
use crate::scim::parse::parse;
use crate::scim::schema::{Registry, ResourceType, Schema};
use crate::scim::value::{Object, Value};

/// What a directory publishes beside Users and Groups (X07).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// `GroupMember`, the resource type of an Internet draft, and the draft's extension of Group.
    pub group_members: bool,
    /// That User has the portal extension, whose schema is published in any case: nothing of it can be written, and clients that write
    /// whatever a type names would fail.
    pub portal_extension: bool,
}

impl Extras {
    /// Whether this schema is shown, and the resource type that rests on it.
    fn show(self, schema: &str) -> bool {
        self.group_members || ![urn::GROUP_MEMBER, urn::GROUP_MEMBERS].contains(&schema)
    }

    /// Whether a resource type names this extension.
    fn names(self, extension: &str) -> bool {
        self.show(extension) && (self.portal_extension || extension != urn::PORTAL_USER)
    }

    fn resource_types(self) -> impl Iterator<Item = &'static ResourceType> {
        Registry::get().resource_types().iter().filter(move |resource_type| self.show(&resource_type.schema))
    }

    fn schemas(self) -> impl Iterator<Item = &'static Schema> {
        Registry::get().published().filter(move |schema| self.show(&schema.id))
    }
}

/// The body of `/ServiceProviderConfig` (D01, D02). The base URL is that of the directory, without a slash at the end.
#[must_use]
pub fn service_provider_config(base: &str) -> Value {
    let file = include_str!("../../scim-schemas/service-provider-config.json");
    // The file is compiled in and a test reads it, so the empty object is never answered.
    let mut config = match parse(file.as_bytes()) {
        Ok(Value::Object(config)) => config,
        _ => Object::new(),
    };
    let number = |number: u64| Value::Number(number.into());
    config.object_mut("filter").insert("maxResults", number(MAX_RESULTS));
    let pagination = config.object_mut("pagination");
    pagination.insert("defaultPageSize", number(DEFAULT_RESULTS));
    pagination.insert("maxPageSize", number(MAX_RESULTS));
    pagination.insert("cursorTimeout", number(CURSOR_TIMEOUT_SECONDS));
    config.insert("meta", meta("ServiceProviderConfig", format!("{base}/ServiceProviderConfig")));
    Value::Object(config)
}

/// The body of `/ResourceTypes` (D04).
#[must_use]
pub fn resource_types(base: &str, extras: Extras) -> Value {
    list(extras.resource_types().map(|resource_type| describe(resource_type, base, extras)).collect())
}

/// The body of `/ResourceTypes/{id}`.
#[must_use]
pub fn resource_type(base: &str, extras: Extras, id: &str) -> Option<Value> {
    extras.resource_types().find(|resource_type| resource_type.id == id).map(|resource_type| describe(resource_type, base, extras))
}

/// The body of `/Schemas`: the schemas that resource types name (D06).
#[must_use]
pub fn schemas(base: &str, extras: Extras) -> Value {
    list(extras.schemas().map(|schema| define(schema, base)).collect())
}

/// The body of `/Schemas/{urn}`; the URN is found in any letter case (D04).
#[must_use]
pub fn schema(base: &str, extras: Extras, urn: &str) -> Option<Value> {
    extras.schemas().find(|schema| schema.id.eq_ignore_ascii_case(urn)).map(|schema| define(schema, base))
}

fn list(resources: Vec<Value>) -> Value {
    ListResponse { total_results: resources.len() as u64, place: PagePlace::Index(1), resources }.into_value()
}

fn describe(resource_type: &ResourceType, base: &str, extras: Extras) -> Value {
    let extensions: Vec<Value> = resource_type
        .schema_extensions
        .iter()
        .filter(|extension| extras.names(&extension.schema))
        .map(|extension| {
            let mut entry = Object::new();
            entry.insert("schema", extension.schema.as_str());
            entry.insert("required", extension.required);
            Value::Object(entry)
        })
        .collect();
    let mut body = Object::new();
    body.insert("schemas", vec![urn::RESOURCE_TYPE]);
    body.insert("id", resource_type.id.as_str());
    body.insert("name", resource_type.name.as_str());
    body.insert("description", resource_type.description.as_str());
    body.insert("endpoint", resource_type.endpoint.as_str());
    body.insert("schema", resource_type.schema.as_str());
    body.insert("schemaExtensions", extensions);
    let location = format!("{base}/ResourceTypes/{}", resource_type.id);
    body.insert("meta", meta("ResourceType", location));
    Value::Object(body)
}

fn define(schema: &Schema, base: &str) -> Value {
    let attributes: Vec<Value> = schema.attributes.iter().map(super::schema::Attribute::to_value).collect();
    let mut body = Object::new();
    body.insert("schemas", vec![urn::SCHEMA]);
    body.insert("id", schema.id.as_str());
    body.insert("name", schema.name.as_str());
    body.insert("description", schema.description.as_str());
    body.insert("attributes", attributes);
    let location = format!("{base}/Schemas/{}", schema.id);
    body.insert("meta", meta("Schema", location));
    Value::Object(body)
}

fn meta(resource_type: &str, location: String) -> Object {
    Object::from_iter([("resourceType", resource_type.to_owned()), ("location", location)])
}

#[cfg(test)]
mod tests {
    use super::{Extras, resource_type, resource_types, schema, schemas, service_provider_config};
    use crate::scim::limits::{CURSOR_TIMEOUT_SECONDS, DEFAULT_RESULTS, MAX_RESULTS};
    use crate::scim::message::urn;
    use serde_json::json;

    const BASE: &str = "https://vestibule.example/scim/v2/dir";
    const ALL: Extras = Extras { group_members: true, portal_extension: true };

    fn json(value: super::Value) -> serde_json::Value {
        value.into()
    }

    #[test]
    fn d01_d02_the_configuration_announces_what_is_enforced() {
        let config = json(service_provider_config(BASE));
        assert_eq!(config["filter"], json!({ "supported": true, "maxResults": MAX_RESULTS }));
        let pagination = json!({
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_RESULTS,
            "maxPageSize": MAX_RESULTS,
            "cursorTimeout": CURSOR_TIMEOUT_SECONDS,
        });
        assert_eq!(config["pagination"], pagination);
        for (feature, supported) in [("patch", true), ("bulk", false), ("changePassword", false), ("sort", true), ("etag", true)] {
            assert_eq!(config[feature]["supported"], json!(supported), "{feature}");
        }
        assert!(config["bulk"]["maxOperations"].is_u64());
        assert!(config["bulk"]["maxPayloadSize"].is_u64());
        assert_eq!(config["authenticationSchemes"][0]["type"], json!("oauthbearertoken"));
        assert_eq!(config["meta"]["location"], json!("https://vestibule.example/scim/v2/dir/ServiceProviderConfig"));
    }

    #[test]
    fn d04_d06_every_resource_type_names_published_schemas() {
        let types = json(resource_types(BASE, ALL));
        assert_eq!(types["totalResults"], json!(3));
        for entry in types["Resources"].as_array().unwrap() {
            assert!(entry["endpoint"].as_str().unwrap().starts_with('/'));
            let id = entry["id"].as_str().unwrap();
            assert_eq!(resource_type(BASE, ALL, id).map(json).as_ref(), Some(entry));
            let extensions = entry["schemaExtensions"].as_array().unwrap();
            for urn in extensions
                .iter()
                .map(|extension| {
                    assert_eq!(extension["required"], json!(false));
                    &extension["schema"]
                })
                .chain([&entry["schema"]])
            {
                let defined = json(schema(BASE, ALL, urn.as_str().unwrap()).unwrap());
                assert_eq!(&defined["id"], urn);
                assert_eq!(defined["meta"]["location"], json!(format!("{BASE}/Schemas/{}", urn.as_str().unwrap())));
            }
        }
        assert_eq!(json(schemas(BASE, ALL))["totalResults"], json!(6));
        assert!(schema(BASE, ALL, &urn::USER.to_uppercase()).is_some());
        assert!(resource_type(BASE, ALL, "Widget").is_none());
    }

    #[test]
    fn x07_what_a_directory_does_not_publish_is_in_no_list() {
        let none = Extras::default();
        assert_eq!(json(resource_types(BASE, none))["totalResults"], json!(2));
        assert_eq!(json(schemas(BASE, none))["totalResults"], json!(4));
        assert_eq!(json(resource_type(BASE, none, "Group").unwrap())["schemaExtensions"], json!([]));
        assert!(resource_type(BASE, none, "GroupMember").is_none() && schema(BASE, none, urn::GROUP_MEMBER).is_none());
        assert!(resource_type(BASE, ALL, "GroupMember").is_some() && schema(BASE, ALL, urn::GROUP_MEMBER).is_some());
        // The schema of the portal extension is there for who looks for it.
        for (extras, named) in [(none, false), (ALL, true)] {
            assert_eq!(resource_types(BASE, extras).to_string().contains(urn::PORTAL_USER), named);
            assert!(schema(BASE, extras, urn::PORTAL_USER).is_some());
        }
    }

    /// The published definition is the file, characteristic by characteristic: nothing is lost between the two (D07).
    #[test]
    fn d07_the_published_schema_is_the_file() {
        for (urn, file) in [
            (urn::USER, include_str!("../../scim-schemas/user.json")),
            (urn::GROUP, include_str!("../../scim-schemas/group.json")),
            (urn::GROUP_MEMBER, include_str!("../../scim-schemas/group-member.json")),
            (urn::GROUP_MEMBERS, include_str!("../../scim-schemas/group-members.json")),
            (urn::ENTERPRISE_USER, include_str!("../../scim-schemas/enterprise-user.json")),
            (urn::PORTAL_USER, include_str!("../../scim-schemas/portal-user.json")),
        ] {
            let file: serde_json::Value = serde_json::from_str(file).unwrap();
            let published = json(schema(BASE, ALL, urn).unwrap());
            assert_eq!(published["attributes"], file["attributes"], "{urn}");
        }
    }
}
