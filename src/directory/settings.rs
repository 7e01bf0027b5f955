//! What a directory makes of its client profile, and the change of its settings.

use serde_json::json;

use super::manage::Manage;
use super::{Error, Result};
use crate::model::{Directory, DirectoryId, DirectorySettings, EventKind, PatchStatus, TenantId, UnknownMemberPolicy};
use crate::scim::profile::{Overrides, PatchAnswer, Profile, Tolerance, UnknownMember};
use crate::store::Uniqueness;

/// The client profile of a directory, and its row of the profile table with what the directory's settings say otherwise.
///
/// A profile that this version does not know is taken for `strict`, so that it tolerates nothing by accident.
#[must_use]
pub fn tolerance(directory: &Directory) -> (Profile, Tolerance) {
    let profile = directory.profile.parse().unwrap_or(Profile::Strict);
    (profile, effective(profile, &directory.settings))
}

/// The row of a profile with what settings say otherwise.
#[must_use]
pub fn effective(profile: Profile, settings: &DirectorySettings) -> Tolerance {
    profile.tolerance().with(&Overrides {
        patched_group: settings.patched_group.map(|status| match status {
            PatchStatus::Ok => PatchAnswer::Resource,
            PatchStatus::NoContent => PatchAnswer::NoContent,
        }),
        unknown_member: settings.unknown_members.map(|policy| match policy {
            UnknownMemberPolicy::Refuse => UnknownMember::Refuse,
            UnknownMemberPolicy::Ignore => UnknownMember::Ignore,
        }),
        unique_group_names: settings.unique_group_names,
        unique_external_ids: Some(settings.unique_external_ids),
        require_if_match: Some(settings.require_if_match),
        open_discovery: Some(settings.open_discovery),
    })
}

/// What the database has to keep unique.
pub(super) fn uniqueness(tolerance: &Tolerance) -> Uniqueness {
    Uniqueness { group_names: tolerance.unique_group_names, external_ids: tolerance.unique_external_ids }
}

impl Manage<'_> {
    /// Changes the settings of a directory. What they ask to be unique is made so in the same transaction, and holds for writes that
    /// began before: a client's change takes the tenant's rules shared before it reads what is in force, this takes them alone.
    ///
    /// # Errors
    /// When there is no such directory, or something that is to be unique is there twice; then nothing has changed.
    pub async fn change_directory_settings(&self, tenant: TenantId, id: DirectoryId, settings: &DirectorySettings) -> Result<()> {
        let mut writer = self.store.write(tenant).await?;
        writer.hold_rules().await?;
        let known = writer.directories().await?.into_iter().find(|directory| directory.id == id);
        let directory = known.ok_or(Error::NotFound("directory"))?;
        if directory.settings == *settings {
            return Ok(());
        }
        let (profile, before) = tolerance(&directory);
        let (before, after) = (uniqueness(&before), uniqueness(&effective(profile, settings)));
        writer.set_directory_settings(id, settings, after, self.caller.now).await?;
        if before != after {
            writer.set_unique_keys(id, after).await.map_err(|error| twice(error.into()))?;
        }
        let event = self.caller.event(EventKind::DirectoryChanged, id.uuid(), json!({ "settings": settings }));
        writer.record(&[event], self.caller.request_id).await?;
        writer.commit().await?;
        Ok(())
    }
}

/// Says what stands in the way of a setting.
fn twice(error: Error) -> Error {
    let told = match error {
        Error::GroupNameTaken => "unique_group_names: two groups of this directory have one displayName; rename one of them first",
        Error::ExternalIdTaken => {
            "unique_external_ids: two users or two groups of this directory have one externalId; change one first"
        }
        other => return other,
    };
    Error::Invalid(told.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Profile, effective};
    use crate::model::{DirectorySettings, PatchStatus, UnknownMemberPolicy};
    use crate::scim::profile::{PatchAnswer, UnknownMember};

    #[test]
    fn settings_that_say_nothing_leave_the_profile_as_it_is() {
        for profile in Profile::ALL {
            assert_eq!(effective(profile, &DirectorySettings::default()), *profile.tolerance(), "{profile}");
        }
    }

    #[test]
    fn each_setting_changes_what_it_is_called_after_and_nothing_else() {
        let set = |change: fn(&mut DirectorySettings)| {
            let mut settings = DirectorySettings::default();
            change(&mut settings);
            effective(Profile::Entra, &settings)
        };
        let row = *Profile::Entra.tolerance();
        let mut wanted = row;
        wanted.patched_group = PatchAnswer::Resource;
        assert_eq!(set(|settings| settings.patched_group = Some(PatchStatus::Ok)), wanted);
        wanted = row;
        wanted.unknown_member = UnknownMember::Ignore;
        assert_eq!(set(|settings| settings.unknown_members = Some(UnknownMemberPolicy::Ignore)), wanted);
        wanted = row;
        wanted.unique_group_names = false;
        assert_eq!(set(|settings| settings.unique_group_names = Some(false)), wanted);
        wanted = row;
        wanted.unique_external_ids = true;
        assert_eq!(set(|settings| settings.unique_external_ids = true), wanted);
        wanted = row;
        wanted.require_if_match = true;
        assert_eq!(set(|settings| settings.require_if_match = true), wanted);
        wanted = row;
        wanted.open_discovery = false;
        assert_eq!(set(|settings| settings.open_discovery = false), wanted);
    }
}
