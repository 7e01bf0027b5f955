//! Connections, as administrators look after them: switched off and on again, and, those by SAML, made and kept going.

pub mod certificates;
mod change;
mod hand;
pub mod keys;
mod proposal;
mod ready;
mod saml;
pub mod schedule;
mod take;

use serde_json::json;

pub use self::change::{SamlChange, with_settings};
pub use self::keys::{OurKey, our_keys};
pub use self::proposal::Proposal;
pub use self::ready::{Missing, missing};
pub use self::saml::{ConnectionView, NewSaml, SamlConnections};
use self::saml::{may_change, refuse_missing};
pub use self::take::Came;
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
    /// The connections that who asks may see, by name.
    ///
    /// # Errors
    /// When they are a client without a scope for that.
    pub async fn list(&self) -> Result<Vec<Connection>> {
        self.reach.scoped(Permission::ViewDirectories)?;
        let mut connections = self.store.read(self.tenant).connections().await?;
        connections.retain(|connection| self.reach.allows(Permission::ViewDirectories, connection.home_account_id));
        Ok(connections)
    }

    /// A connection with all that administrators see of it, and whether who asks may change it.
    ///
    /// # Errors
    /// When they may not see it.
    pub async fn read(&self, id: ConnectionId) -> Result<(ConnectionView, bool)> {
        self.reach.scoped(Permission::ViewDirectories)?;
        let mut reader = self.store.read(self.tenant);
        let connection = reader.connection(id).await?.ok_or(Error::NotFound("connection"))?;
        if !self.reach.allows(Permission::ViewDirectories, connection.home_account_id) {
            return Err(Error::NotFound("connection"));
        }
        let can_change = self.reach.allows(Permission::ManageDirectories, connection.home_account_id);
        Ok((ConnectionView::load(&mut reader, connection, self.caller.now).await?, can_change))
    }

    /// Refuses who may not change a connection, or try it out.
    ///
    /// # Errors
    /// When they may not, or may not see it.
    pub async fn may_change(&self, id: ConnectionId) -> Result<()> {
        let connection = self.store.read(self.tenant).connection(id).await?.ok_or(Error::NotFound("connection"))?;
        may_change(self.reach, &connection)
    }

    /// Switches a connection off: nobody signs in by it, and whoever did is signed in no longer, at once. Or on again. Once is enough.
    ///
    /// # Errors
    /// When who asks may not change it, or it is a draft, which somebody has to finish first; the text says what is missing.
    pub async fn switch(&self, id: ConnectionId, on: bool) -> Result<Connection> {
        self.reach.scoped(Permission::ManageDirectories)?;
        let state = if on { ConnectionState::Enabled } else { ConnectionState::Disabled };
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let before = writer.connection_for_update(id).await?.ok_or(Error::NotFound("connection"))?;
            may_change(self.reach, &before)?;
            if before.state == state {
                return Ok(before);
            }
            match before.saml() {
                // Without a certificate nobody could sign in by it, or anybody.
                Some(settings) if on => {
                    let rows = writer.certificates_of_connection(id).await?;
                    refuse_missing(&missing(&before.issuer, settings, &rows, self.caller.now))?;
                }
                _ if before.state == ConnectionState::Draft => {
                    return Err(Error::Conflict("the connection is a draft, which nobody signs in by".to_owned()));
                }
                _ => {}
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
