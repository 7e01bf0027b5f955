//! Random sequences of all that can happen to five logins in two directories with two connections, against a small model of it.

use std::collections::BTreeSet;

use secrecy::ExposeSecret as _;
use serde_json::json;
use vestibule::directory::linking::{Begun, Switch};
use vestibule::directory::refusal::Refusal;
use vestibule::directory::sign_in::Outcome;
use vestibule::keys::PlainToken;
use vestibule::model::{ConnectionId, GrantId, LoginId, Purpose};
use vestibule::openid::claims;
use vestibule::store::Engine;

use super::Pair;
use super::hands::{Cookie, FRESHLY};
use crate::support::http::Scim;
use crate::support::sql;
use crate::support::world::on_every_engine;

/// The same on every run. A failure names the seed and the step.
const SEEDS: [u64; 2] = [33, 2026];
const STEPS: usize = 80;

/// Another directory, whose people come by the second connection; and a role for everybody of each.
const SECOND: &str = r#"
[[tenant.directory]]
slug = "second"
name = "The second directory"
profile = "entra"
settings = { requests_per_second = 1000000, burst = 1000000 }

[[tenant.directory.token]]
name = "provisioning"
secret = { value = "{second}" }

[[tenant.directory.binding]]
connection = "vault"
claim = "sub"
attribute = "externalId"

[[tenant.rule]]
name = "Everybody of the first"
from = "directory:directory"
within = "bluesky"
when = 'active eq true'
grant = [{ role = "support", account = "emea" }]

[[tenant.rule]]
name = "Everybody of the second"
from = "directory:second"
within = "bluesky"
when = 'active eq true'
grant = [{ role = "financial", account = "emea" }]
"#;

/// A login as the model knows it.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: LoginId,
    active: bool,
    /// A directory has it.
    provisioned: bool,
    /// The name of the other login of its person.
    partner: Option<usize>,
}

/// One of the five: the first three are of the first directory and its connection, the others of the second.
#[derive(Clone, Debug, Default)]
struct Name {
    known: Option<Known>,
    /// It was deleted, and no directory has brought it back.
    gone: bool,
}

struct Model {
    pair: Pair,
    second: Scim,
    names: Vec<Name>,
    jit: bool,
    /// All ids that ever were, none of which comes again.
    ids: BTreeSet<LoginId>,
    random: u64,
}

impl Model {
    async fn new(engine: Engine, seed: u64) -> Self {
        let token = PlainToken::bearer().reveal().expose_secret().to_owned();
        let pair = Pair::described(engine, false, &SECOND.replace("{second}", &token)).await;
        let directories = pair.app().store.read(pair.foyer.tenant.id).directories().await.unwrap();
        let directory = directories.iter().find(|directory| directory.slug == "second").unwrap().id;
        let second = Scim::new(pair.at(&format!("/scim/v2/{directory}")), token);
        Self { pair, second, names: vec![Name::default(); 5], jit: false, ids: BTreeSet::new(), random: seed }
    }

    /// The next of a row of numbers that a seed makes (splitmix64).
    fn next(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(below).unwrap()).unwrap()
    }

    fn scim(&self, at: usize) -> &Scim {
        if at < 3 { &self.pair.foyer.tenant.scim } else { &self.second }
    }

    fn connection(&self, at: usize) -> ConnectionId {
        if at < 3 { self.pair.first() } else { self.pair.second }
    }

    fn known(&self, at: usize) -> Option<Known> {
        self.names[at].known
    }

    /// The login of a name, while it may be used.
    fn usable(&self, at: usize) -> Option<Known> {
        self.known(at).filter(|known| known.active)
    }

    fn is_new(&mut self, id: LoginId) {
        assert!(self.ids.insert(id), "an id has come back");
    }

    async fn provision(&mut self, at: usize) {
        let name = format!("name-{at}");
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("{name}@bluesky.example"), "externalId": name, "active": true,
        });
        let answer = self.scim(at).post("/Users", &user).await;
        match self.known(at) {
            Some(Known { provisioned: true, .. }) => assert_eq!(answer.status, 409, "{}", answer.body),
            before => {
                let id: LoginId = answer.expect(201).id().parse().unwrap();
                match before {
                    Some(known) => assert_eq!(known.id, id, "it is adopted"),
                    None => self.is_new(id),
                }
                let partner = before.and_then(|known| known.partner);
                self.names[at] = Name { known: Some(Known { id, active: true, provisioned: true, partner }), gone: false };
            }
        }
    }

    async fn set_active(&mut self, at: usize, active: bool) {
        let Some(known) = self.known(at).filter(|known| known.provisioned) else { return };
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "Replace", "path": "active", "value": active }],
        });
        let status = self.scim(at).patch(&format!("/Users/{}", known.id), &body).await.status;
        assert!(matches!(status, 200 | 204), "{status}");
        self.names[at].known = Some(Known { active, ..known });
    }

    async fn delete(&mut self, at: usize) {
        let Some(known) = self.known(at).filter(|known| known.provisioned) else { return };
        self.scim(at).delete(&format!("/Users/{}", known.id)).await.expect(204);
        self.names[at] = Name { known: None, gone: true };
        if let Some(other) = known.partner {
            self.names[other].known.as_mut().unwrap().partner = None;
        }
    }

    /// Whether somebody who comes is let in, or how not; whom the sign-in makes is known from then on.
    fn expected(&self, at: usize) -> Result<(), Refusal> {
        match &self.names[at] {
            Name { known: Some(known), .. } => {
                if known.active {
                    Ok(())
                } else {
                    Err(Refusal::Inactive)
                }
            }
            Name { gone: true, .. } => Err(Refusal::Gone),
            _ => {
                if self.jit {
                    Ok(())
                } else {
                    Err(Refusal::Unknown)
                }
            }
        }
    }

    async fn arrives(&mut self, at: usize, before: Option<&str>, purpose: Purpose) -> (Result<(), Refusal>, Cookie) {
        let name = format!("name-{at}");
        let who = (self.connection(at), name.as_str());
        let (outcome, cookie) = self.pair.arrives(self.pair.app(), who, before, purpose, &FRESHLY).await;
        let came = match outcome {
            Outcome::SignedIn { .. } | Outcome::Proved { .. } => Ok(()),
            Outcome::Refused { refusal, .. } => Err(refusal),
        };
        if came.is_ok() && self.known(at).is_none() {
            let id = self.find(at).await.expect("it was made");
            self.is_new(id);
            self.names[at].known = Some(Known { id, active: true, provisioned: false, partner: None });
        }
        (came, cookie)
    }

    /// The login that a sign-in has made, by its name.
    async fn find(&self, at: usize) -> Option<LoginId> {
        let mut reader = self.pair.app().store.read(self.pair.foyer.tenant.id);
        let ids = reader.login_ids(None, 100).await.unwrap();
        for id in ids {
            let row = reader.any_login(id).await.unwrap().unwrap();
            if row.login.user_name == format!("name-{at}") && !self.ids.contains(&id) {
                return Some(id);
            }
        }
        None
    }

    async fn sign_in(&mut self, at: usize) -> Option<Cookie> {
        let expected = self.expected(at);
        let (came, cookie) = self.arrives(at, None, Purpose::SignIn).await;
        assert_eq!(came, expected, "name-{at}");
        if came.is_err() {
            return None;
        }
        self.expect_roles(at, &cookie).await;
        Some(cookie)
    }

    /// What a portal is told is of the active login, and of no other.
    async fn expect_roles(&self, at: usize, cookie: &str) {
        let known = self.known(at).unwrap();
        let browser = self.pair.browser(cookie);
        let code = self.pair.foyer.grant(&browser, "portal", "bluesky/emea", "openid").await;
        let standing = self.standing(code.grant).await;
        let role = if at < 3 { "support" } else { "financial" };
        let expected = known.provisioned.then(|| (known.id, BTreeSet::from([role.to_owned()])));
        assert_eq!(standing, expected, "name-{at}");
    }

    async fn standing(&self, grant: GrantId) -> Option<(LoginId, BTreeSet<String>)> {
        let app = self.pair.app();
        let mut reader = app.store.read(self.pair.foyer.tenant.id);
        let grant = reader.grant(grant, app.clock.now(), app.session_limits()).await.unwrap().expect("it was just made");
        let standing = claims::standing(&mut reader, &grant, &app.rules).await.unwrap()?;
        Some((standing.login.id, standing.roles.into_iter().collect()))
    }

    async fn link(&mut self, at: usize, with: usize) {
        let Some(cookie) = self.sign_in(at).await else { return };
        let is_alone = self.known(at).unwrap().partner.is_none();
        let connection = self.connection(with);
        let link = match self.pair.begins(&cookie, connection, None).await {
            Ok(Begun::Proof(link)) if is_alone => link,
            Err(Refusal::PersonFull) if !is_alone => return,
            other => panic!("{other:?}"),
        };
        let expected = match self.expected(with) {
            Err(refusal) => Err(refusal),
            Ok(()) if at == with => Err(Refusal::SameLogin),
            Ok(()) if self.known(with).is_some_and(|known| known.partner.is_some()) => Err(Refusal::LinkedElsewhere),
            Ok(()) => Ok(()),
        };
        let (proved, _) = self.arrives(with, Some(&cookie), Purpose::Link { link }).await;
        assert_eq!(proved, expected, "name-{at} with name-{with}");
        let confirmed = self.pair.confirms(self.pair.app(), &cookie, link).await;
        assert_eq!(confirmed.is_ok(), expected.is_ok(), "{confirmed:?}");
        if confirmed.is_ok() {
            self.names[at].known.as_mut().unwrap().partner = Some(with);
            self.names[with].known.as_mut().unwrap().partner = Some(at);
        }
    }

    async fn unlink(&mut self, at: usize) {
        let Some(cookie) = self.sign_in(at).await else { return };
        let partner = self.known(at).unwrap().partner;
        let expected = match partner {
            None => Err(Refusal::NotLinked),
            Some(other) if self.usable(other).is_none() => Err(Refusal::Inactive),
            Some(_) => Ok(()),
        };
        let unlinked = self.pair.unlinks(self.pair.app(), &cookie).await;
        assert_eq!(unlinked.as_ref().map(drop).map_err(|refusal| *refusal), expected, "name-{at}");
        if let (Ok((_, after)), Some(other)) = (unlinked, partner) {
            for one in [at, other] {
                self.names[one].known.as_mut().unwrap().partner = None;
            }
            self.expect_roles(at, &after).await;
        }
    }

    async fn switch(&mut self, at: usize, to: usize) {
        let Some(cookie) = self.sign_in(at).await else { return };
        let Some(other) = self.known(to).filter(|_| to != at) else { return };
        let linked = self.known(at).unwrap().partner == Some(to);
        let switched = self.pair.switches(self.pair.app(), &cookie, other.id).await;
        match switched {
            Err(Refusal::NotLinked) => assert!(!linked),
            Err(Refusal::Inactive) => assert!(linked && !other.active),
            // It has not signed in in that session.
            Ok(Switch::SignIn { is_fresh: false, .. }) => {
                assert!(linked && other.active);
                let (came, cookie) = self.arrives(to, Some(&cookie), Purpose::Login { login: other.id }).await;
                assert_eq!(came, Ok(()));
                self.expect_roles(to, &cookie).await;
                let back = self.known(at).unwrap().id;
                assert_eq!(self.pair.switches(self.pair.app(), &cookie, back).await, Ok(Switch::Done));
                self.expect_roles(at, &cookie).await;
            }
            other => panic!("{other:?}"),
        }
    }

    async fn step(&mut self) -> String {
        let (what, at, with) = (self.next(18), self.next(5), self.next(5));
        match what {
            0 | 1 => self.provision(at).await,
            2 => self.set_active(at, false).await,
            3 | 4 => self.set_active(at, true).await,
            5 => self.delete(at).await,
            6 => drop(self.sign_in(at).await),
            7 => {
                self.jit = !self.jit;
                let jit = if self.jit { "on" } else { "if-provisioned" };
                sql::change(&self.pair.foyer.world.database.url, &format!("update connections set jit = '{jit}'")).await;
            }
            8..=12 => self.link(at, with).await,
            13 | 14 => self.unlink(at).await,
            _ => {
                let to = self.known(at).and_then(|known| known.partner).unwrap_or(with);
                self.switch(at, to).await;
            }
        }
        format!("operation {what} of name-{at} and name-{with}")
    }

    /// The database is what the model says.
    async fn expect_as_modelled(&self, after: &str) {
        self.pair.expect_sound(after).await;
        let mut reader = self.pair.app().store.read(self.pair.foyer.tenant.id);
        // Beside them are the two of the stage.
        let known = self.names.iter().filter(|name| name.known.is_some()).count();
        assert_eq!(reader.login_ids(None, 100).await.unwrap().len(), known + 2, "after {after}: {:?}", self.names);
        for name in self.names.iter().filter_map(|name| name.known) {
            let login = reader.any_login(name.id).await.unwrap().unwrap().login;
            assert_eq!(login.is_usable(), name.active, "after {after}");
            let mut together: Vec<_> =
                reader.logins_of_person(login.person_id).await.unwrap().iter().map(|row| row.login.id).collect();
            let partner = name.partner.map(|other| self.known(other).unwrap().id);
            let mut expected: Vec<_> = partner.into_iter().chain([name.id]).collect();
            together.sort();
            expected.sort();
            assert_eq!(together, expected, "after {after}: {:?}", self.names);
        }
    }
}

on_every_engine! {
    async fn whatever_is_done_to_five_logins_they_are_what_the_model_says(engine) {
        for seed in SEEDS {
            let mut model = Model::new(engine, seed).await;
            let mut linked = 0;
            for step in 0..STEPS {
                // What fails inside of a step is found by the last line.
                println!("{engine:?}, seed {seed}, step {step}, {:?}", model.names);
                let done = model.step().await;
                model.expect_as_modelled(&format!("seed {seed}, step {step}, {done}")).await;
                linked = linked.max(model.names.iter().filter(|name| name.known.is_some_and(|known| known.partner.is_some())).count());
            }
            assert!(linked >= 2, "seed {seed} links nobody");
        }
    }
}
