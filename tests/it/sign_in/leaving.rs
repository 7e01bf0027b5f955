//! Two logins of one person, one of which leaves: two that identity providers look after are independent of one another, and a local one
//! follows the one beside it. The links of these stories are made past the wizard, which has stories of its own.

use chrono::{DateTime, Utc};
use serde_json::json;
use vestibule::directory::Caller;
use vestibule::directory::linking::{self, Own, Switch};
use vestibule::directory::people::LOCAL_LOGINS;
use vestibule::directory::refusal::Refusal;
use vestibule::keys::HashedToken;
use vestibule::model::{Actor, Authentication, LoginId, LoginKind, PersonId, Session, SessionId, Sid, Slot};
use vestibule::scim::fold::{FOLDING_VERSION, fold};
use vestibule::store::{LoginDocument, NewLogin, NewSession};

use super::Stage;
use crate::support::http::Browser;
use crate::support::world::on_every_engine;

impl Stage {
    /// Makes the second login the other one of the first one's person.
    async fn link(&self, first: &str, second: &str) {
        let mut writer = self.world.app.store.write(self.tenant.id).await.unwrap();
        let login = |id: &str| id.parse::<LoginId>().unwrap();
        let host = writer.any_login(login(first)).await.unwrap().unwrap().login;
        let guest = writer.any_login(login(second)).await.unwrap().unwrap().login;
        writer.move_login(guest.id, host.person_id, host.slot.other()).await.unwrap();
        writer.merge_person(guest.person_id, host.person_id, self.world.app.clock.now()).await.unwrap();
        writer.commit().await.unwrap();
    }

    /// A browser in which a login is signed in.
    async fn inside(&self, name: &str) -> Browser {
        let mut browser = Browser::new();
        self.person(json!({ "sub": name }));
        self.sign_in(&mut browser).await.expect(200, "Your accounts");
        browser
    }

    /// The same, and the other login of its person was signed in there before.
    async fn shared(&self, active: &str, other: &str) -> Browser {
        let browser = self.inside(active).await;
        let session = self.live(&browser).await.unwrap();
        let now = self.world.app.clock.now();
        let mut writer = self.world.app.store.write(self.tenant.id).await.unwrap();
        let how = Authentication { connection_id: Some(self.tenant.connection), ..by_password(now) };
        assert!(writer.insert_session_login(session.id, Sid::new(now), other.parse().unwrap(), &how).await.unwrap());
        writer.commit().await.unwrap();
        browser
    }

    /// The session of a browser, while it lives.
    async fn live(&self, browser: &Browser) -> Option<Session> {
        let digest = HashedToken::of(self.session(browser)?);
        let app = &self.world.app;
        app.store.doors().session(&digest, app.clock.now(), app.session_limits()).await.unwrap()
    }

    /// What comes of switching a browser's session to a login.
    async fn switch(&self, browser: &Browser, to: &str) -> Result<Switch, Refusal> {
        let session = self.live(browser).await.unwrap();
        let app = &self.world.app;
        let caller = Caller { actor: Actor::Login { login: session.active_login_id }, now: app.clock.now(), request_id: None };
        let own = Own { store: &app.store, rules: &app.rules, caller, session: &session };
        linking::switch(own, to.parse().unwrap()).await.unwrap()
    }

    /// A local login with a person of its own, and a session of it, shown by no browser.
    async fn local(&self, name: &str) -> (String, SessionId) {
        let now = self.world.app.clock.now();
        let document = LoginDocument {
            user_name: name.to_owned(),
            user_name_key: fold(name),
            folding: FOLDING_VERSION,
            external_id: None,
            active: true,
            scim: json!({ "userName": name }),
            search: json!({ "userName": fold(name), "active": true }),
            other_user_name_key: None,
            emails: Vec::new(),
        };
        let home = self.world.app.store.read(self.tenant.id).directories().await.unwrap().remove(0).home_account_id;
        let (id, person_id) = (LoginId::new(now), PersonId::new(now));
        let mut writer = self.world.app.store.write(self.tenant.id).await.unwrap();
        writer.insert_person(person_id, now).await.unwrap();
        let new = NewLogin {
            id,
            person_id,
            slot: Slot::One,
            kind: LoginKind::Local,
            directory_id: None,
            connection_id: None,
            home_account_id: home,
            namespace: LOCAL_LOGINS,
            document: &document,
        };
        writer.insert_login(&new, now).await.unwrap();
        writer.commit().await.unwrap();
        (id.to_string(), SessionId::new(now))
    }

    /// The local login signs in, as it will when it can.
    async fn local_session(&self, login: &str, id: SessionId) {
        let now = self.world.app.clock.now();
        let mut writer = self.world.app.store.write(self.tenant.id).await.unwrap();
        let login = writer.any_login(login.parse().unwrap()).await.unwrap().unwrap().login;
        let new = NewSession {
            id,
            sid: Sid::new(now),
            digest: &HashedToken::of(&format!("cookie of {id}")),
            person_id: login.person_id,
            login_id: login.id,
            user_agent: "a test",
            address: None,
            authentication: &by_password(now),
            expires_at: now + chrono::TimeDelta::hours(1),
        };
        writer.insert_session(&new, now).await.unwrap();
        writer.commit().await.unwrap();
    }

    /// How a login is: in use, by whom it is suspended; whether a session is there; and what was recorded about it.
    async fn state(&self, login: &str, session: SessionId) -> (bool, bool, bool) {
        let id: LoginId = login.parse().unwrap();
        let mut reader = self.world.app.store.read(self.tenant.id);
        let login = reader.any_login(id).await.unwrap().unwrap().login;
        let sessions = reader.sessions_of_login(id).await.unwrap();
        (login.is_usable(), login.suspended_by.is_some(), sessions.contains(&session))
    }

    async fn told_of(&self, login: &str) -> Vec<String> {
        let mut kinds = self.world.app.store.read(self.tenant.id).event_kinds(login.parse().unwrap()).await.unwrap();
        kinds.sort();
        kinds
    }
}

fn by_password(now: DateTime<Utc>) -> Authentication {
    Authentication {
        connection_id: None,
        authenticated_at: now,
        asserted_at: None,
        proved_at: None,
        upstream_session: None,
        acr: None,
        amr: Vec::new(),
        name_id: None,
        session_until: None,
    }
}

on_every_engine! {
    async fn either_of_two_logins_leaves_and_the_other_goes_on_working(engine) {
        for (leaver, stayer) in [("joe", "joe.gsa"), ("joe.gsa", "joe")] {
            let stage = Stage::new(engine).await;
            let (joe, gsa) = (stage.provision("joe", "joe").await, stage.provision("joe.gsa", "joe.gsa").await);
            let (leaving, staying) = if leaver == "joe" { (&joe, &gsa) } else { (&gsa, &joe) };
            stage.link(&joe, &gsa).await;
            let mut own = stage.inside(leaver).await;
            let mut others = stage.inside(stayer).await;
            let mut shared = stage.shared(stayer, leaving).await;
            let mut reverse = stage.shared(leaver, staying).await;
            let mut switched = stage.shared(stayer, leaving).await;
            assert_eq!(stage.count("session_logins").await, 8);
            assert_eq!(stage.switch(&switched, leaving).await, Ok(Switch::Done), "it can be switched to while it is in use");
            stage.set_active(leaving, false).await;
            for browser in [&mut own, &mut reverse, &mut switched] {
                stage.me(browser).await.expect_redirect("/sign-in");
            }
            for browser in [&mut others, &mut shared] {
                stage.me(browser).await.expect(200, stayer);
                let session = stage.live(browser).await.unwrap();
                assert_eq!(session.active_login_id.to_string(), *staying, "{leaver}");
                assert_eq!(stage.switch(browser, leaving).await, Err(Refusal::Inactive), "{leaver}");
            }
            assert_eq!(stage.count("session_logins").await, 2, "the leaver takes part in none of them");
            // It does not come in, and the other one does, as before.
            stage.person(json!({ "sub": leaver }));
            assert_eq!(stage.sign_in(&mut Browser::new()).await.status, 403);
            stage.inside(stayer).await;
            // Its return brings no session back.
            stage.set_active(leaving, true).await;
            stage.me(&mut own).await.expect_redirect("/sign-in");
            stage.inside(leaver).await;
        }
    }

    async fn a_deleted_half_is_neither_switched_to_nor_revived_and_its_place_is_free(engine) {
        let stage = Stage::set(engine, "on", &[]).await;
        let (joe, gsa) = (stage.provision("joe", "joe").await, stage.provision("joe.gsa", "joe.gsa").await);
        stage.link(&joe, &gsa).await;
        let mut shared = stage.shared("joe", &gsa).await;
        let mut own = stage.inside("joe.gsa").await;
        let person = stage.live(&shared).await.unwrap().person_id;
        stage.tenant.scim.delete(&format!("/Users/{gsa}")).await.expect(204);
        stage.me(&mut own).await.expect_redirect("/sign-in");
        stage.me(&mut shared).await.expect(200, "joe");
        assert_eq!(stage.switch(&shared, &gsa).await, Err(Refusal::NotLinked));
        stage.person(json!({ "sub": "joe.gsa" }));
        assert_eq!(stage.sign_in(&mut Browser::new()).await.status, 403, "whoever was deleted is not made anew by signing in");
        assert_eq!(stage.count("logins").await, 1);
        // The directory wants them back: another login, and another person.
        let again = stage.provision("joe.gsa", "joe.gsa").await;
        assert_ne!(again, gsa);
        let mut reader = stage.world.app.store.read(stage.tenant.id);
        let login = reader.any_login(again.parse().unwrap()).await.unwrap().unwrap().login;
        assert_eq!((login.person_id == person, login.slot, login.person_id), (false, Slot::One, login.born_person_id));
        assert_eq!(reader.logins_of_person(person).await.unwrap().len(), 1, "the place is free");
        assert_eq!(stage.switch(&shared, &again).await, Err(Refusal::NotLinked));
        stage.inside("joe.gsa").await;
        // And can be taken again.
        stage.set_active(&again, false).await;
        stage.set_active(&again, true).await;
        stage.link(&joe, &again).await;
        stage.shared("joe", &again).await;
    }

    async fn a_local_login_leaves_with_the_one_beside_it_and_comes_back_with_it(engine) {
        let stage = Stage::new(engine).await;
        let joe = stage.provision("joe", "joe").await;
        let (local, session) = stage.local("joe@here").await;
        stage.link(&joe, &local).await;
        stage.local_session(&local, session).await;
        let (other, others) = stage.local("eve@here").await;
        stage.local_session(&other, others).await;
        assert_eq!(stage.state(&local, session).await, (true, false, true));
        stage.set_active(&joe, false).await;
        assert_eq!(stage.state(&local, session).await, (false, true, false), "it is locked, and its session has ended");
        assert_eq!(stage.state(&other, others).await, (true, false, true), "somebody else's goes on");
        assert_eq!(stage.told_of(&local).await, ["login.suspended"]);
        stage.set_active(&joe, true).await;
        assert_eq!(stage.state(&local, session).await, (true, false, false), "it is back, and its session is not");
        assert_eq!(stage.told_of(&local).await, ["login.resumed", "login.suspended"]);
        // A change of something else is no return.
        stage.set_active(&joe, true).await;
        assert_eq!(stage.told_of(&local).await.len(), 2);
        stage.tenant.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        assert_eq!(stage.state(&local, session).await, (false, true, false));
        // Whoever is provisioned under that name is somebody else: it stays locked.
        let again = stage.provision("joe", "joe").await;
        stage.set_active(&again, false).await;
        stage.set_active(&again, true).await;
        assert_eq!(stage.state(&local, session).await, (false, true, false));
        assert_eq!(stage.told_of(&local).await, ["login.resumed", "login.suspended", "login.suspended"]);
    }

    async fn a_break_glass_login_stays_and_that_is_reported(engine) {
        let stage = Stage::new(engine).await;
        let joe = stage.provision("joe", "joe").await;
        let (local, session) = stage.local("joe@here").await;
        stage.link(&joe, &local).await;
        stage.local_session(&local, session).await;
        let mut writer = stage.world.app.store.write(stage.tenant.id).await.unwrap();
        writer.set_break_glass(local.parse().unwrap(), true, stage.world.app.clock.now()).await.unwrap();
        writer.commit().await.unwrap();
        stage.set_active(&joe, false).await;
        assert_eq!(stage.state(&local, session).await, (true, false, true));
        assert_eq!(stage.told_of(&local).await, ["login.spared"]);
        stage.set_active(&joe, true).await;
        assert_eq!(stage.told_of(&local).await, ["login.spared"], "nothing was suspended");
        stage.tenant.scim.delete(&format!("/Users/{joe}")).await.expect(204);
        assert_eq!(stage.state(&local, session).await, (true, false, true));
        assert_eq!(stage.told_of(&local).await, ["login.spared", "login.spared"]);
    }
}
