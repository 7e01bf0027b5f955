//! Starts everything that the demo is made of, on loopback, and ends all of it together.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{Ports, idp, people, portal, push, welcome};
use crate::app::App;
use crate::cli::{bootstrap, serve};
use crate::clock::Clock;
use crate::config::Settings;
use crate::keys::PlainToken;
use crate::model::TenantId;
use crate::telemetry;

/// Marks a database as a demo's, which `serve` refuses.
pub const MARK: &str = "demo";

/// Runs the demo until a signal ends it. Its database, keys and secrets lie in a folder of their own below `folder`, one for each
/// choice of ports, because the ports are part of what the identity provider, Vestibule and the portal know of one another.
///
/// # Errors
/// When a port is taken, or something cannot be set up.
pub async fn run(ports: Ports, folder: &Path) -> anyhow::Result<ExitCode> {
    let folder = folder.join(format!("{}-{}-{}", ports.vestibule, ports.idp, ports.portal));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let settings = settings(ports, &folder)?;
    let _telemetry = telemetry::init(&settings.log).context("cannot set up telemetry")?;
    let signals = serve::Signals::listen().context("cannot listen for signals")?;
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = serve::bind(loopback(ports.vestibule), "--port").await?;
    let idp_listener = serve::bind(loopback(ports.idp), "--idp-port").await?;
    let portal_listener = serve::bind(loopback(ports.portal), "--portal-port").await?;
    let ops_listener = serve::bind(loopback(0), "operations").await?;

    say("Setting up the sample company Bluesky …")?;
    let secrets = Secrets::load(&folder)?;
    let app = App::build(settings, Clock::system()).await?;
    mark(&app).await?;
    let issuer = format!("http://idp.localhost:{}", ports.idp);
    let portal_address = format!("http://portal.localhost:{}", ports.portal);
    let described = people::bootstrap(people::Values {
        issuer: &issuer,
        portal: &portal_address,
        client_secret: secrets.client.expose_secret(),
        scim_token: secrets.scim.expose_secret(),
        portal_secret: secrets.portal.expose_secret(),
    });
    let report = bootstrap::apply(&app, &bootstrap::parse(&described)?).await?;
    let key = |slug: &str| ("bluesky".to_owned(), slug.to_owned());
    let (Some(connection), Some(directory)) = (report.connections.get(&key("anchor")), report.directories.get(&key("entra")))
    else {
        bail!("the sample company has no connection or no directory");
    };
    let public_url = &app.settings.server.public_url;
    let idp_settings = idp::Settings {
        issuer,
        client_id: "vestibule".to_owned(),
        client_secret: secrets.client.clone(),
        redirect_uris: vec![public_url.oidc_callback(connection)],
    };
    let idp_router = idp::router(idp_settings, Clock::system())?;
    let _idp = AbortOnDropHandle::new(tokio::spawn(axum::serve(idp_listener, idp_router).into_future()));

    let portal_settings = portal::Settings {
        portal: portal_address,
        issuer: public_url.origin().to_owned(),
        client_id: "lookout".to_owned(),
        client_secret: secrets.portal.clone(),
    };
    let portal_router = portal::router(portal_settings, Clock::system())?;
    let _portal = AbortOnDropHandle::new(tokio::spawn(axum::serve(portal_listener, portal_router).into_future()));

    // The SCIM client goes through the front door like any other, so the door must be open before it starts.
    let base = Url::parse(&format!("http://127.0.0.1:{}/scim/v2/{directory}", ports.vestibule))?;
    let pushing = async move {
        say("Pushing people and groups by SCIM …")?;
        let done = push::push(&base, &secrets.scim, |_| {}).await.context("the sample directory could not push its people")?;
        say(&format!("Pushed: {done}\n\n{}", welcome(ports)))
    };
    let pushing = AbortOnDropHandle::new(tokio::spawn(pushing));
    let serving = serve::serve_app(app, listener, ops_listener, &signals);
    tokio::pin!(serving);
    tokio::select! {
        code = &mut serving => return code,
        pushed = pushing => pushed??,
    }
    serving.await
}

fn settings(ports: Ports, folder: &Path) -> anyhow::Result<Settings> {
    let mut settings = Settings::default();
    settings.server.public_url = crate::config::PublicUrl::local(ports.vestibule);
    settings.server.shutdown_grace = std::time::Duration::from_secs(3);
    settings.database.url = format!("sqlite://{}", folder.join("vestibule.db").display()).parse().map_err(anyhow::Error::msg)?;
    settings.keys.file = folder.join("vestibule.keys");
    for host in [format!("idp.localhost:{}", ports.idp), format!("portal.localhost:{}", ports.portal)] {
        settings.net.allow.push(host.parse().map_err(anyhow::Error::msg)?);
    }
    // One line a request would bury what the demo has to say; a refused sign-in is one of the things that it shows.
    "warn,vestibule::http::signin=info".clone_into(&mut settings.log.filter);
    Ok(settings)
}

/// Marks the database, and refuses one that is somebody's real one.
async fn mark(app: &App) -> anyhow::Result<()> {
    let mut doors = app.store.doors();
    if doors.mark(MARK).await?.is_none() {
        if !doors.tenants().await?.is_empty() {
            bail!("this database has tenants and is no demo's; start the demo in another folder");
        }
        let mut writer = app.store.write(TenantId::OPERATOR).await?;
        writer.set_mark(MARK, env!("CARGO_PKG_VERSION")).await?;
        writer.commit().await?;
    }
    Ok(())
}

/// What Vestibule shares with the identity provider, with the SCIM client and with the portal. Kept, so that a second start goes on.
struct Secrets {
    client: SecretString,
    scim: SecretString,
    portal: SecretString,
}

impl Secrets {
    fn load(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            client: kept(&folder.join("client-secret"), PlainToken::bare)?,
            scim: kept(&folder.join("scim-token"), PlainToken::bearer)?,
            portal: kept(&folder.join("portal-secret"), PlainToken::bare)?,
        })
    }
}

fn kept(path: &PathBuf, make: impl FnOnce() -> PlainToken) -> anyhow::Result<SecretString> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end().into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = make().reveal();
            crate::app::write_private(path, secret.expose_secret()).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
