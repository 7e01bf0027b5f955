//! `vestibule migrate` and `vestibule bootstrap`: what an operator runs beside `serve`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::bootstrap;
use crate::app::{self, App};
use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::catalogue::Catalogue;

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
            crate::store::MigrationState::Current => "the schema was at this version already",
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
