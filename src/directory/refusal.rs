//! What is refused, and by which rule.

/// Why nobody was signed in, or no two logins were linked, parted or switched. The names are stable: traces, metrics and pages use them.
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
    /// A claim that rules of the connection read did not come, and the connection refuses such a sign-in.
    MissingClaim,
    /// The identity provider's assertion was used before.
    AssertionUsed,
    /// One certain login was asked for, and another one came.
    OtherLogin,
    /// The link is over: it took too long, was finished or given up, or the session that it was for has ended or switched.
    LinkOver,
    /// Both proofs of a link were of one login.
    SameLogin,
    /// The two logins of a link are linked already.
    AlreadyLinked,
    /// The person has two logins, and there is no third.
    PersonFull,
    /// The login that was proved is linked with another one.
    LinkedElsewhere,
    /// The person has one login, so that there is nothing to part or to switch to.
    NotLinked,
    /// The identity provider does not say that it asked the person within the last minutes.
    NotFresh,
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
            Self::MissingClaim => "missing_claim",
            Self::AssertionUsed => "assertion_used",
            Self::OtherLogin => "other_login",
            Self::LinkOver => "link_over",
            Self::SameLogin => "same_login",
            Self::AlreadyLinked => "already_linked",
            Self::PersonFull => "person_full",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::NotLinked => "not_linked",
            Self::NotFresh => "not_fresh",
        }
    }
}
