//! Directories and their groups.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{AccountId, DirectoryId, GroupId};

/// One SCIM provisioning domain: endpoint, client profile, tokens, externalId scope.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Directory {
    pub id: DirectoryId,
    /// Short name in configuration files; unique in the tenant.
    pub slug: String,
    pub name: String,
    /// Name of the client profile: what this directory tolerates.
    pub profile: String,
    /// Where logins that this directory creates have their home.
    pub home_account_id: AccountId,
    #[sqlx(json)]
    pub settings: DirectorySettings,
    /// Until when reads are written into its provisioning log too.
    pub trace_until: Option<DateTime<Utc>>,
}

/// What an administrator set for a directory. What is not set is as the client profile has it.
///
/// A key that this version does not know is ignored, so that two versions can run on one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches, each of its own")]
pub struct DirectorySettings {
    /// The status that a PATCH of a Group is answered with.
    pub patched_group: Option<PatchStatus>,
    /// What is done with members that are neither logins nor groups of the directory.
    pub unknown_members: Option<UnknownMemberPolicy>,
    /// Whether two groups may not have one displayName.
    pub unique_group_names: Option<bool>,
    /// Whether two logins, or two groups, may not have one externalId. RFC 7643 section 3.1 leaves that to the client.
    pub unique_external_ids: bool,
    /// Whether a change without `If-Match` is refused with 428 (RFC 6585 section 3).
    pub require_if_match: bool,
    /// Whether discovery answers without a token (RFC 7644 section 4).
    pub open_discovery: bool,
    /// Whether discovery shows `GroupMember`, the resource type of an Internet draft, and the draft's extension of Group. Both are there
    /// in any case.
    pub group_members: bool,
    /// Whether discovery names the portal extension as one of User's. It is there for who asks in any case.
    pub portal_extension: bool,
    /// What the user names of people's second logins have behind those of their first ones, before a last `@`, such as `.GSA`. Two logins of
    /// which that is so are proposed to be linked.
    pub link_suffixes: Vec<LinkSuffix>,
    /// Requests a second that the directory may send for long.
    pub requests_per_second: NonZeroU32,
    /// Requests that it may send at once.
    pub burst: NonZeroU32,
    /// Days for which its provisioning log is kept.
    pub log_days: NonZeroU32,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        const fn number(number: u32) -> NonZeroU32 {
            NonZeroU32::new(number).expect("no default is zero")
        }
        Self {
            patched_group: None,
            unknown_members: None,
            unique_group_names: None,
            unique_external_ids: false,
            require_if_match: false,
            open_discovery: true,
            group_members: false,
            portal_extension: false,
            link_suffixes: Vec::new(),
            requests_per_second: const { number(100) },
            burst: const { number(200) },
            log_days: const { number(30) },
        }
    }
}

/// What the user name of a person's second login has more than that of the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkSuffix(String);

/// A text that is no suffix of user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a suffix of user names has 1 to 64 characters, and none of them is a space or an @")]
pub struct NoLinkSuffix;

impl LinkSuffix {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LinkSuffix {
    type Error = NoLinkSuffix;

    fn try_from(text: String) -> Result<Self, NoLinkSuffix> {
        let fits = (1..=64).contains(&text.chars().count())
            && !text.chars().any(|character| character == '@' || character.is_whitespace() || character.is_control());
        if fits { Ok(Self(text)) } else { Err(NoLinkSuffix) }
    }
}

impl From<LinkSuffix> for String {
    fn from(suffix: LinkSuffix) -> Self {
        suffix.0
    }
}

/// The status of an answered PATCH (RFC 7644 section 3.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum PatchStatus {
    /// 200 and the resource.
    Ok,
    /// 204, unless the request asks for attributes.
    NoContent,
}

/// A status that no PATCH is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PATCH is answered with 200 or 204")]
pub struct NoPatchStatus;

impl TryFrom<u16> for PatchStatus {
    type Error = NoPatchStatus;

    fn try_from(status: u16) -> Result<Self, NoPatchStatus> {
        match status {
            200 => Ok(Self::Ok),
            204 => Ok(Self::NoContent),
            _ => Err(NoPatchStatus),
        }
    }
}

impl From<PatchStatus> for u16 {
    fn from(status: PatchStatus) -> Self {
        match status {
            PatchStatus::Ok => 200,
            PatchStatus::NoContent => 204,
        }
    }
}

/// What is done with members that the directory does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownMemberPolicy {
    /// The request is refused and changes nothing.
    Refuse,
    /// They are left out, and the provisioning log says so.
    Ignore,
}

/// A SCIM Group of a directory. Its members are rows of their own.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Group {
    pub id: GroupId,
    pub directory_id: DirectoryId,
    pub display: String,
    pub external_id: Option<String>,
    /// Raised with every effective change, of its members too; the ETag of the SCIM Group.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::{DirectorySettings, PatchStatus, UnknownMemberPolicy};

    #[test]
    fn settings_are_read_back_as_they_were_written_and_unknown_keys_do_no_harm() {
        let settings = DirectorySettings {
            patched_group: Some(PatchStatus::Ok),
            unknown_members: Some(UnknownMemberPolicy::Ignore),
            link_suffixes: vec![".GSA".to_owned().try_into().unwrap()],
            ..DirectorySettings::default()
        };
        let mut written = serde_json::to_value(&settings).unwrap();
        assert_eq!((&written["patched_group"], &written["unknown_members"]), (&200.into(), &"ignore".into()));
        written["of_a_later_version"] = true.into();
        assert_eq!(serde_json::from_value::<DirectorySettings>(written).unwrap(), settings);
        assert_eq!(serde_json::from_str::<DirectorySettings>("{}").unwrap(), DirectorySettings::default());
        for wrong in [
            r#"{"patched_group": 201}"#,
            r#"{"burst": 0}"#,
            r#"{"unknown_members": "wipe"}"#,
            r#"{"link_suffixes": [""]}"#,
            r#"{"link_suffixes": ["@x"]}"#,
        ] {
            assert!(serde_json::from_str::<DirectorySettings>(wrong).is_err(), "{wrong}");
        }
    }
}
