//! What is wrong with a SAML message.
//!
//! Two kinds: a [`Refusal`] is about the form alone (R1) and needs no connection to be told; a [`BadSaml`] is about what a message says, or
//! fails to prove. The texts are for the tenant's administrator.

use super::super::{Kind, Step};

/// What is wrong with a SAML message, or with what is known of who sends them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSaml {
    #[error(transparent)]
    Form(#[from] Refusal),
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
    #[error("the logout message lacks something that it must have, or says it twice")]
    LogoutShape,
    #[error("the logout message is not from the identity provider of this connection (Issuer)")]
    LogoutIssuer,
    #[error("the logout message was sent to another address (Destination)")]
    LogoutDestination,
    #[error("the logout message is not of now (IssueInstant, NotOnOrAfter): do the clocks agree?")]
    LogoutTime,
}

impl BadSaml {
    /// A stable name, for traces, metrics and tests.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Form(refusal) => refusal.reason(),
            Self::NoEndpoint => "saml_no_endpoint",
            Self::CannotSign => "saml_cannot_sign",
            Self::TooLarge => "saml_too_large",
            Self::MessageMissing => "saml_message_missing",
            Self::ParameterTwice => "saml_parameter_twice",
            Self::Encoding => "saml_encoding",
            Self::Unsigned => "saml_unsigned",
            Self::Algorithm => "saml_algorithm",
            Self::Signature => "saml_signature",
            Self::LogoutShape => "saml_logout_shape",
            Self::LogoutIssuer => "saml_logout_issuer",
            Self::LogoutDestination => "saml_logout_destination",
            Self::LogoutTime => "saml_logout_time",
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

/// Passes, or refuses.
pub(super) fn ensure<E>(holds: bool, otherwise: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Why the pre-flight does not let a message pass (R1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the message is larger than 256 KiB")]
    TooLarge,
    #[error("the message is not base64")]
    NotBase64,
    #[error("the message is not UTF-8")]
    NotUtf8,
    #[error("the message is not well-formed XML")]
    Malformed,
    #[error("the message has a character that XML does not have, or a byte order mark")]
    Character,
    #[error("the XML declaration of the message is not one of XML 1.0 in UTF-8")]
    Declaration,
    #[error("the message has a document type declaration")]
    Doctype,
    #[error("the message has a processing instruction")]
    ProcessingInstruction,
    #[error("the message has a comment")]
    Comment,
    #[error("the message has a CDATA section")]
    CData,
    #[error("the message refers to an entity that is not one of XML's own")]
    Entity,
    #[error("the message is nested deeper than 48 elements")]
    TooDeep,
    #[error("the message has more than 6000 elements")]
    TooManyElements,
    #[error("an element of the message has more than 64 attributes")]
    TooManyAttributes,
    #[error("the message has more than 64 namespaces in scope")]
    TooManyNamespaces,
    #[error("a namespace of the message is undeclared, reserved or not absolute")]
    Namespace,
    #[error("an element of the message has an attribute twice")]
    DuplicateAttribute,
    #[error("the message is not of the kind that is expected here")]
    Root,
    #[error("an ID in the message is missing or not a name")]
    Id,
    #[error("an ID stands twice in the message")]
    DuplicateId,
    #[error("the message must have exactly one assertion, plain or encrypted")]
    AssertionCount,
    #[error("the message has an assertion at a place where none belongs")]
    AssertionElsewhere,
    #[error("neither the response nor its assertion is signed: let the identity provider sign one of them")]
    SignatureMissing,
    #[error("the message has a signature, or a part of one, at a place where none belongs")]
    SignatureElsewhere,
    #[error("an element of the message is signed twice")]
    SignatureCount,
    #[error("a signature of the message has parts that are missing, twice or not expected")]
    SignatureShape,
    #[error("a signature of the message must refer to the element that it stands in, by its ID")]
    Reference,
    #[error(
        "a signature of the message must use the enveloped signature transform, then exclusive canonicalisation without comments"
    )]
    Transforms,
    #[error("a signature of the message must use exclusive canonicalisation without comments")]
    Canonicalization,
    #[error(
        "a signature of the message uses an algorithm that is not accepted: let the identity provider use RSA or ECDSA with SHA-256"
    )]
    SignatureAlgorithm,
    #[error("a signature of the message uses a digest that is not accepted: let the identity provider use SHA-256")]
    DigestAlgorithm,
    #[error("a digest of the message is not one")]
    Digest,
    #[error("a digest of the message is that of nothing")]
    EmptyDigest,
    #[error("a signature of the message names its key in a way that is not accepted")]
    KeyInfo,
    #[error("the encrypted part of the message has parts that are missing, twice or not expected")]
    EncryptionShape,
}

impl Refusal {
    /// A stable name, for traces, metrics and tests.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "saml_too_large",
            Self::NotBase64 => "saml_not_base64",
            Self::NotUtf8 => "saml_not_utf8",
            Self::Malformed => "saml_malformed",
            Self::Character => "saml_character",
            Self::Declaration => "saml_declaration",
            Self::Doctype => "saml_doctype",
            Self::ProcessingInstruction => "saml_processing_instruction",
            Self::Comment => "saml_comment",
            Self::CData => "saml_cdata",
            Self::Entity => "saml_entity",
            Self::TooDeep => "saml_too_deep",
            Self::TooManyElements => "saml_too_many_elements",
            Self::TooManyAttributes => "saml_too_many_attributes",
            Self::TooManyNamespaces => "saml_too_many_namespaces",
            Self::Namespace => "saml_namespace",
            Self::DuplicateAttribute => "saml_duplicate_attribute",
            Self::Root => "saml_root",
            Self::Id => "saml_id",
            Self::DuplicateId => "saml_duplicate_id",
            Self::AssertionCount => "saml_assertion_count",
            Self::AssertionElsewhere => "saml_assertion_elsewhere",
            Self::SignatureMissing => "saml_signature_missing",
            Self::SignatureElsewhere => "saml_signature_elsewhere",
            Self::SignatureCount => "saml_signature_count",
            Self::SignatureShape => "saml_signature_shape",
            Self::Reference => "saml_reference",
            Self::Transforms => "saml_transforms",
            Self::Canonicalization => "saml_canonicalization",
            Self::SignatureAlgorithm => "saml_signature_algorithm",
            Self::DigestAlgorithm => "saml_digest_algorithm",
            Self::Digest => "saml_digest",
            Self::EmptyDigest => "saml_empty_digest",
            Self::KeyInfo => "saml_key_info",
            Self::EncryptionShape => "saml_encryption_shape",
        }
    }
}
