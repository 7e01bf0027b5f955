//! How far a sign-in came, told to the tenant's administrator.
//!
//! A trace names steps, settings and the names of claims. It never holds a token, a code, a secret, or the value of a person's claim.

use serde::{Deserialize, Serialize};

use super::Refused;

/// A part of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Reading the identity provider's discovery document.
    Discovery,
    /// Reading its public keys.
    Keys,
    /// Sending the browser there.
    Request,
    /// What the browser brought back.
    Callback,
    /// Redeeming the code.
    Token,
    /// Proving the ID token.
    IdToken,
    /// Proving the SAML assertion.
    Assertion,
    /// How sure the identity provider is, and whether that is enough.
    Assurance,
}

impl Step {
    /// As traces name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::Request => "request",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::IdToken => "id_token",
            Self::Assertion => "assertion",
            Self::Assurance => "assurance",
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    /// It went on, but somebody should know.
    Warning,
    /// The sign-in ended here.
    Refused,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEntry {
    pub step: Step,
    pub outcome: Outcome,
    pub detail: String,
}

/// The steps of one sign-in attempt, in order. Serialised for the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trace(Vec<TraceEntry>);

impl Trace {
    #[must_use]
    pub fn entries(&self) -> &[TraceEntry] {
        &self.0
    }

    /// Of a sign-in that was refused before anything else was done.
    #[must_use]
    pub fn of(refused: &Refused) -> Self {
        let mut trace = Self::default();
        trace.refused(refused);
        trace
    }

    pub(super) fn ok(&mut self, step: Step, detail: impl Into<String>) {
        self.push(step, Outcome::Ok, detail.into());
    }

    pub(super) fn warning(&mut self, step: Step, detail: impl Into<String>) {
        self.push(step, Outcome::Warning, detail.into());
    }

    pub(super) fn refused(&mut self, refused: &Refused) {
        self.push(refused.step(), Outcome::Refused, format!("{}: {refused}", refused.reason()));
    }

    /// What another trace of the same sign-in says comes next.
    #[cfg(feature = "saml")]
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    fn push(&mut self, step: Step, outcome: Outcome, detail: String) {
        self.0.push(TraceEntry { step, outcome, detail });
    }
}

/// A text from outside, fit to be shown: one line, no control characters, at most 200 letters.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_called_what_traces_call_it() {
        use Step::{Assertion, Assurance, Callback, Discovery, IdToken, Keys, Request, Token};
        for step in [Discovery, Keys, Request, Callback, Token, IdToken, Assertion, Assurance] {
            assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
        }
    }

    #[test]
    fn what_comes_from_outside_is_one_short_line() {
        assert_eq!(clean("denied\r\nX: y\u{1b}[31m\0"), "deniedX: y[31m");
        assert_eq!(clean(&"ü".repeat(1000)).chars().count(), 200);
    }
}
