//! Sessions, as their person sees and ends them, and as administrators do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::access::{Permission, Reach};
use super::ending::{Reason, end_one};
use super::people::People;
use super::{Caller, Error, Result};
use crate::model::{EventKind, LoginId, PersonId, Session, SessionId, SessionLimits, TenantId, TenantLimits};
use crate::store::{Reader, SessionRow, Store, retry};

/// A session that lives, and the portals that were given something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    pub row: SessionRow,
    /// By name.
    pub portals: BTreeSet<String>,
}

/// The sessions of a person that live, the one used last first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn of_person(
    reader: &mut Reader,
    person: PersonId,
    service: SessionLimits,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<SessionView>> {
    let limits = service.narrowed(reader.session_limits().await?);
    let mut portals: BTreeMap<SessionId, BTreeSet<String>> = BTreeMap::new();
    for (session, name) in reader.portals_of_sessions(person).await? {
        portals.entry(session).or_default().insert(name);
    }
    let mut views: Vec<_> = reader
        .live_sessions(person)
        .await?
        .into_iter()
        .filter_map(|row| {
            let expires_at = limits.end(row.created_at, row.last_seen_at, row.expires_at, now)?;
            Some(SessionView { portals: portals.remove(&row.id).unwrap_or_default(), row: SessionRow { expires_at, ..row } })
        })
        .collect();
    views.sort_by_key(|view| std::cmp::Reverse((view.row.last_seen_at, view.row.id)));
    Ok(views)
}

/// Ends another session of the same person, or with `None` all others. Answers how many there were. The one that asks goes on: to end that is
/// to sign out.
///
/// # Errors
/// When the database cannot be written.
pub async fn end_others(store: &Store, caller: Caller<'_>, own: &Session, only: Option<SessionId>) -> Result<u64> {
    retry(|| async {
        let mut writer = store.write(own.tenant_id).await?;
        let mut ended = 0;
        for row in writer.live_sessions(own.person_id).await? {
            if row.id != own.id && only.is_none_or(|only| only == row.id) {
                ended += u64::from(end_one(&mut writer, caller, row.id, row.active_login_id, Reason::ByPerson).await?);
            }
        }
        writer.commit().await?;
        Ok(ended)
    })
    .await
}

impl People<'_> {
    /// The sessions in which a login is the active one.
    ///
    /// # Errors
    /// When who asks does not look after the login.
    pub async fn sessions(&self, login: LoginId, service: SessionLimits) -> Result<Vec<SessionView>> {
        let mut reader = self.store.read(self.tenant);
        let login = reader.any_login(login).await?.ok_or(Error::NotFound("login"))?.login;
        self.managed(&mut reader, &login).await?;
        let found = of_person(&mut reader, login.person_id, service, self.caller.now).await?;
        Ok(found.into_iter().filter(|view| view.row.active_login_id == login.id).collect())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When who asks may not deactivate the login that is active in it, or it is the one that they ask by.
    pub async fn end_session(&self, id: SessionId, own: Option<SessionId>) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let login = writer.login_of_session(id).await?.ok_or(Error::NotFound("session"))?;
            let login = writer.any_login_for_update(login).await?.ok_or(Error::NotFound("session"))?.login;
            match self.ruled(&mut writer, &login).await {
                Err(Error::NotFound(_)) => return Err(Error::NotFound("session")),
                other => drop(other?),
            }
            if own == Some(id) {
                return Err(Error::Conflict("this is the session that you use; sign out instead".to_owned()));
            }
            end_one(&mut writer, self.caller, id, login.id, Reason::ByAdministrator).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }
}

/// The shortest and the longest limit that a tenant may set, in minutes.
const MINUTES: std::ops::RangeInclusive<i64> = 1..=525_600;

/// How long sessions of a tenant last: what it says, and what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    pub tenant: TenantLimits,
    pub effective: SessionLimits,
}

/// How long sessions of the tenant last.
///
/// # Errors
/// When who asks is no administrator of the whole tenant.
pub async fn limits(store: &Store, tenant: TenantId, reach: &Reach, service: SessionLimits) -> Result<SessionTimes> {
    reach.needs(Permission::ManagePeople, reach.tree().root()?.id)?;
    let tenant = store.read(tenant).session_limits().await?;
    Ok(SessionTimes { tenant, effective: service.narrowed(tenant) })
}

/// Says how long sessions of the tenant last, those that have begun among them. What is longer than the service's own counts for nothing.
///
/// # Errors
/// When who asks is no administrator of the whole tenant, or a limit is none.
pub async fn set_limits(
    store: &Store,
    tenant: TenantId,
    reach: &Reach,
    caller: Caller<'_>,
    limits: TenantLimits,
    service: SessionLimits,
) -> Result<SessionTimes> {
    reach.needs(Permission::ManagePeople, reach.tree().root()?.id)?;
    write_limits(store, tenant, caller, limits).await?;
    Ok(SessionTimes { tenant: limits, effective: service.narrowed(limits) })
}

/// The same, for whoever may.
pub(super) async fn write_limits(store: &Store, tenant: TenantId, caller: Caller<'_>, limits: TenantLimits) -> Result<()> {
    for (name, limit) in [("idle", limits.session_idle), ("absolute", limits.session_absolute)] {
        if limit.is_some_and(|limit| !MINUTES.contains(&limit)) {
            let (least, most) = (MINUTES.start(), MINUTES.end());
            return Err(Error::Invalid(format!("{name}: {least} to {most} minutes, or null for as long as the service allows")));
        }
    }
    retry(|| async {
        let mut writer = store.write(tenant).await?;
        let before = writer.session_limits().await?;
        if before == limits {
            return Ok(());
        }
        writer.set_session_limits(limits).await?;
        let event = caller.event(EventKind::TenantChanged, tenant.uuid(), json!({ "before": before, "after": limits }));
        writer.record(&[event], caller.request_id).await?;
        writer.commit().await?;
        Ok(())
    })
    .await
}
