//! Members as clients name them, on their way to the commands of the directory.

use super::Endpoint;
use crate::directory::provision::{MemberNotes, MemberStep, NamedMember, UnknownMembers};
use crate::model::{LoginId, MemberKind};
use crate::scim::message::ScimError;
use crate::scim::patch::MemberChange;
use crate::scim::profile::{Coercion, UnknownMember, rule};
use crate::scim::resource::MemberRef;
use crate::scim::schema::ResourceKind;

/// A change of members as a step of the directory's command.
pub(super) fn step(endpoint: &Endpoint<'_>, change: MemberChange, coercions: &mut Vec<Coercion>) -> Result<MemberStep, ScimError> {
    Ok(match change {
        MemberChange::Add(members) => MemberStep::Add(named(endpoint, &members, coercions)?),
        // What is no id of ours is nobody's, and removing nobody is no error (P23).
        MemberChange::Remove(ids) => MemberStep::Remove(ids.iter().filter_map(|id| parse(id)).collect()),
        MemberChange::RemoveMatching(filter) => MemberStep::RemoveMatching(filter),
        MemberChange::Clear => MemberStep::Replace(Vec::new()),
        MemberChange::Replace(members) => MemberStep::Replace(named(endpoint, &members, coercions)?),
    })
}

/// The ids that members name. What is no id of ours is as unknown as an id of nobody. Whether an id is a User's or a Group's is looked
/// up: the client need not say (R30).
pub(super) fn named(
    endpoint: &Endpoint<'_>,
    members: &[MemberRef],
    coercions: &mut Vec<Coercion>,
) -> Result<Vec<NamedMember>, ScimError> {
    let mut named = Vec::with_capacity(members.len());
    for member in members {
        let claimed = member.kind.and_then(|kind| match kind {
            ResourceKind::User => Some(MemberKind::Login),
            ResourceKind::Group => Some(MemberKind::Group),
            ResourceKind::GroupMember => None,
        });
        match (parse(&member.value), unknown(endpoint)) {
            (Some(id), _) => named.push(NamedMember { id, claimed }),
            (None, UnknownMembers::Ignore) => note_once(coercions, rule::UNKNOWN_MEMBER, "members"),
            (None, UnknownMembers::Refuse) => {
                return Err(ScimError::invalid_value("members: a value is not the id of a user or group of this directory"));
            }
        }
    }
    Ok(named)
}

/// The ids of Users and of Groups are written alike.
fn parse(id: &str) -> Option<uuid::Uuid> {
    id.parse::<LoginId>().ok().map(LoginId::uuid)
}

/// Notes which members were not taken as they were named.
pub(super) fn note(coercions: &mut Vec<Coercion>, notes: MemberNotes) {
    if notes.ignored > 0 {
        note_once(coercions, rule::UNKNOWN_MEMBER, "members");
    }
    if notes.mistyped > 0 {
        note_once(coercions, rule::MEMBER_TYPE, "members.type");
    }
}

fn note_once(coercions: &mut Vec<Coercion>, rule: &'static str, path: &str) {
    if !coercions.iter().any(|coercion| coercion.rule == rule) {
        coercions.push(Coercion { rule, path: path.to_owned() });
    }
}

/// What becomes of members that nobody knows.
pub(super) fn unknown(endpoint: &Endpoint<'_>) -> UnknownMembers {
    match endpoint.tolerance.unknown_member {
        UnknownMember::Refuse => UnknownMembers::Refuse,
        UnknownMember::Ignore => UnknownMembers::Ignore,
    }
}
