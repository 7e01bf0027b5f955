//! Connections, as administrators switch them off and on again.

use serde_json::json;

use super::access::{Permission, Reach};
use super::ending::end_connection;
use super::{Caller, Error, Result};
use crate::model::{Connection, ConnectionId, ConnectionState, EventKind, TenantId};
use crate::store::{Store, retry};

/// The connections of a tenant, and who asks with what they may do.
#[derive(Clone, Copy, Debug)]
pub struct Connections<'a> {
    pub store: &'a Store,
    pub tenant: TenantId,
    pub reach: &'a Reach,
    pub caller: Caller<'a>,
}

impl Connections<'_> {
    /// Switches a connection off: nobody signs in by it, and whoever did is signed in no longer, at once. Or on again. Once is enough.
    ///
    /// # Errors
    /// When who asks may not change it, or it is a draft, which somebody has to finish first.
    pub async fn switch(&self, id: ConnectionId, on: bool) -> Result<Connection> {
        self.reach.scoped(Permission::ManageDirectories)?;
        let state = if on { ConnectionState::Enabled } else { ConnectionState::Disabled };
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let before = writer.connection_for_update(id).await?.ok_or(Error::NotFound("connection"))?;
            if !self.reach.allows(Permission::ViewDirectories, before.home_account_id) {
                return Err(Error::NotFound("connection"));
            }
            if !self.reach.allows(Permission::ManageDirectories, before.home_account_id) {
                let text = format!("this needs {} on the connection's account", Permission::ManageDirectories.as_str());
                return Err(Error::Forbidden(text));
            }
            if before.state == state {
                return Ok(before);
            }
            if before.state == ConnectionState::Draft {
                return Err(Error::Conflict("the connection is a draft, which nobody signs in by".to_owned()));
            }
            writer.set_connection_state(id, state, self.caller.now).await?;
            // Either way: a sign-in that was under way while it was off counts no more than one from before.
            end_connection(&mut writer, id, self.caller.now).await?;
            let details = json!({ "before": { "state": before.state }, "after": { "state": state } });
            let event = self.caller.event(EventKind::ConnectionChanged, id.uuid(), details).at(before.home_account_id);
            writer.record(&[event], self.caller.request_id).await?;
            writer.commit().await?;
            Ok(Connection { state, ..before })
        })
        .await
    }
}
