//! What each client is allowed to get wrong.
//!
//! A directory has one [`Profile`]; everything that a profile changes is one row of the table in [`Profile::tolerance`], and the rest
//! of the module asks the row, never the profile. Every time that a tolerance was needed, a [`Coercion`] says so: they end in the
//! provisioning log, so that an administrator sees what the client sends.

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

/// One row of the profile table. The names of the rules in [`Coercion`]s are the constants of [`rule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    ..STRICT
};

const OKTA: Tolerance = Tolerance { bare_member: Leniency::Refuse, json_in_roles: Leniency::Refuse, ..ENTRA };

const ONELOGIN: Tolerance = Tolerance {
    json_in_roles: Leniency::Refuse,
    unknown_schema: UnknownSchema::IgnoreAndReadVersion1,
    unknown_member: UnknownMember::Ignore,
    ..ENTRA
};

const GOOGLE: Tolerance = Tolerance { missing_schemas: Leniency::Coerce, unknown_path: Leniency::Coerce, ..STRICT };

const JUMPCLOUD: Tolerance = Tolerance { json_in_roles: Leniency::Refuse, unknown_member: UnknownMember::Ignore, ..ENTRA };

const PING: Tolerance = Tolerance {
    string_booleans: Leniency::Refuse,
    replace_unmatched: Leniency::Refuse,
    json_in_roles: Leniency::Refuse,
    patched_group: PatchAnswer::Resource,
    ..ENTRA
};

/// The names of the rules that coercions are recorded under.
pub mod rule {
    /// Text was read as a boolean.
    pub const STRING_BOOLEAN: &str = "string-boolean";
    /// `replace` created a value that its selection did not find.
    pub const CREATED_UNMATCHED: &str = "created-unmatched";
    /// `remove` with a list of values removed those values only.
    pub const REMOVED_LISTED: &str = "removed-listed";
    /// `manager` did not come as an object.
    pub const MANAGER_SHAPE: &str = "manager-shape";
    /// A member came as bare text.
    pub const BARE_MEMBER: &str = "bare-member";
    /// A member's `type` was neither `User` nor `Group` and was looked up instead.
    pub const MEMBER_TYPE: &str = "member-type";
    /// A member that is no user of the directory was left out.
    pub const UNKNOWN_MEMBER: &str = "unknown-member";
    /// An extension's attribute came without its URN.
    pub const UNQUALIFIED_EXTENSION: &str = "unqualified-extension";
    /// An extension's attributes came without the URN being listed in `schemas`.
    pub const UNDECLARED_EXTENSION: &str = "undeclared-extension";
    /// JSON in the text of a role was unpacked.
    pub const JSON_IN_ROLES: &str = "json-in-roles";
    /// `schemas` was missing, or did not list the resource's own schema.
    pub const MISSING_SCHEMAS: &str = "missing-schemas";
    /// An unknown URN in `schemas` was left out.
    pub const UNKNOWN_SCHEMA: &str = "unknown-schema";
    /// A misspelt or SCIM 1.1 URN was read as the one it stands for.
    pub const MISSPELT_SCHEMA: &str = "misspelt-schema";
    /// An unknown attribute was left out.
    pub const UNKNOWN_ATTRIBUTE: &str = "unknown-attribute";
}

/// One use of a tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coercion {
    /// Which rule, one of the constants of [`rule`].
    pub rule: &'static str,
    /// Where: an attribute path or a URN as the client wrote it, shortened. Never a value.
    pub path: String,
}

/// Collects coercions: each once, and no more than a log can use.
#[derive(Debug, Default)]
pub(super) struct Coercions {
    found: Vec<Coercion>,
}

impl Coercions {
    const MOST: usize = 100;
    const LONGEST: usize = 120;

    pub(super) fn record(&mut self, rule: &'static str, path: &str) {
        let path: String = path.chars().filter(|character| !character.is_control()).take(Self::LONGEST).collect();
        let coercion = Coercion { rule, path };
        if self.found.len() < Self::MOST && !self.found.contains(&coercion) {
            self.found.push(coercion);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Coercion> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::{Coercions, Leniency, Profile, UnknownProfile, rule};

    #[test]
    fn names_round_trip() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert_eq!("azure".parse::<Profile>(), Err(UnknownProfile));
    }

    /// The matrix of client shapes, column by column: strict, entra, okta, onelogin, google, jumpcloud, ping.
    #[test]
    fn the_table_is_the_matrix() {
        let row = |of: fn(&super::Tolerance) -> Leniency| -> String {
            Profile::ALL
                .iter()
                .map(|profile| match of(profile.tolerance()) {
                    Leniency::Refuse => '-',
                    Leniency::Coerce => 'x',
                })
                .collect()
        };
        assert_eq!(row(|t| t.string_booleans), "-xxx-x-");
        assert_eq!(row(|t| t.replace_unmatched), "-xxx-x-");
        assert_eq!(row(|t| t.remove_listed), "-xxx-xx");
        assert_eq!(row(|t| t.manager_shape), "-xxx-xx");
        assert_eq!(row(|t| t.bare_member), "-x-x-xx");
        assert_eq!(row(|t| t.unqualified_extension), "-xxx-xx");
        assert_eq!(row(|t| t.json_in_roles), "-x-----");
        assert_eq!(row(|t| t.missing_schemas), "-xxxxxx");
        assert_eq!(row(|t| t.unknown_path), "-xxxxxx");
    }

    #[test]
    fn coercions_are_recorded_once_and_bounded() {
        let mut coercions = Coercions::default();
        for _ in 0..3 {
            coercions.record(rule::STRING_BOOLEAN, "active");
        }
        for number in 0..1_000 {
            coercions.record(rule::UNKNOWN_ATTRIBUTE, &format!("x{number}\n"));
        }
        coercions.record(rule::UNKNOWN_ATTRIBUTE, &"x".repeat(10_000));
        let found = coercions.into_vec();
        assert_eq!(found.len(), 100);
        assert_eq!(found[1].path, "x0");
    }
}
