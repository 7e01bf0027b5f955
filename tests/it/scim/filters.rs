//! Filters (RFC 7644 section 3.4.2.2) through HTTP: that both databases answer what the grammar and the evaluator promise.

use serde_json::json;

use super::{ENTERPRISE, GROUP, LIST_RESPONSE, USER, directory, filtered, found, make_group, names, refused};
use crate::support::http::Scim;
use crate::support::world::on_every_engine;

/// Three people who differ in everything that the filters here ask for.
async fn people(scim: &Scim) -> [String; 3] {
    let joe = json!({ "schemas": [USER, ENTERPRISE], "userName": "Joe.Bloggs@bluesky.example", "externalId": "jB", "title": "Boss",
        "name": {"givenName": "Joe", "familyName": "Bloggs"},
        "emails": [{"type": "work", "value": "joe@bluesky.example", "primary": true},
            {"type": "home", "value": "joe@home.example"}],
        (ENTERPRISE): {"department": "R&D_100%", "manager": {"value": "1"}} });
    let jane = json!({ "schemas": [USER, ENTERPRISE], "userName": "jane", "externalId": "jb",
        "displayName": "Jane \"J\" O'Malley \\",
        "emails": [{"type": "work", "value": "jane@redsky.example"}, {"type": "home", "value": "jane@bluesky.example"}],
        (ENTERPRISE): {"department": "R&DX100X"} });
    let jim = json!({ "schemas": [USER], "userName": "jim", "active": false, "nickName": "" });
    [
        scim.post("/Users", &joe).await.expect(201).id(),
        scim.post("/Users", &jane).await.expect(201).id(),
        scim.post("/Users", &jim).await.expect(201).id(),
    ]
}

const JOE: &str = "Joe.Bloggs@bluesky.example";

on_every_engine! {
    async fn f01_f10_f13_f15_f23_filters_find_exactly_what_they_say(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let [joe, jane, jim] = people(&tenant.scim).await;
        let team = make_group(&tenant.scim, "Team", &[&joe, &jane]).await;
        let by_id = format!("id eq \"{jim}\"");
        let by_id_in_capitals = format!("id eq \"{}\"", jim.to_uppercase());
        let by_group = format!("groups.value eq \"{team}\"");
        let in_group = format!("groups[value eq \"{team}\" and display eq \"team\"]");
        let by_schema = format!("schemas eq \"{ENTERPRISE}\"");
        let by_urn = format!("{USER}:userName eq \"JANE\"");
        let by_manager = format!("{ENTERPRISE}:manager.value eq \"1\"");
        let like = format!("{ENTERPRISE}:department co \"_100%\"");
        let everybody = vec![JOE, "jane", "jim"];
        let cases = [
            // F01, F04: any letter case where the schema says so, and only there.
            ("userName EQ \"JOE.bloggs@BLUESKY.example\"", vec![JOE]),
            ("USERNAME eq \"jane\"", vec!["jane"]),
            ("externalId eq \"jb\"", vec!["jane"]),
            (&by_id, vec!["jim"]),
            (&by_id_in_capitals, vec![]),
            // F02: and before or, not before both.
            ("userName eq \"jim\" or userName eq \"jane\" and title pr", vec!["jim"]),
            ("(userName eq \"jim\" or userName eq \"jane\") and title pr", vec![]),
            ("not (userName eq \"jim\") and not(title pr)", vec!["jane"]),
            // F03: JSON literals.
            ("displayName eq \"jane \\\"J\\\" o'malley \\\\\"", vec!["jane"]),
            ("userName eq \"\\u006aim\"", vec!["jim"]),
            ("active eq false", vec!["jim"]),
            // F05: URNs, and the dots in them.
            (&by_urn, vec!["jane"]),
            (&by_manager, vec![JOE]),
            // F06, F07: any value, but all of a selection in one value.
            ("emails co \"BLUESKY\"", vec![JOE, "jane"]),
            ("emails.type eq \"work\" and emails.value co \"@bluesky\"", vec![JOE, "jane"]),
            ("emails[type eq \"work\" and value co \"@bluesky\"]", vec![JOE]),
            // F08, F09: within other expressions, and Entra's form.
            (
                "not (emails[type eq \"work\" and value co \"@bluesky\"]) and (emails[not (type eq \"work\")] or active eq false)",
                vec!["jane", "jim"],
            ),
            ("emails[type eq \"work\"].value eq \"joe@bluesky.example\"", vec![JOE]),
            ("emails[type eq \"home\"].value eq \"joe@bluesky.example\"", vec![]),
            ("emails[primary eq true]", vec![JOE]),
            // F10: present means not empty.
            ("title pr", vec![JOE]),
            ("nickName pr", vec![]),
            ("name pr", vec![JOE]),
            ("not (emails pr)", vec!["jim"]),
            ("title eq null", vec!["jane", "jim"]),
            ("title ne null", vec![JOE]),
            // F11 and F12: `ne` holds where there is no value; order.
            ("title ne \"boss\"", vec!["jane", "jim"]),
            ("userName gt \"jane\"", vec!["jim", JOE]),
            ("userName le \"JANE\"", vec!["jane"]),
            ("meta.created gt \"2020-01-01T00:00:00+02:00\"", everybody.clone()),
            ("meta.lastModified lt \"2020-01-01T00:00:00Z\"", vec![]),
            // F13: nothing means more than it says.
            (&like, vec![JOE]),
            ("userName co \"%\"", vec![]),
            ("userName sw \"j_\"", vec![]),
            ("displayName ew \"\\\\\"", vec!["jane"]),
            ("userName eq \"' or 1=1 --\"", vec![]),
            // F15, F23: what the service knows.
            (&by_schema, vec![JOE, "jane"]),
            ("meta.resourceType eq \"User\"", everybody),
            ("meta.version eq \"W/\\\"1\\\"\" and userName eq \"jim\"", vec!["jim"]),
            (&by_group, vec![JOE, "jane"]),
            (&in_group, vec![JOE, "jane"]),
            ("groups.display sw \"TE\" and not (title pr)", vec!["jane"]),
        ];
        for (filter, mut wanted) in cases {
            wanted.sort_unstable();
            assert_eq!(found(&tenant.scim, filter).await, wanted, "{filter}");
        }
    }

    async fn f04_f23_groups_are_found_by_name_external_id_and_members(engine) {
        let (_world, tenant) = directory(engine, "strict").await;
        let [joe, jane, _] = people(&tenant.scim).await;
        let body = json!({ "schemas": [GROUP], "displayName": "Team", "externalId": "t1", "members": [{"value": joe}] });
        tenant.scim.post("/Groups", &body).await.expect(201);
        make_group(&tenant.scim, "Other", &[]).await;
        for (filter, wanted) in [
            ("displayName eq \"TEAM\"".to_owned(), vec!["Team"]),
            ("externalId eq \"t1\"".to_owned(), vec!["Team"]),
            ("externalId eq \"T1\"".to_owned(), vec![]),
            (format!("members.value eq \"{joe}\""), vec!["Team"]),
            (format!("members eq \"{joe}\""), vec!["Team"]),
            (format!("members[value eq \"{jane}\"]"), vec![]),
            (format!("members.value eq \"{joe}\" and not (externalId pr)"), vec![]),
            ("not (members pr)".to_owned(), vec!["Other"]),
        ] {
            let list = tenant.scim.get(&filtered("/Groups", &filter)).await.expect(200);
            assert_eq!(names(&list, "displayName"), wanted, "{filter}");
        }
    }

    async fn f14_f16_f17_f18_f19_what_is_no_filter_is_refused(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        people(&tenant.scim).await;
        let deep = format!("{}title pr{}", "(".repeat(40), ")".repeat(40));
        let long = format!("userName eq \"{}\"", "x".repeat(5_000));
        let many = vec!["title pr"; 300].join(" or ");
        for filter in [
            "",
            "userName eq",
            "(userName eq \"b\"",
            "userName eq \"b\" and",
            "userName eq \"b\" nonsense",
            "userName like \"b\"",
            "userName eq joe",
            "userName eq 'joe'",
            "unheardOf eq \"b\"",
            "name.unheardOf pr",
            "emails[unheardOf pr]",
            "password eq \"x\"",
            "password pr",
            "active gt true",
            "active co \"t\"",
            "active eq \"True\"",
            "meta.created co \"2020\"",
            "meta.created gt \"yesterday\"",
            &deep,
            &long,
            &many,
        ] {
            refused(&tenant.scim.get(&filtered("/Users", filter)).await, 400, "invalidFilter");
        }
        let entra = world.tenant("redsky", "entra", "http://127.0.0.1:1").await;
        people(&entra.scim).await;
        assert_eq!(found(&entra.scim, "active eq \"False\"").await, ["jim"], "a profile that reads text as booleans");
    }

    async fn f21_f22_f24_an_empty_result_is_a_list_and_none_crosses_the_wall(engine) {
        let (world, tenant) = directory(engine, "strict").await;
        let other = world.tenant("redsky", "strict", "http://127.0.0.1:1").await;
        let [joe, ..] = people(&tenant.scim).await;
        let theirs = make_group(&tenant.scim, "Team", &[&joe]).await;
        for filter in [
            "userName pr or active eq true".to_owned(),
            "not (userName eq \"x\")".to_owned(),
            format!("id eq \"{joe}\" or id eq \"{theirs}\""),
            "externalId eq \"jB\"".to_owned(),
            format!("groups.value eq \"{theirs}\" or emails pr"),
        ] {
            let list = other.scim.get(&filtered("/Users", &filter)).await.expect(200);
            let empty =
                json!({ "schemas": [LIST_RESPONSE], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": [] });
            assert_eq!(list.body, empty, "{filter}");
        }
        let list = other.scim.get(&filtered("/Groups", "displayName pr or members pr")).await.expect(200);
        assert_eq!(list.body["totalResults"], 0);
        // A space is + or %20, and a plus is %2B.
        for query in ["userName+eq+%22jane%22", "userName%20eq%20%22jane%22", "displayName+co+%22O%27Malley%22"] {
            let list = tenant.scim.get(&format!("/Users?filter={query}")).await.expect(200);
            assert_eq!(names(&list, "userName"), ["jane"], "{query}");
        }
    }
}
