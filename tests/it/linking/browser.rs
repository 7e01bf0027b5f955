//! The whole way in a browser, each party on a site of its own: two logins are linked by the pages, a portal asks for the other one, the header
//! switches, the two are parted, and each is on its own again. Once with two identity providers, and once with both logins at the same one.

use serde_json::{Value, json};
use vestibule::store::Engine;

use crate::openid::samples::chain::{provider_here, said, walk};
use crate::openid::samples::{Running, SECRET, Sample, free_ports};
use crate::process::{Home, Served};
use crate::support::evil_idp::CLIENT_SECRET;
use crate::support::http::client;
use crate::support::node::Provider;
use crate::support::world::on_every_engine;

const JOE: &str = "8c1f2a44-09d3-4a3e-b8a1-5f0de23c7a10";
const GSA: &str = "b1a8e2d4-77c9-4f0b-8a61-0c2d9e4b7f02";

/// What is described beside the tenant of every home: the vault, where powerful logins sign in, the support desk, and the portal.
const MORE: &str = r#"
[[tenant.connection]]
slug = "vault"
name = "The vault"
issuer = "{vault}"
client_id = "vestibule"
client_secret = { value = "{client_secret}" }
jit = "if-provisioned"

[[tenant.domain]]
name = "vault.example"
connections = ["vault"]
"#;

const REST: &str = r#"
[[tenant.directory.binding]]
connection = "vault"
claim = "sub"
attribute = "externalId"

[[tenant.rule]]
name = "Support desk"
from = "directory:directory"
within = "bluesky"
when = 'groups.display eq "Support"'
grant = [{ role = "support", account = "emea" }]

[[client]]
client_id = "portal"
name = "The sample portal"
redirect_uris = ["{portal}/callback"]
post_logout_redirect_uris = ["{portal}/"]
backchannel_logout_uri = "{portal}/backchannel-logout"
audience = "portal-api"
secret = { value = "{secret}" }
"#;

/// Where the second login signs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    TheSame,
    TheVault,
}

/// The sites, and the two logins, which the directory has pushed: one on the support desk of EMEA, one administrating it.
struct Sites {
    portal: String,
    vestibule: String,
    idp: Provider,
    vault: Provider,
    at: At,
    joe: String,
    gsa: String,
    running: Running,
    served: Served,
    _home: Home,
}

impl Sites {
    async fn new(engine: Engine, at: At, sample: Sample) -> Self {
        let [port, portal_port] = free_ports();
        let (vestibule, portal) = (format!("http://vestibule.localhost:{port}"), format!("http://portal.localhost:{portal_port}"));
        let users = json!({ JOE: { "name": "Joe" }, GSA: { "name": "Joe" } });
        let provider = |host: &str| Provider::start(&json!({ "host": host, "users": users }));
        let (idp, vault) = (provider("idp.localhost"), provider("vault.localhost"));
        let mut home = Home::new(engine).await;
        let allow = [idp.issuer(), vault.issuer(), &portal].map(|site| site.trim_start_matches("http://").to_owned()).join(", ");
        home.settings = vec![
            ("VESTIBULE__SERVER__LISTEN", format!("127.0.0.1:{port}")),
            ("VESTIBULE__SERVER__PUBLIC_URL", vestibule.clone()),
            ("VESTIBULE__NET__ALLOW", allow),
        ];
        let more = MORE.replace("{vault}", vault.issuer()).replace("{client_secret}", CLIENT_SECRET);
        let rest = REST.replace("{portal}", &portal).replace("{secret}", SECRET);
        let text = home.described(idp.issuer()).replacen("\n[[tenant.directory]]", &format!("{more}\n[[tenant.directory]]"), 1);
        let (directory, rules) = text.split_once("\n[[tenant.rule]]").unwrap();
        let (binding, others) = rest.split_once("\n[[tenant.rule]]").unwrap();
        let text = format!("{directory}{binding}\n[[tenant.rule]]{rules}\n[[tenant.rule]]{others}");
        std::fs::write(home.path("sites.toml"), text).unwrap();
        let said = home.run(&["bootstrap", "sites.toml"]).expect(0).out;
        let after = |what: &str| said.split_once(what).unwrap().1.split_whitespace().next().unwrap().to_owned();
        for (provider, uri) in [(&idp, after("redirect URI of idp: ")), (&vault, after("redirect URI of vault: "))] {
            let registration = json!({ "client_id": "vestibule", "client_secret": CLIENT_SECRET, "redirect_uris": [uri] });
            let answer = client().post(provider_here(provider, "client")).body(registration.to_string()).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", provider.log());
        }

        let served = home.serve();
        let scim = served.scim(&after("/scim/v2/"));
        let [mut joe, mut gsa] = [String::new(), String::new()];
        for (id, external, name, group) in
            [(&mut joe, JOE, "joe.bloggs", "Support"), (&mut gsa, GSA, "joe.bloggs.gsa", "Cloud-EMEA-Admins")]
        {
            let user = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "externalId": external, "userName": name, "displayName": "Joe Bloggs", "active": true,
            });
            *id = scim.post("/Users", &user).await.expect(201).id();
            let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
            let group = json!({ "schemas": [schema], "displayName": group, "members": [{ "value": id }] });
            scim.post("/Groups", &group).await.expect(201);
        }
        let running = Running::start(sample, &vestibule, portal_port);
        Self { portal, vestibule, idp, vault, at, joe, gsa, running, served, _home: home }
    }

    /// The identity provider at which a login signs in.
    fn provider_of(&self, sub: &str) -> &Provider {
        if sub == GSA && self.at == At::TheVault { &self.vault } else { &self.idp }
    }

    /// At the identity provider, as somebody.
    fn proves(&self, sub: &str) -> [Value; 3] {
        [
            json!({ "expectUrl": self.provider_of(sub).issuer() }),
            json!({ "fill": "[name=login]", "with": sub }),
            json!({ "click": "button" }),
        ]
    }

    /// The identity providers know nobody any more, so that each asks who it is.
    fn forget(&self) -> [Value; 2] {
        [&self.idp, &self.vault]
            .map(|provider| json!({ "send": provider_here(provider, "sign-out"), "method": "GET", "expect": 200 }))
    }

    /// From the portal's door to its first page.
    fn sign_in(&self, sub: &str) -> Vec<Value> {
        let domain = if sub == GSA && self.at == At::TheVault { "vault" } else { "bluesky" };
        let mut steps = self.forget().to_vec();
        steps.extend([
            json!({ "goto": format!("{}/", self.portal) }),
            json!({ "expectText": "You are signed out." }),
            json!({ "click": "text=Sign in" }),
            json!({ "expectUrl": format!("{}/sign-in", self.vestibule) }),
            json!({ "fill": "#identifier", "with": format!("joe@{domain}.example") }),
            json!({ "click": "main button" }),
        ]);
        steps.extend(self.proves(sub));
        steps.extend(self.welcome());
        steps
    }

    /// At the portal, which tells who it is.
    fn welcome(&self) -> [Value; 3] {
        [
            json!({ "expectUrl": format!("{}/", self.portal) }),
            json!({ "expectText": "Welcome, Joe Bloggs" }),
            json!({ "text": true }),
        ]
    }

    /// The two are linked by the pages: both proved, and confirmed.
    fn link(&self) -> Vec<Value> {
        let connection = if self.at == At::TheVault { "The vault" } else { "The identity provider of bluesky" };
        let mut steps = vec![
            json!({ "goto": format!("{}/me/logins", self.vestibule) }),
            json!({ "expectText": "You have one login" }),
            json!({ "axe": true }),
            json!({ "click": "a:has-text('Link another login')" }),
            json!({ "expectText": "Sign in again as joe.bloggs" }),
            json!({ "axe": true }),
            json!({ "click": "main form button" }),
        ];
        steps.extend(self.proves(JOE));
        steps.extend([json!({ "expectText": "asked you just now" }), json!({ "axe": true })]);
        steps.extend(self.forget());
        steps.push(json!({ "click": format!("button.choice:has-text('{connection}')") }));
        steps.extend(self.proves(GSA));
        steps.extend([
            json!({ "expectText": "Link these two logins?" }),
            json!({ "expectText": "joe.bloggs.gsa" }),
            json!({ "axe": true }),
            json!({ "click": "main form button" }),
            json!({ "expectText": "The two logins are linked" }),
            json!({ "axe": true }),
        ]);
        steps
    }
}

async fn linked_switched_and_parted(engine: Engine, at: At, sample: Sample) {
    let sites = Sites::new(engine, at, sample).await;
    let at_home = |path: &str| json!({ "goto": format!("{}{path}", sites.vestibule) });
    let at_the_portal = || json!({ "goto": format!("{}/", sites.portal) });
    let mut steps = sites.sign_in(JOE);
    steps.extend(sites.link());
    // The portal learns of it with its next tokens, and asks for the other login from its own site. The person decides.
    steps.extend([at_the_portal(), json!({ "click": "text=Refresh" }), json!({ "expectText": "Use my other login" })]);
    steps.extend([
        json!({ "click": "text=Use my other login" }),
        json!({ "expectText": "asks you to go on as joe.bloggs.gsa (" }),
        json!({ "axe": true }),
        json!({ "click": "main button:has-text('Stay')" }),
        json!({ "expectText": "access_denied" }),
        at_the_portal(),
        json!({ "expectText": "Welcome, Joe Bloggs" }),
        json!({ "click": "text=Use my other login" }),
        json!({ "expectText": "asks you to go on as joe.bloggs.gsa (" }),
        json!({ "click": "main button:has-text('Switch to joe.bloggs.gsa')" }),
    ]);
    steps.extend(sites.welcome());
    // Back, by the same link.
    steps.extend([
        json!({ "click": "text=Use my other login" }),
        json!({ "expectText": "asks you to go on as joe.bloggs (" }),
        json!({ "click": "main button:has-text('Switch to joe.bloggs')" }),
    ]);
    steps.extend(sites.welcome());
    // And once more by the header of Vestibule's pages: the portal is told, and then asks who is there now.
    steps.extend([
        at_home("/me"),
        json!({ "click": "header button:has-text('Switch to joe.bloggs.gsa')" }),
        json!({ "expectText": "signed in as joe.bloggs.gsa" }),
        at_the_portal(),
        json!({ "reloadUntil": "You are signed out." }),
        json!({ "click": "text=Sign in" }),
    ]);
    steps.extend(sites.welcome());
    // Parted. The active one goes on, alone.
    steps.extend([
        at_home("/me/logins/unlink"),
        json!({ "expectText": "Unlink the two logins?" }),
        json!({ "axe": true }),
        json!({ "click": "main button.danger" }),
        json!({ "expectText": "no longer linked" }),
    ]);
    for sub in [JOE, GSA] {
        steps.push(json!({ "newContext": true }));
        steps.extend(sites.sign_in(sub));
    }

    let pages =
        walk(&steps, || format!("{}\n{}\n{}\n{}", sites.running.log(), sites.served.said(), sites.idp.log(), sites.vault.log()));
    let joe = (sites.joe.as_str(), "support");
    let gsa = (sites.gsa.as_str(), "administrator");
    let seen: Vec<_> = pages.iter().map(|page| (said(page, "Login"), said(page, "Roles"))).collect();
    assert_eq!(seen, [joe, gsa, joe, gsa, joe, gsa]);
    let offers: Vec<_> = pages.iter().map(|page| page.contains("Use my other login")).collect();
    assert_eq!(offers, [false, true, true, true, false, false]);
    let persons: Vec<_> = pages.iter().map(|page| said(page, "Person")).collect();
    assert!(persons[..5].iter().all(|person| *person == persons[0]) && persons[5] != persons[0], "{persons:?}");
}

on_every_engine! {
    async fn two_logins_of_two_identity_providers_are_linked_switched_and_parted(engine) {
        linked_switched_and_parted(engine, At::TheVault, Sample::Node).await;
    }

    async fn two_logins_of_one_identity_provider_are_linked_switched_and_parted(engine) {
        linked_switched_and_parted(engine, At::TheSame, Sample::Python).await;
    }
}
