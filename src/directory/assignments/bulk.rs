//! Many roles given and taken at once: all of them, or none.

use super::here::{Here, keeps_one};
use super::{Assignments, Found, Gift, check_reason};
use crate::directory::access::Permission;
use crate::directory::{Error, Result, approvals};
use crate::model::{AccountId, Assignment, AssignmentId};
use crate::store::retry;

/// How much is given and taken at once, at most.
pub const LONGEST_BATCH: usize = 1_000;

/// What is to be taken and then given on one account.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub take: Vec<AssignmentId>,
    /// Why it is taken; each gift has a reason of its own.
    pub reason: Option<String>,
    pub give: Vec<Gift>,
}

/// What was done, in the order in which it was asked for.
#[derive(Clone, Debug, Default)]
pub struct BatchDone {
    pub taken: Vec<Assignment>,
    /// Each assignment, and whether it is new.
    pub given: Vec<(Assignment, bool)>,
}

impl Assignments<'_> {
    /// Takes and gives roles on an account in one transaction. A role that has to be approved is not given so: whoever approves is to see
    /// each by itself.
    ///
    /// # Errors
    /// Those of giving and taking one, with its place in the list; then nothing is changed.
    pub async fn batch(&self, account: AccountId, batch: &Batch) -> Result<BatchDone> {
        self.reach.needs(Permission::ViewPeople, account)?;
        let many = batch.take.len() + batch.give.len();
        if many == 0 || many > LONGEST_BATCH {
            return Err(Error::Invalid(format!("assignments, take: 1 to {LONGEST_BATCH} of both together")));
        }
        check_reason(batch.reason.as_deref())?;
        let hand = self.hand();
        let mut roles = Vec::with_capacity(batch.give.len());
        for (index, gift) in batch.give.iter().enumerate() {
            check_reason(gift.reason.as_deref()).map_err(|error| at("assignments", index, error))?;
            roles.push(hand.may_give(gift).map_err(|error| at("assignments", index, error))?);
        }
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let here = Here::hold(&mut writer, self.reach, self.rules, account).await?;
            let before = here.administrators(&mut writer).await?;
            let policies = writer.approval_policies(&here.path()).await?;
            let mut done = BatchDone::default();
            for (index, id) in batch.take.iter().enumerate() {
                let found = writer.assignment(*id).await?.filter(|found| found.account_id == account);
                let found = found.ok_or_else(|| at("take", index, Error::NotFound("assignment")))?;
                hand.may_take(&found).map_err(|error| at("take", index, error))?;
                hand.take(&mut writer, &found, batch.reason.as_deref(), &[]).await.map_err(|error| at("take", index, error))?;
                done.taken.push(found);
            }
            for (index, (gift, role)) in batch.give.iter().zip(&roles).enumerate() {
                let found = hand.prepare(&mut writer, &here, role, gift).await.map_err(|error| at("assignments", index, error))?;
                let given = match found {
                    Found::Same(held) => (held, false),
                    Found::New(_) if approvals::waits(&policies, role) => {
                        let text = format!("{} has to be approved; give it by itself", role.name);
                        return Err(at("assignments", index, Error::Conflict(text)));
                    }
                    Found::New(prepared) => (hand.write(&mut writer, gift, prepared, &[]).await?, true),
                };
                done.given.push(given);
            }
            keeps_one(&before, &here.administrators(&mut writer).await?)?;
            writer.commit().await?;
            Ok(done)
        })
        .await
    }
}

/// The same error, about an entry of a list.
fn at(list: &str, index: usize, error: Error) -> Error {
    match error {
        Error::NotFound(what) => Error::Invalid(format!("{list}[{index}]: there is no such {what}")),
        Error::Invalid(text) => Error::Invalid(format!("{list}[{index}]: {text}")),
        Error::Forbidden(text) => Error::Forbidden(format!("{list}[{index}]: {text}")),
        Error::Conflict(text) => Error::Conflict(format!("{list}[{index}]: {text}")),
        other => other,
    }
}
