//! What a sign-in comes to, and which login a directory adopts, purely. No IO, no clock: everything that counts is in the arguments.
//!
//! A sign-in finds its login by subject alone. Only a login that no subject of the connection names yet can be bound, by the binding
//! pair that the operator approved, exactly, and once. An e-mail address never binds anybody, and nobody is adopted by one.

use std::collections::BTreeSet;

pub use super::refusal::Refusal;
use crate::model::{Connection, ConnectionState, ExternalIdentity, JitPolicy, LoginId, PairValue, PersonState};
use crate::store::{KnownLogin, ProvedRow};

/// What the store knows when a sign-in arrives, read under locks in the transaction that will act on it.
#[derive(Clone, Debug)]
pub struct Known {
    pub connection: Connection,
    /// The login that the subject names.
    pub by_subject: Option<KnownLogin>,
    /// The subject was a deleted login's that nobody wants back.
    pub subject_gone: bool,
    /// A pair value was a deleted login's that nobody wants back.
    pub pair_gone: bool,
    /// What each binding pair of the connection found, and the logins that were made by hand for a value.
    pub pairs: Vec<Pair>,
}

/// What one binding pair found.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The claim's value; `None` when the claim did not come or has several values.
    pub value: Option<PairValue>,
    /// The live logins of the directory with that value; two are enough to know that it is not one. Or the one that an administrator made.
    pub matches: Vec<KnownLogin>,
    /// An administrator made the login for this value at this connection: that lets it in whatever the policy for others is.
    pub by_hand: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The subject is known.
    SignIn {
        login: LoginId,
    },
    /// First sign-in of a provisioned login: the subject becomes its own.
    Bind {
        login: LoginId,
    },
    /// First sign-in of somebody whom no directory provisioned, where the connection allows that.
    Create,
    Refuse(Refusal),
}

/// Decides what a verified identity comes to.
#[must_use]
pub fn decide(known: &Known, identity: &ExternalIdentity) -> Decision {
    debug_assert_eq!(known.connection.id, identity.subject.connection);
    if known.connection.state != ConnectionState::Enabled {
        return Decision::Refuse(Refusal::ConnectionOff);
    }
    // It was begun, or even proved, before another identity provider was approved in the place of this one.
    if known.connection.issuer != identity.subject.issuer {
        return Decision::Refuse(Refusal::ConnectionOff);
    }
    if let Some(login) = &known.by_subject {
        return match usable(login) {
            Ok(login) => Decision::SignIn { login },
            Err(refusal) => Decision::Refuse(refusal),
        };
    }
    let found: Vec<&KnownLogin> = known.pairs.iter().flat_map(|pair| &pair.matches).collect();
    // A subject was the deleted login's alone. A pair value may be that of a login that lives: the directory says so today, and what
    // is gone is the other one.
    if known.subject_gone || (known.pair_gone && found.is_empty()) {
        return Decision::Refuse(Refusal::Gone);
    }
    let by_hand = known.pairs.iter().any(|pair| pair.by_hand && !pair.matches.is_empty());
    if known.connection.jit == JitPolicy::Off && !by_hand {
        return Decision::Refuse(Refusal::Unknown);
    }
    match (found.as_slice(), known.connection.jit) {
        ([], JitPolicy::On) => Decision::Create,
        ([], JitPolicy::IfProvisioned | JitPolicy::Off) => Decision::Refuse(Refusal::Unknown),
        ([_], _) if known.pairs.iter().any(|pair| !pair.matches.is_empty() && pair.is_email_shaped()) => {
            Decision::Refuse(Refusal::EmailShaped)
        }
        ([login], _) if login.bound => Decision::Refuse(Refusal::AlreadyBound),
        ([login], _) => match usable(login) {
            Ok(login) => Decision::Bind { login },
            Err(refusal) => Decision::Refuse(refusal),
        },
        (_, _) => Decision::Refuse(Refusal::Ambiguous),
    }
}

impl Pair {
    fn is_email_shaped(&self) -> bool {
        self.value.as_ref().is_some_and(PairValue::is_email_shaped)
    }
}

/// Which login a directory gets that provisions somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// A new one: signing in has made none for this person.
    None,
    /// The one that signing in has made.
    Adopt(LoginId),
    /// A new one, because the pair values fit several that signing in has made.
    Ambiguous,
}

/// Decides whether a directory adopts, from the logins without directory that its pair values fit. Nothing else is asked: not the
/// user name, not an address.
#[must_use]
pub fn adopt(proved: &[ProvedRow]) -> Adoption {
    let fit: BTreeSet<LoginId> = proved.iter().filter(|row| !row.pair.is_email_shaped()).map(|row| row.login).collect();
    match (fit.first(), fit.len()) {
        (None, _) => Adoption::None,
        (Some(login), 1) => Adoption::Adopt(*login),
        (Some(_), _) => Adoption::Ambiguous,
    }
}

fn usable(known: &KnownLogin) -> Result<LoginId, Refusal> {
    if known.login.is_usable() && known.person_state == PersonState::Active { Ok(known.login.id) } else { Err(Refusal::Inactive) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::DateTime;

    use super::*;
    use crate::model::{
        AccountId, ConnectionId, Login, LoginKind, MissingClaim, OidcSettings, PersonId, SecondFactor, Slot, Subject, SubjectKind,
        TenantId,
    };

    fn uuid(number: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(number)
    }

    fn connection() -> Connection {
        Connection {
            id: ConnectionId::from_uuid(uuid(1)),
            slug: "idp".into(),
            name: "The identity provider".into(),
            state: ConnectionState::Enabled,
            issuer: "https://idp.example".into(),
            jit: JitPolicy::IfProvisioned,
            missing_claim: MissingClaim::Clear,
            home_account_id: AccountId::from_uuid(uuid(2)),
            contact: None,
            settings: OidcSettings { client_id: "vestibule".into(), scopes: Vec::new(), second_factor: SecondFactor::default() }
                .into(),
            epoch: 0,
        }
    }

    fn login(number: u128) -> KnownLogin {
        let login = Login {
            id: LoginId::from_uuid(uuid(number)),
            person_id: PersonId::from_uuid(uuid(number)),
            born_person_id: PersonId::from_uuid(uuid(number)),
            slot: Slot::One,
            kind: LoginKind::Byoi,
            directory_id: None,
            connection_id: None,
            home_account_id: AccountId::from_uuid(uuid(2)),
            user_name: "joe".into(),
            external_id: None,
            active: true,
            locked_at: None,
            suspended_by: None,
            break_glass: false,
            invited_at: None,
            token_type: None,
            mobile_type: None,
            signed_in_at: None,
            version: 1,
            epoch: 0,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        KnownLogin { login, person_state: PersonState::Active, bound: false }
    }

    fn inactive(login: KnownLogin) -> KnownLogin {
        KnownLogin { login: Login { active: false, ..login.login }, ..login }
    }

    fn locked(login: KnownLogin) -> KnownLogin {
        KnownLogin { login: Login { locked_at: Some(DateTime::UNIX_EPOCH), ..login.login }, ..login }
    }

    fn of_person(login: KnownLogin, person_state: PersonState) -> KnownLogin {
        KnownLogin { person_state, ..login }
    }

    fn bound(login: KnownLogin) -> KnownLogin {
        KnownLogin { bound: true, ..login }
    }

    fn pair(value: &str, matches: &[KnownLogin]) -> Pair {
        Pair { value: Some(pair_value(value)), matches: matches.to_vec(), by_hand: false }
    }

    fn by_hand(value: &str, login: KnownLogin) -> Pair {
        Pair { by_hand: true, ..pair(value, &[login]) }
    }

    fn pair_value(value: &str) -> PairValue {
        PairValue { connection: connection().id, claim: "sub".into(), value: value.into() }
    }

    /// A sign-in whose subject nobody has, at a connection of this policy, with what its pairs found.
    fn stranger(jit: JitPolicy, pairs: &[Pair]) -> Known {
        Known {
            connection: Connection { jit, ..connection() },
            by_subject: None,
            subject_gone: false,
            pair_gone: false,
            pairs: pairs.to_vec(),
        }
    }

    fn known(login: KnownLogin) -> Known {
        Known { by_subject: Some(login), ..stranger(JitPolicy::Off, &[]) }
    }

    fn at(known: Known, state: ConnectionState) -> Known {
        Known { connection: Connection { state, ..known.connection }, ..known }
    }

    fn elsewhere(known: Known) -> Known {
        Known { connection: Connection { issuer: "https://other.example".into(), ..known.connection }, ..known }
    }

    fn gone(known: Known) -> Known {
        Known { subject_gone: true, ..known }
    }

    /// Its subject is new, a pair value was a deleted login's.
    fn pair_gone(known: Known) -> Known {
        Known { pair_gone: true, ..known }
    }

    fn identity() -> ExternalIdentity {
        ExternalIdentity {
            tenant: TenantId::from_uuid(uuid(3)),
            subject: Subject {
                connection: connection().id,
                issuer: connection().issuer,
                kind: SubjectKind::Sub,
                value: "0a1b".into(),
            },
            claims: std::collections::BTreeMap::new(),
            authenticated_at: None,
            upstream_session: None,
            acr: None,
            amr: Vec::new(),
            assertion: None,
            session_until: None,
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a line for each case")]
    fn every_case_has_its_decision() {
        use ConnectionState::{Disabled, Draft};
        use JitPolicy::{IfProvisioned, Off, On};
        use Refusal::{AlreadyBound, Ambiguous, ConnectionOff, EmailShaped, Gone, Inactive, Unknown};

        let sign_in = Decision::SignIn { login: login(7).login.id };
        let bind = Decision::Bind { login: login(7).login.id };
        let refuse = Decision::Refuse;
        let one = || vec![pair("0a1b", &[login(7)])];
        let table = vec![
            ("a known subject", known(login(7)), sign_in.clone()),
            ("a known subject, whatever the policy", Known { by_subject: Some(login(7)), ..stranger(On, &[]) }, sign_in.clone()),
            ("its login is off", known(inactive(login(7))), refuse(Inactive)),
            ("an administrator has locked its login", known(locked(login(7))), refuse(Inactive)),
            ("its person is off", known(of_person(login(7), PersonState::Deactivated)), refuse(Inactive)),
            ("its person is merged away", known(of_person(login(7), PersonState::Merged)), refuse(Inactive)),
            ("the connection is off", at(known(login(7)), Disabled), refuse(ConnectionOff)),
            ("the connection is another identity provider's by now", elsewhere(known(login(7))), refuse(ConnectionOff)),
            ("the same, and somebody would fit", elsewhere(stranger(On, &one())), refuse(ConnectionOff)),
            ("the connection is a draft", at(stranger(On, &[]), Draft), refuse(ConnectionOff)),
            ("deleted", gone(stranger(IfProvisioned, &[])), refuse(Gone)),
            ("deleted, and JIT revives nobody", gone(stranger(On, &[])), refuse(Gone)),
            ("deleted, though JIT is off", gone(stranger(Off, &[])), refuse(Gone)),
            ("deleted, and its pair fits somebody else", gone(stranger(IfProvisioned, &one())), refuse(Gone)),
            ("deleted before the first sign-in", pair_gone(stranger(IfProvisioned, &[])), refuse(Gone)),
            ("deleted before the first sign-in, and JIT revives nobody", pair_gone(stranger(On, &[])), refuse(Gone)),
            ("deleted before the first sign-in, though JIT is off", pair_gone(stranger(Off, &[])), refuse(Gone)),
            ("a deleted login had the pair value of one that lives", pair_gone(stranger(IfProvisioned, &one())), bind.clone()),
            (
                "a deleted login had it, and the one that lives is off",
                pair_gone(stranger(On, &[pair("0a1b", &[inactive(login(7))])])),
                refuse(Inactive),
            ),
            (
                "a deleted login had it, and another subject has the one that lives",
                pair_gone(stranger(On, &[pair("0a1b", &[bound(login(7))])])),
                refuse(AlreadyBound),
            ),
            (
                "a deleted login had it, and two live",
                pair_gone(stranger(On, &[pair("0a1b", &[login(7), login(8)])])),
                refuse(Ambiguous),
            ),
            ("a deleted login had it, one lives, and JIT is off", pair_gone(stranger(Off, &one())), refuse(Unknown)),
            ("its own subject is gone, and so is the pair value", pair_gone(gone(stranger(On, &one()))), refuse(Gone)),
            ("nobody", stranger(IfProvisioned, &[]), refuse(Unknown)),
            ("nobody fits the pair", stranger(IfProvisioned, &[pair("0a1b", &[])]), refuse(Unknown)),
            (
                "the claim did not come",
                stranger(IfProvisioned, &[Pair { value: None, matches: Vec::new(), by_hand: false }]),
                refuse(Unknown),
            ),
            ("JIT is off, and somebody would fit", stranger(Off, &one()), refuse(Unknown)),
            ("nobody, and JIT is on", stranger(On, &[]), Decision::Create),
            ("nobody fits the pair, and JIT is on", stranger(On, &[pair("0a1b", &[])]), Decision::Create),
            ("provisioned", stranger(IfProvisioned, &one()), bind.clone()),
            ("provisioned, and JIT makes no second login", stranger(On, &one()), bind.clone()),
            ("one of two directories has it", stranger(IfProvisioned, &[pair("0a1b", &[]), one().remove(0)]), bind),
            ("provisioned and locked", stranger(On, &[pair("0a1b", &[locked(login(7))])]), refuse(Inactive)),
            ("provisioned and off", stranger(On, &[pair("0a1b", &[inactive(login(7))])]), refuse(Inactive)),
            (
                "provisioned, and the person is off",
                stranger(On, &[pair("0a1b", &[of_person(login(7), PersonState::Deactivated)])]),
                refuse(Inactive),
            ),
            ("two in one directory", stranger(IfProvisioned, &[pair("0a1b", &[login(7), login(8)])]), refuse(Ambiguous)),
            ("two, and JIT is on", stranger(On, &[pair("0a1b", &[login(7), login(8)])]), refuse(Ambiguous)),
            ("two, one of them off", stranger(On, &[pair("0a1b", &[inactive(login(7)), login(8)])]), refuse(Ambiguous)),
            ("two, one of them bound", stranger(On, &[pair("0a1b", &[bound(login(7)), login(8)])]), refuse(Ambiguous)),
            ("one in each directory", stranger(On, &[pair("0a1b", &[login(7)]), pair("0a1b", &[login(8)])]), refuse(Ambiguous)),
            ("another subject has it", stranger(On, &[pair("0a1b", &[bound(login(7))])]), refuse(AlreadyBound)),
            (
                "another subject has it, and it is off",
                stranger(On, &[pair("0a1b", &[bound(inactive(login(7)))])]),
                refuse(AlreadyBound),
            ),
            ("an address", stranger(IfProvisioned, &[pair("joe@bluesky.example", &[login(7)])]), refuse(EmailShaped)),
            ("an address, though JIT is on", stranger(On, &[pair("joe@bluesky.example", &[login(7)])]), refuse(EmailShaped)),
            ("made by hand", stranger(IfProvisioned, &[by_hand("0a1b", login(7))]), Decision::Bind { login: login(7).login.id }),
            (
                "made by hand, though JIT is off",
                stranger(Off, &[by_hand("0a1b", login(7))]),
                Decision::Bind { login: login(7).login.id },
            ),
            ("made by hand, and another subject has it", stranger(Off, &[by_hand("0a1b", bound(login(7)))]), refuse(AlreadyBound)),
            ("made by hand, and locked", stranger(On, &[by_hand("0a1b", locked(login(7)))]), refuse(Inactive)),
            ("made by hand for an address", stranger(Off, &[by_hand("joe@bluesky.example", login(7))]), refuse(EmailShaped)),
            (
                "made by hand beside one of a directory",
                stranger(On, &[by_hand("0a1b", login(7)), pair("0a1b", &[login(8)])]),
                refuse(Ambiguous),
            ),
            (
                "made by hand beside one of a directory, though JIT is off",
                stranger(Off, &[by_hand("0a1b", login(7)), pair("0a1b", &[login(8)])]),
                refuse(Ambiguous),
            ),
            (
                "made by hand twice, for two claims",
                stranger(Off, &[by_hand("0a1b", login(7)), by_hand("2c3d", login(8))]),
                refuse(Ambiguous),
            ),
            (
                "made by hand where a deleted login had the value",
                pair_gone(stranger(Off, &[by_hand("0a1b", login(7))])),
                Decision::Bind { login: login(7).login.id },
            ),
            (
                "an address that fits nobody beside a pair that does",
                stranger(IfProvisioned, &[pair("joe@bluesky.example", &[]), one().remove(0)]),
                Decision::Bind { login: login(7).login.id },
            ),
        ];
        let mut reasons = BTreeSet::new();
        for (case, known, expected) in table {
            assert_eq!(decide(&known, &identity()), expected, "{case}");
            if let Decision::Refuse(refusal) = expected {
                reasons.insert(refusal.reason());
            }
        }
        // A refusal that is new has to be in the table.
        let all = [ConnectionOff, Inactive, Gone, Unknown, Ambiguous, AlreadyBound, EmailShaped].map(|refusal| match refusal {
            ConnectionOff | Inactive | Gone | Unknown | Ambiguous | AlreadyBound | EmailShaped => refusal.reason(),
            // What is decided when it is known who it is, by the rules and by what the sign-in is for.
            _ => unreachable!("it is not in the list above"),
        });
        assert_eq!(reasons, BTreeSet::from(all));
    }

    #[test]
    fn a_directory_adopts_by_exactly_one_pair_value_that_is_no_address() {
        let proved = |number: u128, value: &str| ProvedRow { login: login(number).login.id, pair: pair_value(value) };
        let of_other_connection = |row: ProvedRow| {
            let pair = PairValue { connection: ConnectionId::from_uuid(uuid(9)), ..row.pair };
            ProvedRow { pair, ..row }
        };
        let seven = Adoption::Adopt(login(7).login.id);
        for (case, found, expected) in [
            ("nobody", vec![], Adoption::None),
            ("one", vec![proved(7, "0a1b")], seven),
            ("one, by two connections", vec![proved(7, "0a1b"), of_other_connection(proved(7, "0a1b"))], seven),
            ("two", vec![proved(7, "0a1b"), proved(8, "0a1b")], Adoption::Ambiguous),
            ("one by each connection", vec![proved(7, "0a1b"), of_other_connection(proved(8, "0a1b"))], Adoption::Ambiguous),
            ("an address", vec![proved(7, "joe@bluesky.example")], Adoption::None),
            ("an address of another writing", vec![proved(7, "joe\u{ff20}bluesky.example")], Adoption::None),
            ("an address beside a value that fits", vec![proved(8, "joe@bluesky.example"), proved(7, "0a1b")], seven),
        ] {
            assert_eq!(adopt(&found), expected, "{case}");
        }
    }
}
