//! A login as pages show it: by what it signs in, and what it alone can do.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::me;
use super::super::pages::LoginCard;
use super::super::signin::can_sign_in;
use crate::app::App;
use crate::directory;
use crate::directory::access::Reach;
use crate::model::{Connection, Login, Session};
use crate::store::{LoginRow, Reader};

/// What is read once for several cards.
pub(super) struct Cards<'a> {
    app: &'a App,
    session: &'a Session,
    /// What rules are called.
    rules: BTreeMap<Uuid, String>,
}

impl<'a> Cards<'a> {
    pub(super) async fn new(app: &'a App, session: &'a Session, reader: &mut Reader) -> directory::Result<Self> {
        let rules = reader.rules().await?.into_iter().map(|rule| (rule.id.uuid(), rule.name)).collect();
        Ok(Self { app, session, rules })
    }

    /// A login, with what to call it beside another one.
    pub(super) async fn of(&self, reader: &mut Reader, row: LoginRow, name: Option<&str>) -> directory::Result<LoginCard> {
        let login = row.login;
        let reach = Reach::load(reader, login.id, &self.app.rules).await?;
        let connections = connections_of(reader, &login).await?.into_iter().map(|connection| connection.name).collect();
        let directory = match login.directory_id {
            Some(id) => reader.directory(id).await?.map(|directory| directory.name),
            None => None,
        };
        Ok(LoginCard {
            id: login.id.to_string(),
            login_name: name.map(ToOwned::to_owned),
            kind: login.kind,
            is_active: login.id == self.session.active_login_id,
            is_usable: login.is_usable(),
            connections,
            directory,
            signed_in_at: login.signed_in_at,
            accounts: reach.map(|reach| me::tree(&reach, &self.rules, None)).unwrap_or_default(),
            user_name: login.user_name,
        })
    }
}

/// The connections by which a login signs in: those that know it, else those of its directory.
pub(super) async fn connections_of(reader: &mut Reader, login: &Login) -> directory::Result<Vec<Connection>> {
    let mut ids = reader.connections_of_login(login.id).await?;
    if let (true, Some(directory)) = (ids.is_empty(), login.directory_id) {
        ids = reader.connections_of_directory(directory).await?;
    }
    if ids.is_empty() {
        ids.extend(login.connection_id);
    }
    let mut connections = Vec::new();
    for id in ids {
        connections.extend(reader.connection(id).await?.filter(can_sign_in));
    }
    Ok(connections)
}
