//! The command line: one binary, one subcommand for each thing an operator does. Without one it serves.
//!
//! `main` parses [`Arguments`] and calls [`run`]; each command loads the settings itself, because `doctor` has something to say
//! also where they are wrong.

mod audit;
pub mod bootstrap;
mod certificates;
pub mod demo;
pub mod doctor;
#[cfg(feature = "saml")]
mod doctor_saml;
pub mod manage;
pub mod serve;
mod signing_keys;
mod tokens;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::Settings;

/// Vestibule: the room between a customer's identity provider and a portal.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, about)]
pub struct Arguments {
    /// The configuration file; without one `./vestibule.toml`, if it is there.
    #[arg(long, global = true, env = "VESTIBULE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT (the default).
    Serve,
    /// Try Vestibule on this machine with a sample tenant, an identity provider and a SCIM client.
    Demo {
        /// The port of Vestibule's pages and its SCIM endpoint.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// The port of the sample identity provider.
        #[arg(long, default_value_t = 8081)]
        idp_port: u16,
        /// The port of the sample portal.
        #[arg(long, default_value_t = 8082)]
        portal_port: u16,
        /// Where the demo keeps its database; remove the folder to begin anew.
        #[arg(long, default_value = ".vestibule-demo", value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Bring the database's schema to this version.
    Migrate,
    /// Create what a file describes and is not there yet: tenants, connections, directories, rules, clients.
    Bootstrap {
        /// The TOML file that describes it.
        file: PathBuf,
    },
    /// Give somebody a role in the operator's name, such as the first administrator of a tenant.
    Appoint(manage::Appointee),
    /// Erase for good what the audit trail holds about somebody who has left.
    Erase(manage::Erasure),
    /// Look after role catalogues.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Look after the keys that sign what portals verify. They follow one another by themselves.
    #[command(subcommand)]
    SigningKeys(SigningKeysCommand),
    /// Look at the installation and say what is wrong and what to do.
    Doctor {
        /// Print one JSON object instead of lines.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        about: Option<DoctorCommand>,
    },
}

/// What `doctor` looks at by itself, because it takes long.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum DoctorCommand {
    /// Walk the chain over every tenant's audit trail, and say whether an event was changed or removed.
    Audit,
}

/// What can be done with signing keys.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum SigningKeysCommand {
    /// Have a new key sign from now on.
    Rotate {
        /// A former key is in wrong hands: forget them all, so that nothing that they signed is good any more.
        #[arg(long)]
        compromised: bool,
    },
}

/// What can be done with role catalogues.
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// Read a catalogue and say everything that is wrong with it, each with its line.
    Check {
        /// The TOML file; its name without the ending is what tenants call it.
        file: PathBuf,
    },
}

/// Runs the command. The error is for `main` to print, with its chain.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(arguments.config.as_deref(), std::env::vars_os());
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(settings?).await,
        Command::Doctor { json, about: Some(DoctorCommand::Audit) } => audit::audit(&settings?, json).await,
        Command::Doctor { json, about: None } => doctor::doctor(settings.as_ref(), json).await,
        // A catalogue is checked where it is written, which need not be where the service runs.
        Command::Catalogue(CatalogueCommand::Check { file }) => manage::check_catalogue(&file),
        Command::Appoint(appointee) => manage::appoint(settings?, &appointee).await,
        Command::Erase(erasure) => manage::erase(settings?, &erasure).await,
        Command::SigningKeys(SigningKeysCommand::Rotate { compromised }) => signing_keys::rotate(settings?, compromised).await,
        Command::Migrate => manage::migrate(settings?).await,
        Command::Bootstrap { file } => manage::bootstrap(settings?, &file).await,
        Command::Demo { port, idp_port, portal_port, folder } => {
            demo::run(demo::Ports { vestibule: port, idp: idp_port, portal: portal_port }, &folder).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_command_means_serve_and_the_file_may_stand_anywhere() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap();
        assert!(parse("vestibule --config v.toml").command.is_none());
        for line in ["vestibule doctor --json --config v.toml", "vestibule --config v.toml doctor --json"] {
            let arguments = parse(line);
            assert_eq!(arguments.config, Some("v.toml".into()));
            assert!(matches!(arguments.command, Some(Command::Doctor { json: true, about: None })));
        }
        for line in ["vestibule doctor audit --json", "vestibule doctor --json audit"] {
            assert!(matches!(parse(line).command, Some(Command::Doctor { json: true, about: Some(DoctorCommand::Audit) })));
        }
        assert!(Arguments::try_parse_from(["vestibule", "bootstrap"]).is_err());
    }
}
