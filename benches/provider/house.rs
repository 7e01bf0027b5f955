//! A tenant whose people are all signed in, and a portal that they sign in to.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::load::{AsyncJob, Recorder};
use crate::service::{SECRET, Service};

const CALLBACK: &str = "https://portal.example/callback";

const DESCRIBED: &str = r#"
[[tenant]]
slug = "bluesky"
name = "Bluesky"
catalogue = "customer-portal"

[[tenant.account]]
path = "bluesky"
name = "Bluesky"

[[tenant.connection]]
slug = "idp"
name = "Identity provider"
issuer = "https://idp.bluesky.example"
client_id = "vestibule"

[[tenant.directory]]
slug = "directory"
name = "Directory"
profile = "entra"
settings = { requests_per_second = 1000000, burst = 1000000 }

[[tenant.directory.token]]
name = "load"
secret = { env = "LOAD_TOKEN" }

[[tenant.rule]]
name = "Everybody"
from = "directory:directory"
within = "bluesky"
when = 'active eq true'
grant = [{ role = "support", account = "." }, { role = "financial", account = "." }]

[[client]]
client_id = "portal"
name = "The portal"
redirect_uris = ["https://portal.example/callback"]
secret = { env = "LOAD_SECRET" }
"#;

/// A running program, and the portal.
pub(crate) struct House {
    pub(crate) service: Service,
    pub(crate) portal: Portal,
}

/// The portal, as far as it talks to the program; and the browsers that it sends there.
#[derive(Clone)]
pub(crate) struct Portal {
    base: Arc<str>,
    client: Client,
    people: usize,
}

impl House {
    /// So many people, each with a session whose cookie is `session-` and a number.
    pub(crate) async fn build(people: usize) -> Self {
        eprintln!("building a house of {people} people who are signed in");
        let service = Service::set_up(DESCRIBED).await;
        let mut recorder = Recorder::default();
        let first = json!({ "userName": "person-0@bluesky.example", "externalId": "external-0", "active": true });
        recorder.send(&service.target, "make", Method::POST, "/Users", Some(&first)).await.unwrap();
        service.fill(people).await;
        for statement in SIGNED_IN {
            service.execute((*statement).to_owned()).await;
        }
        service.execute("vacuum analyze".to_owned()).await;
        let (base, _) = service.target.base.split_once("/scim/").unwrap();
        let client =
            Client::builder().no_proxy().pool_max_idle_per_host(64).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let portal = Portal { base: base.into(), client, people };
        Self { service, portal }
    }

    /// Forgets what was given, so that each run begins alike. Answers how much is left.
    pub(crate) async fn clean(&self) -> usize {
        self.service.execute("delete from grants".to_owned()).await;
        self.service.execute("vacuum analyze".to_owned()).await;
        self.service.texts("select id::text from grants").await.len()
    }
}

impl Portal {
    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The published keys.
    pub(crate) async fn keys(&self) -> Value {
        self.client.get(self.at("/oauth2/jwks")).send().await.unwrap().json().await.unwrap()
    }
}

/// A browser with a session is sent for a code, and the portal redeems it.
#[derive(Clone)]
pub(crate) struct SignIn(pub(crate) Portal);

impl AsyncJob<Value> for SignIn {
    async fn run(&self, number: usize, recorder: &mut Recorder) -> Option<Value> {
        let Self(portal) = self;
        let person = number.wrapping_mul(7_919) % portal.people;
        let mut verifier = format!("verifier-{number}-");
        while verifier.len() < 43 {
            write!(verifier, "{person}").ok()?;
        }
        let asked = [
            ("response_type", "code"),
            ("client_id", "portal"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile"),
            ("state", "af0ifjsldkj"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier))),
            ("code_challenge_method", "S256"),
        ];
        let cookie = format!("__Host-vestibule-session=session-{person}");
        let url = Url::parse_with_params(&portal.at("/oauth2/authorize"), asked).ok()?;
        let (location, _) = recorder.exchange("provider", "code", portal.client.get(url).header("cookie", cookie)).await?;
        let back = Url::parse(&location).ok()?;
        let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
        let code = code.unwrap_or_else(|| panic!("no code in {location}"));
        let form =
            [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", &verifier)];
        let request = portal.client.post(portal.at("/oauth2/token")).basic_auth("portal", Some(SECRET)).form(&form);
        recorder.exchange("provider", "tokens", request).await.map(|(_, tokens)| tokens)
    }
}

/// Uses the tokens of a sign-in.
#[derive(Clone)]
pub(crate) struct Use {
    pub(crate) portal: Portal,
    pub(crate) what: &'static str,
    pub(crate) tokens: Arc<[Value]>,
}

impl AsyncJob<()> for Use {
    async fn run(&self, number: usize, recorder: &mut Recorder) -> Option<()> {
        let text = |name: &str| self.tokens[number][name].as_str().unwrap_or_default();
        let as_portal = |path: &str, form: &[(&str, &str)]| {
            self.portal.client.post(self.portal.at(path)).basic_auth("portal", Some(SECRET)).form(form)
        };
        let request = match self.what {
            "userinfo" => self.portal.client.get(self.portal.at("/oauth2/userinfo")).bearer_auth(text("access_token")),
            "introspection" => as_portal("/oauth2/introspect", &[("token", text("access_token"))]),
            _ => as_portal("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", text("refresh_token"))]),
        };
        recorder.exchange("provider", self.what, request).await.map(drop)
    }
}

/// A session for each login, and the roles that the rule would have given.
const SIGNED_IN: &[&str] = &[
    "insert into assignments (tenant_id, id, login_id, account_id, service_id, instance_id, catalogue, role, source, source_id, granted_at)
       select a.tenant_id, gen_random_uuid(), l.id, a.account_id, a.service_id, a.instance_id, a.catalogue, a.role, a.source, a.source_id, a.granted_at
       from (select * from assignments) a cross join logins l where l.id <> a.login_id",
    "insert into sessions (tenant_id, id, digest, person_id, active_login_id, user_agent, created_at, last_seen_at, expires_at)
       select l.tenant_id, gen_random_uuid(), sha256(convert_to('session-' || (row_number() over (order by l.id) - 1), 'UTF8')), l.person_id, l.id, 'load',
         now(), now(), now() + interval '12 hours'
       from logins l",
    "insert into session_logins (tenant_id, sid, session_id, login_id, person_id, connection_id, login_epoch, person_epoch, connection_epoch, tenant_epoch,
         authenticated_at, amr)
       select s.tenant_id, gen_random_uuid(), s.id, l.id, p.id, c.id, l.epoch, p.epoch, c.epoch, t.epoch, now(), '[]'
       from sessions s join logins l on l.id = s.active_login_id join persons p on p.id = l.person_id
         join tenants t on t.tenant_id = s.tenant_id join connections c on c.tenant_id = s.tenant_id",
];
