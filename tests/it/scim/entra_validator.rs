//! Microsoft's SCIM Validator, test by test. It runs only on Microsoft's site, so that its flow is told again here, under the names of
//! its tests, with what is known of its values: `"True"` in `roles[primary eq "True"]`, and any text where an address, a time zone or a
//! manager belongs. Like it, a step looks at every attribute that it has sent, in the answer and in what is read afterwards.
//!
//! Each request for itself, and what the strict profile says to it, is in `entra.rs`.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, LIST_RESPONSE, NOBODY, USER, directory, filtered, ids, make_user, members, operations, refused};
use crate::support::http::{Answer, Scim};
use crate::support::world::on_every_engine;

/// The tests of the validator that have begun, in their order; the last one is named when the story ends in it.
#[derive(Default)]
struct Flow(Vec<&'static str>);

impl Flow {
    fn test(&mut self, name: &'static str) {
        self.0.push(name);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the validator's test: {}", self.0.last().unwrap_or(&""));
        }
    }
}

/// A User with everything that the validator fills in.
fn jamie() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "jamie_ab6490ee@testuser.com", "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef", "active": true,
        "displayName": "Jamie", "title": "KXMOAGJZBQBM", "preferredLanguage": "lt", "nickName": "HBIGMUTVGVCN", "userType": "SPZTSHFNGDCZ",
        "locale": "KTRLWDUMMXEV", "timezone": "Africa/Banjul", "profileUrl": "PSBVCNVTZJLP",
        "name": {"givenName": "Kkom", "familyName": "Unua", "formatted": "Kkom Unua", "middleName": "LX", "honorificPrefix": "Dr",
            "honorificSuffix": "III"},
        "emails": [{"type": "work", "value": "jamie@testuser.com", "primary": true}],
        "addresses": [{"type": "work", "formatted": "BWEN", "streetAddress": "1 A Street", "locality": "VQXP", "region": "AHFO",
            "postalCode": "rg0 0qx", "country": "Gambia", "primary": true}],
        "phoneNumbers": [{"type": "work", "value": "9-250-5454", "primary": true}, {"type": "mobile", "value": "9-250-5455"},
            {"type": "fax", "value": "9-250-5456"}],
        "roles": [{"primary": "True", "display": "DVWPAKKHTYJU", "value": "JMFHSALVXYGE", "type": "RRTTFLPHZVLM"}],
        (ENTERPRISE): {"employeeNumber": "TXYJHCKCQFEC", "department": "MZRKXWIHDTSH", "costCenter": "HLYQHQXGQHTA",
            "organization": "VQOIDYQXQPUO", "division": "RWEMXLZMNKJT"},
    })
}

/// The attributes that a single operation sets: path and value. With [`IN_LISTS`] 36.
const SINGLE: [(&str, &str); 19] = [
    ("displayName", "MMVJYMUAKPSC"),
    ("title", "FAVRCMZYZSOC"),
    ("preferredLanguage", "sd-Deva-IN"),
    ("nickName", "HUPSUFEMEVVH"),
    ("userType", "MTGWWSGCWSZY"),
    ("locale", "WAWDUHICUFVD"),
    ("timezone", "DMVNNTEEBIQM"),
    ("profileUrl", "QGPIUDKUTQJW"),
    ("name.givenName", "Ozella"),
    ("name.familyName", "Sim"),
    ("name.formatted", "Ozella Sim"),
    ("name.middleName", "Ludie"),
    ("name.honorificPrefix", "Hubert"),
    ("name.honorificSuffix", "Margaret"),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber", "NJPGRPQHJSIT"),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "DWUWVAMVTZAV"),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter", "KFTMJGWGJRQP"),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization", "ZDDXEXQCRTPL"),
    ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division", "PIRGMWNQCBVZ"),
];

/// The sub-attributes of values that a single operation sets: attribute, selection, sub-attribute and value.
const IN_LISTS: [(&str, &str, &str, &str); 17] = [
    ("emails", "type eq \"work\"", "value", "mya@crona.uk"),
    ("addresses", "type eq \"work\"", "formatted", "FVGOPPJKYRRM"),
    ("addresses", "type eq \"work\"", "streetAddress", "7588 Kuvalis Mall"),
    ("addresses", "type eq \"work\"", "locality", "WVWWCDPTIZGG"),
    ("addresses", "type eq \"work\"", "region", "EFLAXQQLXLLN"),
    ("addresses", "type eq \"work\"", "postalCode", "lz84 3cq"),
    ("addresses", "type eq \"work\"", "country", "Guinea"),
    ("addresses", "type eq \"work\"", "primary", "True"),
    ("phoneNumbers", "type eq \"work\"", "value", "92-402-1459"),
    ("phoneNumbers", "type eq \"work\"", "primary", "True"),
    ("phoneNumbers", "type eq \"mobile\"", "value", "92-402-1460"),
    ("phoneNumbers", "type eq \"fax\"", "value", "92-402-1461"),
    ("roles", "primary eq \"True\"", "display", "SBAQKVJPDXCW"),
    ("roles", "primary eq \"True\"", "value", "EWWQGDJVNWWN"),
    ("roles", "primary eq \"True\"", "type", "LWKJPWRLBSGC"),
    ("emails", "type eq \"home\"", "value", "mya@home.example"),
    ("emails", "type eq \"work\"", "primary", "True"),
];

/// One operation for each attribute ("verbose").
fn verbose(op: &str) -> Value {
    let single = SINGLE.iter().map(|(path, value)| json!({ "op": op, "path": path, "value": value }));
    let in_lists = IN_LISTS
        .iter()
        .map(|(name, selection, sub, value)| json!({ "op": op, "path": format!("{name}[{selection}].{sub}"), "value": value }));
    operations(single.chain(in_lists).collect())
}

/// Checks that everything of [`verbose`] is there, each list with no more values than were set.
#[track_caller]
fn verbose_is_there(user: &Value) {
    for (path, value) in SINGLE {
        let found = match (path.rsplit_once(':'), path.split_once('.')) {
            (Some((urn, name)), _) => &user[urn][name],
            (None, Some((name, sub))) => &user[name][sub],
            (None, None) => &user[path],
        };
        assert_eq!(found, value, "{path}: {user}");
    }
    for (name, selection, sub, value) in IN_LISTS {
        let wanted = if value == "True" { json!(true) } else { json!(value) };
        let (by, selected) = selection.split_once(" eq ").unwrap();
        let selected = if by == "primary" { json!(true) } else { serde_json::from_str(selected).unwrap() };
        let all = user[name].as_array().unwrap();
        let found: Vec<_> = all.iter().filter(|one| one[by] == selected).collect();
        assert_eq!(found.len(), 1, "{name}: {user}");
        assert_eq!(found[0][sub], wanted, "{name} {sub}: {user}");
    }
    assert_eq!(user["roles"].as_array().unwrap().len(), 1, "{user}");
}

/// Checks that a User or Group has every attribute of the one that was sent, as it was sent.
#[track_caller]
fn same(found: &Value, sent: &Value) {
    for (name, value) in sent.as_object().unwrap() {
        if name != "roles" {
            assert_eq!(&found[name], value, "{name}: {found}");
        }
    }
}

/// What a filter finds, and how much.
async fn lookup(scim: &Scim, path: &str, filter: &str) -> (Value, Vec<Value>) {
    let list = scim.get(&filtered(path, filter)).await.expect(200).body;
    assert_eq!(list["schemas"], json!([LIST_RESPONSE]));
    (list["totalResults"].clone(), list["Resources"].as_array().unwrap().clone())
}

/// A PATCH on a User answers with what is read afterwards.
async fn patched(scim: &Scim, path: &str, body: &Value) -> Value {
    let answer: Answer = scim.patch(path, body).await.expect(200);
    assert_eq!(scim.get(path).await.expect(200).body, answer.body);
    answer.body
}

/// A PATCH on a Group answers 204, which makes the validator read it.
async fn patched_group(scim: &Scim, path: &str, body: &Value) -> Value {
    assert_eq!(scim.patch(path, body).await.expect(204).body, Value::Null);
    scim.get(path).await.expect(200).body
}

on_every_engine! {
    async fn users_mandatory(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let mut flow = Flow::default();

        flow.test("Create a new User");
        let made = scim.post("/Users", &jamie()).await.expect(201);
        same(&made.body, &jamie());
        assert_eq!(made.body["roles"][0]["primary"], true);
        let path = format!("/Users/{}", made.id());
        assert_eq!(scim.get(&path).await.expect(200).body, made.body);

        flow.test("Create a duplicate User");
        refused(&scim.post("/Users", &jamie()).await, 409, "uniqueness");

        flow.test("Filter for an existing user");
        let (total, found) = lookup(scim, "/Users", "userName eq \"jamie_ab6490ee@testuser.com\"").await;
        assert_eq!((total, &found), (json!(1), &vec![made.body.clone()]));

        flow.test("Filter for a non-existing user");
        assert_eq!(lookup(scim, "/Users", "userName eq \"nobody_c1f7@testuser.com\"").await, (json!(0), vec![]));

        flow.test("Filter for an existing user with a different case");
        let (total, found) = lookup(scim, "/Users", "userName eq \"JAMIE_AB6490EE@TESTUSER.COM\"").await;
        assert_eq!((total, &found), (json!(1), &vec![made.body.clone()]));

        flow.test("Patch User - Replace Attributes (Verbose)");
        verbose_is_there(&patched(scim, &path, &verbose("Replace")).await);

        flow.test("Patch User - Add Attributes (Verbose)");
        let least = json!({ "schemas": [USER, ENTERPRISE], "userName": "minimal_1dc3@testuser.com", "active": true });
        let minimal = format!("/Users/{}", scim.post("/Users", &least).await.expect(201).id());
        assert_eq!(SINGLE.len() + IN_LISTS.len(), 36);
        let added = patched(scim, &minimal, &verbose("Add")).await;
        verbose_is_there(&added);
        assert_eq!(patched(scim, &minimal, &verbose("Add")).await, added, "again is nothing new");

        flow.test("Patch User - Update userName");
        let rename = operations(json!([{"op": "Replace", "path": "userName", "value": "cicero.jast@testuser.com"}]));
        assert_eq!(patched(scim, &minimal, &rename).await["userName"], "cicero.jast@testuser.com");
        assert_eq!(lookup(scim, "/Users", "userName eq \"minimal_1dc3@testuser.com\"").await.0, 0);

        flow.test("Patch User - Disable User");
        let disable = operations(json!([{"op": "Replace", "path": "active", "value": false}]));
        assert_eq!(patched(scim, &minimal, &disable).await["active"], false);
        assert_eq!(lookup(scim, "/Users", "userName eq \"cicero.jast@testuser.com\"").await.0, 1, "still found");

        flow.test("Patch User - Add Manager");
        let manager = |op: &str, value: &Value| {
            operations(json!([{"op": op, "path": format!("{ENTERPRISE}:manager"), "value": value}]))
        };
        let after = patched(scim, &path, &manager("Add", &json!("manager-one"))).await;
        assert_eq!(after[ENTERPRISE]["manager"]["value"], "manager-one");
        flow.test("Patch User - Replace Manager");
        let after = patched(scim, &path, &manager("Replace", &json!("manager-two"))).await;
        assert_eq!(after[ENTERPRISE]["manager"]["value"], "manager-two");
        flow.test("Patch User - Remove Manager");
        let remove = operations(json!([{"op": "Remove", "path": format!("{ENTERPRISE}:manager")}]));
        let after = patched(scim, &path, &remove).await;
        assert_eq!((after[ENTERPRISE].get("manager"), &after[ENTERPRISE]["division"]), (None, &json!("PIRGMWNQCBVZ")));

        flow.test("Delete User");
        for path in [&path, &minimal] {
            scim.delete(path).await.expect(204);
            refused(&scim.get(path).await, 404, "");
        }

        assert_eq!(flow.0.len(), 13, "{:?}", flow.0);
    }

    async fn groups_mandatory(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let mut flow = Flow::default();
        let sent = json!({ "schemas": [GROUP], "displayName": "Engineers_8aa1", "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159" });

        flow.test("Create a new Group");
        let made = scim.post("/Groups", &sent).await.expect(201);
        same(&made.body, &sent);
        let path = format!("/Groups/{}", made.id());

        flow.test("Create a duplicate Group");
        refused(&scim.post("/Groups", &sent).await, 409, "uniqueness");

        flow.test("Get group by id excluding members");
        let user = make_user(scim, "member_1@testuser.com").await;
        let member = |op: &str| operations(json!([{"op": op, "path": "members", "value": [{"$ref": null, "value": user}]}]));
        patched_group(scim, &path, &member("Add")).await;
        let read = scim.get(&format!("{path}?excludedAttributes=members")).await.expect(200).body;
        assert_eq!((read.get("members"), &read["displayName"]), (None, &sent["displayName"]));
        patched_group(scim, &path, &member("Remove")).await;

        flow.test("Filter for an existing group excluding members");
        let query = format!("{}&excludedAttributes=members", filtered("/Groups", "displayName eq \"Engineers_8aa1\""));
        let list = scim.get(&query).await.expect(200).body;
        assert_eq!((&list["totalResults"], list["Resources"][0].get("members")), (&json!(1), None));

        flow.test("Filter for an existing group");
        let (total, found) = lookup(scim, "/Groups", "displayName eq \"Engineers_8aa1\"").await;
        assert_eq!((&total, &found[0]["id"], &found[0]["externalId"]), (&json!(1), &json!(made.id()), &sent["externalId"]));

        flow.test("Filter for a non-existing group");
        assert_eq!(lookup(scim, "/Groups", "displayName eq \"Nobodies_77aa\"").await, (json!(0), vec![]));

        flow.test("Filter for an existing group with a different case");
        assert_eq!(lookup(scim, "/Groups", "displayName eq \"ENGINEERS_8AA1\"").await.0, 1);

        flow.test("Patch Group - Replace Attributes");
        let replace = operations(json!([
            {"op": "Replace", "path": "displayName", "value": "Engineers_9bb2"},
            {"op": "Replace", "path": "externalId", "value": "9bb2a0c0"},
        ]));
        let after = patched_group(scim, &path, &replace).await;
        assert_eq!((&after["displayName"], &after["externalId"]), (&json!("Engineers_9bb2"), &json!("9bb2a0c0")));

        flow.test("Patch Group - Update externalId and displayName");
        for (attribute, value) in [("externalId", "cc03"), ("displayName", "Engineers_cc03")] {
            let update = operations(json!([{"op": "Replace", "path": attribute, "value": value}]));
            assert_eq!(patched_group(scim, &path, &update).await[attribute], value);
        }

        flow.test("Patch Group - Add Member");
        patched_group(scim, &path, &member("Add")).await;
        assert_eq!(members(scim, &made.id()).await, ids([&user]));

        flow.test("Patch Group - Remove Member");
        patched_group(scim, &path, &member("Remove")).await;
        assert_eq!(members(scim, &made.id()).await, ids([]));

        flow.test("Delete Group");
        scim.delete(&path).await.expect(204);
        refused(&scim.get(&path).await, 404, "");

        assert_eq!(flow.0.len(), 12, "{:?}", flow.0);
    }

    async fn preview(engine) {
        let (_world, tenant) = directory(engine, "entra").await;
        let scim = &tenant.scim;
        let mut flow = Flow::default();
        let path = format!("/Users/{}", scim.post("/Users", &jamie()).await.expect(201).id());

        flow.test("Patch User - Multiple Operations on different attributes");
        let several = operations(json!([
            {"op": "Remove", "path": "title"},
            {"op": "Add", "path": "nickName", "value": "Babs"},
            {"op": "Replace", "path": "name.givenName", "value": "Barbara"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "babs@testuser.com"},
        ]));
        let after = patched(scim, &path, &several).await;
        assert_eq!((after.get("title"), &after["nickName"], &after["name"]["givenName"]), (None, &json!("Babs"), &json!("Barbara")));
        assert_eq!(after["emails"], json!([{"type": "work", "value": "babs@testuser.com", "primary": true}]));

        flow.test("Patch User - Multiple Operations on same attribute");
        let one = operations(json!([
            {"op": "Remove", "path": "displayName"},
            {"op": "Add", "path": "displayName", "value": "First"},
            {"op": "Replace", "path": "displayName", "value": "Last"},
        ]));
        assert_eq!(patched(scim, &path, &one).await["displayName"], "Last");

        flow.test("Delete a non-existent User");
        refused(&scim.delete(&format!("/Users/{NOBODY}")).await, 404, "");
        flow.test("Delete a non-existent Group");
        refused(&scim.delete(&format!("/Groups/{NOBODY}")).await, 404, "");

        flow.test("Patch Group - Multiple Operations");
        let (first, second) = (make_user(scim, "member_1@testuser.com").await, make_user(scim, "member_2@testuser.com").await);
        let sent = json!({ "schemas": [GROUP], "displayName": "Engineers_8aa1", "members": [{"value": first}] });
        let group = scim.post("/Groups", &sent).await.expect(201).id();
        let team = format!("/Groups/{group}");
        let several = operations(json!([
            {"op": "Replace", "path": "displayName", "value": "Engineers_9bb2"},
            {"op": "Add", "path": "members", "value": [{"$ref": null, "value": second}]},
            {"op": "Remove", "path": "members", "value": [{"$ref": null, "value": first}]},
            {"op": "Add", "path": "externalId", "value": "9bb2"},
        ]));
        let after = patched_group(scim, &team, &several).await;
        assert_eq!((&after["displayName"], &after["externalId"]), (&json!("Engineers_9bb2"), &json!("9bb2")));
        assert_eq!(members(scim, &group).await, ids([&second]));

        flow.test("Delete the same User twice");
        for path in [&path, &team] {
            scim.delete(path).await.expect(204);
            refused(&scim.delete(path).await, 404, "");
        }
        flow.test("Delete the same Group twice");

        assert_eq!(flow.0.len(), 7, "{:?}", flow.0);
    }
}
