//! Linking, parting, switching, signing in and leaving at once, at two replicas: whoever wins, there is one truth afterwards, and each was
//! answered clearly.

use vestibule::directory::linking::Switch;
use vestibule::directory::refusal::Refusal;
use vestibule::directory::sign_in::Outcome;
use vestibule::model::{LoginId, Purpose};
use vestibule::store::Engine;

use super::Pair;
use super::hands::{Cookie, FRESHLY};
use crate::openid::{Foyer, Replica};
use crate::support::world::on_every_engine;

/// How often a race is run: each time the threads meet elsewhere.
const ROUNDS: usize = 10;

/// How a directory lets somebody go.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    Deactivated,
    Deleted,
}

const LEAVES: [Leaves; 2] = [Leaves::Deactivated, Leaves::Deleted];

async fn leaves(foyer: &Foyer, login: LoginId, how: Leaves) {
    match how {
        Leaves::Deactivated => foyer.set_active(login, false).await,
        Leaves::Deleted => drop(foyer.tenant.scim.delete(&format!("/Users/{login}")).await.expect(204)),
    }
}

/// Two replicas, and people for each round.
struct Arena {
    pair: Pair,
    replica: Replica,
}

impl Arena {
    async fn new(engine: Engine) -> Self {
        let pair = Pair::new(engine).await;
        let replica = pair.foyer.replica().await;
        Self { pair, replica }
    }

    async fn people<const N: usize>(&self, round: &str) -> [(String, LoginId); N] {
        let mut people = Vec::new();
        for letter in ["a", "b", "c"].into_iter().take(N) {
            let name = format!("{letter}-{round}");
            let login = self.pair.foyer.person(&name, &[]).await;
            people.push((name, login));
        }
        people.try_into().unwrap()
    }

    /// Nothing of a login is signed in anywhere.
    async fn expect_out(&self, login: LoginId, after: &str) {
        let mut reader = self.pair.app().store.read(self.pair.foyer.tenant.id);
        assert_eq!(reader.sids_of_login(login).await.unwrap(), [], "{after}");
        assert_eq!(reader.sessions_of_login(login).await.unwrap(), [], "{after}");
    }

    async fn are_linked(&self, one: LoginId, other: LoginId) -> bool {
        self.pair.person_of(one).await.0 == self.pair.person_of(other).await.0
    }
}

on_every_engine! {
    async fn of_two_links_with_one_login_in_common_one_is_made(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        for round in 0..3 * ROUNDS {
            let [(a, _), (b, _), (c, _)] = arena.people(&round.to_string()).await;
            let (one, other): ((Cookie, _), (Cookie, _)) = match round % 3 {
                // The first with the second and with the third, from two sessions; the second and the third with the first; both sides.
                0 => {
                    let (here, there) = (pair.fresh(&a).await, pair.fresh(&a).await);
                    let links = (pair.proved(&here, &b).await, pair.proved(&there, &c).await);
                    ((here, links.0), (there, links.1))
                }
                1 => {
                    let (here, there) = (pair.fresh(&a).await, pair.fresh(&c).await);
                    let links = (pair.proved(&here, &b).await, pair.proved(&there, &b).await);
                    ((here, links.0), (there, links.1))
                }
                _ => {
                    let (here, there) = (pair.fresh(&a).await, pair.fresh(&b).await);
                    let links = (pair.proved(&here, &b).await, pair.proved(&there, &a).await);
                    ((here, links.0), (there, links.1))
                }
            };
            let (here, there) = tokio::join!(
                pair.confirms(pair.app(), &one.0, one.1),
                pair.confirms(&arena.replica.app, &other.0, other.1),
            );
            assert_ne!(here.is_ok(), there.is_ok(), "round {round}: {here:?} {there:?}");
            let refusal = here.err().or(there.err()).unwrap();
            let known = [Refusal::LinkOver, Refusal::PersonFull, Refusal::LinkedElsewhere, Refusal::AlreadyLinked];
            assert!(known.contains(&refusal), "round {round}: {refusal:?}");
            pair.expect_sound("two links").await;
        }
        assert_eq!(pair.foyer.count("persons where state = 'merged'").await, i64::try_from(3 * ROUNDS).unwrap());
    }

    async fn one_session_makes_one_link_even_of_two(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        for round in 0..ROUNDS {
            let [(a, _), (b, _), (c, _)] = arena.people(&round.to_string()).await;
            let cookie = pair.fresh(&a).await;
            let links = (pair.proved(&cookie, &b).await, pair.proved(&cookie, &c).await);
            let (here, there) = tokio::join!(
                pair.confirms(pair.app(), &cookie, links.0),
                pair.confirms(&arena.replica.app, &cookie, links.1),
            );
            assert_ne!(here.is_ok(), there.is_ok(), "round {round}: {here:?} {there:?}");
            pair.expect_sound("two links of a session").await;
        }
    }

    async fn who_leaves_while_being_linked_is_signed_in_nowhere(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        let mut made = 0;
        for round in 0..ROUNDS {
            for how in LEAVES {
                for second in [true, false] {
                    let [(a, first), (b, other)] = arena.people(&format!("{round}-{how:?}-{second}")).await;
                    let cookie = pair.fresh(&a).await;
                    let link = pair.proved(&cookie, &b).await;
                    let gone = if second { other } else { first };
                    let (linked, ()) = tokio::join!(pair.confirms(&arena.replica.app, &cookie, link), leaves(&pair.foyer, gone, how));
                    let case = format!("round {round}, {how:?}, the second: {second}: {linked:?}");
                    arena.expect_out(gone, &case).await;
                    pair.expect_sound(&case).await;
                    made += usize::from(linked.is_ok());
                    // The other one comes and goes as before.
                    let left = if second { &a } else { &b };
                    pair.fresh(left).await;
                }
            }
        }
        assert_eq!(pair.foyer.count("persons where state = 'merged'").await, i64::try_from(made).unwrap());
    }

    async fn unlinking_while_switching_leaves_two_persons_or_one(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        for round in 0..2 * ROUNDS {
            let [(a, first), (b, second)] = arena.people(&round.to_string()).await;
            let cookie = pair.linked(&a, &b).await;
            // By either login: the one that goes back to its own person is once the active one.
            let (active, to) = if round % 2 == 0 { (first, second) } else { (second, first) };
            if active == second {
                assert_eq!(pair.switches(pair.app(), &cookie, second).await, Ok(Switch::Done));
            }
            let (unlinked, switched) =
                tokio::join!(pair.unlinks(pair.app(), &cookie), pair.switches(&arena.replica.app, &cookie, to));
            assert_eq!(unlinked.is_err(), arena.are_linked(first, second).await, "{unlinked:?}");
            assert!(unlinked.is_ok() || switched.is_ok(), "{unlinked:?} {switched:?}");
            pair.expect_sound("unlinking while switching").await;
            // A cookie that was changed opens nothing any more.
            if let Ok((_, after)) = unlinked {
                assert_eq!(pair.session(pair.app(), &cookie).await, None, "round {round}");
                // Where both were done, it was switched first.
                let expected = if switched.is_ok() { to } else { active };
                assert_eq!(pair.session(pair.app(), &after).await.map(|session| session.active_login_id), Some(expected));
            }
        }
    }

    async fn switched_twice_at_once_and_parted_twice_at_once(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        for round in 0..ROUNDS {
            let [(a, first), (b, second)] = arena.people(&round.to_string()).await;
            let cookie = pair.linked(&a, &b).await;
            let (here, there) = tokio::join!(
                pair.switches(pair.app(), &cookie, second),
                pair.switches(&arena.replica.app, &cookie, second),
            );
            for outcome in [&here, &there] {
                assert!(matches!(outcome, Ok(Switch::Done) | Err(Refusal::LinkOver)), "{here:?} {there:?}");
            }
            assert!(here.is_ok() || there.is_ok());
            assert_eq!(pair.session(pair.app(), &cookie).await.unwrap().active_login_id, second);
            let (here, there) = tokio::join!(pair.unlinks(pair.app(), &cookie), pair.unlinks(&arena.replica.app, &cookie));
            assert_ne!(here.is_ok(), there.is_ok(), "{here:?} {there:?}");
            assert!(!arena.are_linked(first, second).await);
            pair.expect_sound("twice at once").await;
        }
    }

    async fn who_signs_in_while_being_linked_or_parted_is_in_their_own_person(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        let app = &arena.replica.app;
        for round in 0..ROUNDS {
            let [(a, _), (b, second)] = arena.people(&round.to_string()).await;
            let cookie = pair.fresh(&a).await;
            let link = pair.proved(&cookie, &b).await;
            let who = (pair.second, b.as_str());
            let (linked, (outcome, hers)) =
                tokio::join!(pair.confirms(pair.app(), &cookie, link), pair.arrives(app, who, None, Purpose::SignIn, &FRESHLY));
            assert!(linked.is_ok() && matches!(outcome, Outcome::SignedIn { .. }), "{linked:?} {outcome:?}");
            pair.expect_sound("signing in while being linked").await;
            if let Some(session) = pair.session(pair.app(), &hers).await {
                assert_eq!(session.person_id, pair.person_of(second).await.0);
            }
            // In a new browser, and in the one that has both.
            let cookie = linked.unwrap().1;
            let (before, purpose): (Option<&str>, _) =
                if round % 2 == 0 { (None, Purpose::SignIn) } else { (Some(&cookie), Purpose::Login { login: second }) };
            let (unlinked, (outcome, hers)) =
                tokio::join!(pair.unlinks(pair.app(), &cookie), pair.arrives(app, who, before, purpose, &FRESHLY));
            assert!(matches!(outcome, Outcome::SignedIn { .. }), "{outcome:?}");
            pair.expect_sound(&format!("signing in while being parted: {unlinked:?}")).await;
            if let Some(session) = pair.session(pair.app(), &hers).await {
                assert_eq!((session.active_login_id, session.person_id), (second, pair.person_of(second).await.0));
            }
        }
    }

    async fn who_leaves_during_a_switch_is_signed_in_nowhere(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        for round in 0..ROUNDS {
            for how in LEAVES {
                for by_callback in [true, false] {
                    let [(a, first), (b, second)] = arena.people(&format!("{round}-{how:?}-{by_callback}")).await;
                    let cookie = pair.linked(&a, &b).await;
                    let switched = async {
                        if by_callback {
                            let purpose = Purpose::Login { login: second };
                            let who = (pair.second, b.as_str());
                            let (outcome, _) = pair.arrives(&arena.replica.app, who, Some(&cookie), purpose, &FRESHLY).await;
                            format!("{outcome:?}")
                        } else {
                            format!("{:?}", pair.switches(&arena.replica.app, &cookie, second).await)
                        }
                    };
                    let (outcome, ()) = tokio::join!(switched, leaves(&pair.foyer, second, how));
                    arena.expect_out(second, &format!("{how:?}: {outcome}")).await;
                    pair.expect_sound(&format!("{how:?}: {outcome}")).await;
                    // Who leaves is refused from then on, and leaves the other one as it was.
                    let late = pair.arrives(pair.app(), (pair.second, &b), Some(&cookie), Purpose::Login { login: second }, &FRESHLY);
                    assert!(matches!(late.await.0, Outcome::Refused { .. }));
                    assert!(pair.session(pair.app(), &pair.fresh(&a).await).await.is_some_and(|session| session.active_login_id == first));
                }
            }
        }
    }

    async fn who_leaves_while_proving_is_linked_to_nobody(engine) {
        let arena = Arena::new(engine).await;
        let pair = &arena.pair;
        for round in 0..ROUNDS {
            for how in LEAVES {
                let [(a, _), (b, second)] = arena.people(&format!("{round}-{how:?}")).await;
                let cookie = pair.fresh(&a).await;
                let link = pair.begun(&cookie).await;
                let (_, ()) = tokio::join!(pair.proves_link(&cookie, link, &b), leaves(&pair.foyer, second, how));
                if matches!(how, Leaves::Deactivated) {
                    // Let in again, it has to prove itself again.
                    pair.foyer.set_active(second, true).await;
                }
                assert_eq!(pair.confirms(&arena.replica.app, &cookie, link).await.unwrap_err(), Refusal::LinkOver, "{round} {how:?}");
            }
        }
        assert_eq!(pair.foyer.count("persons where state = 'merged'").await, 0);
    }
}
