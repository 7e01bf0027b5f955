//! What is wrong with a SAML message.

use super::super::{Kind, Step};

/// What is wrong with a SAML message, or with what is known of who sends them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSaml {
    #[error("the connection knows no endpoint of the identity provider to send this to")]
    NoEndpoint,
    #[error("our message cannot be signed: the connection has no key of ours that works")]
    CannotSign,
    #[error("the message is larger than 256 KiB")]
    TooLarge,
    #[error("there is no SAML message, or there are two")]
    MessageMissing,
    #[error("a parameter is there twice")]
    ParameterTwice,
    #[error("the message is not encoded as its binding says")]
    Encoding,
    #[error("the message is not signed")]
    Unsigned,
    #[error("the signature is made by an algorithm that is not accepted; RSA and ECDSA with SHA-256, SHA-384 and SHA-512 are")]
    Algorithm,
    #[error("no valid certificate of the connection verifies the signature")]
    Signature,
}

impl BadSaml {
    /// A stable name, for traces, metrics and tests.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoEndpoint => "saml_no_endpoint",
            Self::CannotSign => "saml_cannot_sign",
            Self::TooLarge => "saml_too_large",
            Self::MessageMissing => "saml_message_missing",
            Self::ParameterTwice => "saml_parameter_twice",
            Self::Encoding => "saml_encoding",
            Self::Unsigned => "saml_unsigned",
            Self::Algorithm => "saml_algorithm",
            Self::Signature => "saml_signature",
        }
    }

    /// Whose turn it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoEndpoint | Self::CannotSign => Kind::Misconfigured,
            _ => Kind::Untrusted,
        }
    }

    pub(in crate::federation) fn step(&self) -> Step {
        match self {
            Self::NoEndpoint | Self::CannotSign => Step::Request,
            _ => Step::Callback,
        }
    }
}
