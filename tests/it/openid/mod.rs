//! The OpenID Provider, as portals see it: stories over HTTP, each on both engines.

pub(crate) mod authorize;
mod clients;
mod codes;
mod conformance;
mod discovery;
pub(crate) mod ending;
mod grants;
mod introspection;
mod keys;
mod logout;
mod refreshes;
mod revocation;
mod rotation;
pub(crate) mod samples;
mod step_up;
mod userinfo;

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use vestibule::app::App;
use vestibule::cli::bootstrap;
use vestibule::clock::Clock;
use vestibule::config::Settings;
use vestibule::directory::tree::Tree;
use vestibule::keys::{HashedToken, PlainToken};
use vestibule::model::{AccountId, GrantId, LoginId, Session};
use vestibule::store::{Engine, NewGrant};

use crate::support::evil_idp::EvilIdp;
use crate::support::http::{self, Answer, Browser, Scim};
use crate::support::sql;
use crate::support::world::{Tenant, World, describe};

/// Where all stories with a scripted clock begin.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The secret of the portals that have one.
pub(crate) const SECRET: &str = "portal-secret-0123456789abcdef0123456789";
/// Where browsers come back to the portal `portal` of every [`Foyer`].
pub(crate) const CALLBACK: &str = "https://portal.example/callback";

/// The portals of every [`Foyer`]: `portal` and `other` have a secret, `public` has none.
const PORTALS: &str = r#"
[[client]]
client_id = "portal"
name = "The portal"
redirect_uris = ["https://portal.example/callback", "https://portal.example/again?x=1"]
post_logout_redirect_uris = ["https://portal.example/goodbye"]
backchannel_logout_uri = "https://portal.example/logout"
audience = "https://api.portal.example"
secret = { value = "{secret}" }

[[client]]
client_id = "other"
name = "Another portal"
redirect_uris = ["https://other.example/callback"]
secret = { value = "{secret}" }

[[client]]
client_id = "public"
name = "A portal in the browser"
redirect_uris = ["https://public.example/callback"]
public = true
"#;

/// A rule beside that of every described tenant: administrators of the whole tenant.
const RULES: &str = r#"
[[tenant.rule]]
name = "Administrators"
from = "directory:directory"
within = "{slug}"
when = 'groups.display eq "Cloud-Admins"'
grant = [{ role = "administrator", account = "." }]
"#;

/// A world with portals and the tenant `bluesky`, the scripted identity provider of its connection, and a clock that stands still at noon.
/// Members of the group `Cloud-EMEA-Admins` are administrators of `bluesky/emea`, those of `Cloud-Admins` of everything.
pub(crate) struct Foyer {
    pub(crate) world: World,
    pub(crate) idp: EvilIdp,
    pub(crate) tenant: Tenant,
    pub(crate) clock: Clock,
}

/// Another replica of the service on the database of a world; dropping it ends it.
pub(crate) struct Replica {
    pub(crate) app: App,
    /// Its address. What it says of itself is the address of the world: both stand behind one name.
    pub(crate) base: String,
    serving: AbortHandle,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A grant with its code, as a portal holds it.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) grant: GrantId,
    pub(crate) text: String,
    pub(crate) verifier: String,
    pub(crate) redirect_uri: String,
}

impl Foyer {
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::with(engine, |_| ()).await
    }

    /// The same with other settings.
    pub(crate) async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        Self::described(engine, change, |text| text).await
    }

    /// The same with another description of the tenant, made of the usual one.
    pub(crate) async fn described(
        engine: Engine,
        change: impl FnOnce(&mut Settings),
        description: impl FnOnce(String) -> String,
    ) -> Self {
        let clock = Clock::fixed(noon());
        let idp = EvilIdp::start(noon()).await;
        let world = World::with(engine, clock.clone(), change).await;
        let text = describe("bluesky", "entra", idp.issuer(), "if-provisioned") + &RULES.replace("{slug}", "bluesky");
        let tenant = world.described("bluesky", &description(text)).await;
        let foyer = Self { world, idp, tenant, clock };
        foyer.register(&PORTALS.replace("{secret}", SECRET)).await;
        foyer
    }

    /// Registers what a bootstrap file describes: more portals.
    pub(crate) async fn register(&self, text: &str) {
        bootstrap::apply(&self.world.app, &bootstrap::parse(text).unwrap()).await.unwrap();
    }

    /// Another replica of the service.
    pub(crate) async fn replica(&self) -> Replica {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = App::build((*self.world.app.settings).clone(), self.clock.clone()).await.unwrap();
        let service = vestibule::http::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(axum::serve(listener, service).into_future()).abort_handle();
        Replica { app, base: format!("http://{address}"), serving }
    }

    /// The directory pushes somebody, whose `sub` at the identity provider is their name, into groups.
    pub(crate) async fn person(&self, name: &str, groups: &[&str]) -> LoginId {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("{name}@bluesky.example"), "externalId": name, "active": true,
            "name": { "givenName": "Joe", "familyName": "Bloggs" }, "displayName": "Joe Bloggs",
            "emails": [{ "value": format!("{name}@bluesky.example"), "type": "work", "primary": true }],
        });
        let id = self.tenant.scim.post("/Users", &user).await.expect(201).id();
        for group in groups {
            let group = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": group, "members": [{ "value": id }],
            });
            self.tenant.scim.post("/Groups", &group).await.expect(201);
        }
        id.parse().unwrap()
    }

    /// The directory switches somebody on or off.
    pub(crate) async fn set_active(&self, login: LoginId, active: bool) {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "Replace", "path": "active", "value": active }],
        });
        let status = self.tenant.scim.patch(&format!("/Users/{login}"), &body).await.status;
        assert!(matches!(status, 200 | 204), "{status}");
    }

    /// A browser in which somebody is signed in at Vestibule.
    pub(crate) async fn sign_in(&self, name: &str) -> Browser {
        self.idp.script().claims = json!({ "sub": name });
        let mut browser = Browser::new();
        browser.follow(&self.world.sign_in(&self.tenant), None).await.expect(200, "Your accounts");
        browser
    }

    /// The session of a browser.
    pub(crate) async fn session(&self, browser: &Browser) -> Option<Session> {
        let cookie = browser.cookie(&self.world.base, "__Host-vestibule-session")?;
        let now = self.clock.now();
        self.world.app.store.doors().session(&HashedToken::of(cookie), now, self.world.app.session_limits()).await.unwrap()
    }

    /// The id of the account of a path, such as `bluesky/emea`.
    pub(crate) async fn account(&self, path: &str) -> AccountId {
        let accounts = self.world.app.store.read(self.tenant.id).accounts().await.unwrap();
        Tree::new(accounts).find(path).unwrap()
    }

    /// What the authorization endpoint does for a browser: a grant with its code, written by the store.
    pub(crate) async fn grant(&self, browser: &Browser, client_id: &str, account: &str, scope: &str) -> Code {
        let store = &self.world.app.store;
        let session = self.session(browser).await.expect("somebody is signed in");
        let portal = store.doors().portal(client_id).await.unwrap().expect("a portal").portal;
        let sid = store.read(self.tenant.id).sid_of_session(session.id, session.active_login_id).await.unwrap().unwrap();
        let plain = || PlainToken::bare().reveal().expose_secret().to_owned();
        let (code, verifier, now) = (plain(), plain(), self.clock.now());
        let grant = GrantId::new(now);
        let scopes: Vec<_> = scope.split(' ').map(ToOwned::to_owned).collect();
        let new = NewGrant {
            id: grant,
            client: portal.id,
            sid,
            login: session.active_login_id,
            account: self.account(account).await,
            scopes: &scopes,
            nonce: Some("the nonce"),
            redirect_uri: &portal.redirect_uris[0],
            code_challenge: &challenge(&verifier),
            code: &HashedToken::of(&code),
            code_expires_at: now + TimeDelta::seconds(60),
        };
        let mut writer = store.write(self.tenant.id).await.unwrap();
        writer.insert_grant(&new, now).await.unwrap();
        writer.commit().await.unwrap();
        Code { grant, text: code, verifier, redirect_uri: portal.redirect_uris[0].clone() }
    }

    /// Asks an endpoint below `/oauth2` as the client of an id, by `client_secret_post` with [`SECRET`]; `public` has none.
    pub(crate) async fn ask(&self, client_id: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
        ask_at(&self.world.base, client_id, path, parameters).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, client_id: &str, code: &Code) -> Answer {
        self.ask(client_id, "/token", &code.parameters()).await
    }

    /// Refreshes.
    pub(crate) async fn refresh(&self, client_id: &str, token: &str) -> Answer {
        self.ask(client_id, "/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// What the userinfo endpoint says of an access token.
    pub(crate) async fn userinfo(&self, access_token: &str) -> Answer {
        let url = format!("{}/oauth2/userinfo", self.world.base);
        Scim::read(http::client().get(url).bearer_auth(access_token).send().await.unwrap()).await
    }

    /// Whether a portal's introspection says that a token is good.
    pub(crate) async fn is_active(&self, client_id: &str, token: &str) -> bool {
        let answer = self.ask(client_id, "/introspect", &[("token", token)]).await.expect(200);
        answer.body["active"].as_bool().unwrap()
    }

    pub(crate) async fn count(&self, what: &str) -> i64 {
        sql::number(&self.world.database.url, &format!("select count(*) from {what}")).await
    }
}

/// [`Foyer::ask`] at any replica.
pub(crate) async fn ask_at(base: &str, client_id: &str, path: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut form = vec![("client_id", client_id)];
    form.extend((client_id != "public").then_some(("client_secret", SECRET)));
    form.extend(parameters);
    Scim::read(http::client().post(format!("{base}/oauth2{path}")).form(&form).send().await.unwrap()).await
}

impl Code {
    /// The parameters that redeem it.
    pub(crate) fn parameters(&self) -> [(&'static str, &str); 4] {
        [
            ("grant_type", "authorization_code"),
            ("code", &self.text),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &self.verifier),
        ]
    }
}

/// The S256 challenge of a verifier (RFC 7636 section 4.2).
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

/// The claims of a JWT, whoever signed it.
pub(crate) fn claims(token: &Value) -> Value {
    part(token, 1)
}

/// The header of a JWT.
pub(crate) fn header(token: &Value) -> Value {
    part(token, 0)
}

fn part(token: &Value, at: usize) -> Value {
    let text = token.as_str().unwrap_or_else(|| panic!("no token: {token}")).split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}
