//! The Managed portal: Admin, Manager or User.

use reqwest::Method;
use serde_json::json;

use super::{Portal, login, refused};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn everybody_is_admin_manager_or_user_one_of_them(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        for role in ["user", "manager", "admin", "user"] {
            portal.give(&top, &joe, role).await.expect(201);
            assert_eq!(portal.held(&joe, &top).await, [role], "it takes the place of the former");
        }
        // A rule gives more: the hand's word counts, and why shows the other.
        let group = json!({ "displayName": "Admins", "members": [{ "value": joe }] });
        let groups = portal.tenant.scim.get("/Groups?filter=displayName%20eq%20%22Admins%22").await.expect(200).body;
        let path = format!("/Groups/{}", groups["Resources"][0]["id"].as_str().unwrap());
        let add = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "add", "path": "members", "value": group["members"] }] });
        assert!(portal.tenant.scim.patch(&path, &add).await.status < 300);
        assert_eq!(portal.held(&joe, &top).await, ["admin!", "user"]);
        assert!(!portal.may(&joe, "people.manage", &top).await && portal.may(&joe, "tickets.open", &top).await);
    }

    async fn only_admins_manage_people(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let mut logins = Vec::new();
        for role in ["admin", "manager", "user"] {
            let login = portal.person(role).await;
            portal.give(&top, &login, role).await.expect(201);
            assert_eq!(portal.may(&login, "people.manage", &top).await, role == "admin", "{role}");
            logins.push(login);
        }
        let mut manager = portal.sign_in("manager").await;
        assert_eq!(portal.give_as(&mut manager, &top, json!({ "login": logins[2], "role": "manager" })).await.status, 401, "it has no business here");
        let mut admin = portal.sign_in("admin").await;
        portal.give_as(&mut admin, &top, json!({ "login": logins[2], "role": "manager" })).await.expect(201);
    }

    async fn a_user_sees_only_the_services_that_are_assigned_to_them(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let joe = portal.person("joe").await;
        portal.give(&top, &joe, "user").await.expect(201);
        for service in ["managed-hosting", "managed-network"] {
            portal.subscribe(&top, service).await;
        }
        for instance in ["web-1", "web-2"] {
            portal.add_instance(&top, "managed-hosting", instance).await;
        }
        let mut admin = portal.admin.clone();
        let gift = json!({ "login": joe, "role": "hosting-user", "service": "managed-hosting", "instance": "web-1" });
        portal.give_as(&mut admin, &top, gift.clone()).await.expect(201);
        let of = |service: &str, instance: &str| {
            json!({ "type": "account", "id": top, "properties": { "service": service, "instance": instance } })
        };
        assert!(portal.may_with(&joe, "service.view", of("managed-hosting", "web-1")).await);
        for (service, instance) in [("managed-hosting", "web-2"), ("managed-network", "line-1")] {
            assert!(!portal.may_with(&joe, "service.view", of(service, instance)).await, "{service} {instance}");
        }
        assert!(!portal.may(&joe, "services.view", &top).await);
        let mut unknown = gift;
        unknown["instance"] = json!("web-3");
        refused(&portal.give_as(&mut admin, &top, unknown).await, 409, "no instance");
    }

    async fn services_are_assigned_in_bulk(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let (top, _) = hosting(&mut portal).await;
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        let of = |login: &str, instance: &str| json!({ "login": login, "role": "hosting-user", "service": "managed-hosting", "instance": instance });
        let all = json!({ "assignments": [of(&joe, "web-1"), of(&joe, "web-2"), of(&eve, "web-2")] });
        let (mut admin, path) = (portal.admin.clone(), format!("/accounts/{top}/assignments/bulk"));
        let done = portal.office.send(&mut admin, Method::POST, &path, Some(&all)).await.expect(200).body;
        assert_eq!(done["given"].as_array().unwrap().len(), 3);
        for (login, instance, sees) in [(&joe, "web-1", true), (&joe, "web-2", true), (&eve, "web-1", false), (&eve, "web-2", true)] {
            assert_eq!(sees_it(&mut portal, login, &top, instance).await, sees, "{instance}");
        }
        // One that is not there, and none of them is assigned.
        let wrong = json!({ "assignments": [of(&eve, "web-1"), of(&eve, "web-3")] });
        refused(&portal.office.send(&mut admin, Method::POST, &path, Some(&wrong)).await, 409, "assignments[1]: the service has no instance");
        assert!(!sees_it(&mut portal, &eve, &top, "web-1").await);
    }

    async fn when_someone_leaves_their_services_are_re_assigned(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let (top, emea) = hosting(&mut portal).await;
        let (joe, eve) = (portal.person("joe").await, portal.person("eve").await);
        let mut admin = portal.admin.clone();
        portal.give(&top, &joe, "user").await.expect(201);
        let of = |instance: &str| json!({ "login": joe, "role": "hosting-user", "service": "managed-hosting", "instance": instance });
        for (account, gift) in [(&top, of("web-1")), (&top, of("web-2")), (&emea, json!({ "login": joe, "role": "backup-user" }))] {
            portal.give_as(&mut admin, account, gift).await.expect(201);
        }
        // A rule gives the network to everybody, and Eve looks after one machine as well.
        let rule = json!({
            "name": "Network", "from": { "directory": portal.tenant.directory }, "within": top, "when": "userName eq \"joe\"",
            "grants": [{ "role": "network-user", "account": top }],
        });
        portal.office.send(&mut admin, Method::POST, "/rules", Some(&rule)).await.expect(201);
        portal.give_as(&mut admin, &top, json!({ "login": eve, "role": "hosting-user", "service": "managed-hosting", "instance": "web-2" })).await.expect(201);
        let off = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "replace", "path": "active", "value": false }] });
        assert!(portal.tenant.scim.patch(&format!("/Users/{joe}"), &off).await.status < 300);

        let path = format!("/logins/{joe}/reassign");
        let only = json!({ "to": eve, "accounts": [emea], "reason": "joe left" });
        let done = portal.office.send(&mut admin, Method::POST, &path, Some(&only)).await.expect(200).body;
        assert_eq!((done["moved"].as_array().unwrap().len(), &done["stays"]), (1, &json!([])));
        let rest = json!({ "to": eve, "reason": "joe left" });
        let done = portal.office.send(&mut admin, Method::POST, &path, Some(&rest)).await.expect(200).body;
        let moved: Vec<_> = done["moved"].as_array().unwrap().iter().map(|one| (&one["assignment"]["instance"], &one["outcome"])).collect();
        assert_eq!(moved, [(&json!("web-1"), &json!("given")), (&json!("web-2"), &json!("unchanged"))]);
        assert!(done["moved"].as_array().unwrap().iter().all(|one| one["before"]["login_id"] == joe.as_str() && one["assignment"]["login_id"] == eve.as_str()));
        assert_eq!(done["stays"], json!([]), "a rule takes from the deactivated what it gave");
        assert_eq!((portal.held(&eve, &top).await, portal.held(&eve, &emea).await), (vec!["hosting-user".to_owned(); 2], vec!["backup-user".to_owned()]));
        assert!(sees_it(&mut portal, &eve, &top, "web-1").await);
        // What somebody was on the account is not handed over, and both can be followed.
        let kinds = |id: &str| {
            let (id, reader) = (id.parse().unwrap(), portal.office.world.app.store.read(portal.tenant.id));
            async move {
                let mut reader = reader;
                reader.event_kinds(id).await.unwrap()
            }
        };
        let taken = kinds(&joe).await.into_iter().filter(|kind| kind == "assignment.taken").count();
        let given = kinds(&eve).await.into_iter().filter(|kind| kind == "assignment.given").count();
        assert_eq!((taken, given), (3, 3));
        let events = portal.office.get(&mut admin, &format!("/events?kind=assignment.taken&target={joe}")).await.expect(200).body;
        assert_eq!((&events["items"][0]["details"]["reassigned"], &events["items"][0]["values"]), (&json!({ "from": joe, "to": eve }), &json!({ "reason": "joe left" })));
        let left = portal.office.get(&mut admin, "/permissions?limit=200").await.expect(200).body;
        let left: Vec<_> = left["items"].as_array().unwrap().iter().filter(|line| line["login"] == joe.as_str() && line["account"] == "bluesky").map(|line| line["role"].clone()).collect();
        assert_eq!(left, [json!("user")]);
    }

    async fn what_somebody_keeps_is_told_with_the_reason(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let (top, emea) = hosting(&mut portal).await;
        let (joe, eve, fred) = (portal.person("joe").await, portal.person("eve").await, portal.person("fred").await);
        let mut admin = portal.admin.clone();
        let rule = json!({
            "name": "Network", "from": { "directory": portal.tenant.directory }, "within": top, "when": "userName eq \"joe\"",
            "grants": [{ "role": "network-user", "account": top }],
        });
        portal.office.send(&mut admin, Method::POST, "/rules", Some(&rule)).await.expect(201);
        for (account, role) in [(&top, "hosting-user"), (&emea, "backup-user")] {
            portal.give(account, &joe, role).await.expect(201);
        }
        let policy = json!({ "name": "Hosting", "trigger": "role.assigned", "roles": ["hosting-user"] });
        portal.office.send(&mut admin, Method::POST, &format!("/accounts/{top}/approval-policies"), Some(&policy)).await.expect(201);
        // The administrator of EMEA hands over what is there, and is told of nothing else.
        portal.give(&emea, &fred, "admin").await.expect(201);
        let (mut below, path) = (portal.sign_in("fred").await, format!("/logins/{joe}/reassign"));
        let done = portal.office.send(&mut below, Method::POST, &path, Some(&json!({ "to": eve }))).await.expect(200).body;
        assert_eq!((&done["moved"][0]["assignment"]["role"], &done["stays"]), (&json!("backup-user"), &json!([])));
        let done = portal.office.send(&mut admin, Method::POST, &path, Some(&json!({ "to": eve }))).await.expect(200).body;
        let stays: Vec<_> = done["stays"].as_array().unwrap().iter().map(|one| (&one["assignment"]["role"], &one["because"])).collect();
        assert_eq!(done["moved"], json!([]));
        assert_eq!(stays.len(), 2);
        assert!(stays.contains(&(&json!("network-user"), &json!("rule"))) && stays.contains(&(&json!("hosting-user"), &json!("approval"))), "{stays:?}");
        for (body, status) in [
            (json!({ "to": joe }), 400),
            (json!({ "to": "01900000-0000-7000-8000-000000000000" }), 404),
            (json!({ "to": eve, "reason": "\u{0}" }), 400),
        ] {
            assert_eq!(portal.office.send(&mut admin, Method::POST, &path, Some(&body)).await.status, status, "{body}");
        }
        assert_eq!(portal.office.send(&mut admin, Method::POST, "/logins/01900000-0000-7000-8000-000000000000/reassign", Some(&json!({ "to": eve }))).await.status, 404);
        let off = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{ "op": "replace", "path": "active", "value": false }] });
        assert!(portal.tenant.scim.patch(&format!("/Users/{eve}"), &off).await.status < 300);
        refused(&portal.office.send(&mut admin, Method::POST, &path, Some(&json!({ "to": eve }))).await, 409, "not active");
    }

    async fn approval_policies_have_a_name_a_trigger_a_threshold_and_approvers_who_are_all_admins_unless_said(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let mut logins = Vec::new();
        for (name, role) in [("mara", "manager"), ("adam", "admin"), ("joe", "user")] {
            let login = portal.person(name).await;
            portal.give(&top, &login, role).await.expect(201);
            logins.push(login);
        }
        let policies = format!("/accounts/{top}/approval-policies");
        let large = json!({ "name": "Large orders", "trigger": "order", "threshold": 500_000 });
        portal.office.send(&mut admin, Method::POST, &policies, Some(&large)).await.expect(201);
        let said = json!({ "name": "Refunds", "trigger": "refund", "approvers": { "role": "manager" } });
        portal.office.send(&mut admin, Method::POST, &policies, Some(&said)).await.expect(201);
        let (mut mara, mut adam, mut joe) = (portal.sign_in("mara").await, portal.sign_in("adam").await, portal.sign_in("joe").await);
        let order = |trigger: &str, amount: u64| json!({ "account": top, "trigger": trigger, "amount": amount });
        let small = portal.office.send(&mut mara, Method::POST, "/approvals", Some(&order("order", 499_999))).await.expect(200).body;
        assert_eq!(small["state"], "not_required");
        // Pending; an admin rejects it with a reason, another time approves it.
        for (act, state) in [("reject", "rejected"), ("approve", "approved")] {
            let asked = portal.office.send(&mut mara, Method::POST, "/approvals", Some(&order("order", 500_000))).await.expect(201).body;
            assert_eq!(asked["state"], "pending");
            let path = format!("/approvals/{}", asked["id"].as_str().unwrap());
            let act = format!("{path}/{act}");
            let why = json!({ "reason": "next year" });
            refused(&portal.office.send(&mut mara, Method::POST, &act, Some(&why)).await, 403, "asked for themselves");
            assert_eq!(portal.office.send(&mut joe, Method::POST, &act, Some(&why)).await.status, 404, "a User is asked nothing");
            let done = portal.office.send(&mut adam, Method::POST, &act, Some(&why)).await.expect(200).body;
            assert_eq!((&done["state"], &done["decisions"][0]["values"]["reason"]), (&json!(state), &json!("next year")));
            assert_eq!(portal.office.get(&mut mara, &path).await.expect(200).body["state"], state);
        }
        let refund = portal.office.send(&mut joe, Method::POST, "/approvals", Some(&order("refund", 1))).await.expect(201).body;
        let act = format!("/approvals/{}/approve", refund["id"].as_str().unwrap());
        refused(&portal.office.send(&mut adam, Method::POST, &act, Some(&json!({}))).await, 403, "others are asked");
        portal.office.send(&mut mara, Method::POST, &act, Some(&json!({}))).await.expect(200);
    }

    async fn somebody_is_invited_now_or_later_and_the_state_says_so(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let mut now = portal.byoi(&top, "joe");
        now["invite"] = json!(true);
        let joe = login(portal.make_as(&mut admin, &now).await);
        let eve = login(portal.make_as(&mut admin, &portal.byoi(&top, "eve")).await);
        assert_eq!((portal.state(&joe).await.as_str(), portal.state(&eve).await.as_str()), ("invited", "pending"));
        portal.act_as(&mut admin, &eve, "invite").await.expect(200);
        assert_eq!(portal.state(&eve).await, "invited");
        portal.sign_in("eve").await;
        assert_eq!(portal.state(&eve).await, "active");
    }

    async fn deactivation_keeps_history_and_is_undone(engine) {
        let mut portal = Portal::new(engine, "managed-portal", "admin").await;
        let top = portal.account("bluesky").await;
        let mut admin = portal.admin.clone();
        let joe = login(portal.make_as(&mut admin, &portal.byoi(&top, "joe")).await);
        portal.give(&top, &joe, "user").await.expect(201);
        portal.sign_in("joe").await;
        assert!(portal.may(&joe, "tickets.open", &top).await);
        portal.act_as(&mut admin, &joe, "deactivate").await.expect(200);
        assert_eq!(portal.state(&joe).await, "deactivated");
        assert!(!portal.may(&joe, "tickets.open", &top).await);
        let extract = portal.office.get(&mut admin, "/permissions").await.expect(200).body;
        let line = extract["items"].as_array().unwrap().iter().find(|line| line["login"] == joe).unwrap();
        assert_eq!((&line["role"], &line["active"], &line["counts"]), (&json!("user"), &json!(false), &json!(false)), "what they had is there");
        portal.act_as(&mut admin, &joe, "reactivate").await.expect(200);
        assert_eq!(portal.state(&joe).await, "active");
        assert!(portal.may(&joe, "tickets.open", &top).await);
    }
}

/// Two machines on the company and backups on EMEA. Answers both accounts.
async fn hosting(portal: &mut Portal) -> (String, String) {
    let (top, emea) = (portal.account("bluesky").await, portal.account("bluesky/emea").await);
    for service in ["managed-hosting", "managed-network"] {
        portal.subscribe(&top, service).await;
    }
    portal.subscribe(&emea, "managed-backup").await;
    for instance in ["web-1", "web-2"] {
        portal.add_instance(&top, "managed-hosting", instance).await;
    }
    (top, emea)
}

async fn sees_it(portal: &mut Portal, login: &str, account: &str, instance: &str) -> bool {
    let properties = json!({ "service": "managed-hosting", "instance": instance });
    portal.may_with(login, "service.view", json!({ "type": "account", "id": account, "properties": properties })).await
}
