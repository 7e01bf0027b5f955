//! The thread of everything, told of the program itself: `migrate`, `bootstrap`, `serve`, a push, a sign-in, a deactivation.

use std::net::TcpListener;

use serde_json::json;
use vestibule::store::Engine;

use super::Home;
use crate::support::evil_idp::CLIENT_SECRET;
use crate::support::http::{Browser, client};
use crate::support::node::Provider;
use crate::support::world::on_every_engine;

const JOE: &str = "8c1f2a44-09d3-4a3e-b8a1-5f0de23c7a10";

/// A home whose `serve` is reached at an address that is known before it starts, as identity providers must know it.
async fn home(engine: Engine) -> Home {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut home = Home::new(engine).await;
    home.settings = vec![
        ("VESTIBULE__SERVER__LISTEN", address.to_string()),
        ("VESTIBULE__SERVER__PUBLIC_URL", format!("http://{address}")),
        ("VESTIBULE__NET__ALLOW", "127.0.0.1".to_owned()),
    ];
    home
}

async fn ask(provider: &Provider, what: &str, body: Option<String>) {
    let request = match body {
        Some(body) => client().post(provider.control(what)).body(body),
        None => client().get(provider.control(what)),
    };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", provider.log());
}

on_every_engine! {
    async fn serve_takes_a_push_signs_in_and_refuses_whom_the_directory_switches_off(engine) {
        let provider = Provider::start(&json!({ "users": { JOE: { "name": "Joe" } } }));
        let home = home(engine).await;
        let directory = home.bootstrap(provider.issuer());
        let said = home.run(&["bootstrap", "bluesky.toml"]).expect(0);
        let (_, redirect_uri) = said.out.split_once("redirect URI of idp: ").unwrap();
        let redirect_uri = redirect_uri.split_whitespace().next().unwrap();
        let registration = json!({ "client_id": "vestibule", "client_secret": CLIENT_SECRET, "redirect_uris": [redirect_uri] });
        ask(&provider, "client", Some(registration.to_string())).await;
        ask(&provider, &format!("login?client_id=vestibule&sub={JOE}"), None).await;

        let served = home.serve();
        let scim = served.scim(&directory);
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "externalId": JOE, "userName": "joe.bloggs", "displayName": "Joe Bloggs", "active": true,
            "emails": [{ "primary": true, "type": "work", "value": "joe.bloggs@bluesky.example" }], "roles": [],
        });
        let joe = scim.post("/Users", &user).await.expect(201).id();
        let group = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "admins", "displayName": "Cloud-EMEA-Admins", "meta": { "resourceType": "Group" },
        });
        let group = scim.post("/Groups", &group).await.expect(201).id();
        let patch = |operation: serde_json::Value| {
            json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] })
        };
        let member = json!({ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": joe }] });
        scim.patch(&format!("/Groups/{group}"), &patch(member)).await.expect(204);

        let mut browser = Browser::new();
        let page = browser.follow(redirect_uri.trim_end_matches("/callback"), None).await;
        assert_eq!((page.status.as_u16(), page.url.path()), (200, "/me"), "{}\n{}", page.body, served.said());
        for text in ["Joe Bloggs", "EMEA", "Administrator", "EMEA administrators"] {
            assert!(page.body.contains(text), "{text}: {}", page.body);
        }

        let switched_off = json!({ "op": "Replace", "path": "active", "value": "False" });
        scim.patch(&format!("/Users/{joe}"), &patch(switched_off)).await.expect(200);
        browser.visit(&format!("{}/me", served.base)).await.expect_redirect("/sign-in");
    }
}
