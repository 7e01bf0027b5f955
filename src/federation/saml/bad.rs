//! What is wrong with a SAML message.
//!
//! Two kinds: a [`Refusal`] is about the form alone (R1) and needs no connection to be told; a [`BadSaml`] is about what a message says, or
//! fails to prove. The texts are for the tenant's administrator.

use super::super::{Kind, Step};
use crate::model::Unmet;

/// Which of the two a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Response,
    Assertion,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Response => "response",
            Self::Assertion => "assertion",
        })
    }
}

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
    #[error(
        "no valid certificate of the connection verifies the signature, which comes with another one ({fingerprint}): if the identity provider has a new certificate, read its metadata again"
    )]
    OtherCertificate { fingerprint: String },
    #[error(
        "the signature comes with a certificate of the connection that is not valid now ({fingerprint}): add the one that replaced it"
    )]
    CertificateEnded { fingerprint: String },
    #[error("the connection has no certificate that is valid now: read the identity provider's metadata again")]
    NoCertificate,
    #[error("the XML signature library does not work on this machine; `vestibule doctor` says more")]
    NotReady,
    #[error("too many SAML messages wait to be verified")]
    Busy,
    #[error("the message could not be looked at to the end")]
    Broken,
    #[error("the identity provider answers with {code}: its log says why")]
    Status { code: String },
    #[error("the {of} is not one of SAML 2.0")]
    Version { of: Part },
    #[error("the {of} was not issued within five minutes of now: do the clocks agree?")]
    IssueInstant { of: Part },
    #[error("the {of} has no issuer, or two")]
    IssuerMissing { of: Part },
    #[error("the {of} is from the issuer {found}, which is not the entity id of the connection")]
    Issuer { of: Part, found: String },
    #[error("the response says that it is for another address (Destination), or does not say for which")]
    Destination,
    #[error("the {of} does not answer the request of this sign-in (InResponseTo)")]
    InResponseTo { of: Part },
    #[error("the assertion is not encrypted, which the connection requires")]
    NotEncrypted,
    #[error("the assertion is encrypted with an algorithm that is not accepted: RSA-OAEP with AES-GCM is")]
    EncryptionAlgorithm,
    #[error("the assertion is encrypted with AES-CBC, which the connection does not allow: let the identity provider use AES-GCM")]
    Cbc,
    #[error(
        "the encrypted assertion cannot be used: does the identity provider have our present certificate, and does it sign the assertion?"
    )]
    Decryption,
    #[error("the assertion has no subject with one NameID that can be read")]
    SubjectMissing,
    #[error("the NameID is empty, too long, or has control characters or blanks at an end")]
    NameId,
    #[error("the assertion must have exactly one bearer confirmation of its subject")]
    Confirmation,
    #[error("the assertion is for another address (Recipient)")]
    Recipient,
    #[error("the confirmation of the subject has ended, or does not say when it does: do the clocks agree?")]
    ConfirmationEnded,
    #[error("the confirmation of the subject is not valid yet: do the clocks agree?")]
    ConfirmationNotYetValid,
    #[error("the assertion must say once under which conditions it is valid (Conditions)")]
    Conditions,
    #[error("the assertion has a condition that is not understood")]
    ConditionUnknown,
    #[error("the assertion is not valid yet, or does not say from when: do the clocks agree?")]
    NotYetValid,
    #[error("the assertion has expired, or does not say when it does: do the clocks agree?")]
    Expired,
    #[error("the assertion is meant for somebody else: each of its audience restrictions, one at least, must name our entity id")]
    Audience,
    #[error("the assertion must say once when and how the person was authenticated (AuthnStatement)")]
    AuthnStatement,
    #[error("the assertion does not say when the person was authenticated, or in a time that is yet to come (AuthnInstant)")]
    AuthnInstant,
    #[error("the session at the identity provider has ended already (SessionNotOnOrAfter)")]
    SessionEnded,
    #[error(
        "a NameID of the format {format} is no subject that stays: let the identity provider send a persistent one, or map an attribute"
    )]
    NameIdFormat { format: String },
    #[error(
        "the NameID is an e-mail address, which may change hands: let the identity provider send a persistent one, or map an attribute"
    )]
    NameIdEmail,
    #[error("the NameID is qualified for another identity provider or service provider")]
    NameIdQualifier,
    #[error("the attribute {name}, which names the subject, does not come with exactly one value")]
    SubjectAttribute { name: String },
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
            Self::OtherCertificate { .. } => "saml_other_certificate",
            Self::CertificateEnded { .. } => "saml_certificate_ended",
            Self::NoCertificate => "saml_no_certificate",
            Self::NotReady => "saml_not_ready",
            Self::Busy => "saml_busy",
            Self::Broken => "saml_broken",
            Self::Status { .. } => "saml_status",
            Self::Version { of: Part::Response } => "saml_response_version",
            Self::Version { of: Part::Assertion } => "saml_assertion_version",
            Self::IssueInstant { of: Part::Response } => "saml_response_issue_instant",
            Self::IssueInstant { of: Part::Assertion } => "saml_assertion_issue_instant",
            Self::IssuerMissing { of: Part::Response } => "saml_response_issuer_missing",
            Self::IssuerMissing { of: Part::Assertion } => "saml_assertion_issuer_missing",
            Self::Issuer { of: Part::Response, .. } => "saml_response_issuer",
            Self::Issuer { of: Part::Assertion, .. } => "saml_assertion_issuer",
            Self::Destination => "saml_destination",
            Self::InResponseTo { of: Part::Response } => "saml_response_in_response_to",
            Self::InResponseTo { of: Part::Assertion } => "saml_in_response_to",
            Self::NotEncrypted => "saml_not_encrypted",
            Self::EncryptionAlgorithm => "saml_encryption_algorithm",
            Self::Cbc => "saml_cbc",
            Self::Decryption => "saml_decryption",
            Self::SubjectMissing => "saml_subject_missing",
            Self::NameId => "saml_name_id",
            Self::Confirmation => "saml_confirmation",
            Self::Recipient => "saml_recipient",
            Self::ConfirmationEnded => "saml_confirmation_ended",
            Self::ConfirmationNotYetValid => "saml_confirmation_not_yet_valid",
            Self::Conditions => "saml_conditions",
            Self::ConditionUnknown => "saml_condition_unknown",
            Self::NotYetValid => "saml_not_yet_valid",
            Self::Expired => "saml_expired",
            Self::Audience => "saml_audience",
            Self::AuthnStatement => "saml_authn_statement",
            Self::AuthnInstant => "saml_authn_instant",
            Self::SessionEnded => "saml_session_ended",
            Self::NameIdFormat { .. } => "saml_name_id_format",
            Self::NameIdEmail => "saml_name_id_email",
            Self::NameIdQualifier => "saml_name_id_qualifier",
            Self::SubjectAttribute { .. } => "saml_subject_attribute",
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
            Self::NotReady | Self::Busy => Kind::Unavailable,
            Self::NoEndpoint
            | Self::CannotSign
            | Self::NoCertificate
            | Self::CertificateEnded { .. }
            | Self::NotEncrypted
            | Self::EncryptionAlgorithm
            | Self::Cbc
            | Self::NameIdFormat { .. }
            | Self::NameIdEmail
            | Self::NameIdQualifier
            | Self::SubjectAttribute { .. } => Kind::Misconfigured,
            Self::Status { code } if code.ends_with("NoAuthnContext") => Kind::Unmet(Unmet::NotSure),
            Self::Status { code } if code.starts_with("Requester") || code.starts_with("VersionMismatch") => Kind::Misconfigured,
            Self::Status { .. } => Kind::Declined,
            _ => Kind::Untrusted,
        }
    }

    pub(in crate::federation) fn step(&self) -> Step {
        match self {
            Self::NoEndpoint | Self::CannotSign => Step::Request,
            Self::Form(_)
            | Self::TooLarge
            | Self::MessageMissing
            | Self::ParameterTwice
            | Self::Encoding
            | Self::NotReady
            | Self::Busy
            | Self::Broken
            | Self::Status { .. }
            | Self::Destination
            | Self::Version { of: Part::Response }
            | Self::IssueInstant { of: Part::Response }
            | Self::IssuerMissing { of: Part::Response }
            | Self::Issuer { of: Part::Response, .. }
            | Self::InResponseTo { of: Part::Response } => Step::Callback,
            _ => Step::Assertion,
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
    #[error("an element of the message has more than 64 attributes, or all have more than 16000")]
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
