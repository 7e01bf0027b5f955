//! Word to portals that sessions are over: which of them wait, whosever they are; and what became of one.

use chrono::{DateTime, Utc};

use super::{Doors, Result, Writer, door, sql};
use crate::model::{ClientId, LoginId, Sid, TenantId};

/// A portal that is to be told something.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ToldPortal {
    pub id: ClientId,
    pub client_id: String,
    pub backchannel_logout_uri: String,
}

/// Something that a portal is to be told, taken until an instant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeliveryRow {
    pub tenant_id: TenantId,
    pub client_id: ClientId,
    pub sid: Sid,
    pub login_id: LoginId,
    pub created_at: DateTime<Utc>,
    /// How often it was tried before.
    pub attempts: i64,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The portal knows.
    Yes,
    /// It is tried again then, because of this.
    Later(DateTime<Utc>, String),
    /// It is given up, because of this.
    Never(String),
}

impl Doors {
    /// The portals that are to be told something now. `operator` is the tenant that they belong to.
    pub async fn portals_to_tell(&mut self, operator: TenantId, now: DateTime<Utc>) -> Result<Vec<ToldPortal>> {
        door!(
            self,
            fetch_all::<ToldPortal>(
                "select c.id, c.client_id, c.backchannel_logout_uri from clients c
                 where c.tenant_id = $1 and c.backchannel_logout_uri is not null and c.revoked_at is null
                   and exists (select 1 from deliveries d where d.client_id = c.id and d.due_at <= $2
                     and d.delivered_at is null and d.failed_at is null and (d.leased_until is null or d.leased_until <= $2))",
                operator,
                now
            )
        )
    }

    /// Since when the oldest waits of what portals are still to be told.
    pub async fn oldest_delivery(&mut self) -> Result<Option<DateTime<Utc>>> {
        let row = door!(
            self,
            fetch_optional::<(DateTime<Utc>,)>(
                "select created_at from deliveries where delivered_at is null and failed_at is null order by created_at limit 1"
            )
        )?;
        Ok(row.map(|(created_at,)| created_at))
    }
}

impl Writer {
    /// Takes some of what a portal is to be told now. Nobody else has it until `until`.
    pub async fn take_deliveries(
        &mut self,
        portal: ClientId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>> {
        let rows = door!(
            self,
            fetch_all::<DeliveryRow>(
                "select tenant_id, client_id, sid, login_id, created_at, attempts from deliveries
                 where client_id = $1 and due_at <= $2 and delivered_at is null and failed_at is null
                   and (leased_until is null or leased_until <= $2)
                 order by due_at limit $3 {for update skip locked}",
                portal,
                now,
                i64::from(limit)
            )
        )?;
        for row in &rows {
            door!(
                self,
                execute(
                    "update deliveries set leased_until = $4, attempts = attempts + 1 where tenant_id = $1 and client_id = $2 and sid = $3",
                    row.tenant_id,
                    row.client_id,
                    row.sid,
                    until
                )
            )?;
        }
        Ok(rows)
    }

    /// Writes down what became of an attempt. Answers false when whoever tried had it no longer.
    pub async fn finish_delivery(
        &mut self,
        delivery: &DeliveryRow,
        until: DateTime<Utc>,
        became: &Delivered,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let (due_at, error, delivered_at, failed_at) = match became {
            Delivered::Yes => (now, None, Some(now), None),
            Delivered::Later(due_at, why) => (*due_at, Some(why), None, None),
            Delivered::Never(why) => (now, Some(why), None, Some(now)),
        };
        let written = sql!(
            self,
            execute(
                "update deliveries set leased_until = null, due_at = $5, last_error = $6, delivered_at = $7, failed_at = $8
                 where tenant_id = $1 and client_id = $2 and sid = $3 and leased_until = $4 and delivered_at is null",
                delivery.client_id,
                delivery.sid,
                until,
                due_at,
                error,
                delivered_at,
                failed_at
            )
        )?;
        Ok(written == 1)
    }

    /// Gives up, everywhere, what has waited since before an instant: for portals that are to be told nothing any more.
    pub async fn give_up_deliveries(&mut self, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64> {
        door!(
            self,
            execute(
                "update deliveries set failed_at = $2, leased_until = null
                 where delivered_at is null and failed_at is null and created_at < $1",
                before,
                now
            )
        )
    }

    /// Removes, everywhere, some of what was delivered or given up before an instant. Answers how many.
    pub async fn purge_deliveries(&mut self, delivered: DateTime<Utc>, failed: DateTime<Utc>, limit: u32) -> Result<u64> {
        let first = door!(
            self,
            execute(
                "delete from deliveries where (tenant_id, client_id, sid) in (
                   select tenant_id, client_id, sid from deliveries where delivered_at < $1 order by delivered_at limit $2)",
                delivered,
                i64::from(limit)
            )
        )?;
        let second = door!(
            self,
            execute(
                "delete from deliveries where (tenant_id, client_id, sid) in (
                   select tenant_id, client_id, sid from deliveries where failed_at < $1 order by failed_at limit $2)",
                failed,
                i64::from(limit)
            )
        )?;
        Ok(first.max(second))
    }
}
