//! The whole chain in a browser: portal, Vestibule, identity provider, and back, each a process on a site of its own. Vestibule is the program
//! itself; the identity provider is npm `oidc-provider`.

use serde_json::{Value, json};
use vestibule::store::Engine;

use super::{Running, SECRET, Sample, free_ports};
use crate::process::{Home, Served};
use crate::support::evil_idp::CLIENT_SECRET;
use crate::support::http::client;
use crate::support::node::{Provider, browse};
use crate::support::world::on_every_engine;

const JOE: &str = "8c1f2a44-09d3-4a3e-b8a1-5f0de23c7a10";

/// What is described beside the tenant of every home: people of the group look after EMEA, and help in APAC; and the portal.
const MORE: &str = r#"
[[tenant.rule]]
name = "Help for APAC"
from = "directory:directory"
within = "bluesky"
when = 'groups.display eq "Cloud-EMEA-Admins"'
grant = [{ role = "support", account = "apac" }]

[[tenant.rule]]
name = "Money"
from = "directory:directory"
within = "bluesky"
when = 'groups.display eq "Finance"'
grant = [{ role = "financial", account = "emea" }]

[[client]]
client_id = "portal"
name = "The sample portal"
redirect_uris = ["{portal}/callback"]
post_logout_redirect_uris = ["{portal}/"]
backchannel_logout_uri = "{portal}/backchannel-logout"
audience = "portal-api"
secret = { value = "{secret}" }
"#;

/// The three sites, and the company's directory.
struct Street {
    portal: String,
    vestibule: String,
    provider: Provider,
    joe: String,
    finance: String,
    scim: (String, String),
    running: Running,
    served: Served,
    _home: Home,
}

impl Street {
    async fn new(engine: Engine, sample: Sample) -> Self {
        let [port, portal_port] = free_ports();
        let (vestibule, portal) = (format!("http://vestibule.localhost:{port}"), format!("http://portal.localhost:{portal_port}"));
        let provider = Provider::start(&json!({ "host": "idp.localhost", "users": { JOE: { "name": "Joe" } } }));
        let mut home = Home::new(engine).await;
        let allow = [provider.issuer(), &portal].map(|site| site.trim_start_matches("http://").to_owned()).join(", ");
        home.settings = vec![
            ("VESTIBULE__SERVER__LISTEN", format!("127.0.0.1:{port}")),
            ("VESTIBULE__SERVER__PUBLIC_URL", vestibule.clone()),
            ("VESTIBULE__NET__ALLOW", allow),
        ];
        let text = home.described(provider.issuer()) + &MORE.replace("{portal}", &portal).replace("{secret}", SECRET);
        std::fs::write(home.path("street.toml"), text).unwrap();
        let said = home.run(&["bootstrap", "street.toml"]).expect(0).out;
        let after = |what: &str| said.split_once(what).unwrap().1.split_whitespace().next().unwrap().to_owned();
        let registration =
            json!({ "client_id": "vestibule", "client_secret": CLIENT_SECRET, "redirect_uris": [after("redirect URI of idp: ")] });
        let answer = client().post(provider_here(&provider, "client")).body(registration.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", provider.log());

        let served = home.serve();
        let scim = served.scim(&after("/scim/v2/"));
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "externalId": JOE, "userName": "joe.bloggs", "displayName": "Joe Bloggs", "active": true,
            "name": { "givenName": "Joe", "familyName": "Bloggs" },
        });
        let joe = scim.post("/Users", &user).await.expect(201).id();
        let group = |name: &str, members: Value| json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members });
        scim.post("/Groups", &group("Cloud-EMEA-Admins", json!([{ "value": joe }]))).await.expect(201);
        let finance = scim.post("/Groups", &group("Finance", json!([]))).await.expect(201).id();
        let running = Running::start(sample, &vestibule, portal_port);
        Self { portal, vestibule, provider, joe, finance, scim: (scim.base, scim.token), running, served, _home: home }
    }

    /// What the directory sends while the browser waits.
    fn patch(&self, path: &str, operation: &Value, expect: u16) -> Value {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        let headers = json!({ "authorization": format!("Bearer {}", self.scim.1), "content-type": "application/scim+json" });
        json!({ "send": format!("{}{path}", self.scim.0), "method": "PATCH", "headers": headers, "body": body.to_string(), "expect": expect })
    }

    /// From the portal to the choice of an account, by way of the identity provider, which asks once who it is.
    fn sign_in(&self, is_first: bool) -> Vec<Value> {
        let mut steps = vec![
            json!({ "goto": format!("{}/", self.portal) }),
            json!({ "expectText": "You are signed out." }),
            json!({ "click": "text=Sign in" }),
            json!({ "expectUrl": format!("{}/sign-in", self.vestibule) }),
            json!({ "fill": "#identifier", "with": "joe.bloggs@bluesky.example" }),
            json!({ "click": "main button" }),
        ];
        if is_first {
            steps.extend([
                json!({ "expectUrl": self.provider.issuer() }),
                json!({ "fill": "[name=login]", "with": JOE }),
                json!({ "click": "button" }),
            ]);
        }
        steps.push(json!({ "expectText": "Which account?" }));
        steps
    }

    fn choose(&self, account: &str) -> [Value; 3] {
        [
            json!({ "click": format!("button.pick:has-text('{account}')") }),
            json!({ "expectUrl": format!("{}/", self.portal) }),
            json!({ "expectText": "Welcome, Joe Bloggs" }),
        ]
    }

    fn walk(&self, steps: &[Value]) -> Vec<String> {
        walk(steps, || format!("{}\n{}", self.running.log(), self.served.said()))
    }
}

/// Walks, and answers what the pages said at each `text`, in their order; nothing may be wrong with any page.
pub(crate) fn walk(steps: &[Value], log: impl Fn() -> String) -> Vec<String> {
    let mut seen = browse(&json!(steps));
    for list in ["console", "csp", "requests"] {
        let lines = seen[list].as_array_mut().unwrap();
        // A page that goes on by itself does not wait for its icon, and one that says no is a page all the same.
        let is_known =
            |line: &str| ["favicon", "ERR_ABORTED", "responded with a status of 400"].iter().any(|known| line.contains(known));
        lines.retain(|line| !is_known(line.as_str().unwrap()));
        assert!(lines.is_empty(), "{list}: {lines:?}\n{}", log());
    }
    for found in seen["steps"].as_object().unwrap().values().filter(|found| found.is_array()) {
        assert_eq!(*found, json!([]), "axe");
    }
    let mut texts: Vec<_> = seen["steps"].as_object().unwrap().iter().filter(|(_, found)| found.is_object()).collect();
    texts.sort_by_key(|(step, _)| step.parse::<usize>().unwrap());
    texts.into_iter().map(|(_, found)| found["text"].as_str().unwrap().to_owned()).collect()
}

/// The address of a control of the provider, whose name our client does not know.
pub(crate) fn provider_here(provider: &Provider, what: &str) -> String {
    let control = provider.control(what);
    let (_, port_and_path) = control.split_once(".localhost").expect("its name");
    format!("http://127.0.0.1{port_and_path}")
}

/// What a page says below one of its headings.
pub(crate) fn said<'a>(page: &'a str, what: &str) -> &'a str {
    let mut lines = page.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.find(|line| *line == what).unwrap_or_else(|| panic!("no {what}: {page}"));
    lines.next().unwrap()
}

async fn the_portal_signs_in_switches_refreshes_and_is_told_of_the_end(engine: Engine, sample: Sample) {
    let street = Street::new(engine, sample).await;
    let text = || json!({ "text": true });
    let mut steps = street.sign_in(true);
    steps.push(json!({ "axe": true }));
    steps.extend(street.choose("EMEA"));
    steps.extend([json!({ "axe": true }), text()]);
    // Another account, by the chooser.
    steps.extend([json!({ "click": "text=Another account" }), json!({ "expectText": "Which account?" })]);
    steps.extend(street.choose("APAC"));
    steps.push(text());
    // Back to the first, without being asked; the Python portal does not remember it.
    if sample == Sample::Node {
        steps.extend([json!({ "click": "text=Go to" }), json!({ "expectText": "administrator" })]);
    } else {
        steps.extend([json!({ "click": "text=Another account" }), json!({ "expectText": "Which account?" })]);
        steps.extend(street.choose("EMEA"));
    }
    steps.push(text());
    // A refresh says what is true now.
    let member = json!({ "op": "add", "path": "members", "value": [{ "value": street.joe }] });
    steps.extend([
        street.patch(&format!("/Groups/{}", street.finance), &member, 204),
        json!({ "click": "text=Refresh" }),
        json!({ "expectText": "Welcome, Joe Bloggs" }),
        text(),
        // Once more, with the next refresh token.
        json!({ "click": "text=Refresh" }),
        json!({ "expectText": "Welcome, Joe Bloggs" }),
    ]);
    // Out by the portal: Vestibule does not know them any more either.
    steps.extend([
        json!({ "click": "text=Sign out" }),
        json!({ "expectUrl": format!("{}/", street.portal) }),
        json!({ "expectText": "You are signed out." }),
        json!({ "goto": format!("{}/me", street.vestibule) }),
        json!({ "expectUrl": format!("{}/sign-in", street.vestibule) }),
        // What cannot be done silently is done with a page.
        json!({ "goto": format!("{}/sign-in?prompt=none", street.portal) }),
        json!({ "expectUrl": format!("{}/sign-in", street.vestibule) }),
    ]);
    // Out by Vestibule: the portal is told.
    let script = street.provider.control(&format!("login?client_id=vestibule&sub={JOE}")).replace("idp.localhost", "127.0.0.1");
    steps.push(json!({ "send": script, "method": "GET", "expect": 200 }));
    steps.extend(street.sign_in(false));
    steps.extend(street.choose("EMEA"));
    steps.extend([
        json!({ "goto": format!("{}/me", street.vestibule) }),
        json!({ "click": "header button" }),
        json!({ "expectText": "You are signed out" }),
        json!({ "goto": format!("{}/", street.portal) }),
        json!({ "reloadUntil": "You are signed out." }),
    ]);
    // The directory switches Joe off: the portal's own session ends, without anybody having asked.
    steps.extend(street.sign_in(false));
    steps.extend(street.choose("EMEA"));
    let off = json!({ "op": "replace", "path": "active", "value": false });
    steps.extend([street.patch(&format!("/Users/{}", street.joe), &off, 200), json!({ "reloadUntil": "You are signed out." })]);

    let pages = street.walk(&steps);
    let [emea, apac, back, refreshed] = pages.as_slice() else { panic!("{pages:?}") };
    assert_eq!((said(emea, "Login"), said(emea, "Roles")), (street.joe.as_str(), "administrator"));
    assert_eq!(said(emea, "Strength"), "urn:vestibule:aal1");
    assert_eq!((said(apac, "Login"), said(apac, "Roles")), (street.joe.as_str(), "support"));
    assert_ne!(said(emea, "Account"), said(apac, "Account"));
    assert_eq!((said(back, "Account"), said(back, "Roles")), (said(emea, "Account"), "administrator"));
    assert_eq!(said(refreshed, "Roles"), "administrator, financial");
}

on_every_engine! {
    async fn the_node_portal_signs_in_switches_account_refreshes_and_ends_when_vestibule_says_so(engine) {
        the_portal_signs_in_switches_refreshes_and_is_told_of_the_end(engine, Sample::Node).await;
    }

    async fn the_python_portal_signs_in_switches_account_refreshes_and_ends_when_vestibule_says_so(engine) {
        the_portal_signs_in_switches_refreshes_and_is_told_of_the_end(engine, Sample::Python).await;
    }
}
