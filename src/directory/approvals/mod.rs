//! Approvals: what waits until somebody else has agreed to it.
//!
//! [`policy`] says purely what has to wait and who may decide, [`Policies`] changes the policies, [`Approvals`] reads what was asked for,
//! and [`decide`] decides. What a policy says is copied into what waits because of it: whoever changes it later changes nothing there.
//! Nobody decides what they asked for themselves, nor what is about them, whichever of their logins they use.
//!
//! What rules give waits for nobody, and neither does what the operator gives: who may change rules is decided there.

mod access;
mod decide;
mod order;
mod policies;
pub mod policy;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::{Value, json};

pub use self::access::AccessRequest;
pub use self::order::Order;
pub use self::policies::{MOST_POLICIES, Policies};

use self::policy::{Occasion, Parties, ROLE_ASSIGNED, Standing, standing};
use super::access::{Permission, Reach};
use super::assignments::Gift;
use super::catalogue::Role;
use super::personal::{PersonalValues, read_personal, record_personal};
use super::recompute::RuleBook;
use super::{Caller, Error, Result};
use crate::keys::Sealer;
use crate::model::{
    AccountId, Actor, Approval, ApprovalDecision, ApprovalId, ApprovalNeed, ApprovalPolicy, ApprovalState, Approvers, EventId,
    EventKind, LoginId, PersonId, Requested, TenantId,
};
use crate::store::{ApprovalQuery, LogPosition, LoginName, Reader, Store, Writer};

/// How long something waits before it expires.
pub const LIFETIME: TimeDelta = TimeDelta::days(30);
/// How many are looked at for one page, at most: somebody who may see few of many is given them in several.
const LOOKED_AT: usize = 2_000;
/// How many are looked at in one statement, at least.
const LOOK: u32 = 200;

/// What was asked for in a tenant, and who asks about it.
#[derive(Clone, Copy, Debug)]
pub struct Approvals<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    /// What who asks may do: nothing at all, for somebody who only is named as an approver.
    pub reach: &'a Reach,
    pub rules: &'a RuleBook,
    pub sealer: &'a Sealer,
    pub caller: Caller<'a>,
}

/// An approval with all that is told of it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub approval: Approval,
    pub state: ApprovalState,
    pub decisions: Vec<ApprovalDecision>,
    /// How many persons have approved, for each need.
    pub given: Vec<u32>,
    /// What those whom it names are called, if they are still there.
    pub names: BTreeMap<LoginId, LoginName>,
    /// What was written down, by its event.
    pub values: BTreeMap<EventId, PersonalValues>,
    /// Whether who asks may decide it.
    pub may_decide: bool,
}

/// Something to be asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    account: AccountId,
    occasion: &'a str,
    subject: Option<(LoginId, PersonId)>,
    content: Requested,
    needs: Vec<ApprovalNeed>,
    /// What is personal about it.
    values: Value,
}

impl<'a> Asked<'a> {
    /// A role that somebody wants to give.
    pub(super) fn assignment(gift: &'a Gift, person: PersonId, needs: Vec<ApprovalNeed>) -> Self {
        let Gift { login, account, role, service, instance, reason } = gift.clone();
        let values = reason.map_or(Value::Null, |reason| json!({ "reason": reason }));
        let content = Requested::Assignment { role, service, instance };
        Self { account, occasion: ROLE_ASSIGNED, subject: Some((login, person)), content, needs, values }
    }
}

/// What the giving of a role has to wait for on an account; `path` are it and those above.
pub(super) async fn needs_of_role(writer: &mut Writer, path: &[AccountId], role: &Role) -> Result<Vec<ApprovalNeed>> {
    Ok(policy::needs(&writer.approval_policies(path).await?, Occasion::Role(role)))
}

/// Whether it has to wait.
pub(super) fn waits(policies: &[ApprovalPolicy], role: &Role) -> bool {
    !policy::needs(policies, Occasion::Role(role)).is_empty()
}

/// Writes down what was asked for. A role that somebody asked to give before, and that waits still, is not asked for twice. An order is
/// another one each time, and so is a request of access: whether it is the same would tell that there is somebody of that name.
pub(super) async fn ask_for(writer: &mut Writer, sealer: &Sealer, asked: Asked<'_>, caller: Caller<'_>) -> Result<Approval> {
    if let (Some((subject, _)), Requested::Assignment { .. }) = (asked.subject, &asked.content) {
        let waiting = writer.waiting_approvals(subject, asked.account).await?;
        let same = |other: &Approval| {
            other.content == asked.content
                && other.requester == caller.actor
                && other.state_at(caller.now) == ApprovalState::Pending
        };
        if let Some(same) = waiting.into_iter().find(same) {
            return Ok(same);
        }
    }
    let requester = match caller.actor {
        Actor::Login { login } => Some((login, writer.any_login(login).await?.ok_or_else(Error::raced)?.login.person_id)),
        _ => None,
    };
    let id = ApprovalId::new(caller.now);
    let details = json!({ "trigger": asked.occasion, "content": asked.content, "needs": asked.needs });
    let event = caller.event(EventKind::ApprovalRequested, id.uuid(), details).at(asked.account);
    let made = Approval {
        id,
        account_id: asked.account,
        occasion: asked.occasion.to_owned(),
        state: ApprovalState::Pending,
        subject_login_id: asked.subject.map(|(login, _)| login),
        subject_person_id: asked.subject.map(|(_, person)| person),
        requester: caller.actor,
        requester_login_id: requester.map(|(login, _)| login),
        requester_person_id: requester.map(|(_, person)| person),
        content: asked.content,
        needs: asked.needs,
        failure: None,
        event_id: event.id,
        created_at: caller.now,
        expires_at: caller.now + LIFETIME,
        settled_at: None,
    };
    match made.subject_person_id.or(made.requester_person_id).filter(|_| !asked.values.is_null()) {
        Some(person) => record_personal(writer, sealer, &event, person, &asked.values, caller).await?,
        None => writer.record(&[event], caller.request_id).await?,
    }
    writer.insert_approval(&made).await?;
    Ok(made)
}

impl Approvals<'_> {
    /// What was asked for, of what who asks may see, the newest first, and where the next page goes on. A page may be shorter than its limit.
    ///
    /// # Errors
    /// When who asks is a client without a scope for it.
    pub async fn list(&self, query: &ApprovalQuery, limit: u32) -> Result<(Vec<Shown>, Option<LogPosition>)> {
        self.reach.scoped(Permission::ViewApprovals)?;
        let mut reader = self.store.read(self.tenant);
        let (mut seen, mut query, mut looked_at) = (Vec::new(), query.clone(), 0);
        let next = loop {
            let many = limit.max(LOOK);
            let rows = reader.approvals(&query, self.caller.now, many + 1).await?;
            let more = rows.len() > many as usize;
            for row in rows.into_iter().take(many as usize) {
                let place = LogPosition { at: row.created_at, id: row.id.uuid() };
                if seen.len() == limit as usize {
                    break;
                }
                looked_at += 1;
                query.before = Some(place);
                if self.sees(&row) {
                    seen.push(row);
                }
            }
            if seen.len() == limit as usize || looked_at >= LOOKED_AT || !more {
                // Where the page is full, more may follow what was looked at last.
                let follows = more || !reader.approvals(&query, self.caller.now, 1).await?.is_empty();
                break query.before.filter(|_| follows);
            }
        };
        Ok((self.shown(&mut reader, seen).await?, next))
    }

    /// One.
    ///
    /// # Errors
    /// When there is none such for who asks.
    pub async fn read(&self, id: ApprovalId) -> Result<Shown> {
        self.reach.scoped(Permission::ViewApprovals)?;
        let mut reader = self.store.read(self.tenant);
        let found = reader.approval(id).await?.filter(|found| self.sees(found)).ok_or(Error::NotFound("approval"))?;
        self.show(&mut reader, found).await
    }

    /// What somebody has just asked for or decided, with all that is told of it: read in the transaction that wrote it.
    pub(super) async fn show(&self, reader: &mut Reader, approval: Approval) -> Result<Shown> {
        let shown = self.shown(reader, vec![approval]).await?.pop();
        shown.ok_or(Error::NotFound("approval"))
    }

    async fn shown(&self, reader: &mut Reader, approvals: Vec<Approval>) -> Result<Vec<Shown>> {
        let ids: Vec<_> = approvals.iter().map(|approval| approval.id).collect();
        let mut decisions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for decision in reader.approval_decisions(&ids).await? {
            decisions.entry(decision.approval_id).or_default().push(decision);
        }
        let events: Vec<_> = approvals.iter().map(|approval| approval.event_id).collect();
        let events: Vec<_> = events.into_iter().chain(decisions.values().flatten().map(|decision| decision.event_id)).collect();
        let values = read_personal(reader, self.sealer, &events).await?;
        let mut named: BTreeSet<_> =
            approvals.iter().flat_map(|approval| [approval.subject_login_id, approval.requester_login_id]).flatten().collect();
        named.extend(self.login());
        let names = self.names(reader, named).await?;
        let mut shown = Vec::with_capacity(approvals.len());
        for approval in approvals {
            let decisions = decisions.remove(&approval.id).unwrap_or_default();
            let state = approval.state_at(self.caller.now);
            let own = self.login().and_then(|login| names.get(&login)).map(|name| name.person_id);
            let may_decide = state == ApprovalState::Pending
                && own.is_some_and(|own| {
                    matches!(standing(own, &parties(&approval, &names), &decisions, self.places(&approval)), Standing::Approver(_))
                });
            let of_this = |event: &EventId| *event == approval.event_id || decisions.iter().any(|one| one.event_id == *event);
            shown.push(Shown {
                state,
                given: policy::given(&approval.needs, &decisions),
                names: names.clone(),
                values: values.iter().filter(|(event, _)| of_this(event)).map(|(event, values)| (*event, values.clone())).collect(),
                may_decide,
                decisions,
                approval,
            });
        }
        Ok(shown)
    }

    async fn names(&self, reader: &mut Reader, logins: BTreeSet<LoginId>) -> Result<BTreeMap<LoginId, LoginName>> {
        let names = reader.login_names(&logins.into_iter().collect::<Vec<_>>()).await?;
        Ok(names.into_iter().map(|name| (name.id, name)).collect())
    }

    /// The login that asks; a client has none.
    fn login(&self) -> Option<LoginId> {
        match self.caller.actor {
            Actor::Login { login } => Some(login),
            _ => None,
        }
    }

    /// Whether who asks may know of it: who asked for it, who may decide, and who may see approvals or people on the account.
    fn sees(&self, approval: &Approval) -> bool {
        let sees_people = self.login().is_some() && self.reach.allows(Permission::ViewPeople, approval.account_id);
        approval.requester == self.caller.actor
            || sees_people
            || self.reach.allows(Permission::ViewApprovals, approval.account_id)
            || !self.places(approval).is_empty()
    }

    /// The places of the needs of which who asks is an approver.
    fn places(&self, approval: &Approval) -> Vec<usize> {
        let Some(login) = self.login() else { return Vec::new() };
        let may = |need: &ApprovalNeed| match &need.approvers {
            Some(Approvers::Logins(logins)) => logins.contains(&login),
            Some(Approvers::Role(role)) => self.reach.holds(role, need.account),
            Some(Approvers::Assigners(role)) => {
                self.reach.may_assign(role, need.account) && self.reach.allows(Permission::ViewPeople, need.account)
            }
            None => self.reach.allows(Permission::ManageApprovals, need.account),
        };
        approval.needs.iter().enumerate().filter(|(_, need)| may(need)).map(|(place, _)| place).collect()
    }
}

/// Whom an approval is between: the persons then, and those that the logins are of now.
fn parties(approval: &Approval, names: &BTreeMap<LoginId, LoginName>) -> Parties {
    let now = |login: Option<LoginId>| login.and_then(|login| names.get(&login)).map(|name| name.person_id);
    Parties {
        requesters: [approval.requester_person_id, now(approval.requester_login_id)].into_iter().flatten().collect(),
        subjects: [approval.subject_person_id, now(approval.subject_login_id)].into_iter().flatten().collect(),
    }
}
