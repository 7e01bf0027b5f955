//! What a sign-in comes to, purely. No IO, no clock: everything that counts is in the arguments.
//!
//! A sign-in finds its login by subject alone. Only a login that no subject of the connection names yet can be bound, by the binding
//! pair that the operator approved, exactly, and once. An e-mail address never binds anybody.

use crate::model::{Connection, ConnectionState, ExternalIdentity, JitPolicy, LoginId, PersonState};
use crate::store::KnownLogin;

/// What the store knows when a sign-in arrives, read under locks in the transaction that will act on it.
#[derive(Clone, Debug)]
pub struct Known {
    pub connection: Connection,
    /// The login that the subject names.
    pub by_subject: Option<KnownLogin>,
    /// The subject, or a pair value of it, belongs to a deleted login that nobody wants back.
    pub tombstoned: bool,
    /// What each binding pair of the connection found.
    pub pairs: Vec<Pair>,
}

/// What one binding pair found.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The claim's value; `None` when the claim did not come or has several values.
    pub value: Option<String>,
    /// The live logins of the directory with that value; two are enough to know that it is not one.
    pub matches: Vec<KnownLogin>,
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

/// Why nobody was signed in. The names are stable: traces, metrics and pages use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The connection is switched off or not finished.
    ConnectionOff,
    /// The login or its person is deactivated.
    Inactive,
    /// The login was deleted.
    Gone,
    /// Nobody provisioned this person, and the connection creates none.
    Unknown,
    /// The binding pair fits several logins.
    Ambiguous,
    /// The login that the pair names already belongs to another subject.
    AlreadyBound,
    /// The pair's value is an e-mail address, which identifies a mailbox and not a person.
    EmailShaped,
}

impl Refusal {
    /// The stable name.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ConnectionOff => "connection_off",
            Self::Inactive => "inactive",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
            Self::Ambiguous => "ambiguous",
            Self::AlreadyBound => "already_bound",
            Self::EmailShaped => "email_shaped",
        }
    }
}

/// Decides what a verified identity comes to.
#[must_use]
pub fn decide(known: &Known, identity: &ExternalIdentity) -> Decision {
    debug_assert_eq!(known.connection.id, identity.subject.connection);
    if known.connection.state != ConnectionState::Enabled {
        return Decision::Refuse(Refusal::ConnectionOff);
    }
    if let Some(login) = &known.by_subject {
        return match usable(login) {
            Ok(login) => Decision::SignIn { login },
            Err(refusal) => Decision::Refuse(refusal),
        };
    }
    if known.tombstoned {
        return Decision::Refuse(Refusal::Gone);
    }
    if known.connection.jit == JitPolicy::Off {
        return Decision::Refuse(Refusal::Unknown);
    }
    let found: Vec<&KnownLogin> = known.pairs.iter().flat_map(|pair| &pair.matches).collect();
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
        self.value.as_deref().is_some_and(|value| value.contains('@'))
    }
}

fn usable(known: &KnownLogin) -> Result<LoginId, Refusal> {
    if known.login.active && known.person_state == PersonState::Active { Ok(known.login.id) } else { Err(Refusal::Inactive) }
}
