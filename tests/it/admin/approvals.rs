//! Approvals: what waits until somebody else has agreed to it, who decides, and what comes of it.

use reqwest::Method;
use serde_json::{Value, json};
use vestibule::model::TenantId;
use vestibule::store::Engine;

use super::clients::SECRET;
use super::{Office, RULES, account, alike, problem};
use crate::support::http::{self, Answer, Browser, Scim};
use crate::support::sql;
use crate::support::world::{Tenant, describe, on_every_engine};

const CLIENTS: &str = r#"
[[tenant.client]]
client_id = "{slug}-orders"
name = "Orders"
scopes = ["approvals:read", "approvals:write", "roles:write"]
secret = { value = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90" }

[[tenant.client]]
client_id = "{slug}-emea"
name = "EMEA's tool"
within = "{slug}/emea"
scopes = ["approvals:read", "approvals:write", "accounts:read"]
secret = { value = "5f0e0b1c7a3d4c4f9a6e2b8d1f7c3a90" }
"#;

/// A tenant in which Anne and Adam are administrators of everything, and Joe is nobody yet.
pub(super) struct House {
    pub(super) office: Office,
    pub(super) tenant: Tenant,
    pub(super) anne: Browser,
    pub(super) adam: Browser,
    pub(super) joe: String,
    pub(super) top: String,
    pub(super) emea: String,
}

impl House {
    pub(super) async fn new(engine: Engine) -> Self {
        let office = Office::new(engine).await;
        let text = describe("bluesky", "entra", office.idp.issuer(), "if-provisioned") + RULES + CLIENTS;
        let tenant = office.world.described("bluesky", &text.replace("{slug}", "bluesky")).await;
        let mut anne = office.inside(&tenant, "anne", "Cloud-Admins").await;
        let (top, emea) = (account(&office, &mut anne, "bluesky").await, account(&office, &mut anne, "bluesky/emea").await);
        let joe = tenant.scim.post("/Users", &json!({ "userName": "joe", "externalId": "joe" })).await.expect(201).id();
        let mut house = Self { adam: anne.clone(), office, tenant, anne, joe, top, emea };
        let adam = house.person("adam").await;
        let (mut anne, top) = (house.anne.clone(), house.top.clone());
        house.give(&mut anne, &top, &adam, "administrator").await.expect(201);
        house.adam = house.enter("adam").await;
        house
    }

    /// Makes a login by SCIM.
    pub(super) async fn person(&self, name: &str) -> String {
        self.tenant.scim.post("/Users", &json!({ "userName": name, "externalId": name })).await.expect(201).id()
    }

    /// A browser in which somebody signs in whom the directory knows.
    pub(super) async fn enter(&self, name: &str) -> Browser {
        self.office.idp.script().claims = json!({ "sub": name });
        let mut browser = Browser::new();
        browser.follow(&self.office.world.sign_in(&self.tenant), None).await.expect(200, "");
        browser
    }

    pub(super) async fn give(&self, by: &mut Browser, account: &str, login: &str, role: &str) -> Answer {
        let body = json!({ "login": login, "role": role, "reason": "asked for" });
        self.office.send(by, Method::POST, &format!("/accounts/{account}/assignments"), Some(&body)).await
    }

    pub(super) async fn post(&self, by: &mut Browser, path: &str, body: &Value) -> Answer {
        self.office.send(by, Method::POST, path, Some(body)).await
    }

    /// A policy of the account EMEA.
    pub(super) async fn policy(&mut self, body: &Value) -> Value {
        let (mut anne, path) = (self.anne.clone(), format!("/accounts/{}/approval-policies", self.emea));
        self.post(&mut anne, &path, body).await.expect(201).body
    }

    /// `approve`, `reject` or `withdraw`.
    pub(super) async fn act(&self, by: &mut Browser, approval: &Value, act: &str, body: &Value) -> Answer {
        self.post(by, &format!("/approvals/{}/{act}", approval["id"].as_str().unwrap()), body).await
    }

    /// The roles that Joe holds on the account EMEA.
    pub(super) async fn held(&self) -> Vec<String> {
        let held = self.office.get(&mut self.anne.clone(), &format!("/logins/{}/roles", self.joe)).await.expect(200).body;
        let there = held["accounts"].as_array().unwrap().iter().find(|item| item["account"] == self.emea.as_str());
        let roles = there.map(|item| item["roles"].as_array().unwrap().clone()).unwrap_or_default();
        roles.iter().map(|role| role["role"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn client(&self, id: &str) -> Scim {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", SECRET)];
        let url = format!("{}/oauth2/token", self.office.world.base);
        let answer = Scim::read(http::client().post(url).form(&form).send().await.unwrap()).await.expect(200);
        Scim::new(self.office.at(""), answer.body["access_token"].as_str().unwrap().to_owned())
    }

    async fn kinds(&self, approval: &Value) -> Vec<String> {
        let id = approval["id"].as_str().unwrap().parse().unwrap();
        self.office.world.app.store.read(self.tenant.id).event_kinds(id).await.unwrap()
    }

    /// Runs a text on the database itself.
    async fn sql(&self, engine: Engine, text: &str) {
        let tenant: TenantId = self.tenant.id;
        let id = match engine {
            Engine::Sqlite => format!("x'{}'", tenant.uuid().simple()),
            Engine::Postgres => format!("'{tenant}'"),
        };
        sql::change(&self.office.world.database.url, &text.replace("{tenant}", &id)).await;
    }
}

pub(super) async fn ask(client: &Scim, path: &str, body: &Value) -> Answer {
    Scim::read(client.request(Method::POST, path).json(body).send().await.unwrap()).await
}

pub(super) fn privileged() -> Value {
    json!({ "name": "Privileged roles", "trigger": "role.assigned", "roles": ["administrator", "financial"] })
}

on_every_engine! {
    async fn a_privileged_role_waits_until_somebody_else_has_approved_it(engine) {
        let mut house = House::new(engine).await;
        let policy = house.policy(&privileged()).await;
        let (mut anne, mut adam, emea, joe) = (house.anne.clone(), house.adam.clone(), house.emea.clone(), house.joe.clone());
        let asked = house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body;
        assert_eq!((&asked["state"], &asked["trigger"], &asked["role"]), (&json!("pending"), &json!("role.assigned"), &json!("financial")));
        assert_eq!((&asked["subject"]["user_name"], &asked["requested_by"]["user_name"]), (&json!("joe"), &json!("anne")));
        assert_eq!(asked["needs"], json!([{ "policy": policy["id"], "name": "Privileged roles", "needed": 1, "given": 0 }]));
        assert_eq!((&asked["values"], &asked["may_decide"], &asked["path"]), (&json!({ "reason": "asked for" }), &json!(false), &json!("bluesky/emea")));
        assert!(house.held().await.is_empty(), "nothing is given yet");
        assert_eq!(house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body, asked, "it is not asked for twice");
        // Other roles, and the same role elsewhere, wait for nobody.
        house.give(&mut anne, &emea, &joe, "support").await.expect(201);
        let top = house.top.clone();
        house.give(&mut anne, &top, &joe, "financial").await.expect(201);
        problem(&house.act(&mut anne, &asked, "approve", &json!({})).await, 403, "forbidden");
        let seen = house.office.get(&mut adam, &format!("/approvals/{}", asked["id"].as_str().unwrap())).await.expect(200).body;
        assert_eq!(seen["may_decide"], json!(true));
        let done = house.act(&mut adam, &asked, "approve", &json!({ "reason": "he may" })).await.expect(200).body;
        assert_eq!((&done["state"], &done["needs"][0]["given"], &done["decisions"][0]["values"]), (&json!("approved"), &json!(1), &json!({ "reason": "he may" })));
        assert_eq!(house.held().await, ["financial", "support"]);
        problem(&house.act(&mut adam, &asked, "approve", &json!({})).await, 409, "conflict");
        problem(&house.act(&mut anne, &asked, "withdraw", &json!({})).await, 409, "conflict");
        assert_eq!(house.kinds(&asked).await, ["approval.requested", "approval.approved"]);
        // The trail names both, and has the reason of who asked.
        let events = house.office.get(&mut anne, &format!("/events?kind=assignment.given&target={joe}&limit=1")).await.expect(200).body;
        let event = &events["items"][0];
        assert_eq!((&event["details"]["approval"], &event["values"]), (&asked["id"], &json!({ "reason": "asked for" })));
        assert_eq!(event["details"]["requested_by"]["login"], asked["requested_by"]["login"]);
        assert_ne!(event["actor"]["login"], asked["requested_by"]["login"]);
        assert_eq!(event["details"]["after"]["source_id"], asked["requested_by"]["login"]);
        // What is held already is given again without an approval.
        house.give(&mut anne, &emea, &joe, "financial").await.expect(201);
    }

    async fn nobody_decides_what_they_asked_for_or_what_is_about_them_by_either_login(engine) {
        let mut house = House::new(engine).await;
        house.policy(&privileged()).await;
        // Anne has another login, an administrator too; Joe is an approver.
        let other = house.person("anne-too").await;
        let slot = "update logins set slot = 2, person_id = (select person_id from logins where tenant_id = {tenant} and user_name = 'anne')
                    where tenant_id = {tenant} and user_name = 'anne-too'";
        let (mut anne, emea, joe) = (house.anne.clone(), house.emea.clone(), house.joe.clone());
        for login in [&other, &joe] {
            let asked = house.give(&mut anne, &emea, login, "administrator").await.expect(202).body;
            house.act(&mut house.adam.clone(), &asked, "approve", &json!({})).await.expect(200);
        }
        house.sql(engine, slot).await;
        let (mut other, mut subject) = (house.enter("anne-too").await, house.enter("joe").await);
        let asked = house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body;
        for (by, words) in [(&mut anne, "they asked for"), (&mut other, "they asked for"), (&mut subject, "about themselves")] {
            for act in ["approve", "reject"] {
                let answer = house.act(by, &asked, act, &json!({ "reason": "mine" })).await;
                problem(&answer, 403, "forbidden");
                assert!(answer.body["detail"].as_str().unwrap().contains(words), "{}", answer.body);
            }
            let seen = house.office.get(by, &format!("/approvals/{}", asked["id"].as_str().unwrap())).await.expect(200).body;
            assert_eq!(seen["may_decide"], json!(false));
        }
        problem(&house.act(&mut subject, &asked, "withdraw", &json!({})).await, 403, "forbidden");
        assert_eq!(house.act(&mut anne, &asked, "withdraw", &json!({})).await.expect(200).body["state"], "withdrawn");
        problem(&house.act(&mut house.adam.clone(), &asked, "approve", &json!({})).await, 409, "conflict");
        assert_eq!(house.held().await, ["administrator"]);
        assert_eq!(house.kinds(&asked).await, ["approval.requested", "approval.withdrawn"]);
    }

    async fn two_approvers_at_once_make_one_decision(engine) {
        let mut house = House::new(engine).await;
        let (mut anne, emea, joe) = (house.anne.clone(), house.emea.clone(), house.joe.clone());
        let eve = house.person("eve").await;
        house.give(&mut anne, &emea, &eve, "administrator").await.expect(201);
        house.policy(&privileged()).await;
        // The policy is EMEA's, so the administrators of EMEA decide.
        let (mut adam, mut eve) = (house.adam.clone(), house.enter("eve").await);
        for (round, (one, other)) in [("approve", "approve"), ("approve", "reject"), ("reject", "reject")].into_iter().enumerate() {
            let role = ["financial", "administrator", "financial"][round];
            if round == 2 {
                house.sql(engine, "delete from assignments where tenant_id = {tenant} and role = 'financial'").await;
            }
            let asked = house.give(&mut anne, &emea, &joe, role).await.expect(202).body;
            let why = json!({ "reason": "so" });
            let (one, other) = tokio::join!(house.act(&mut adam, &asked, one, &why), house.act(&mut eve, &asked, other, &why));
            let mut statuses = [one.status, other.status];
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 409], "{} {}", one.body, other.body);
            let (won, lost) = if one.status == 200 { (&one, &other) } else { (&other, &one) };
            problem(lost, 409, "conflict");
            let kinds = house.kinds(&asked).await;
            assert_eq!(kinds, ["approval.requested", &format!("approval.{}", won.body["state"].as_str().unwrap())]);
            let given = house.held().await.iter().any(|held| held == role);
            assert_eq!(given, won.body["state"] == "approved", "{}", won.body);
        }
    }

    async fn what_was_approved_fails_when_it_cannot_be_given_any_more(engine) {
        let mut house = House::new(engine).await;
        let eve = house.person("eve").await;
        let (mut anne, mut adam, emea, joe) = (house.anne.clone(), house.adam.clone(), house.emea.clone(), house.joe.clone());
        let given = house.give(&mut anne, &emea, &eve, "administrator").await.expect(201).body;
        house.policy(&privileged()).await;
        let mut eve = house.enter("eve").await;
        let lost = house.give(&mut eve, &emea, &joe, "financial").await.expect(202).body;
        let path = format!("/assignments/{}", given["id"].as_str().unwrap());
        house.office.send(&mut anne, Method::DELETE, &path, None).await.expect(204);
        // Who asked has no business there any more, and still sees what became of it.
        let failed = house.act(&mut adam, &lost, "approve", &json!({})).await.expect(200).body;
        assert_eq!((&failed["state"], failed["decisions"].as_array().unwrap().len()), (&json!("failed"), 1));
        assert!(failed["failure"].as_str().unwrap().contains("may not give it any more"), "{failed}");
        assert!(house.held().await.is_empty(), "nothing of it was given");
        assert_eq!(house.kinds(&lost).await, ["approval.requested", "approval.approved", "approval.failed"]);
        let own = house.office.get(&mut eve, &format!("/approvals/{}", lost["id"].as_str().unwrap())).await.expect(200).body;
        assert_eq!(own["state"], "failed");
        problem(&house.act(&mut adam, &lost, "approve", &json!({})).await, 409, "conflict");
        // Whom it was about is gone.
        let asked = house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body;
        house.tenant.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        let failed = house.act(&mut adam, &asked, "approve", &json!({})).await.expect(200).body;
        assert_eq!((&failed["state"], &failed["failure"]), (&json!("failed"), &json!("there is no such login")));
        assert_eq!(failed["subject"], json!({ "login": joe, "user_name": null }));
    }

    async fn a_client_that_asked_and_was_revoked_gives_nothing(engine) {
        let mut house = House::new(engine).await;
        house.policy(&privileged()).await;
        let (mut anne, mut adam) = (house.anne.clone(), house.adam.clone());
        let portal = house.client("bluesky-orders").await;
        let path = format!("/accounts/{}/assignments", house.emea);
        let gift = |role: &str| json!({ "login": house.joe, "role": role });
        let (good, bad) = (ask(&portal, &path, &gift("financial")).await.expect(202).body, ask(&portal, &path, &gift("administrator")).await.expect(202).body);
        assert_eq!(good["requested_by"]["kind"], "client");
        assert_eq!(house.act(&mut anne, &good, "approve", &json!({})).await.expect(200).body["state"], "approved");
        let clients = house.office.get(&mut anne, "/clients").await.expect(200).body;
        let client = clients["items"].as_array().unwrap().iter().find(|item| item["client_id"] == "bluesky-orders").unwrap();
        house.office.send(&mut anne, Method::DELETE, &format!("/clients/{}", client["id"].as_str().unwrap()), None).await.expect(204);
        assert_eq!(house.act(&mut adam, &bad, "approve", &json!({})).await.expect(200).body["state"], "failed");
        assert_eq!(house.held().await, ["financial"]);
    }

    async fn a_policy_that_changes_or_goes_changes_nothing_about_what_waits(engine) {
        let mut house = House::new(engine).await;
        let (mut anne, mut adam, emea, joe) = (house.anne.clone(), house.adam.clone(), house.emea.clone(), house.joe.clone());
        let policy = house.policy(&privileged()).await;
        let path = format!("/approval-policies/{}", policy["id"].as_str().unwrap());
        let (first, second) = (house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body, house.give(&mut anne, &emea, &joe, "administrator").await.expect(202).body);
        let mut strict = privileged();
        (strict["needed"], strict["name"]) = (json!(3), json!("Stricter"));
        house.office.send(&mut anne, Method::PUT, &path, Some(&strict)).await.expect(200);
        let third = house.give(&mut adam, &emea, &joe, "administrator").await.expect(202).body;
        assert_eq!((&third["needs"][0]["name"], &third["needs"][0]["needed"]), (&json!("Stricter"), &json!(3)));
        assert_eq!(house.act(&mut adam, &first, "approve", &json!({})).await.expect(200).body["state"], "approved");
        house.office.send(&mut anne, Method::DELETE, &path, None).await.expect(204);
        assert_eq!(house.office.get(&mut anne, "/approvals?state=pending").await.expect(200).body["items"].as_array().unwrap().len(), 2);
        let waits = house.act(&mut anne, &third, "approve", &json!({})).await.expect(200).body;
        assert_eq!((&waits["state"], &waits["needs"][0]["given"]), (&json!("pending"), &json!(1)));
        problem(&house.act(&mut anne, &third, "approve", &json!({})).await, 409, "conflict");
        assert_eq!(house.act(&mut adam, &second, "approve", &json!({})).await.expect(200).body["state"], "approved");
        assert_eq!(house.held().await, ["administrator", "financial"]);
        // Without the policy nobody is asked.
        let eve = house.person("eve").await;
        house.give(&mut anne, &emea, &eve, "financial").await.expect(201);
    }

    async fn what_nobody_decides_expires(engine) {
        let mut house = House::new(engine).await;
        house.policy(&privileged()).await;
        let (mut anne, mut adam, emea, joe) = (house.anne.clone(), house.adam.clone(), house.emea.clone(), house.joe.clone());
        let asked = house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body;
        assert_eq!((&asked["requested_at"], &asked["expires_at"]), (&json!("2027-01-15T08:00:00Z"), &json!("2027-02-14T08:00:00Z")));
        house.sql(engine, "update approvals set expires_at = created_at where tenant_id = {tenant}").await;
        for act in ["approve", "reject", "withdraw"] {
            let by = if act == "withdraw" { &mut anne } else { &mut adam };
            problem(&house.act(by, &asked, act, &json!({ "reason": "late" })).await, 409, "conflict");
        }
        let states = |list: Value| -> Vec<String> {
            list["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap().to_owned()).collect()
        };
        // It is asked for anew.
        let again = house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body;
        assert_ne!(again["id"], asked["id"]);
        for (filter, expected) in [("", vec!["pending", "expired"]), ("?state=expired", vec!["expired"]), ("?state=pending", vec!["pending"]), ("?state=failed", vec![])] {
            assert_eq!(states(house.office.get(&mut adam, &format!("/approvals{filter}")).await.expect(200).body), expected, "{filter}");
        }
        assert!(house.held().await.is_empty());
    }

    async fn what_is_asked_for_is_seen_by_those_whom_it_concerns_and_by_nobody_else(engine) {
        let mut house = House::new(engine).await;
        house.policy(&privileged()).await;
        let red = house.office.tenant("redsky", "entra").await;
        let mut stranger = house.office.inside(&red, "rita", "Cloud-Admins").await;
        let mut nobody = house.enter("joe").await;
        let (mut anne, emea, joe) = (house.anne.clone(), house.emea.clone(), house.joe.clone());
        let asked = house.give(&mut anne, &emea, &joe, "financial").await.expect(202).body;
        let path = format!("/approvals/{}", asked["id"].as_str().unwrap());
        let mut answers = Vec::new();
        for by in [&mut stranger, &mut nobody] {
            assert_eq!(house.office.get(by, "/approvals").await.expect(200).body, json!({ "items": [], "next": null }));
            for answer in [
                house.office.get(by, &path).await,
                house.office.get(by, "/approvals/01900000-0000-7000-8000-000000000000").await,
                house.office.get(by, "/approvals/no-id").await,
                house.act(by, &asked, "approve", &json!({})).await,
                house.act(by, &asked, "reject", &json!({ "reason": "no" })).await,
                house.act(by, &asked, "withdraw", &json!({})).await,
            ] {
                problem(&answer, 404, "not-found");
                answers.push(alike(answer));
            }
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        problem(&house.office.get(&mut Browser::new(), "/approvals").await, 401, "unauthenticated");
        // Who has no business with approvals has none elsewhere either.
        problem(&house.office.get(&mut nobody, "/accounts").await, 401, "unauthenticated");
        // A client sees them with its scope, where it acts.
        assert_eq!(house.client("bluesky-emea").await.get(&path).await.expect(200).body["id"], asked["id"]);
        problem(&ask(&house.client("bluesky-emea").await, &format!("{path}/approve"), &json!({})).await, 403, "forbidden");
        let token = house.office.token(&house.tenant, "log").await;
        problem(&token.get("/approvals").await, 403, "forbidden");
    }

    async fn the_list_goes_on_where_a_page_ended(engine) {
        let mut house = House::new(engine).await;
        house.policy(&privileged()).await;
        let (mut anne, emea) = (house.anne.clone(), house.emea.clone());
        let mut asked = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            let login = house.person(name).await;
            asked.push(house.give(&mut anne, &emea, &login, "financial").await.expect(202).body["id"].clone());
        }
        asked.reverse();
        let (mut seen, mut after) = (Vec::new(), String::new());
        for page in 0.. {
            let list = house.office.get(&mut anne, &format!("/approvals?limit=2&account={emea}{after}")).await.expect(200).body;
            seen.extend(list["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
            assert!(page < 4);
            let Some(next) = list["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(seen, asked);
        let top = house.top.clone();
        assert_eq!(house.office.get(&mut anne, &format!("/approvals?account={top}")).await.expect(200).body["items"], json!([]));
        for bad in ["?state=open", "?trigger=order", "?limit=0", "?after=x"] {
            problem(&house.office.get(&mut anne, &format!("/approvals{bad}")).await, 400, "invalid-request");
        }
    }
}
