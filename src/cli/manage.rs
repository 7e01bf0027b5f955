//! `vestibule migrate`, `bootstrap`, `appoint`, `erase` and `catalogue`: what an operator runs beside `serve`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::bootstrap;
use crate::app::{self, App};
use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::appoint::{self, Appointment};
use crate::directory::catalogue::Catalogue;
use crate::directory::{Caller, erase_person_key};
use crate::model::{Actor, PersonId};
use crate::scim::fold::fold;
use crate::store::MigrationState;

/// Brings the database's schema to this version. Several at once are safe: they wait for one another.
///
/// # Errors
/// When the database does not answer, or is a newer program's.
pub async fn migrate(settings: Settings) -> anyhow::Result<ExitCode> {
    let store = app::open(&settings).await?;
    let before = store.migration_state().await.context("cannot read the state of the database's schema")?;
    store.migrate().await.context("cannot bring the database's schema to this version")?;
    store.close().await;
    writeln!(
        std::io::stdout(),
        "{}: {}",
        settings.database.url,
        match before {
            MigrationState::Current => "the schema was at this version already",
            MigrationState::Ahead(_) => "the schema is a newer program's, and stays so: this one can work with it",
            _ => "the schema is at this version now",
        }
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Makes what a file describes and is not there yet.
///
/// # Errors
/// When the file cannot be read, or something in it cannot be made.
pub async fn bootstrap(settings: Settings, file: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let described = bootstrap::parse(&text).with_context(|| format!("cannot use {}", file.display()))?;
    let app = App::build(settings, Clock::system()).await?;
    let report =
        bootstrap::apply(&app, &described).await.with_context(|| format!("cannot make what {} describes", file.display()))?;
    app.store.close().await;
    write!(std::io::stdout(), "{report}")?;
    Ok(ExitCode::SUCCESS)
}

/// Whom the operator gives a role, and which.
#[derive(Debug, clap::Args)]
pub struct Appointee {
    /// The tenant's slug.
    #[arg(long)]
    pub tenant: String,
    /// The slug of the directory, or of the connection, that the login comes from.
    #[arg(long)]
    pub from: String,
    /// Its user name there.
    #[arg(long)]
    pub user_name: String,
    /// The key of a role of the tenant's catalogue.
    #[arg(long)]
    pub role: String,
    /// The account, as slugs from the root down, such as bluesky/emea; the root unless said.
    #[arg(long)]
    pub account: Option<String>,
}

/// Gives somebody a role in the operator's name.
///
/// # Errors
/// When there is no such tenant, login, account or role, or the role cannot be given there.
pub async fn appoint(settings: Settings, appointee: &Appointee) -> anyhow::Result<ExitCode> {
    let app = App::build(settings, Clock::system()).await?;
    let Appointee { tenant: slug, from, user_name, role, account } = appointee;
    let tenant = app.store.doors().tenant_by_slug(slug).await?.with_context(|| format!("there is no tenant {slug:?}"))?;
    let catalogue =
        app.catalogue(&tenant.catalogue).with_context(|| format!("there is no role catalogue {:?}", tenant.catalogue))?;
    let mut reader = app.store.read(tenant.id);
    let directories = reader.directories().await?.into_iter().map(|directory| (directory.slug, directory.id.uuid()));
    let connections = reader.connections().await?.into_iter().map(|connection| (connection.slug, connection.id.uuid()));
    let namespaces: Vec<_> = directories.chain(connections).filter(|(slug, _)| slug == from).map(|(_, id)| id).collect();
    if namespaces.is_empty() {
        bail!("the tenant {slug:?} has no directory or connection {from:?}");
    }
    let mut login = None;
    for namespace in namespaces {
        login = login.or(reader.login_named(namespace, &fold(user_name)).await?);
    }
    let login = login.with_context(|| format!("{from:?} has no login {user_name:?}"))?;
    let caller = Caller { actor: Actor::Operator, now: app.clock.now(), request_id: None };
    let appointment = Appointment { login, account: account.as_deref(), role };
    let (held, is_new) = appoint::appoint(&app.store, tenant.id, catalogue, &appointment, caller).await?;
    app.store.close().await;
    let how = if is_new { "is given" } else { "had before" };
    writeln!(std::io::stdout(), "{user_name} {how} the role {role} on the account {}", held.account_id)?;
    Ok(ExitCode::SUCCESS)
}

/// Whose personal values the operator erases.
#[derive(Debug, clap::Args)]
pub struct Erasure {
    /// The tenant's slug.
    #[arg(long)]
    pub tenant: String,
    /// The id of the person, as events tell it.
    pub person: String,
}

/// Destroys the key of what the audit trail holds about a person. They must have no login any more.
///
/// # Errors
/// When there is no such tenant or person, or they have a login.
pub async fn erase(settings: Settings, Erasure { tenant: slug, person }: &Erasure) -> anyhow::Result<ExitCode> {
    let app = App::build(settings, Clock::system()).await?;
    let tenant = app.store.doors().tenant_by_slug(slug).await?.with_context(|| format!("there is no tenant {slug:?}"))?;
    let id: PersonId = person.parse().with_context(|| format!("{person:?} is not the id of a person"))?;
    let caller = Caller { actor: Actor::Operator, now: app.clock.now(), request_id: None };
    let erased = erase_person_key(&app.store, tenant.id, id, caller).await.with_context(|| format!("cannot erase {person}"))?;
    app.store.close().await;
    let what = if erased { "what the audit trail held about them is erased" } else { "the audit trail held nothing about them" };
    writeln!(std::io::stdout(), "{person}: {what}")?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a catalogue and says everything that is wrong with it.
///
/// # Errors
/// When the file cannot be read.
pub fn check_catalogue(file: &Path) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let slug = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut out = std::io::stdout();
    match Catalogue::parse(&slug, &text) {
        Ok(catalogue) => {
            let Catalogue { roles, services, sets, .. } = &catalogue;
            let counts = [(roles.len(), "roles"), (services.len(), "services"), (sets.len(), "exclusive sets")];
            let counts: Vec<_> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
            writeln!(out, "{}: {:?} is a catalogue: {}", file.display(), catalogue.name, counts.join(", "))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            writeln!(out, "{faults}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}
