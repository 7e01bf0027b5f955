//! Two logins of one person, over HTTP: linked, parted, switched between; stories on both engines.

mod between;
mod browser;
mod freshness;
mod hands;
mod hijack;
mod pages;
mod portal;
mod races;
mod sequences;
mod switching;

use chrono::TimeDelta;
use serde_json::json;
use tempfile::TempDir;
use vestibule::model::{ConnectionId, LoginId, PersonId};
use vestibule::store::Engine;

use crate::openid::{Foyer, noon};
use crate::support::evil_idp::{CLIENT_SECRET, EvilIdp};
use crate::support::http::{Browser, Visit};
use crate::support::world::unhurried;

pub(crate) const SESSION: &str = "__Host-vestibule-session";

/// A second connection, to an identity provider of its own, by which the same directory's people sign in.
const SECOND: &str = r#"
[[tenant.connection]]
slug = "vault"
name = "The vault of bluesky"
issuer = "{issuer}"
client_id = "vestibule"
client_secret = { value = "{secret}" }
jit = "if-provisioned"
contact = "vault@bluesky.example"

"#;

const BINDING: &str = r#"
[[tenant.directory.binding]]
connection = "vault"
claim = "sub"
attribute = "externalId"
"#;

const SUPPORT: &str = r#"
[[tenant.rule]]
name = "Support desk"
from = "directory:directory"
within = "bluesky"
when = 'groups.display eq "Support"'
grant = [{ role = "support", account = "emea" }]
"#;

/// A [`Foyer`] with Joe, who has two logins there: `joe`, and `joe.gsa`, who is in the group `Cloud-EMEA-Admins`. Both are known to
/// both identity providers, the one of the foyer and another one.
pub(crate) struct Pair {
    pub(crate) foyer: Foyer,
    /// The identity provider of the second connection.
    pub(crate) vault: EvilIdp,
    pub(crate) second: ConnectionId,
    pub(crate) joe: LoginId,
    pub(crate) gsa: LoginId,
    _catalogues: TempDir,
}

impl Pair {
    /// No role is privileged.
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::with(engine, false).await
    }

    /// Administrators are privileged, and so is `joe.gsa`.
    pub(crate) async fn guarded(engine: Engine) -> Self {
        Self::with(engine, true).await
    }

    async fn with(engine: Engine, is_guarded: bool) -> Self {
        Self::described(engine, is_guarded, "").await
    }

    /// With more in the tenant's description.
    async fn described(engine: Engine, is_guarded: bool, more: &str) -> Self {
        let catalogues = tempfile::tempdir().unwrap();
        if is_guarded {
            let text = include_str!("../../../catalogues/customer-portal.toml");
            let (key, stepped) = ("key = \"administrator\"\n", "key = \"administrator\"\nstep_up = true\n");
            assert!(text.contains(key));
            std::fs::write(catalogues.path().join("customer-portal.toml"), text.replace(key, stepped)).unwrap();
        }
        let vault = EvilIdp::start(noon()).await;
        let connection = SECOND.replace("{issuer}", vault.issuer()).replace("{secret}", CLIENT_SECRET);
        let foyer = Foyer::described(
            engine,
            |settings| settings.catalogues.directory = Some(catalogues.path().into()),
            |text| {
                let text = text.replacen("[[tenant.domain]]", &format!("{}[[tenant.domain]]", connection.trim_start()), 1);
                let text = text.replacen("\n[[tenant.rule]]", &format!("{BINDING}\n[[tenant.rule]]"), 1);
                unhurried(&text) + SUPPORT + more
            },
        )
        .await;
        let connections = foyer.world.app.store.read(foyer.tenant.id).connections().await.unwrap();
        let second = connections.iter().find(|connection| connection.slug == "vault").unwrap().id;
        let joe = foyer.person("joe", &[]).await;
        let gsa = foyer.person("joe.gsa", &["Cloud-EMEA-Admins"]).await;
        Self { foyer, vault, second, joe, gsa, _catalogues: catalogues }
    }

    /// An address of the service.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.foyer.world.base)
    }

    /// Time goes by, here and at the identity providers.
    pub(crate) fn wait(&self, seconds: i64) {
        self.foyer.clock.advance(TimeDelta::seconds(seconds));
        for idp in [&self.foyer.idp, &self.vault] {
            idp.script().now += TimeDelta::seconds(seconds);
        }
    }

    /// From now on both identity providers say that they asked somebody just now.
    pub(crate) fn asserts(&self, sub: &str) {
        for idp in [&self.foyer.idp, &self.vault] {
            idp.script().claims = json!({ "sub": sub, "auth_time": self.foyer.clock.now().timestamp() });
        }
    }

    /// From now on both identity providers say who somebody is, and not when they asked.
    pub(crate) fn says_no_time(&self, sub: &str) {
        for idp in [&self.foyer.idp, &self.vault] {
            idp.script().claims = json!({ "sub": sub });
        }
    }

    /// A browser in which somebody signed in a minute ago, by the first connection and without being asked anew.
    pub(crate) async fn signed_in(&self, sub: &str) -> Browser {
        self.asserts(sub);
        let mut browser = Browser::new();
        self.sign_in(&mut browser).await;
        self.wait(60);
        browser
    }

    /// Somebody signs in by the first connection, as whoever it says.
    pub(crate) async fn sign_in(&self, browser: &mut Browser) -> Visit {
        browser.follow(&self.foyer.world.sign_in(&self.foyer.tenant), None).await.expect(200, "Your accounts")
    }

    /// Goes on from a page that sends the browser away, signs in there as somebody, and comes back, to the page at the end.
    pub(crate) async fn proves(&self, browser: &mut Browser, leaving: &Visit, sub: &str) -> Visit {
        self.until_back(browser, leaving, sub, None).await
    }

    /// The same, until an address that is not visited.
    pub(crate) async fn until_back(&self, browser: &mut Browser, leaving: &Visit, sub: &str, until: Option<&str>) -> Visit {
        let away = leads_away(leaving);
        self.wait(1);
        self.asserts(sub);
        self.wait(1);
        browser.follow(&away, until).await
    }

    /// Goes to the identity provider to prove the active login, as whoever that is, and comes back to the wizard.
    pub(crate) async fn proves_first(&self, browser: &mut Browser, sub: &str) -> Visit {
        let leaving = browser.post(&self.at("/me/logins/prove"), &[]).await;
        self.proves(browser, &leaving, sub).await.expect(200, "Done: The identity provider of bluesky asked you just now")
    }

    /// Begins a link whose second login signs in at a connection, signs in there as somebody, and comes back.
    pub(crate) async fn proves_second(&self, browser: &mut Browser, connection: ConnectionId, sub: &str) -> Visit {
        let leaving = browser.post(&self.at("/me/logins/link"), &[("connection", &connection.to_string())]).await;
        self.proves(browser, &leaving, sub).await
    }

    /// Links the login that is active in a browser with another one of the first connection, by the pages.
    pub(crate) async fn link(&self, browser: &mut Browser, first: &str, second: &str) -> Visit {
        self.proves_first(browser, first).await;
        let page = self.proves_second(browser, self.foyer.tenant.connection, second).await.expect(200, "Link these two logins?");
        browser.post(page.url.as_str(), &[]).await.expect_redirect("/me/logins?done=linked")
    }

    /// A browser in which `joe` is active, and linked with `joe.gsa`.
    pub(crate) async fn linked_by_pages(&self) -> Browser {
        let mut browser = self.signed_in("joe").await;
        self.link(&mut browser, "joe", "joe.gsa").await;
        browser
    }

    /// What shows the session of a browser.
    pub(crate) fn shown_by(&self, browser: &Browser) -> Option<String> {
        browser.cookie(&self.foyer.world.base, SESSION).map(ToOwned::to_owned)
    }

    /// The page of a browser's accounts says who is signed in, or it leads to signing in.
    pub(crate) async fn is_signed_in(&self, browser: &mut Browser) -> bool {
        browser.visit(&self.at("/me")).await.status == 200
    }

    /// The person of a login, and how many logins that has.
    pub(crate) async fn person_of(&self, login: LoginId) -> (PersonId, i64) {
        let mut reader = self.foyer.world.app.store.read(self.foyer.tenant.id);
        let person = reader.any_login(login).await.unwrap().unwrap().login.person_id;
        (person, reader.login_count(person).await.unwrap())
    }

    /// Whether the two logins are one person's.
    pub(crate) async fn is_linked(&self) -> bool {
        self.person_of(self.joe).await.0 == self.person_of(self.gsa).await.0
    }

    /// The login that is active in a browser.
    pub(crate) async fn active(&self, browser: &Browser) -> Option<LoginId> {
        Some(self.foyer.session(browser).await?.active_login_id)
    }

    /// Presses the button of the header.
    pub(crate) async fn switch(&self, browser: &mut Browser, to: LoginId, return_to: Option<&str>) -> Visit {
        let login = to.to_string();
        let mut form = vec![("login", login.as_str())];
        form.extend(return_to.map(|path| ("return_to", path)));
        browser.post(&self.at("/me/switch"), &form).await
    }
}

/// Where a page that sends the browser away leads.
#[track_caller]
pub(crate) fn leads_away(page: &Visit) -> String {
    assert_eq!(page.status, 200, "{}", page.body);
    let (_, rest) = page.body.split_once("http-equiv=\"refresh\" content=\"0; url=").unwrap_or_else(|| panic!("{}", page.body));
    rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
}
