//! Approval policies, what waits, and who decided what.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sqlx::error::ErrorKind;
use vestibule::model::{
    Actor, Approval, ApprovalDecision, ApprovalId, ApprovalNeed, ApprovalPolicy, ApprovalPolicyId, ApprovalState, Approvers,
    EventId, LoginId, PersonId, PolicyBody, Requested, Verdict,
};
use vestibule::store::{ApprovalQuery, LogPosition};

use super::{Ground, House, born, later, now, raw};
use crate::support::world::on_every_engine;

fn policy(house: &House, name: &str) -> ApprovalPolicy {
    let body = PolicyBody {
        trigger: "order".to_owned(),
        roles: BTreeSet::new(),
        threshold: Some(i64::MAX),
        approvers: Some(Approvers::Role("administrator".to_owned())),
        needed: 2,
    };
    ApprovalPolicy { id: ApprovalPolicyId::new(born()), account: house.emea, name: name.to_owned(), body, version: 1 }
}

fn approval(house: &House, subject: LoginId, minute: i64) -> Approval {
    let need = ApprovalNeed { policy: None, name: "access".to_owned(), account: house.emea, approvers: None, needed: 1 };
    Approval {
        id: ApprovalId::new(born()),
        account_id: house.emea,
        occasion: "access".to_owned(),
        state: ApprovalState::Pending,
        subject_login_id: Some(subject),
        subject_person_id: Some(PersonId::new(now())),
        requester: Actor::Login { login: subject },
        requester_login_id: Some(subject),
        requester_person_id: None,
        content: Requested::Access { role: "administrator".to_owned(), login: None },
        needs: vec![need],
        failure: None,
        event_id: EventId::new(born()),
        created_at: later(minute),
        expires_at: later(minute + 60),
        settled_at: None,
    }
}

on_every_engine! {
    async fn policies_are_kept_account_by_account_and_their_names_are_unique_there(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let (large, small) = (policy(&house, "Large"), policy(&house, "All"));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_approval_policy(&large, now()).await.unwrap();
        writer.insert_approval_policy(&small, now()).await.unwrap();
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.approval_policies(&[house.root, house.emea]).await.unwrap(), [small.clone(), large.clone()]);
        assert_eq!(reader.approval_policies(&[house.root]).await.unwrap(), []);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.insert_approval_policy(&policy(&house, "Large"), now()).await.is_err());
        drop(writer);
        // Another tenant sees none of it, and changes none.
        let mut foreign = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(foreign.approval_policy(large.id).await.unwrap(), None);
        foreign.delete_approval_policy(large.id).await.unwrap();
        foreign.update_approval_policy(&ApprovalPolicy { name: "theirs".to_owned(), ..large.clone() }, now()).await.unwrap();
        foreign.commit().await.unwrap();
        let mut foreign = ground.store.write(other.tenant).await.unwrap();
        assert!(foreign.insert_approval_policy(&policy(&house, "Foreign"), now()).await.is_err(), "an account of another tenant");
        drop(foreign);
        let after = ApprovalPolicy { name: "Larger".to_owned(), body: PolicyBody { threshold: None, approvers: None, ..large.body.clone() }, version: 2, ..large.clone() };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.update_approval_policy(&after, later(1)).await.unwrap();
        assert_eq!(writer.approval_policy(large.id).await.unwrap(), Some(after));
        writer.delete_approval_policy(large.id).await.unwrap();
        assert_eq!(writer.approval_policies(&[house.emea]).await.unwrap(), [small]);
    }

    async fn what_waits_is_listed_newest_first_and_settled_once(engine) {
        let ground = Ground::fresh(engine).await;
        let (house, other) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let joe = house.login(&ground.store, "joe").await;
        let all: Vec<_> = [0, 1, 1, 2].map(|minute| approval(&house, joe, minute)).into_iter().collect();
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        for approval in &all {
            writer.insert_approval(approval).await.unwrap();
        }
        writer.commit().await.unwrap();
        let newest: Vec<_> = all.iter().rev().cloned().collect();
        let mut reader = ground.store.read(house.tenant);
        assert_eq!(reader.approvals(&ApprovalQuery::default(), now(), 10).await.unwrap(), newest);
        let before = Some(LogPosition { at: newest[1].created_at, id: newest[1].id.uuid() });
        assert_eq!(reader.approvals(&ApprovalQuery { before, ..ApprovalQuery::default() }, now(), 1).await.unwrap(), newest[2..3]);
        // The first has expired.
        let at = later(60) + TimeDelta::seconds(1);
        for (state, expected) in [(ApprovalState::Pending, &newest[..3]), (ApprovalState::Expired, &newest[3..]), (ApprovalState::Failed, &[])] {
            let query = ApprovalQuery { state: Some(state), account: Some(house.emea), before: None };
            assert_eq!(reader.approvals(&query, at, 10).await.unwrap(), expected, "{state:?}");
            let elsewhere = ApprovalQuery { account: Some(house.root), ..query };
            assert_eq!(reader.approvals(&elsewhere, at, 10).await.unwrap(), []);
        }
        assert_eq!(reader.waiting_approvals(joe, house.emea).await.unwrap(), all);
        assert_eq!(reader.waiting_approvals(joe, house.root).await.unwrap(), []);
        let mut foreign = ground.store.write(other.tenant).await.unwrap();
        assert_eq!(foreign.approval(all[0].id).await.unwrap(), None);
        assert_eq!(foreign.approval_for_update(all[0].id).await.unwrap(), None);
        assert_eq!(foreign.approvals(&ApprovalQuery::default(), now(), 10).await.unwrap(), []);
        assert!(foreign.insert_approval(&approval(&house, joe, 3)).await.is_err(), "an account of another tenant");
        drop(foreign);

        let settled = Approval { state: ApprovalState::Failed, failure: Some("gone".to_owned()), settled_at: Some(later(5)), ..all[0].clone() };
        let decision = ApprovalDecision {
            approval_id: settled.id,
            login_id: joe,
            person_id: PersonId::new(now()),
            verdict: Verdict::Approve,
            counts_for: vec![0],
            event_id: EventId::new(born()),
            decided_at: later(5),
        };
        let mut foreign = ground.store.write(other.tenant).await.unwrap();
        assert!(foreign.settle_approval(&settled).await.unwrap_err().is_race());
        assert!(foreign.insert_approval_decision(&decision).await.is_err(), "an approval of another tenant");
        drop(foreign);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert_eq!(writer.approval_for_update(settled.id).await.unwrap(), Some(all[0].clone()));
        writer.insert_approval_decision(&decision).await.unwrap();
        writer.settle_approval(&settled).await.unwrap();
        assert!(writer.settle_approval(&settled).await.unwrap_err().is_race(), "an approval is settled once");
        assert_eq!(writer.approval(settled.id).await.unwrap(), Some(settled.clone()));
        assert_eq!(writer.approval_decisions(&[settled.id, all[1].id]).await.unwrap(), std::slice::from_ref(&decision));
        assert_eq!(writer.waiting_approvals(joe, house.emea).await.unwrap(), all[1..]);
        writer.commit().await.unwrap();
        assert_eq!(ground.store.read(other.tenant).approval_decisions(&[settled.id]).await.unwrap(), []);
        // A person decides once, and what waits has no end.
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        assert!(writer.insert_approval_decision(&ApprovalDecision { login_id: LoginId::new(now()), ..decision }).await.is_err());
        drop(writer);
        for text in ["update approvals set state = 'pending' where state = 'failed'", "update approvals set state = 'done'", "update approvals set settled_at = created_at where state = 'pending'"] {
            let refused = raw!(ground.store, text).unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().kind(), ErrorKind::CheckViolation, "{text}");
        }
    }
}
