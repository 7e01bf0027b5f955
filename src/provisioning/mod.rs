//! SCIM resources and what they are here: a User is a login, a Group is a group, members are rows.
//!
//! Each function takes a parsed body or query, lets [`crate::scim`] validate it under the directory's client profile, hands the
//! result to one command of [`crate::directory::provision`], reads back what is stored, and answers with that. Nothing is written
//! here, and nothing is answered that is not stored.

mod group_members;
mod groups;
pub mod list;
mod members;
mod named_members;
mod portal;
mod users;

pub use members::MemberPages;

use crate::directory::log::log_refusal;
use crate::directory::provision::{Operation, Provisioning};
use crate::directory::{self, Error};
use crate::scim::message::{ScimError, ScimType};
use crate::scim::profile::{Coercion, PatchAnswer, Profile, Tolerance};
use crate::scim::project::Projection;
use crate::scim::schema::ResourceKind;
use crate::scim::{Object, Value};
use crate::store::{self, Races};

/// A directory's SCIM endpoint, for one request.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    pub to: Provisioning<'a>,
    pub profile: Profile,
    /// The profile's row with what the directory's settings say otherwise.
    pub tolerance: &'a Tolerance,
    /// The tolerances that were used before the body was read.
    pub noted: &'a [Coercion],
    /// The absolute address of the endpoint, without a slash at its end.
    pub base: &'a str,
    /// What the client's `If-Match` demands.
    pub precondition: &'a Precondition,
}

/// A resource as it is stored, ready to be projected.
#[derive(Debug)]
pub struct Stored {
    pub id: String,
    pub document: Object,
    /// The entity tag, `W/"…"`.
    pub version: String,
    /// The absolute address.
    pub location: String,
    /// The members of a group that are too many to stand in the document, when they were asked for.
    pub pages: Option<MemberPages>,
}

/// What a write came to.
#[derive(Debug)]
pub struct Written {
    pub stored: Stored,
    pub coercions: Vec<Coercion>,
}

/// Why a request changed and answered nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is at fault.
    #[error(transparent)]
    Refused(#[from] ScimError),
    /// We are; the chain is for the log and not for the client.
    #[error("the request could not be carried out")]
    Internal(#[source] directory::StoreError),
}

/// Which versions of a resource a request may change (RFC 9110 section 13.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Any, also one that is not there: the request does not say.
    #[default]
    None,
    /// Any that is there.
    Exists,
    /// One of these entity tags.
    OneOf(Vec<String>),
}

impl Precondition {
    /// Reads the value of `If-Match` or `If-None-Match`. Tags are compared weakly, so `W/` counts for nothing.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        if value.trim() == "*" {
            return Self::Exists;
        }
        Self::OneOf(value.split(',').map(|tag| opaque(tag.trim()).to_owned()).filter(|tag| !tag.is_empty()).collect())
    }

    /// Whether `version` is one of those that are meant.
    #[must_use]
    pub fn names(&self, version: &str) -> bool {
        match self {
            Self::None => false,
            Self::Exists => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag == opaque(version)),
        }
    }

    fn check(&self, version: &str) -> Result<(), ScimError> {
        if *self == Self::None || self.names(version) {
            Ok(())
        } else {
            Err(ScimError::new(412, "the resource has another version than If-Match says; fetch it again"))
        }
    }
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The entity tag of a version number.
fn entity_tag(version: i64) -> String {
    format!("W/\"{version}\"")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(match error {
            Error::NotFound(_) => ScimError::new(404, "there is no such resource here"),
            Error::UserNameTaken => ScimError::uniqueness("another user of this directory has this userName"),
            Error::GroupNameTaken => ScimError::uniqueness("another group of this directory has this displayName"),
            Error::ExternalIdTaken => ScimError::uniqueness("another resource of this kind in this directory has this externalId"),
            Error::AlreadyMember => ScimError::uniqueness("this is a member of the group already"),
            Error::UnknownMembers(ids) => {
                ScimError::invalid_value(format!("members: no user or group of this directory has the id {}", ids.join(", ")))
            }
            Error::Cycle(id) => ScimError::invalid_value(format!(
                "members: the group {id} cannot be a member, because this group is that group or is within it"
            )),
            Error::BrokenRule(_) | Error::Invalid(_) | Error::Forbidden(_) | Error::Conflict(_) | Error::Stale => {
                tracing::error!(error = &error as &dyn std::error::Error, "provisioning is blocked by the tenant's settings");
                ScimError::new(500, "the settings of this tenant do not allow it; its administrator has to look at its rules")
            }
            Error::Store(error) => return Self::Internal(error),
        })
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Error::from(error).into()
    }
}

impl Races for Failure {
    fn is_race(&self) -> bool {
        matches!(self, Self::Internal(error) if error.is_race())
    }
}

impl Failure {
    /// The error that the client is answered.
    #[must_use]
    pub fn answer(&self) -> ScimError {
        match self {
            Self::Refused(error) => error.clone(),
            Self::Internal(error) if error.is_unavailable() => {
                ScimError::new(503, "the service is busy or its database is not there; send the request again later")
            }
            Self::Internal(_) => ScimError::new(500, "the request could not be carried out; its id is in the log"),
        }
    }
}

/// Makes a resource (RFC 7644 section 3.3).
///
/// # Errors
/// When the body is none of its kind, a name is taken, or a member is unknown.
pub async fn create(endpoint: &Endpoint<'_>, kind: ResourceKind, body: Value, projection: &Projection) -> Result<Written, Failure> {
    match kind {
        ResourceKind::User => users::create(endpoint, body, projection).await,
        ResourceKind::Group => groups::create(endpoint, body, projection).await,
        ResourceKind::GroupMember => group_members::create(endpoint, body).await,
    }
}

/// Reads a resource (RFC 7644 section 3.4.1). What the projection does not want need not be loaded.
///
/// # Errors
/// When there is none of this id in the directory.
pub async fn get(endpoint: &Endpoint<'_>, kind: ResourceKind, id: &str, projection: &Projection) -> Result<Stored, Failure> {
    match kind {
        ResourceKind::User => users::get(endpoint, id, projection).await,
        ResourceKind::Group => groups::get(endpoint, id, projection).await,
        ResourceKind::GroupMember => group_members::get(endpoint, id).await,
    }
}

/// Replaces a resource (RFC 7644 section 3.5.1).
///
/// # Errors
/// When there is none of this id, the body is none of its kind, a name is taken, or a member is unknown.
pub async fn replace(
    endpoint: &Endpoint<'_>,
    kind: ResourceKind,
    id: &str,
    body: &Value,
    projection: &Projection,
) -> Result<Written, Failure> {
    match kind {
        ResourceKind::User => users::replace(endpoint, id, body, projection).await,
        ResourceKind::Group => groups::replace(endpoint, id, body, projection).await,
        ResourceKind::GroupMember => Err(group_members::never_changes().into()),
    }
}

/// Changes a resource by PATCH (RFC 7644 section 3.5.2).
///
/// # Errors
/// When there is none of this id, an operation cannot be carried out, a name is taken, or a member is unknown. Then nothing has changed.
pub async fn patch(
    endpoint: &Endpoint<'_>,
    kind: ResourceKind,
    id: &str,
    body: Value,
    projection: &Projection,
) -> Result<Written, Failure> {
    match kind {
        ResourceKind::User => users::patch(endpoint, id, body, projection).await,
        ResourceKind::Group => groups::patch(endpoint, id, body, projection).await,
        ResourceKind::GroupMember => Err(group_members::never_changes().into()),
    }
}

/// Deletes a resource (RFC 7644 section 3.6).
///
/// # Errors
/// When there is none of this id.
pub async fn delete(endpoint: &Endpoint<'_>, kind: ResourceKind, id: &str) -> Result<(), Failure> {
    match kind {
        ResourceKind::User => users::delete(endpoint, id).await,
        ResourceKind::Group => groups::delete(endpoint, id).await,
        ResourceKind::GroupMember => group_members::delete(endpoint, id).await,
    }
}

/// How a directory wants a PATCH of this kind answered.
#[must_use]
pub fn patch_answer(tolerance: &Tolerance, kind: ResourceKind) -> PatchAnswer {
    match kind {
        ResourceKind::User => tolerance.patched_user,
        ResourceKind::Group => tolerance.patched_group,
        ResourceKind::GroupMember => PatchAnswer::Resource,
    }
}

/// Everything that was tolerated, from the request's head to its body.
fn all_noted(endpoint: &Endpoint<'_>, used: Vec<Coercion>) -> Vec<Coercion> {
    endpoint.noted.iter().cloned().chain(used).collect()
}

/// Puts a refused write into the directory's provisioning log. A log that cannot be written must not turn a clear error into another.
pub async fn note_refusal(
    endpoint: &Endpoint<'_>,
    operation: &'static str,
    resource_type: &'static str,
    resource_id: Option<&str>,
    failure: &Failure,
) {
    let answer = failure.answer();
    let operation = Operation { name: operation, status: answer.status, coercions: Vec::new() };
    let id = resource_id.and_then(|id| id.parse().ok());
    let scim_type = answer.scim_type.map(ScimType::as_str);
    if let Err(error) = log_refusal(endpoint.to, &operation, resource_type, id, scim_type, &answer.detail).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a refusal could not be logged");
    }
}

fn names(coercions: &[Coercion]) -> Vec<String> {
    coercions.iter().map(|coercion| format!("{}: {}", coercion.rule, coercion.path)).collect()
}

fn to_json(object: &Object) -> serde_json::Value {
    serde_json::Value::from(Value::Object(object.clone()))
}

fn from_json(value: serde_json::Value) -> Object {
    match Value::from(value) {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}
