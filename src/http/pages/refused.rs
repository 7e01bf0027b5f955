//! A sign-in that was refused: what happened, whom to ask, and the reference number that is in the log.

use askama::Template;
use http::StatusCode;

use super::Frame;

/// Why a sign-in was refused, as far as the person may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The identity provider vouched for somebody whom no login here waits for.
    Unknown,
    /// The login or the person is switched off.
    Deactivated,
    /// One of the two logins that somebody is about to link, part or switch between is switched off.
    LoginOff,
    /// The login was deleted.
    Gone,
    /// More than one login matches.
    Ambiguous,
    /// The login that matches already belongs to another identity at the identity provider.
    AlreadyBound,
    /// The identity provider did not send a claim that the connection's rules read.
    MissingClaim,
    /// The connection is a draft or switched off.
    ConnectionOff,
    /// One certain login was asked for, and another one signed in.
    OtherLogin,
    /// A link of two logins took too long, was finished, or its session ended or switched.
    LinkOver,
    /// Both proofs of a link were of one login.
    SameLogin,
    /// The two logins are linked already.
    AlreadyLinked,
    /// The person has two logins already.
    PersonFull,
    /// The login that was proved is linked with another one.
    LinkedElsewhere,
    /// The person has one login only.
    NotLinked,
    /// The identity provider does not say that it asked the person anew.
    NotFresh,
    /// The identity provider refused (for example `access_denied`), or the person broke off there.
    Denied,
    /// The identity provider did not answer.
    Unreachable,
    /// The identity provider's answer did not pass our checks.
    Untrusted,
    /// The state is missing, over its time, or another browser's.
    Expired,
    /// The answer was too old, or was used before.
    Replayed,
    /// An identity provider sent an answer that nobody had asked for.
    Unsolicited,
    /// Our own fault.
    Internal,
}

impl Reason {
    /// All of them, for tests that render each.
    pub const ALL: [Self; 23] = [
        Self::Unknown,
        Self::Deactivated,
        Self::LoginOff,
        Self::Gone,
        Self::Ambiguous,
        Self::AlreadyBound,
        Self::MissingClaim,
        Self::ConnectionOff,
        Self::OtherLogin,
        Self::LinkOver,
        Self::SameLogin,
        Self::AlreadyLinked,
        Self::PersonFull,
        Self::LinkedElsewhere,
        Self::NotLinked,
        Self::NotFresh,
        Self::Denied,
        Self::Unreachable,
        Self::Untrusted,
        Self::Expired,
        Self::Replayed,
        Self::Unsolicited,
        Self::Internal,
    ];

    /// The status of the page: 403 when the person may not come in, 400 when the request was no good, 502 when the identity
    /// provider failed, 500 when we did.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unknown
            | Self::Deactivated
            | Self::LoginOff
            | Self::Gone
            | Self::Ambiguous
            | Self::AlreadyBound
            | Self::MissingClaim
            | Self::ConnectionOff
            | Self::OtherLogin
            | Self::SameLogin
            | Self::AlreadyLinked
            | Self::PersonFull
            | Self::LinkedElsewhere
            | Self::NotLinked
            | Self::NotFresh
            | Self::Denied => StatusCode::FORBIDDEN,
            Self::Expired | Self::Replayed | Self::Unsolicited | Self::LinkOver => StatusCode::BAD_REQUEST,
            Self::Unreachable | Self::Untrusted => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Whom people ask: an e-mail address, a web address, or words ("the service desk, extension 1234").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact(pub String);

impl Contact {
    /// Where the contact leads when it is clicked; `None` for words. A mail gets the reference number as its subject.
    pub(super) fn href(&self, reference: Option<&str>) -> Option<String> {
        let text = self.0.trim();
        if text.starts_with("https://") {
            return Some(text.to_owned());
        }
        let (local, domain) = text.split_once('@')?;
        let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
        if !plain(local) || !plain(domain) {
            return None;
        }
        Some(match reference {
            Some(reference) => {
                let subject: String = url::form_urlencoded::byte_serialize(reference.as_bytes()).collect();
                format!("mailto:{text}?subject=Sign-in%20reference%20{subject}")
            }
            None => format!("mailto:{text}"),
        })
    }
}

/// The page of a refused sign-in. Answer it with [`Reason::status`].
#[derive(Clone, Debug, Template)]
#[template(path = "refused.html")]
pub struct Refused {
    pub frame: Frame,
    pub reason: Reason,
    /// The connection's name, where it is known.
    pub connection: Option<String>,
    /// Whom to ask; without one the page says "your IT help desk".
    pub contact: Option<Contact>,
    /// The reference number, which the log and the administrator's trace carry too.
    pub reference: String,
    /// Where to try again, usually `/sign-in`.
    pub retry: String,
}

impl Refused {
    /// What to call the identity provider.
    fn idp(&self) -> &str {
        self.connection.as_deref().unwrap_or("your company’s sign-in")
    }

    /// Whether trying again begins at the page of the person's logins.
    fn leads_to_logins(&self) -> bool {
        self.retry == "/me/logins"
    }

    /// What to call the company.
    fn company(&self) -> &str {
        self.frame.tenant.as_deref().unwrap_or("your company")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_leads_where_it_can() {
        let href = |text: &str| Contact(text.into()).href(Some("0198-7"));
        assert_eq!(href("it@bluesky.example").unwrap(), "mailto:it@bluesky.example?subject=Sign-in%20reference%200198-7");
        assert_eq!(href("https://help.bluesky.example/").unwrap(), "https://help.bluesky.example/");
        for words in ["the service desk", "javascript:alert(1)@x", "a@b?cc=c@d", "@", "", "data:text/html,x@y"] {
            assert_eq!(href(words), None, "{words}");
        }
        assert_eq!(Contact("it@bluesky.example".into()).href(None).unwrap(), "mailto:it@bluesky.example");
    }
}
