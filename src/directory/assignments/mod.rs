//! Roles given and taken by hand.
//!
//! Nobody gives what they could not be given the right to give: the catalogue says which roles' holders may. Rules and hands never take
//! one another's away. Who counts the administrators of an account holds it meanwhile, so that two of them cannot take one another's
//! role at once and leave nobody. What a policy of the account says has to wait becomes an approval: see [`super::approvals`].

mod bulk;
mod hand;
mod here;
mod reassign;

pub use self::bulk::{Batch, BatchDone, LONGEST_BATCH};
pub use self::reassign::{Handover, Reassigned, Stays};

pub(super) use self::hand::{Found, Hand, fits};
pub(super) use self::here::Here;

use self::here::keeps_one;
use super::access::{Permission, Reach};
use super::approvals::{self, Approvals, Shown};
use super::recompute::RuleBook;
use super::{Caller, Error, Result};
use crate::keys::Sealer;
use crate::model::{AccountId, Assignment, AssignmentId, LoginId, TenantId};
use crate::store::{Store, retry};

/// Characters of a reason.
pub const LONGEST_REASON: usize = 1_000;

/// The assignments of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Assignments<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    /// Whose hand it is: the login or the client that asks.
    pub by: uuid::Uuid,
    pub reach: &'a Reach,
    pub rules: &'a RuleBook,
    /// Seals the keys of persons.
    pub sealer: &'a Sealer,
    pub caller: Caller<'a>,
}

/// A role to be given.
#[derive(Clone, Debug)]
pub struct Gift {
    pub login: LoginId,
    pub account: AccountId,
    pub role: String,
    /// Narrows it to a service of the account.
    pub service: Option<String>,
    /// Narrows it to an instance of that service.
    pub instance: Option<String>,
    pub reason: Option<String>,
}

/// What became of a gift.
#[derive(Clone, Debug)]
pub enum Given {
    /// It is given, now or before.
    Given(Assignment),
    /// A policy asks for an approval, and nothing is given yet.
    Waits(Box<Shown>),
}

impl<'a> Assignments<'a> {
    /// Gives a role by hand, or asks for it where a policy wants an approval. What was given by hand before of the same exclusive set
    /// goes. To give what was given, or to ask for what waits, is no change.
    ///
    /// # Errors
    /// When who asks may not give it, it does not fit the account, the login is not ready for it, or it would leave the account
    /// without an administrator.
    pub async fn give(&self, gift: &Gift) -> Result<Given> {
        let hand = self.hand();
        let role = hand.may_give(gift)?;
        check_reason(gift.reason.as_deref())?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let here = Here::hold(&mut writer, self.reach, self.rules, gift.account).await?;
            let prepared = match hand.prepare(&mut writer, &here, role, gift).await? {
                Found::Same(held) => return Ok(Given::Given(held)),
                Found::New(prepared) => prepared,
            };
            let needs = approvals::needs_of_role(&mut writer, &here.path(), role).await?;
            let given = if needs.is_empty() {
                Given::Given(hand.write_one(&mut writer, &here, gift, prepared, &[]).await?)
            } else {
                let asked = approvals::Asked::assignment(gift, prepared.person, needs);
                let made = approvals::ask_for(&mut writer, self.sealer, asked, self.caller).await?;
                Given::Waits(Box::new(self.approvals().show(&mut writer, made).await?))
            };
            writer.commit().await?;
            Ok(given)
        })
        .await
    }

    /// Takes a role that was given by hand.
    ///
    /// # Errors
    /// When there is none such, who asks may not take it, a rule gave it, or it is the last administrator's.
    pub async fn take(&self, id: AssignmentId, reason: Option<&str>) -> Result<()> {
        check_reason(reason)?;
        let hand = self.hand();
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let found = writer.assignment(id).await?.ok_or(Error::NotFound("assignment"))?;
            self.reach.needs(Permission::ViewPeople, found.account_id)?;
            hand.may_take(&found)?;
            let here = Here::hold(&mut writer, self.reach, self.rules, found.account_id).await?;
            let before = here.administrators(&mut writer).await?;
            hand.take(&mut writer, &found, reason, &[]).await?;
            keeps_one(&before, &here.administrators(&mut writer).await?)?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }

    fn approvals(&self) -> Approvals<'a> {
        let Self { store, tenant, reach, rules, sealer, caller, .. } = *self;
        Approvals { store, tenant, reach, rules, sealer, caller }
    }

    fn hand(&self) -> Hand<'a> {
        Hand { by: self.by, reach: self.reach, rules: self.rules, sealer: self.sealer, caller: self.caller }
    }
}

pub(in crate::directory) fn check_reason(reason: Option<&str>) -> Result<()> {
    // PostgreSQL keeps no NUL.
    if reason.is_some_and(|reason| reason.chars().count() > LONGEST_REASON || reason.contains('\0')) {
        return Err(Error::Invalid(format!("reason: at most {LONGEST_REASON} characters, and none of them NUL")));
    }
    Ok(())
}
