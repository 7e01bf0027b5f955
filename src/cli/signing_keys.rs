//! `vestibule signing-keys`: the keys that sign what portals verify, looked after by hand. They follow one another by themselves.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::app::App;
use crate::clock::Clock;
use crate::config::Settings;
use crate::directory::Caller;
use crate::model::Actor;

/// Has a new key sign from now on. Where a former one is in wrong hands, whatever was signed until now is refused from now on.
///
/// # Errors
/// When the database cannot be written.
pub(super) async fn rotate(settings: Settings, is_compromised: bool) -> anyhow::Result<ExitCode> {
    let app = App::build(settings, Clock::system()).await?;
    let caller = Caller { actor: Actor::Operator, now: app.clock.now(), request_id: None };
    let id = app.signing.replace(is_compromised, caller).await.context("cannot make a signing key")?;
    app.store.close().await;
    let former = if is_compromised {
        "the former keys are forgotten: every access token until now is refused, and portals get new ones by their refresh tokens"
    } else {
        "the former keys stay published until what they signed is over"
    };
    writeln!(std::io::stdout(), "the key {id} signs from now on; {former}")?;
    Ok(ExitCode::SUCCESS)
}
