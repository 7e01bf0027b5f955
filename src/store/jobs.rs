//! Jobs, and the logins whose roles are still to be computed anew.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{LogPosition, NEVER, Reader, Result, Writer, sql};
use crate::model::{AccountId, Actor, Job, JobId, LoginId};

macro_rules! job_columns {
    () => {
        "j.id, j.account_id, j.cause, j.target_id, j.actor, j.request_id, j.total, j.created_at, j.finished_at,
         (select count(*) from recomputations r where r.tenant_id = $1 and r.job_id = j.id) as remaining"
    };
}

/// A job to be made.
#[derive(Clone, Debug)]
pub struct NewJob<'a> {
    pub id: JobId,
    pub account: AccountId,
    /// The kind of the event that causes it.
    pub cause: &'a str,
    pub target: Uuid,
    pub actor: Actor,
    pub request_id: Option<&'a str>,
}

impl Reader {
    /// Those of these logins whose roles are still to be computed anew, each with the time since when.
    pub async fn waiting_logins(&mut self, logins: &[LoginId]) -> Result<BTreeMap<LoginId, DateTime<Utc>>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId, DateTime<Utc>)>(
                "select r.login_id, j.created_at from recomputations r join jobs j on j.id = r.job_id
                 where r.tenant_id = $1 and r.login_id in {ids $2}",
                Json(logins)
            )
        )?;
        Ok(rows.into_iter().collect())
    }

    /// Jobs that these accounts may see, before a place; newest first.
    pub async fn jobs(&mut self, accounts: &[AccountId], before: Option<LogPosition>, limit: u32) -> Result<Vec<Job>> {
        let before = before.unwrap_or(LogPosition { at: NEVER, id: Uuid::max() });
        sql!(
            self,
            fetch_all::<Job>(
                concat!(
                    "select ",
                    job_columns!(),
                    " from jobs j where j.tenant_id = $1 and (j.created_at, j.id) < ($2, $3) and j.account_id in {ids $4}
                     order by j.created_at desc, j.id desc limit $5"
                ),
                before.at,
                before.id,
                Json(accounts),
                i64::from(limit)
            )
        )
    }

    /// A job of the tenant.
    pub async fn job(&mut self, id: JobId) -> Result<Option<Job>> {
        sql!(
            self,
            fetch_optional::<Job>(concat!("select ", job_columns!(), " from jobs j where j.tenant_id = $1 and j.id = $2"), id)
        )
    }

    /// The oldest job that is not finished.
    pub async fn open_job(&mut self) -> Result<Option<Job>> {
        sql!(
            self,
            fetch_optional::<Job>(concat!(
                "select ",
                job_columns!(),
                " from jobs j where j.tenant_id = $1 and j.finished_at is null order by j.created_at, j.id limit 1"
            ))
        )
    }

    /// The next logins of a job, by id.
    pub async fn logins_of_job(&mut self, job: JobId, limit: i64) -> Result<Vec<LoginId>> {
        let rows = sql!(
            self,
            fetch_all::<(LoginId,)>(
                "select login_id from recomputations where tenant_id = $1 and job_id = $2 order by login_id limit $3",
                job,
                limit
            )
        )?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}

impl Writer {
    /// Makes a job with no logins yet.
    pub async fn insert_job(&mut self, new: &NewJob<'_>, now: DateTime<Utc>) -> Result<()> {
        sql!(
            self,
            execute(
                "insert into jobs (tenant_id, id, account_id, cause, target_id, actor, request_id, total, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7, 0, $8)",
                new.id,
                new.account,
                new.cause,
                new.target,
                Json(new.actor),
                new.request_id,
                now
            )
        )?;
        Ok(())
    }

    /// Puts every login of the tenant into a job. Those that wait for another go over to this one.
    pub async fn await_everybody(&mut self, job: JobId) -> Result<()> {
        let total = sql!(
            self,
            execute(
                "insert into recomputations (tenant_id, login_id, job_id)
                 select tenant_id, id, $2 from logins where tenant_id = $1 order by id
                 on conflict (login_id) do update set job_id = excluded.job_id",
                job
            )
        )?;
        self.add_to_job(job, total).await
    }

    /// Puts these logins, which exist, into a job. Those that wait for another go over to this one.
    pub async fn await_logins(&mut self, job: JobId, logins: &[LoginId]) -> Result<()> {
        let total = sql!(
            self,
            execute(
                "insert into recomputations (tenant_id, login_id, job_id)
                 select tenant_id, id, $2 from logins where tenant_id = $1 and id in {ids $3} order by id
                 on conflict (login_id) do update set job_id = excluded.job_id",
                job,
                Json(logins)
            )
        )?;
        self.add_to_job(job, total).await
    }

    async fn add_to_job(&mut self, job: JobId, more: u64) -> Result<()> {
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        sql!(self, execute("update jobs set total = total + $3 where tenant_id = $1 and id = $2", job, more))?;
        Ok(())
    }

    /// These logins wait no longer.
    pub async fn settle_logins(&mut self, logins: &[LoginId]) -> Result<()> {
        sql!(self, execute("delete from recomputations where tenant_id = $1 and login_id in {ids $2}", Json(logins)))?;
        Ok(())
    }

    /// A job has no logins left.
    pub async fn finish_job(&mut self, job: JobId, now: DateTime<Utc>) -> Result<()> {
        sql!(self, execute("update jobs set finished_at = $3 where tenant_id = $1 and id = $2 and finished_at is null", job, now))?;
        Ok(())
    }
}
