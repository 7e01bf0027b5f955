//! What somebody who leaves looked after, handed to somebody else.
//!
//! Only what a hand gave, and only what is about a service: what somebody is on an account, such as its administrator, is not inherited.

use std::collections::BTreeSet;

use serde_json::json;

use super::here::{Here, keeps_one};
use super::{Assignments, Found, Gift, check_reason};
use crate::directory::access::Permission;
use crate::directory::recompute::held_assignments;
use crate::directory::{Error, Result, approvals};
use crate::model::{AccountId, Assignment, AssignmentSource, LoginId};
use crate::store::{Writer, retry};

/// What is to be handed over.
#[derive(Clone, Debug)]
pub struct Handover {
    /// Who leaves; they may be deactivated.
    pub from: LoginId,
    /// Who looks after it from now on.
    pub to: LoginId,
    /// Only on these accounts.
    pub accounts: Option<BTreeSet<AccountId>>,
    /// Only these roles.
    pub roles: Option<BTreeSet<String>>,
    pub reason: Option<String>,
}

/// Why somebody keeps what they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// A rule gives it, and takes it when the facts say so.
    Rule,
    /// A policy wants an approval for whoever is to have it.
    Approval,
    /// Who asks may not give it.
    Forbidden,
}

impl Stays {
    /// The name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Approval => "approval",
            Self::Forbidden => "forbidden",
        }
    }
}

/// What was handed over.
#[derive(Clone, Debug, Default)]
pub struct Reassigned {
    /// What they had, what the other one has now, and whether that is new.
    pub moved: Vec<(Assignment, Assignment, bool)>,
    pub stays: Vec<(Assignment, Stays)>,
}

impl Assignments<'_> {
    /// Hands over what somebody looks after, on the accounts where who asks may give it, in one transaction.
    ///
    /// # Errors
    /// When who asks sees nothing of either, the other one is not active, or one of them cannot be given to them.
    pub async fn reassign(&self, handover: &Handover) -> Result<Reassigned> {
        check_reason(handover.reason.as_deref())?;
        if handover.from == handover.to {
            return Err(Error::Invalid("to: somebody else".to_owned()));
        }
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let leaver = writer.any_login(handover.from).await?.ok_or(Error::NotFound("login"))?.login;
            let held = held_assignments(&mut writer, self.rules, &[handover.from]).await?;
            let seen = |account| self.reach.allows(Permission::ViewPeople, account);
            if !seen(leaver.home_account_id) && !held.iter().any(|held| seen(held.account_id)) {
                return Err(Error::NotFound("login"));
            }
            let heir = writer.any_login(handover.to).await?.ok_or(Error::NotFound("login"))?.login;
            if !heir.is_usable() {
                return Err(Error::Conflict("to: this login is not active".to_owned()));
            }
            let wanted = held.into_iter().filter(|held| seen(held.account_id) && self.is_wanted(handover, held)).collect();
            let done = self.hand_over(&mut writer, handover, wanted).await?;
            writer.commit().await?;
            Ok(done)
        })
        .await
    }

    async fn hand_over(&self, writer: &mut Writer, handover: &Handover, wanted: Vec<Assignment>) -> Result<Reassigned> {
        let hand = self.hand();
        let accounts = wanted.iter().map(|held| held.account_id).collect();
        let places = Here::hold_all(writer, self.reach, self.rules, &accounts).await?;
        let mut before = Vec::new();
        for here in places.values() {
            before.push(here.administrators(writer).await?);
        }
        let mut done = Reassigned::default();
        let note = [("reassigned", json!({ "from": handover.from, "to": handover.to }))];
        for held in wanted {
            let here = places.get(&held.account_id).ok_or_else(Error::raced)?;
            let gift = gift(handover, &held);
            if held.source == AssignmentSource::Rule {
                done.stays.push((held, Stays::Rule));
                continue;
            }
            if !self.reach.may_assign(&held.role, held.account_id) {
                done.stays.push((held, Stays::Forbidden));
                continue;
            }
            let told = |error: Error| match error {
                Error::Conflict(text) => Error::Conflict(format!("{} of {}: {text}", held.role, held.id)),
                other => other,
            };
            let role = hand.may_give(&gift).map_err(told)?;
            let given = match hand.prepare(writer, here, role, &gift).await.map_err(told)? {
                Found::Same(same) => (same, false),
                Found::New(_) if !approvals::needs_of_role(writer, &here.path(), role).await?.is_empty() => {
                    done.stays.push((held, Stays::Approval));
                    continue;
                }
                Found::New(prepared) => (hand.write(writer, &gift, prepared, &note).await?, true),
            };
            let taken = hand.take(writer, &held, handover.reason.as_deref(), &note).await;
            // It was read before its account was held.
            taken.map_err(|error| if matches!(error, Error::NotFound(_)) { Error::raced() } else { error })?;
            done.moved.push((held, given.0, given.1));
        }
        for (here, before) in places.values().zip(before) {
            keeps_one(&before, &here.administrators(writer).await?)?;
        }
        Ok(done)
    }

    /// Whether it is about a service, and among what was asked for.
    fn is_wanted(&self, handover: &Handover, held: &Assignment) -> bool {
        let role = self.reach.catalogue().role(&held.role);
        let of_service = held.service_id.is_some() || role.is_some_and(|role| role.service.is_some());
        of_service
            && handover.accounts.as_ref().is_none_or(|accounts| accounts.contains(&held.account_id))
            && handover.roles.as_ref().is_none_or(|roles| roles.contains(&held.role))
    }
}

fn gift(handover: &Handover, held: &Assignment) -> Gift {
    Gift {
        login: handover.to,
        account: held.account_id,
        role: held.role.clone(),
        service: held.service.clone(),
        instance: held.instance.clone(),
        reason: handover.reason.clone(),
    }
}
