//! The whole way in a browser with SAML identity providers that others wrote: signing in, logout from both sides, encrypted assertions, and new
//! certificates while people go on signing in. Vestibule and the identity provider are on sites of their own.

mod encrypted;
mod idp;
mod metadata;
mod rollover;
mod walks;

use serde_json::{Value, json};
use vestibule::clock::Clock;
use vestibule::model::HolderId;
use vestibule::store::Engine;

use self::idp::{Idp, Make};
use crate::openid::samples::chain::walk;
use crate::support::http::client;
use crate::support::world::{Tenant, World, describe};

/// What the identity provider calls Joe for ever.
const JOE: &str = "8c1f2a44-09d3-4a3e-b8a1-5f0de23c7a10";

/// Vestibule with one SAML connection, its identity provider, and Joe, whom the directory has pushed.
struct Sites {
    /// For browsers.
    vestibule: String,
    idp: Idp,
    tenant: Tenant,
    world: World,
    /// Who reads metadata again.
    holder: HolderId,
}

impl Sites {
    /// With the usual settings of a connection.
    async fn new(engine: Engine, make: Make) -> Self {
        Self::with(engine, make, "").await
    }

    /// With what the bootstrap file says of the connection beside the identity provider's metadata.
    async fn with(engine: Engine, make: Make, settings: &str) -> Self {
        let users = json!({ JOE: { "mail": ["joe@bluesky.example"], "givenName": ["Joe"], "groups": ["Staff", "Cloud"] } });
        let idp = Idp::start(make, &users).await;
        let mut vestibule = String::new();
        let world = World::with(engine, Clock::system(), |settings| {
            vestibule = settings.server.public_url.origin().replace("127.0.0.1", "vestibule.localhost");
            settings.server.public_url = vestibule.parse().unwrap();
            settings.net.allow.push(idp.base.trim_start_matches("http://").parse().unwrap());
        })
        .await;
        let tenant = world.described("bluesky", &described(&idp, settings)).await;
        let holder = HolderId::new(world.app.clock.now());
        let sites = Self { vestibule, idp, tenant, world, holder };
        sites.idp.know(&sites.sp_metadata().await).await;
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "externalId": JOE, "userName": "joe.bloggs", "displayName": "Joe Bloggs", "active": true,
        });
        sites.tenant.scim.post("/Users", &user).await.expect(201);
        sites
    }

    /// The metadata is due, and is read again.
    async fn refresh(&self) {
        let (app, url) = (&self.world.app, self.idp.metadata_url());
        let now = app.clock.now();
        let mut writer = app.store.write(self.tenant.id).await.unwrap();
        writer.set_metadata_url(self.tenant.connection, Some(&url), now).await.unwrap();
        writer.commit().await.unwrap();
        let done = app.refresher().refresh(self.holder).await.unwrap().expect("the lease");
        assert_eq!((done.taken, done.failed), (1, 0), "{done:?}\n{}", self.idp.log());
    }

    /// What Vestibule tells the identity provider of itself.
    async fn sp_metadata(&self) -> String {
        let url = format!("{}/sign-in/saml/{}/metadata", self.world.base, self.tenant.connection);
        let answer = client().get(url).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// From Vestibule's door to the identity provider.
    fn leave(&self) -> [Value; 3] {
        [
            json!({ "goto": format!("{}/sign-in", self.vestibule) }),
            json!({ "fill": "#identifier", "with": "joe@bluesky.example" }),
            json!({ "click": "main button" }),
        ]
    }

    /// The whole way, with the identity provider's form.
    fn sign_in(&self) -> Vec<Value> {
        let mut steps = self.leave().to_vec();
        steps.extend(self.idp.proves(JOE));
        steps.extend(self.arrived());
        steps
    }

    /// Signed in as Joe.
    fn arrived(&self) -> [Value; 2] {
        [json!({ "expectUrl": format!("{}/me", self.vestibule) }), json!({ "expectText": "signed in as joe.bloggs" })]
    }

    /// Vestibule knows nobody.
    fn is_out(&self) -> [Value; 2] {
        [json!({ "goto": format!("{}/me", self.vestibule) }), json!({ "expectUrl": format!("{}/sign-in", self.vestibule) })]
    }

    fn walk(&self, steps: &[Value]) -> Vec<String> {
        walk(steps, || self.idp.log())
    }
}

/// The tenant of every world, with a SAML connection in place of its own.
fn described(idp: &Idp, settings: &str) -> String {
    let text = describe("bluesky", "entra", "", "if-provisioned");
    let (before, rest) = text.split_once("\n[[tenant.connection]]").unwrap();
    let (_, after) = rest.split_once("\n[[tenant.domain]]").unwrap();
    let connection = CONNECTION.replace("{metadata}", &idp.metadata_url()).replace("{settings}", settings);
    format!("{before}{connection}\n[[tenant.domain]]{after}")
}

const CONNECTION: &str = r#"
[[tenant.connection]]
slug = "idp"
name = "The identity provider of bluesky"
contact = "it@bluesky.example"
saml = { metadata_url = "{metadata}", settings = { {settings} } }
"#;
