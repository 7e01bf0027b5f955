//! Why a sign-in was refused.
//!
//! The messages are for the tenant's administrator and say what to look at. The person who wanted to sign in is told the
//! [`Kind`] and a reference number, no more. No message holds a token, a code, a secret, or the value of a person's claim; what comes from outside is
//! cleaned before it gets in.

use super::Step;
#[cfg(feature = "saml")]
use super::saml::BadSaml;
use crate::model::Unmet;
use crate::net::NetError;

/// A part of the identity provider that is called from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Discovery,
    Keys,
    Token,
    /// Of a SAML identity provider.
    Metadata,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Discovery => "discovery document",
            Self::Keys => "key set",
            Self::Token => "token endpoint",
            Self::Metadata => "metadata",
        })
    }
}

/// Whose turn it is when a sign-in was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The person's: they were refused over there, or turned back.
    Declined,
    /// Nobody's for now: the identity provider does not answer. Trying later may help.
    Unavailable,
    /// The administrator's: the connection and the identity provider do not fit each other.
    Misconfigured,
    /// A message was not what it must be: forged, stale, or not meant for us.
    Untrusted,
    /// The person is who they are, but not in the way that was demanded.
    Unmet(Unmet),
}

/// Why a sign-in was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the connection signs in by another protocol")]
    OtherProtocol,
    #[error("the connection's issuer is not an http or https URL without query and fragment")]
    IssuerNotAUrl,
    #[error(
        "the connection's issuer stands for many organisations at once: enter the issuer of this one, which holds its directory (tenant) id"
    )]
    TemplateIssuer,
    #[error("the {endpoint} of the identity provider cannot be reached: {why}")]
    Unreachable { endpoint: Endpoint, why: &'static str },
    #[error("the {endpoint} of the identity provider may not be called from here: {why}")]
    NotAllowed { endpoint: Endpoint, why: &'static str },
    #[error("the {endpoint} of the identity provider gave an answer that is not understood: {what}")]
    Nonsense { endpoint: Endpoint, what: String },
    #[error("the discovery document is for the issuer {found}, the connection for {expected}: they must be equal to the letter")]
    IssuerMismatch { expected: String, found: String },
    #[error("the answer came back without its issuer (iss), which this identity provider promises to send")]
    ResponseIssuerMissing,
    #[error("the answer that came back is from the issuer {found}, the question went to {expected}")]
    ResponseIssuerMismatch { expected: String, found: String },
    #[error("the identity provider ended the sign-in with {error}: {description}")]
    Declined { error: String, description: String },
    #[error("the identity provider sent the browser back with neither a code nor an error")]
    CodeMissing,
    #[error("the token endpoint refused the code with {error}: {description}")]
    CodeRefused { error: String, description: String },
    #[error("the token endpoint sent no ID token: is the application registered for OpenID Connect?")]
    IdTokenMissing,
    #[error(transparent)]
    IdToken(#[from] BadToken),
    #[cfg(feature = "saml")]
    #[error(transparent)]
    Saml(#[from] BadSaml),
    #[error("the sign-in was to be a new one, and the identity provider does not say that it was (auth_time)")]
    NotFresh,
    #[error("the sign-in was to be with a second factor, and the identity provider says nothing that counts as one (acr, amr)")]
    NotSure,
}

impl From<Unmet> for Refused {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::NotFresh => Self::NotFresh,
            Unmet::NotSure => Self::NotSure,
        }
    }
}

/// What is wrong with an ID token (OpenID Connect Core section 3.1.3.7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("the ID token is not one that can be read: {what}")]
    Malformed { what: String },
    #[error("the ID token has no signature")]
    Unsigned,
    #[error("the ID token is signed with {alg}; RS256, PS256, ES256, ES384 and EdDSA are accepted")]
    Algorithm { alg: String },
    #[error("the ID token is signed with a key that is not in the identity provider's key set")]
    UnknownKey,
    #[error("the ID token does not say which of several fitting keys signed it (kid)")]
    AmbiguousKey,
    #[error("the signature of the ID token is wrong")]
    Signature,
    #[error("the ID token has no {claim} claim")]
    ClaimMissing { claim: &'static str },
    #[error("the ID token is from another issuer ({found})")]
    Issuer { found: String },
    #[error("the ID token is meant for another application: aud must be the client id alone")]
    Audience,
    #[error("the ID token was made for another application: azp is not the client id")]
    AuthorizedParty,
    #[error("the ID token is of another directory: tid is not that of the issuer")]
    Directory,
    #[error("the ID token has expired: do the clocks agree?")]
    Expired,
    #[error("the ID token is not valid yet: do the clocks agree?")]
    NotYetValid,
    #[error("the ID token was not issued within five minutes of now: do the clocks agree?")]
    IssuedAt,
    #[error("the ID token belongs to another sign-in: the nonce is not ours")]
    Nonce,
    #[error("the ID token belongs to another access token: at_hash does not fit")]
    AccessTokenHash,
    #[error("the ID token belongs to another code: c_hash does not fit")]
    CodeHash,
    #[error("the subject of the ID token is empty, too long or has control characters")]
    Subject,
}

impl Refused {
    /// A stable name, for traces, metrics and tests.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherProtocol => "other_protocol",
            Self::IssuerNotAUrl => "issuer_not_a_url",
            Self::TemplateIssuer => "template_issuer",
            Self::Unreachable { endpoint: Endpoint::Discovery, .. } => "discovery_unreachable",
            Self::Unreachable { endpoint: Endpoint::Keys, .. } => "keys_unreachable",
            Self::Unreachable { endpoint: Endpoint::Token, .. } => "token_unreachable",
            Self::Unreachable { endpoint: Endpoint::Metadata, .. } => "metadata_unreachable",
            Self::NotAllowed { endpoint: Endpoint::Discovery, .. } => "discovery_not_allowed",
            Self::NotAllowed { endpoint: Endpoint::Keys, .. } => "keys_not_allowed",
            Self::NotAllowed { endpoint: Endpoint::Token, .. } => "token_not_allowed",
            Self::NotAllowed { endpoint: Endpoint::Metadata, .. } => "metadata_not_allowed",
            Self::Nonsense { endpoint: Endpoint::Discovery, .. } => "discovery_nonsense",
            Self::Nonsense { endpoint: Endpoint::Keys, .. } => "keys_nonsense",
            Self::Nonsense { endpoint: Endpoint::Token, .. } => "token_nonsense",
            Self::Nonsense { endpoint: Endpoint::Metadata, .. } => "metadata_nonsense",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::ResponseIssuerMissing => "response_issuer_missing",
            Self::ResponseIssuerMismatch { .. } => "response_issuer_mismatch",
            Self::Declined { .. } => "declined",
            Self::CodeMissing => "code_missing",
            Self::CodeRefused { .. } => "code_refused",
            Self::IdTokenMissing => "id_token_missing",
            Self::IdToken(bad) => bad.reason(),
            #[cfg(feature = "saml")]
            Self::Saml(bad) => bad.reason(),
            Self::NotFresh => "not_fresh",
            Self::NotSure => "not_sure",
        }
    }

    /// Whose turn it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Declined { error, .. } => match error.as_str() {
                "unmet_authentication_requirements" => Kind::Unmet(Unmet::NotSure),
                "access_denied" | "login_required" | "interaction_required" | "consent_required" | "account_selection_required" => {
                    Kind::Declined
                }
                "server_error" | "temporarily_unavailable" => Kind::Unavailable,
                _ => Kind::Misconfigured,
            },
            Self::NotFresh => Kind::Unmet(Unmet::NotFresh),
            Self::NotSure => Kind::Unmet(Unmet::NotSure),
            #[cfg(feature = "saml")]
            Self::Saml(bad) => bad.kind(),
            Self::Unreachable { .. } | Self::Nonsense { .. } => Kind::Unavailable,
            // A code that was redeemed before, expired, or is another client's; anything else is the client's registration.
            Self::CodeRefused { error, .. } if error == "invalid_grant" => Kind::Untrusted,
            Self::OtherProtocol
            | Self::IssuerNotAUrl
            | Self::TemplateIssuer
            | Self::NotAllowed { .. }
            | Self::IssuerMismatch { .. }
            | Self::CodeRefused { .. }
            | Self::IdTokenMissing => Kind::Misconfigured,
            Self::ResponseIssuerMissing | Self::ResponseIssuerMismatch { .. } | Self::CodeMissing | Self::IdToken(_) => {
                Kind::Untrusted
            }
        }
    }

    pub(super) fn step(&self) -> Step {
        match self {
            Self::IssuerNotAUrl | Self::TemplateIssuer | Self::IssuerMismatch { .. } => Step::Discovery,
            Self::Unreachable { endpoint, .. } | Self::NotAllowed { endpoint, .. } | Self::Nonsense { endpoint, .. } => {
                match endpoint {
                    Endpoint::Discovery | Endpoint::Metadata => Step::Discovery,
                    Endpoint::Keys => Step::Keys,
                    Endpoint::Token => Step::Token,
                }
            }
            Self::OtherProtocol
            | Self::ResponseIssuerMissing
            | Self::ResponseIssuerMismatch { .. }
            | Self::Declined { .. }
            | Self::CodeMissing => Step::Callback,
            Self::CodeRefused { .. } | Self::IdTokenMissing => Step::Token,
            Self::IdToken(_) => Step::IdToken,
            #[cfg(feature = "saml")]
            Self::Saml(bad) => bad.step(),
            Self::NotFresh | Self::NotSure => Step::Assurance,
        }
    }
}

/// What a failed exchange with the identity provider means.
pub(super) fn unreachable(endpoint: Endpoint, error: &NetError) -> Refused {
    let why = error.reason();
    match error {
        NetError::Url | NetError::PlainHttp { .. } | NetError::Blocked { .. } => Refused::NotAllowed { endpoint, why },
        NetError::TooLarge { .. } => Refused::Nonsense { endpoint, what: why.to_owned() },
        NetError::Timeout { .. } | NetError::Unreachable { .. } | NetError::Setup(_) => Refused::Unreachable { endpoint, why },
    }
}

impl BadToken {
    fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "id_token_malformed",
            Self::Unsigned => "id_token_unsigned",
            Self::Algorithm { .. } => "id_token_algorithm",
            Self::UnknownKey => "id_token_unknown_key",
            Self::AmbiguousKey => "id_token_ambiguous_key",
            Self::Signature => "id_token_signature",
            Self::ClaimMissing { .. } => "id_token_claim_missing",
            Self::Issuer { .. } => "id_token_issuer",
            Self::Audience => "id_token_audience",
            Self::AuthorizedParty => "id_token_azp",
            Self::Directory => "id_token_tid",
            Self::Expired => "id_token_expired",
            Self::NotYetValid => "id_token_not_yet_valid",
            Self::IssuedAt => "id_token_issued_at",
            Self::Nonce => "id_token_nonce",
            Self::AccessTokenHash => "id_token_at_hash",
            Self::CodeHash => "id_token_c_hash",
            Self::Subject => "id_token_subject",
        }
    }
}
