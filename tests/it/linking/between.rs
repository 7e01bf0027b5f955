//! What happens between the proof of the second login and the confirmation: a link is of what was proved, then and there, and once.

use serde_json::json;
use vestibule::directory::linking::{Begun, proposals};
use vestibule::directory::refusal::Refusal;
use vestibule::model::{Actor, ConnectionState, LoginId, Purpose};

use super::Pair;
use super::hands::FRESHLY;
use crate::support::sql;
use crate::support::world::on_every_engine;

/// What may happen in between.
#[derive(Clone, Copy, Debug)]
enum Change {
    SecondDeactivated,
    SecondWasDeactivated,
    SecondDeleted,
    SecondProvisionedAnew,
    FirstDeactivated,
    FirstWasDeactivated,
    FirstDeleted,
    ConnectionOff,
    ConnectionWasOff,
    SecondLinkedElsewhere,
    SecondWasLinkedElsewhere,
    FirstLinkedElsewhere,
    TenMinutes,
    SomebodyElseInTheBrowser,
    SignedOut,
}

impl Pair {
    async fn set_connection(&self, state: ConnectionState) {
        let mut writer = self.app().store.write(self.foyer.tenant.id).await.unwrap();
        if state == ConnectionState::Disabled {
            writer.raise_connection_epoch(self.second).await.unwrap();
        }
        writer.set_connection_state(self.second, state, self.foyer.clock.now()).await.unwrap();
        writer.commit().await.unwrap();
    }

    async fn delete(&self, login: LoginId) {
        self.foyer.tenant.scim.delete(&format!("/Users/{login}")).await.expect(204);
    }

    async fn change(&self, change: Change, (first, second): (LoginId, LoginId), cookie: &str, name: &str) {
        let third = format!("third-{name}");
        match change {
            Change::SecondDeactivated => self.foyer.set_active(second, false).await,
            Change::SecondWasDeactivated => {
                self.foyer.set_active(second, false).await;
                self.foyer.set_active(second, true).await;
            }
            Change::SecondDeleted => self.delete(second).await,
            Change::SecondProvisionedAnew => {
                self.delete(second).await;
                assert_ne!(self.foyer.person(&format!("second-{name}"), &[]).await, second);
                self.arrives(self.app(), (self.second, &format!("second-{name}")), None, Purpose::SignIn, &FRESHLY).await;
            }
            Change::FirstDeactivated => self.foyer.set_active(first, false).await,
            Change::FirstWasDeactivated => {
                self.foyer.set_active(first, false).await;
                self.foyer.set_active(first, true).await;
            }
            Change::FirstDeleted => self.delete(first).await,
            Change::ConnectionOff => self.set_connection(ConnectionState::Disabled).await,
            Change::ConnectionWasOff => {
                self.set_connection(ConnectionState::Disabled).await;
                self.set_connection(ConnectionState::Enabled).await;
            }
            Change::SecondLinkedElsewhere | Change::SecondWasLinkedElsewhere => {
                self.foyer.person(&third, &[]).await;
                let cookie = self.linked(&third, &format!("second-{name}")).await;
                if matches!(change, Change::SecondWasLinkedElsewhere) {
                    self.unlinks(self.app(), &cookie).await.unwrap();
                }
            }
            Change::FirstLinkedElsewhere => {
                self.foyer.person(&third, &[]).await;
                self.linked(&format!("first-{name}"), &third).await;
            }
            Change::TenMinutes => self.wait(600),
            Change::SomebodyElseInTheBrowser => {
                self.foyer.person(&third, &[]).await;
                self.arrives(self.app(), (self.first(), &third), Some(cookie), Purpose::SignIn, &FRESHLY).await;
            }
            Change::SignedOut => {
                let signed_out = self.browser(cookie).post(&self.at("/sign-out"), &[]).await;
                assert!(signed_out.status.is_success() || signed_out.status.is_redirection(), "{}", signed_out.body);
            }
        }
    }
}

on_every_engine! {
    async fn whatever_happens_between_proof_and_confirmation_ends_the_link(engine) {
        let pair = Pair::new(engine).await;
        for (at, change) in [
            Change::SecondDeactivated, Change::SecondWasDeactivated, Change::SecondDeleted, Change::SecondProvisionedAnew,
            Change::FirstDeactivated, Change::FirstWasDeactivated, Change::FirstDeleted, Change::ConnectionOff,
            Change::ConnectionWasOff, Change::SecondLinkedElsewhere, Change::SecondWasLinkedElsewhere, Change::FirstLinkedElsewhere,
            Change::TenMinutes, Change::SomebodyElseInTheBrowser, Change::SignedOut,
        ].into_iter().enumerate() {
            let name = at.to_string();
            let first = pair.foyer.person(&format!("first-{name}"), &[]).await;
            let second = pair.foyer.person(&format!("second-{name}"), &[]).await;
            let cookie = pair.fresh(&format!("first-{name}")).await;
            let link = pair.proved(&cookie, &format!("second-{name}")).await;
            pair.change(change, (first, second), &cookie, &name).await;
            let before = pair.tally().await;
            let refusal = pair.confirms(pair.app(), &cookie, link).await.map(|(linked, _)| linked).expect_err(&format!("{change:?}"));
            assert!(matches!(refusal, Refusal::LinkOver | Refusal::Inactive), "{change:?}: {refusal:?}");
            assert_eq!(pair.tally().await, before, "{change:?}");
            pair.expect_sound(&format!("{change:?}")).await;
            if matches!(change, Change::ConnectionOff) {
                pair.set_connection(ConnectionState::Enabled).await;
            }
        }
    }

    async fn a_login_that_a_directory_adopts_is_still_the_one_that_was_proved(engine) {
        let pair = Pair::new(engine).await;
        sql::change(&pair.foyer.world.database.url, "update connections set jit = 'on'").await;
        let cookie = pair.fresh("joe").await;
        // Just in time, a proof makes the login that it proves, with a person of its own.
        let link = pair.proved(&cookie, "stray").await;
        let stray = pair.foyer.person("stray", &[]).await;
        match pair.confirms(pair.app(), &cookie, link).await {
            Ok((linked, _)) => assert_eq!((linked.first, linked.second), (pair.joe, stray)),
            Err(refusal) => assert_eq!(refusal, Refusal::LinkOver),
        }
        assert_eq!(pair.foyer.count("logins").await, 3);
        pair.expect_sound("adoption").await;
    }

    async fn a_link_is_confirmed_once_even_at_the_same_instant(engine) {
        let pair = Pair::new(engine).await;
        let replica = pair.foyer.replica().await;
        for round in 0..8 {
            let (first, second) = (format!("first-{round}"), format!("second-{round}"));
            pair.foyer.person(&first, &[]).await;
            pair.foyer.person(&second, &[]).await;
            let cookie = pair.fresh(&first).await;
            let link = pair.proved(&cookie, &second).await;
            let (here, there) = tokio::join!(pair.confirms(pair.app(), &cookie, link), pair.confirms(&replica.app, &cookie, link));
            assert_ne!(here.is_ok(), there.is_ok(), "{here:?} {there:?}");
            let (_, after) = here.or(there).unwrap();
            for cookie in [&cookie, &after] {
                assert_eq!(pair.confirms(pair.app(), cookie, link).await.unwrap_err(), Refusal::LinkOver);
            }
            pair.expect_sound("two confirmations").await;
        }
        let linked = pair.foyer.count("events where kind = 'login.linked'").await;
        assert_eq!((linked, pair.foyer.count("persons where state = 'merged'").await), (16, 8));
    }

    async fn a_proposal_names_who_has_to_come(engine) {
        let pair = Pair::new(engine).await;
        pair.foyer.person("eve", &[]).await;
        let cookie = pair.fresh("joe").await;
        assert_eq!(pair.begins(&cookie, pair.second, Some(pair.gsa)).await, Err(Refusal::LinkOver), "nobody proposed it");
        let mut writer = pair.app().store.write(pair.foyer.tenant.id).await.unwrap();
        writer.insert_link_proposal(pair.joe, pair.gsa, &Actor::Operator, pair.foyer.clock.now()).await.unwrap();
        writer.commit().await.unwrap();
        let Ok(Begun::Proof(link)) = pair.begins(&cookie, pair.second, Some(pair.gsa)).await else { panic!("it is proposed") };
        assert_eq!(pair.proves_link(&cookie, link, "eve").await, Err(Refusal::OtherLogin));
        assert_eq!(pair.confirms(pair.app(), &cookie, link).await.unwrap_err(), Refusal::LinkOver);
        assert_eq!(pair.proves_link(&cookie, link, "joe.gsa").await, Ok(()));
        pair.confirms(pair.app(), &cookie, link).await.unwrap();
        let mut reader = pair.app().store.read(pair.foyer.tenant.id);
        let joe = reader.any_login(pair.joe).await.unwrap().unwrap().login;
        let left = proposals::of_login(&mut reader, &joe).await.unwrap();
        assert!(left.iter().all(|proposal| proposal.login.id != pair.gsa), "{left:?}");
    }

    async fn one_login_is_no_two_and_two_are_no_three(engine) {
        let pair = Pair::new(engine).await;
        pair.foyer.person("eve", &[]).await;
        let cookie = pair.fresh("joe").await;
        let link = pair.begun(&cookie).await;
        assert_eq!(pair.proves_link(&cookie, link, "joe").await, Err(Refusal::SameLogin));
        let both = pair.linked("joe", "joe.gsa").await;
        assert_eq!(pair.begins(&both, pair.second, None).await, Err(Refusal::PersonFull));
        let hers = pair.fresh("eve").await;
        let link = pair.begun(&hers).await;
        for name in ["joe", "joe.gsa"] {
            assert_eq!(pair.proves_link(&hers, link, name).await, Err(Refusal::LinkedElsewhere));
        }
        assert_eq!(pair.confirms(pair.app(), &hers, link).await.unwrap_err(), Refusal::LinkOver);
        pair.expect_sound("a third login").await;
        assert_eq!(pair.foyer.count("persons where state = 'merged'").await, 1);
    }

    async fn what_the_identity_provider_said_is_proved_and_not_who_it_was_yesterday(engine) {
        let pair = Pair::new(engine).await;
        let cookie = pair.fresh("joe").await;
        let link = pair.proved(&cookie, "joe.gsa").await;
        // The subject now names another login: the one that was proved is not the one that it would be.
        pair.delete(pair.gsa).await;
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "mallory@bluesky.example", "externalId": "joe.gsa",
            "active": true,
        });
        pair.foyer.tenant.scim.post("/Users", &user).await.expect(201);
        pair.fresh("joe.gsa").await;
        assert_eq!(pair.confirms(pair.app(), &cookie, link).await.unwrap_err(), Refusal::LinkOver);
        assert_eq!(pair.foyer.count("persons where state = 'merged'").await, 0);
    }
}
