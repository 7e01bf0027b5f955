//! `vestibule bootstrap FILE`: makes what a TOML file describes and is not there yet, and prints what the two sides have to be told.
//!
//! It never changes what is there, even where the file says otherwise: somebody may have changed it since. Secrets come by value,
//! from a file or from the environment; a directory's token that the file leaves out is made and shown once.

mod file;
#[cfg(feature = "saml")]
mod saml;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;

pub use self::file::File;
use self::file::{Client, Connection, Directory, Grant, Machine, SecretSource, Tenant};
use crate::app::App;
use crate::directory::Caller;
use crate::directory::clients::{ClientSpec, Clients};
use crate::directory::manage::{ConnectionSpec, DirectorySpec, Manage, RuleSpec};
use crate::directory::portals::{self, PortalSpec};
use crate::directory::tokens::{TokenSpec, Tokens};
use crate::keys::PlainToken;
use crate::model::TenantLimits;
use crate::model::{
    Actor, Binding, ConnectionId, DirectoryId, DirectorySettings, OidcSettings, RuleOrigin, TenantId, TokenEndpointAuthMethod,
};

/// What was made, for people to read. Tokens in it are shown here and never again.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<String>,
    /// How many things were made.
    pub made: usize,
    /// The directories' endpoints, by tenant and slug.
    pub directories: BTreeMap<(String, String), DirectoryId>,
    /// The connections, by tenant and slug.
    pub connections: BTreeMap<(String, String), ConnectionId>,
}

impl Report {
    fn made(&mut self, made: bool, what: impl FnOnce() -> String) {
        if made {
            self.made += 1;
            self.lines.push(what());
        }
    }

    fn say(&mut self, line: String) {
        self.lines.push(line);
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        match self.made {
            0 => writeln!(f, "everything was there already"),
            made => writeln!(f, "made: {made}"),
        }
    }
}

/// Reads the text of a bootstrap file.
///
/// # Errors
/// When it is no TOML or has a key that is not known; the text names the line.
pub fn parse(text: &str) -> anyhow::Result<File> {
    Ok(toml::from_str(text)?)
}

/// Makes what the file describes and is not there.
///
/// # Errors
/// At the first thing that cannot be made. What was made before stays, and the next run goes on from there.
pub async fn apply(app: &App, file: &File) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for tenant in &file.tenants {
        ensure_tenant(app, tenant, &mut report).await.with_context(|| format!("tenant {:?}", tenant.slug))?;
    }
    for client in &file.clients {
        ensure_portal(app, client, &mut report).await?;
    }
    Ok(report)
}

fn caller(app: &App) -> Caller<'static> {
    Caller { actor: Actor::Operator, now: app.clock.now(), request_id: None }
}

fn manage(app: &App) -> Manage<'_> {
    Manage { store: &app.store, sealer: &app.sealer, rules: &app.rules, caller: caller(app) }
}

/// A time of the file, which must say its zone.
fn instant(at: &toml::value::Datetime) -> anyhow::Result<DateTime<Utc>> {
    let text = at.to_string();
    let read = DateTime::parse_from_rfc3339(&text);
    Ok(read.with_context(|| format!("{text} is no time with a zone, such as 2027-01-31T00:00:00Z"))?.to_utc())
}

async fn ensure_tenant(app: &App, spec: &Tenant, report: &mut Report) -> anyhow::Result<()> {
    let tenant = manage(app).ensure_tenant(&spec.slug, &spec.name, &spec.catalogue, &app.catalogues).await?;
    report.made(tenant.made, || format!("tenant {}", spec.slug));
    let limits = TenantLimits { session_idle: spec.session_idle, session_absolute: spec.session_absolute };
    if tenant.made && limits != TenantLimits::default() {
        manage(app).set_session_limits(tenant.id, limits).await?;
    }
    let tenant = tenant.id;
    for account in &spec.accounts {
        let made = manage(app).ensure_account(tenant, &account.path, &account.name).await?.made;
        report.made(made, || format!("account {}", account.path));
    }
    let mut connections = BTreeMap::new();
    for connection in &spec.connections {
        let id = ensure_connection(app, tenant, connection, report).await?;
        connections.insert(connection.slug.as_str(), id);
        report.connections.insert((spec.slug.clone(), connection.slug.clone()), id);
    }
    let connection = |slug: &str| match connections.get(slug) {
        Some(id) => Ok(*id),
        None => bail!("there is no connection {slug:?} in this file"),
    };
    for domain in &spec.domains {
        let ids = domain.connections.iter().map(|slug| connection(slug)).collect::<Result<Vec<_>, _>>()?;
        let made = manage(app).ensure_domain(tenant, &domain.name, &ids).await?;
        report.made(made, || format!("domain {}", domain.name));
    }
    let mut directories = BTreeMap::new();
    for directory in &spec.directories {
        let id = ensure_directory(app, tenant, directory, report).await?;
        directories.insert(directory.slug.as_str(), id);
        report.directories.insert((spec.slug.clone(), directory.slug.clone()), id);
        for pair in &directory.bindings {
            let binding = Binding {
                directory_id: id,
                connection_id: connection(&pair.connection)?,
                claim: pair.claim.clone(),
                attribute: pair.attribute.clone(),
            };
            let made = manage(app).ensure_binding(tenant, &binding).await?;
            report.made(made, || {
                format!("binding {} = {} of {} and {}", pair.claim, pair.attribute, pair.connection, directory.slug)
            });
        }
    }
    let catalogue = app.catalogue(&spec.catalogue).with_context(|| format!("there is no role catalogue {:?}", spec.catalogue))?;
    for rule in &spec.rules {
        let origin = match rule.from.split_once(':') {
            Some(("directory", slug)) => directories.get(slug).map(|id| RuleOrigin::Directory(*id)),
            Some(("connection", slug)) => connections.get(slug).map(|id| RuleOrigin::Connection(*id)),
            _ => None,
        };
        let origin =
            origin.with_context(|| format!("rule {:?}: from must be directory:SLUG or connection:SLUG of this file", rule.name))?;
        let rule_spec = RuleSpec {
            name: &rule.name,
            origin,
            within: &rule.within,
            when: &rule.when,
            pattern: rule.pattern.as_ref(),
            grants: rule.grant.iter().map(Grant::spec).collect(),
        };
        let made = manage(app).ensure_rule(tenant, &rule_spec, catalogue).await?.made;
        report.made(made, || format!("rule {:?}", rule.name));
    }
    for client in &spec.clients {
        ensure_machine(app, tenant, client, report).await?;
    }
    Ok(())
}

async fn ensure_portal(app: &App, spec: &Client, report: &mut Report) -> anyhow::Result<()> {
    let settings = spec.settings();
    let is_ours = spec.secret.is_none() && settings.token_endpoint_auth_method == TokenEndpointAuthMethod::ClientSecret;
    let secret = match &spec.secret {
        Some(source) => Some(source.read().with_context(|| format!("client {:?}", spec.id))?),
        None => is_ours.then(|| PlainToken::bare().reveal()),
    };
    let portal = PortalSpec {
        client_id: &spec.id,
        name: &spec.name,
        secret: secret.as_ref(),
        redirect_uris: &spec.redirect_uris,
        backchannel_logout_uri: spec.backchannel_logout_uri.as_deref(),
        settings: &settings,
    };
    let made = portals::ensure(&app.store, caller(app), &portal).await?;
    report.made(made, || match secret.filter(|_| is_ours) {
        Some(secret) => format!("client {}, its secret shown only now: {}", spec.id, secret.expose_secret()),
        None => format!("client {}", spec.id),
    });
    Ok(())
}

async fn ensure_machine(app: &App, tenant: TenantId, spec: &Machine, report: &mut Report) -> anyhow::Result<()> {
    let (secret, is_ours) = match &spec.secret {
        Some(source) => (source.read()?, false),
        None => (PlainToken::bare().reveal(), true),
    };
    let wanted =
        ClientSpec { client_id: &spec.id, name: &spec.name, within: spec.within.as_deref(), scopes: &spec.scopes, secret: &secret };
    let made = Clients { store: &app.store, tenant, caller: caller(app) }.ensure(&wanted).await?;
    let told = if is_ours { format!(", its secret shown only now: {}", secret.expose_secret()) } else { String::new() };
    report.made(made, || format!("client {}{told}", spec.id));
    Ok(())
}

async fn ensure_connection(app: &App, tenant: TenantId, spec: &Connection, report: &mut Report) -> anyhow::Result<ConnectionId> {
    match (&spec.saml, &spec.client_id, &spec.issuer) {
        #[cfg(feature = "saml")]
        (Some(saml), None, _) => saml::ensure(app, tenant, spec, saml, report).await,
        #[cfg(not(feature = "saml"))]
        (Some(_), None, _) => bail!("connection {:?}: this program is built without SAML", spec.slug),
        (None, Some(client_id), Some(issuer)) => ensure_oidc(app, tenant, spec, (client_id, issuer), report).await,
        _ => bail!("connection {:?}: it has issuer and client_id (OpenID Connect), or a table saml", spec.slug),
    }
}

async fn ensure_oidc(
    app: &App,
    tenant: TenantId,
    spec: &Connection,
    (client_id, issuer): (&str, &str),
    report: &mut Report,
) -> anyhow::Result<ConnectionId> {
    let secret = spec.client_secret.as_ref().map(SecretSource::read).transpose()?;
    let new = ConnectionSpec {
        slug: &spec.slug,
        name: &spec.name,
        issuer,
        secret: secret.as_ref(),
        jit: spec.jit,
        missing_claim: spec.missing_claim,
        contact: spec.contact.as_deref(),
        settings: OidcSettings {
            client_id: client_id.to_owned(),
            scopes: spec.scopes.clone(),
            second_factor: spec.second_factor.clone(),
        },
    };
    let connection = manage(app).ensure_connection(tenant, &new).await?;
    report.made(connection.made, || format!("connection {}", spec.slug));
    let redirect_uri = app.settings.server.public_url.oidc_callback(connection.id);
    report.say(format!("  redirect URI of {}: {redirect_uri}", spec.slug));
    Ok(connection.id)
}

async fn ensure_directory(app: &App, tenant: TenantId, spec: &Directory, report: &mut Report) -> anyhow::Result<DirectoryId> {
    let settings = directory_settings(&spec.settings).with_context(|| format!("directory {:?}", spec.slug))?;
    let new = DirectorySpec { slug: &spec.slug, name: &spec.name, profile: &spec.profile, settings: &settings };
    let directory = manage(app).ensure_directory(tenant, &new).await?;
    report.made(directory.made, || format!("directory {}", spec.slug));
    let endpoint = app.settings.server.public_url.at(&format!("/scim/v2/{}", directory.id));
    report.say(format!("  SCIM endpoint of {}: {endpoint}", spec.slug));
    for token in &spec.tokens {
        let (secret, is_ours) = match &token.secret {
            Some(source) => (source.read()?, false),
            None => (PlainToken::bearer().reveal(), true),
        };
        let expires_at = token.expires_at.map(|at| instant(&at)).transpose()?;
        let wanted = TokenSpec { name: token.name.clone(), scopes: token.scopes.clone(), expires_at };
        let tokens = Tokens { store: &app.store, tenant, directory: directory.id, caller: caller(app) };
        let made = tokens.ensure(&wanted, &secret).await?;
        report.made(made, || {
            if is_ours {
                format!("token {}, shown only now: {}", token.name, secret.expose_secret())
            } else {
                format!("token {}", token.name)
            }
        });
    }
    Ok(directory.id)
}

/// The settings of a directory. The stored form ignores keys that it does not know; a file's author wants to hear of them.
fn directory_settings(table: &toml::Table) -> anyhow::Result<DirectorySettings> {
    let known = serde_json::to_value(DirectorySettings::default())?;
    if let Some(key) = table.keys().find(|key| known.get(key.as_str()).is_none()) {
        bail!("settings: there is no key {key:?}");
    }
    table.clone().try_into().context("settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_nobody_knows_is_refused_with_its_line() {
        let error = parse("[[tenant]]\nslug = \"a\"\nname = \"A\"\ncatalogue = \"x\"\ncolour = \"red\"\n").unwrap_err().to_string();
        assert!(error.contains("line 5") && error.contains("colour"), "{error}");
    }

    #[test]
    fn settings_of_a_directory_have_known_keys_and_values() {
        let read = |text: &str| directory_settings(&toml::from_str(text).unwrap());
        let settings = read("patched_group = 200\nunknown_members = \"ignore\"\nlog_days = 7").unwrap();
        assert_eq!((settings.patched_group, settings.log_days.get()), (Some(crate::model::PatchStatus::Ok), 7));
        assert!(read("brust = 10").unwrap_err().to_string().contains("brust"));
        assert!(read("burst = -1").is_err());
        let suffixes = read("link_suffixes = [\".GSA\"]").unwrap().link_suffixes;
        assert_eq!(suffixes.iter().map(crate::model::LinkSuffix::as_str).collect::<Vec<_>>(), [".GSA"]);
        for wrong in ["\"\"", "\".g sa\"", "\"@x\"", "7"] {
            assert!(read(&format!("link_suffixes = [{wrong}]")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_connection_says_what_counts_as_a_second_factor_and_nothing_does_unless_said() {
        let read = |line: &str| {
            let text = "[[tenant]]\nslug = \"a\"\nname = \"A\"\ncatalogue = \"x\"\n\n[[tenant.connection]]\nslug = \"idp\"\n\
                        name = \"IdP\"\nissuer = \"https://idp.example\"\nclient_id = \"c\"\n";
            parse(&format!("{text}{line}\n")).map(|file| file.tenants[0].connections[0].second_factor.clone())
        };
        assert!(read("").unwrap().is_never());
        let map = read("second_factor = { acr = [\"phr\"], amr = [\"mfa\"], ask = [\"phr\"] }").unwrap();
        assert_eq!((map.acr, map.amr, map.ask), (vec!["phr".to_owned()], vec!["mfa".to_owned()], vec!["phr".to_owned()]));
        assert!(read("second_factor = { arm = [\"mfa\"] }").is_err());
    }

    #[test]
    fn secrets_come_by_value_file_or_environment_and_are_never_printed() {
        let text = "[[client]]\nclient_id = \"p\"\nname = \"P\"\nredirect_uris = []\nsecret = { value = \"hush-hush\" }\n";
        let file = parse(text).unwrap();
        assert_eq!(file.clients[0].secret.as_ref().unwrap().read().unwrap().expose_secret(), "hush-hush");
        assert!(!format!("{file:?}").contains("hush-hush"));
        let absent = SecretSource::Env("VESTIBULE_TEST_NO_SUCH_VARIABLE".into()).read().unwrap_err().to_string();
        assert!(absent.contains("VESTIBULE_TEST_NO_SUCH_VARIABLE"), "{absent}");
    }
}
