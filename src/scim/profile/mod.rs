//! What each client is allowed to get wrong.
//!
//! A directory has one [`Profile`]; everything that a profile changes is one row of the table in [`Profile::tolerance`], and the rest
//! of the module asks the row, never the profile. Every time that a tolerance was needed, a [`Coercion`] says so: they end in the
//! provisioning log, so that an administrator sees what the client sends.

mod coercion;
#[cfg(test)]
mod matrix;

pub(super) use coercion::Coercions;
pub use coercion::{Coercion, rule};

use std::fmt;
use std::str::FromStr;

/// The client that a directory is provisioned by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The RFCs to the letter.
    Strict,
    /// Microsoft Entra ID.
    Entra,
    /// Okta.
    Okta,
    /// `OneLogin`.
    OneLogin,
    /// Google Workspace.
    Google,
    /// `JumpCloud`.
    JumpCloud,
    /// Ping Identity, and clients built on Keycloak.
    Ping,
}

/// A name that is no client profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such client profile; use one of strict, entra, okta, onelogin, google, jumpcloud, ping")]
pub struct UnknownProfile;

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 7] = [Self::Strict, Self::Entra, Self::Okta, Self::OneLogin, Self::Google, Self::JumpCloud, Self::Ping];

    /// The name in settings, in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::OneLogin => "onelogin",
            Self::Google => "google",
            Self::JumpCloud => "jumpcloud",
            Self::Ping => "ping",
        }
    }

    /// The row of the table that holds for this client.
    #[must_use]
    pub const fn tolerance(self) -> &'static Tolerance {
        match self {
            Self::Strict => &STRICT,
            Self::Entra => &ENTRA,
            Self::Okta => &OKTA,
            Self::OneLogin => &ONELOGIN,
            Self::Google => &GOOGLE,
            Self::JumpCloud => &JUMPCLOUD,
            Self::Ping => &PING,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name).ok_or(UnknownProfile)
    }
}

/// What is done with a shape that the RFCs do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leniency {
    /// It is an error.
    Refuse,
    /// It is taken for what it plainly means.
    Coerce,
}

/// What is done with URNs in `schemas` that are unknown for the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownSchema {
    /// `invalidSyntax`.
    Refuse,
    /// They are left out; misspelt URNs of known schemas are read as those.
    Ignore,
    /// Like `Ignore`, and the URNs of SCIM 1.1 stand for those of 2.0.
    IgnoreAndReadVersion1,
}

/// What is done with an id in `members` that names no login and no group of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownMember {
    /// `invalidValue`, and nothing changes.
    Refuse,
    /// The member is left out, and the provisioning log says so.
    Ignore,
}

/// Whether a PATCH answers with the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchAnswer {
    /// 200 and the resource.
    Resource,
    /// 204, unless the request asks for attributes.
    NoContent,
}

/// One row of the profile table, or what a directory makes of it. The names of the rules in [`Coercion`]s are the constants of
/// [`rule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own and is called by its name")]
pub struct Tolerance {
    /// `"True"` and `"False"` where a boolean belongs, in values and in filters.
    pub string_booleans: Leniency,
    /// PATCH `replace` on a value selection that matches nothing: refuse with `noTarget`, or create the value from the selection.
    pub replace_unmatched: Leniency,
    /// PATCH `remove` of a multi-valued attribute with a list of values: remove those. Refused otherwise, never read as "remove all".
    pub remove_listed: Leniency,
    /// `manager` as text or as a list of one, and empty text to remove it.
    pub manager_shape: Leniency,
    /// A member as bare text instead of an object.
    pub bare_member: Leniency,
    /// An attribute of an extension named without its URN, such as `manager`.
    pub unqualified_extension: Leniency,
    /// A JSON object in the text of `roles.value` (Entra's `AppRoleAssignmentsComplex`).
    pub json_in_roles: Leniency,
    /// No `schemas` in a request.
    pub missing_schemas: Leniency,
    /// Unknown URNs in `schemas`.
    pub unknown_schema: UnknownSchema,
    /// The path of a PATCH operation names an unknown attribute: refuse with `invalidPath`, or leave the operation out. Unknown
    /// attributes in bodies are left out in every profile.
    pub unknown_path: Leniency,
    /// An unknown id in `members`; the directory can be set differently.
    pub unknown_member: UnknownMember,
    /// The answer to PATCH on a User.
    pub patched_user: PatchAnswer,
    /// The answer to PATCH on a Group; the directory can be set differently.
    pub patched_group: PatchAnswer,
    /// A body without `Content-Type`: 415, or taken for JSON (A03).
    pub missing_content_type: Leniency,
    /// Two groups of one `displayName` are refused with 409; the directory can be set differently.
    pub unique_group_names: bool,
    /// Two users, or two groups, of one `externalId` are refused with 409 (R09); only the directory's settings ask for it.
    pub unique_external_ids: bool,
    /// PUT, PATCH and DELETE without `If-Match` are refused with 428 (V05); only the directory's settings ask for it.
    pub require_if_match: bool,
    /// Discovery needs no token (D03); only the directory's settings close it.
    pub open_discovery: bool,
}

/// What a directory's settings say otherwise than its client profile; `None` leaves it as the profile has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// See [`Tolerance::patched_group`].
    pub patched_group: Option<PatchAnswer>,
    /// See [`Tolerance::unknown_member`].
    pub unknown_member: Option<UnknownMember>,
    /// See [`Tolerance::unique_group_names`].
    pub unique_group_names: Option<bool>,
    /// See [`Tolerance::unique_external_ids`].
    pub unique_external_ids: Option<bool>,
    /// See [`Tolerance::require_if_match`].
    pub require_if_match: Option<bool>,
    /// See [`Tolerance::open_discovery`].
    pub open_discovery: Option<bool>,
}

impl Tolerance {
    /// The row with what a directory's settings say otherwise. Shapes of values are the profile's alone.
    #[must_use]
    pub const fn with(self, settings: &Overrides) -> Self {
        const fn or(setting: Option<bool>, profile: bool) -> bool {
            match setting {
                Some(setting) => setting,
                None => profile,
            }
        }
        Self {
            patched_group: match settings.patched_group {
                Some(answer) => answer,
                None => self.patched_group,
            },
            unknown_member: match settings.unknown_member {
                Some(unknown) => unknown,
                None => self.unknown_member,
            },
            unique_group_names: or(settings.unique_group_names, self.unique_group_names),
            unique_external_ids: or(settings.unique_external_ids, self.unique_external_ids),
            require_if_match: or(settings.require_if_match, self.require_if_match),
            open_discovery: or(settings.open_discovery, self.open_discovery),
            ..self
        }
    }
}

const STRICT: Tolerance = Tolerance {
    string_booleans: Leniency::Refuse,
    replace_unmatched: Leniency::Refuse,
    remove_listed: Leniency::Refuse,
    manager_shape: Leniency::Refuse,
    bare_member: Leniency::Refuse,
    unqualified_extension: Leniency::Refuse,
    json_in_roles: Leniency::Refuse,
    missing_schemas: Leniency::Refuse,
    unknown_schema: UnknownSchema::Refuse,
    unknown_path: Leniency::Refuse,
    unknown_member: UnknownMember::Refuse,
    patched_user: PatchAnswer::Resource,
    patched_group: PatchAnswer::NoContent,
    missing_content_type: Leniency::Refuse,
    unique_group_names: false,
    unique_external_ids: false,
    require_if_match: false,
    open_discovery: true,
};

const ENTRA: Tolerance = Tolerance {
    string_booleans: Leniency::Coerce,
    replace_unmatched: Leniency::Coerce,
    remove_listed: Leniency::Coerce,
    manager_shape: Leniency::Coerce,
    bare_member: Leniency::Coerce,
    unqualified_extension: Leniency::Coerce,
    json_in_roles: Leniency::Coerce,
    missing_schemas: Leniency::Coerce,
    unknown_schema: UnknownSchema::Ignore,
    unknown_path: Leniency::Coerce,
    missing_content_type: Leniency::Coerce,
    unique_group_names: true,
    ..STRICT
};

/// What all clients with shapes of their own have in common: Entra's row without what Entra alone sends and expects.
const COMMON: Tolerance = Tolerance { json_in_roles: Leniency::Refuse, unique_group_names: false, ..ENTRA };

const OKTA: Tolerance = Tolerance { bare_member: Leniency::Refuse, ..COMMON };

const ONELOGIN: Tolerance =
    Tolerance { unknown_schema: UnknownSchema::IgnoreAndReadVersion1, unknown_member: UnknownMember::Ignore, ..COMMON };

const GOOGLE: Tolerance = Tolerance {
    missing_schemas: Leniency::Coerce,
    unknown_path: Leniency::Coerce,
    missing_content_type: Leniency::Coerce,
    ..STRICT
};

const JUMPCLOUD: Tolerance = Tolerance { unknown_member: UnknownMember::Ignore, ..COMMON };

const PING: Tolerance = Tolerance {
    string_booleans: Leniency::Refuse,
    replace_unmatched: Leniency::Refuse,
    patched_group: PatchAnswer::Resource,
    ..COMMON
};

#[cfg(test)]
mod tests {
    use super::{Overrides, PatchAnswer, Profile, Tolerance, UnknownMember, UnknownProfile};

    #[test]
    fn names_round_trip() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert_eq!("azure".parse::<Profile>(), Err(UnknownProfile));
    }

    #[test]
    fn a_directory_says_otherwise_than_its_profile() {
        for profile in Profile::ALL {
            let row = *profile.tolerance();
            assert_eq!(row.with(&Overrides::default()), row, "{profile}");
            let all = Overrides {
                patched_group: Some(PatchAnswer::Resource),
                unknown_member: Some(UnknownMember::Ignore),
                unique_group_names: Some(!row.unique_group_names),
                unique_external_ids: Some(true),
                require_if_match: Some(true),
                open_discovery: Some(false),
            };
            let wanted = Tolerance {
                patched_group: PatchAnswer::Resource,
                unknown_member: UnknownMember::Ignore,
                unique_group_names: !row.unique_group_names,
                unique_external_ids: true,
                require_if_match: true,
                open_discovery: false,
                ..row
            };
            assert_eq!(row.with(&all), wanted, "{profile}");
        }
    }
}
