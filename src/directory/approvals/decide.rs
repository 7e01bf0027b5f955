//! Decisions: approve, reject, withdraw. One transaction holds the approval and decides; what was approved is carried out in it.
//!
//! What was approved is given by who asked for it, so their right is asked again; access that somebody asked for who may not give it is
//! given by the approver. Where it cannot be given any more, nothing of it is, and the approval says why.

use serde_json::{Value, json};

use super::policy::{Standing, is_approved, standing};
use super::{Approvals, Shown, parties};
use crate::directory::access::{Authority, Permission, Reach};
use crate::directory::assignments::{Found, Gift, Hand, Here, check_reason};
use crate::directory::personal::{PersonalValues, read_personal, record_personal};
use crate::directory::{Error, Result};
use crate::model::{
    Actor, Approval, ApprovalDecision, ApprovalId, ApprovalState, Approvers, EventKind, LoginId, Requested, TenantId, Verdict,
};
use crate::store::{Writer, retry};

/// How an attempt to decide went.
enum Attempt {
    Done(Box<Shown>),
    /// It was approved and cannot be carried out; nothing was written.
    Unfit(String),
}

impl Approvals<'_> {
    /// Approves or rejects. With the last approval that is needed it is carried out, or fails and says why.
    ///
    /// # Errors
    /// When who asks may not decide it, it does not wait any more, or it is rejected without a reason.
    pub async fn decide(&self, id: ApprovalId, verdict: Verdict, reason: Option<&str>) -> Result<Shown> {
        let login = self.login().ok_or_else(|| Error::Forbidden("people decide; this needs a session".to_owned()))?;
        check_reason(reason)?;
        if verdict == Verdict::Reject && reason.is_none_or(|reason| reason.trim().is_empty()) {
            return Err(Error::Invalid("reason: say why it is rejected".to_owned()));
        }
        let mut failure = None;
        loop {
            let attempt = retry(|| async { self.attempt(login, id, verdict, reason, failure.as_deref()).await }).await?;
            match attempt {
                Attempt::Done(shown) => return Ok(*shown),
                Attempt::Unfit(text) => failure = Some(text),
            }
        }
    }

    /// Takes back what who asks had asked for.
    ///
    /// # Errors
    /// When they did not, or it does not wait any more.
    pub async fn withdraw(&self, id: ApprovalId) -> Result<Shown> {
        self.reach.scoped(Permission::RequestApprovals)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let mut approval = self.waiting(&mut writer, id, |approval| approval.requester == self.caller.actor).await?;
            if approval.requester != self.caller.actor {
                return Err(Error::Forbidden("only who asked for it withdraws it".to_owned()));
            }
            self.settle(&mut writer, &mut approval, ApprovalState::Withdrawn, None).await?;
            let event = self.caller.event(EventKind::ApprovalWithdrawn, id.uuid(), json!({})).at(approval.account_id);
            writer.record(&[event], self.caller.request_id).await?;
            let shown = self.show(&mut writer, approval).await?;
            writer.commit().await?;
            Ok(shown)
        })
        .await
    }

    /// An approval that waits, held. `own` are those whom it is not hidden from.
    async fn waiting(&self, writer: &mut Writer, id: ApprovalId, own: impl Fn(&Approval) -> bool) -> Result<Approval> {
        let found = writer.approval_for_update(id).await?.filter(|found| own(found) || self.sees(found));
        let found = found.ok_or(Error::NotFound("approval"))?;
        match found.state_at(self.caller.now) {
            ApprovalState::Pending => Ok(found),
            state => Err(Error::Conflict(format!("nobody waits for this any more: it is {}", state.as_str()))),
        }
    }

    /// Decides once. `failure` is why the same decision could not be carried out a moment ago.
    async fn attempt(
        &self,
        login: LoginId,
        id: ApprovalId,
        verdict: Verdict,
        reason: Option<&str>,
        failure: Option<&str>,
    ) -> Result<Attempt> {
        let mut writer = self.store.write(self.tenant).await?;
        let mut approval = self.waiting(&mut writer, id, |_| false).await?;
        let mut decisions = writer.approval_decisions(&[id]).await?;
        let named = [approval.subject_login_id, approval.requester_login_id, Some(login)].into_iter().flatten().collect();
        let names = self.names(&mut writer, named).await?;
        let person = names.get(&login).ok_or_else(Error::raced)?.person_id;
        let places = match standing(person, &parties(&approval, &names), &decisions, self.places(&approval)) {
            Standing::Approver(places) => places,
            Standing::Requester => {
                return Err(Error::Forbidden("nobody decides what they asked for themselves; it can be withdrawn".to_owned()));
            }
            Standing::Subject => return Err(Error::Forbidden("nobody decides what is about themselves".to_owned())),
            Standing::Decided => return Err(Error::Conflict("you have decided this; it waits for others".to_owned())),
            Standing::Nobody => return Err(Error::Forbidden("others are asked to decide this".to_owned())),
        };
        let kind = match verdict {
            Verdict::Approve => EventKind::ApprovalApproved,
            Verdict::Reject => EventKind::ApprovalRejected,
        };
        let event = self.caller.event(kind, id.uuid(), json!({ "counts_for": places })).at(approval.account_id);
        let decision = ApprovalDecision {
            approval_id: id,
            login_id: login,
            person_id: person,
            verdict,
            counts_for: places,
            event_id: event.id,
            decided_at: self.caller.now,
        };
        writer.insert_approval_decision(&decision).await?;
        match reason {
            Some(reason) => {
                let about = approval.subject_person_id.or(approval.requester_person_id).unwrap_or(person);
                record_personal(&mut writer, self.sealer, &event, about, &json!({ "reason": reason }), self.caller).await?;
            }
            None => writer.record(&[event], self.caller.request_id).await?,
        }
        decisions.push(decision);
        if verdict == Verdict::Reject {
            self.settle(&mut writer, &mut approval, ApprovalState::Rejected, None).await?;
        } else if is_approved(&approval.needs, &decisions) {
            if let Some(text) = failure {
                self.settle(&mut writer, &mut approval, ApprovalState::Failed, Some(text)).await?;
                let event =
                    self.caller.event(EventKind::ApprovalFailed, id.uuid(), json!({ "because": text })).at(approval.account_id);
                writer.record(&[event], self.caller.request_id).await?;
            } else {
                match self.carry_out(&mut writer, &approval, &decisions).await {
                    Ok(()) => self.settle(&mut writer, &mut approval, ApprovalState::Approved, None).await?,
                    Err(Error::Store(error)) => return Err(Error::Store(error)),
                    Err(Error::Forbidden(_)) => {
                        return Ok(Attempt::Unfit("who was to give it may not give it any more".to_owned()));
                    }
                    Err(error) => return Ok(Attempt::Unfit(error.to_string())),
                }
            }
        }
        let shown = self.show(&mut writer, approval).await?;
        writer.commit().await?;
        Ok(Attempt::Done(Box::new(shown)))
    }

    async fn settle(
        &self,
        writer: &mut Writer,
        approval: &mut Approval,
        state: ApprovalState,
        failure: Option<&str>,
    ) -> Result<()> {
        approval.state = state;
        approval.failure = failure.map(ToOwned::to_owned);
        approval.settled_at = Some(self.caller.now);
        Ok(writer.settle_approval(approval).await?)
    }

    /// Does what was approved, where that is for us to do.
    async fn carry_out(&self, writer: &mut Writer, approval: &Approval, decisions: &[ApprovalDecision]) -> Result<()> {
        let (role, service, instance, actor) = match &approval.content {
            Requested::Order { .. } => return Ok(()),
            Requested::Assignment { role, service, instance } => (role, service.clone(), instance.clone(), approval.requester),
            Requested::Access { role, .. } => {
                let place = approval.needs.iter().position(|need| matches!(need.approvers, Some(Approvers::Assigners(_))));
                let giver = decisions.iter().rev().find(|decision| place.is_some_and(|place| decision.counts_for.contains(&place)));
                (role, None, None, Actor::Login { login: giver.ok_or_else(Error::raced)?.login_id })
            }
        };
        let login = approval.subject_login_id.ok_or(Error::NotFound("login"))?;
        let reason = self.reason(writer, approval).await?;
        let (by, reach) = self.authority(writer, actor).await?;
        let gift = Gift { login, account: approval.account_id, role: role.clone(), service, instance, reason };
        let hand = Hand { by, reach: &reach, rules: self.rules, sealer: self.sealer, caller: self.caller };
        let role = hand.may_give(&gift).map_err(|error| match error {
            // They do not even see the account any more.
            Error::NotFound(_) => Error::Forbidden("the account is out of their reach".to_owned()),
            other => other,
        })?;
        let here = Here::hold(writer, &reach, self.rules, gift.account).await?;
        if let Found::New(prepared) = hand.prepare(writer, &here, role, &gift).await? {
            let note = [("approval", json!(approval.id)), ("requested_by", json!(approval.requester))];
            hand.write_one(writer, &here, &gift, prepared, &note).await?;
        }
        Ok(())
    }

    /// What somebody may do now, and whose hand that is.
    async fn authority(&self, writer: &mut Writer, actor: Actor) -> Result<(uuid::Uuid, Reach)> {
        let gone = || Error::Forbidden("they are no longer there".to_owned());
        match actor {
            Actor::Login { login } => {
                let reach = Reach::load(writer, login, self.rules).await?.ok_or_else(gone)?;
                Ok((login.uuid(), reach))
            }
            Actor::Client { client: id } => {
                let client = writer.clients().await?.into_iter().find(|client| client.id == id && client.revoked_at.is_none());
                let client = client.ok_or_else(gone)?;
                let authority = Authority::Scopes(client.scopes, client.within_id);
                let reach = Reach::with(writer, authority, self.rules).await?.ok_or_else(gone)?;
                Ok((id.uuid(), reach))
            }
            Actor::OperatorPerson { login } => {
                let own = Reach::load(&mut self.store.read(TenantId::OPERATOR), login, self.rules).await?.ok_or_else(gone)?;
                Ok((login.uuid(), own.into_tenant(writer, self.rules).await?.ok_or_else(gone)?))
            }
            _ => Err(gone()),
        }
    }

    /// The reason of who asked, which goes with what is given.
    async fn reason(&self, writer: &mut Writer, approval: &Approval) -> Result<Option<String>> {
        let values = read_personal(writer, self.sealer, &[approval.event_id]).await?.remove(&approval.event_id);
        Ok(match values {
            Some(PersonalValues::Kept(Value::Object(values))) => {
                values.get("reason").and_then(Value::as_str).map(ToOwned::to_owned)
            }
            _ => None,
        })
    }
}
