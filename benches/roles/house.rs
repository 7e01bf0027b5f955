//! A tenant with many people, groups and rules.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use reqwest::Method;
use serde_json::{Value, json};

use crate::load::{Recorder, Target};
use crate::service::{SECRET, Service};

/// Accounts below the root.
const ACCOUNTS: usize = 100;

const TENANT: &str = r#"
[[tenant]]
slug = "bluesky"
name = "Bluesky"
catalogue = "customer-portal"

[[tenant.directory]]
slug = "directory"
name = "Directory"
profile = "entra"
settings = { requests_per_second = 1000000, burst = 1000000 }

[[tenant.directory.token]]
name = "load"
secret = { env = "LOAD_TOKEN" }

[[tenant.client]]
client_id = "load"
name = "Load"
scopes = ["access:evaluate", "people:read", "rules:write", "roles:write", "accounts:read"]
secret = { env = "LOAD_SECRET" }

[[tenant.account]]
path = "bluesky"
name = "Bluesky"
"#;

/// A running program, and what is in it.
pub(crate) struct House {
    pub(crate) service: Service,
    pub(crate) logins: Arc<[String]>,
    pub(crate) accounts: Arc<[String]>,
}

impl House {
    /// So many people, each in ten of the groups, and a rule for each of the first groups.
    pub(crate) async fn build(people: usize, groups: usize, rules: usize) -> Self {
        let mut text = TENANT.to_owned();
        for number in 0..ACCOUNTS {
            write!(text, "\n[[tenant.account]]\npath = \"bluesky/a{number}\"\nname = \"Account {number}\"\n").unwrap();
        }
        for number in 0..rules {
            let account = number % ACCOUNTS;
            write!(
                text,
                "\n[[tenant.rule]]\nname = \"Rule {number}\"\nfrom = \"directory:directory\"\nwithin = \"bluesky\"\n\
                 when = 'groups.display eq \"Group {number}\"'\ngrant = [{{ role = \"support\", account = \"a{account}\" }}]\n"
            )
            .unwrap();
        }
        eprintln!("building a house of {people} people in {groups} groups with {rules} rules");
        let service = Service::set_up(&text).await;
        let mut recorder = Recorder::default();
        for (path, body) in [
            ("/Users", json!({ "userName": "person-0@bluesky.example", "externalId": "external-0", "active": true })),
            ("/Groups", json!({ "displayName": "Group 0" })),
        ] {
            recorder.send(&service.target, "make", Method::POST, path, Some(&body)).await.unwrap();
        }
        service.fill(people).await;
        service.execute(GROUPS.replace("{last}", &(groups - 1).to_string())).await;
        service.execute(MEMBERS.replace("{groups}", &groups.to_string())).await;
        service.execute("vacuum analyze".to_owned()).await;
        let logins = service.texts("select id::text from logins order by id").await.into();
        let accounts = service.texts("select id::text from accounts where parent_id is not null order by id").await.into();
        Self { service, logins, accounts }
    }

    /// The administration API, as the client asks it. Its token is good for ten minutes.
    pub(crate) async fn api(&self) -> Target {
        let Target { name, base, client, .. } = &self.service.target;
        let (base, _) = base.split_once("/scim/").unwrap();
        let request = client.post(format!("{base}/oauth2/token")).basic_auth("load", Some(SECRET));
        let given: Value = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap().json().await.unwrap();
        Target::new(name, base.to_owned(), given["access_token"].as_str().unwrap().to_owned())
    }

    /// The path of a group with a rule.
    #[expect(clippy::unused_self, reason = "it is the house's")]
    pub(crate) fn group_path(&self) -> fn(&str) -> String {
        |_| format!("/Groups/{GROUP}")
    }

    /// Adds to the condition of a rule what everybody fulfils. Answers how long the request took, and the job that goes on with it.
    pub(crate) async fn change_rule(&self, more: &str) -> (Duration, Option<String>) {
        let api = self.api().await;
        let mut recorder = Recorder::default();
        let list = recorder.send(&api, "list", Method::GET, "/api/v1/rules?limit=1", None).await.unwrap();
        let mut rule = list["items"][0].clone();
        let id = rule["id"].as_str().unwrap().to_owned();
        rule["when"] = format!("{} and {more}", rule["when"].as_str().unwrap()).into();
        for name in ["id", "version"] {
            rule.as_object_mut().unwrap().remove(name);
        }
        let began = Instant::now();
        let request = api.client.put(format!("{}/api/v1/rules/{id}", api.base)).bearer_auth(&api.token).json(&rule);
        let answer = request.send().await.unwrap();
        let took = began.elapsed();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        (took, answer.headers().get("vestibule-job").map(|job| job.to_str().unwrap().to_owned()))
    }

    async fn job(&self, job: &str) -> Value {
        let api = self.api().await;
        Recorder::default().send(&api, "job", Method::GET, &format!("/api/v1/jobs/{job}"), None).await.unwrap()
    }

    pub(crate) async fn is_finished(&self, job: &str) -> bool {
        let told = self.job(job).await;
        eprint!("\rjob: {} of {}   ", told["done"], told["total"]);
        !told["finished_at"].is_null()
    }

    /// How long a finished job took, by its own account.
    pub(crate) async fn took(&self, job: &str) -> Option<Duration> {
        let told = self.job(job).await;
        let [began, ended] =
            ["created_at", "finished_at"].map(|name| DateTime::parse_from_rfc3339(told[name].as_str().unwrap_or_default()));
        (ended.ok()? - began.ok()?).to_std().ok()
    }
}

/// The id of the group in which members come and go. A rule is for it.
const GROUP: &str = "00000000-0000-7000-8000-000000000001";

/// Copies of the first group; one of them has an id that is known.
const GROUPS: &str = "
insert into groups (tenant_id, id, directory_id, display, display_key, scim, search, version, created_at, updated_at)
  select g.tenant_id, case number when 1 then '00000000-0000-7000-8000-000000000001' else gen_random_uuid() end, g.directory_id,
    'Group ' || number, 'group ' || number, g.scim || jsonb_build_object('displayName', 'Group ' || number),
    g.search || jsonb_build_object('displayName', 'group ' || number), 1, g.created_at, g.updated_at
  from generate_series(1, {last}) number, (select * from groups order by id limit 1) g;
";

/// Everybody in ten groups.
const MEMBERS: &str = "
insert into group_logins (tenant_id, group_id, login_id)
  select l.tenant_id, g.id, l.id
  from (select tenant_id, id, row_number() over (order by id) as number from logins) l
    cross join generate_series(0, 9) turn
    join (select id, row_number() over (order by display) - 1 as number from groups) g on g.number = (l.number * 7 + turn * 101) % {groups}
  on conflict do nothing;
";
