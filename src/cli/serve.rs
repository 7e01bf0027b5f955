//! `vestibule serve`: build everything once, listen, and end well.
//!
//! The end: from the first SIGTERM or SIGINT `/readyz` says so. For `server.shutdown_delay` everything is still taken and answered, so that whoever
//! sends requests here has time to learn of it. Then the public listener closes, so that new connections are refused, and requests in flight go on.
//! The operations listener stays until they are done, so that probes and scrapes see the end. When `server.shutdown_grace` is over, or at a second
//! signal, what is left is cut off by the end of the process.

use std::{future::Future, io, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use axum::Router;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

use super::demo;
use crate::{
    app::App,
    clock::Clock,
    config::Settings,
    http::{
        self,
        listener::{self, Bounds, End},
        ops::{self, NotReady},
    },
    telemetry, work,
};

/// Serves until a signal ends it.
pub async fn serve(settings: Settings) -> anyhow::Result<ExitCode> {
    let _telemetry = telemetry::init(&settings.log).context("cannot set up telemetry")?;
    // From here on a signal ends the process as it should, also while it starts.
    let signals = Signals::listen().context("cannot listen for signals")?;
    let server = &settings.server;
    let listener = bind(server.listen, "server.listen").await?;
    let ops_listener = bind(server.ops_listen, "server.ops_listen").await?;

    let app = App::build(settings, Clock::system()).await?;
    if app.store.doors().mark(demo::MARK).await.context("cannot read the database")?.is_some() {
        bail!("this database is a demo's, with people who do not exist and secrets that anybody can read: name another one");
    }
    serve_app(app, listener, ops_listener, &signals).await
}

/// Serves a built application until the first signal, and cuts off what is unfinished at the second.
///
/// # Errors
/// When a listener fails.
pub async fn serve_app(app: App, listener: TcpListener, ops_listener: TcpListener, signals: &Signals) -> anyhow::Result<ExitCode> {
    let public_url = &app.settings.server.public_url;
    tracing::info!(listen = %listener.local_addr()?, %public_url, ops = %ops_listener.local_addr()?, "serving");
    let server = &app.settings.server;
    let patience = Patience { delay: server.shutdown_delay, grace: server.shutdown_grace };
    let bounds = Bounds::new(server.max_connections);
    let _working = work::start(app.tools()?);
    let (store, stopping) = (app.store.clone(), signals.seen());
    let ready = move || {
        let (store, stopping) = (store.clone(), *stopping.borrow() > 0);
        async move {
            if stopping {
                return Err(NotReady::Stopping);
            }
            match store.migration_state().await {
                Ok(state) if state.is_served() => Ok(()),
                Ok(_) => Err(NotReady::Migrations),
                Err(_) => Err(NotReady::Database),
            }
        }
    };
    let ops_router = ops::router(app.metrics.clone(), ready);
    let (store, reads) = (app.store.clone(), app.reads.clone());
    let served = run((listener, http::router(app), bounds), (ops_listener, ops_router), patience, signals.count(1));
    let ended = tokio::select! {
        ended = served => ended,
        () = signals.count(2) => Ended::Cut,
    };
    match ended {
        Ended::Finished => {
            if let Err(error) = reads.flush(&store).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the last traced reads could not be logged");
            }
            store.close().await;
            tracing::info!("every request was finished");
        }
        Ended::Cut => tracing::warn!("ended with requests unfinished"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Listens on `address`, which the setting `key` names.
pub async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} ({key})"))
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every request that was accepted has been answered.
    Finished,
    /// The grace was over before that. What is left ends with the runtime.
    Cut,
}

/// How long the end may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For how long everything is still taken.
    pub delay: Duration,
    /// For how long requests in flight may go on afterwards.
    pub grace: Duration,
}

/// Serves `router` on `listener` until `shutdown` is ready, goes on so for `patience.delay`, then closes the listener and waits for the requests in
/// flight, for at most `patience.grace`. `ops_router` is served until this returns. Handlers can ask for `ConnectInfo<SocketAddr>`.
///
/// Each connection is a task of the runtime: whoever gets [`Ended::Cut`] ends the runtime without waiting for it.
pub async fn run(
    (listener, router, bounds): (TcpListener, Router, Bounds),
    (ops_listener, ops_router): (TcpListener, Router),
    patience: Patience,
    shutdown: impl Future<Output = ()>,
) -> Ended {
    let end = End::default();
    let public = listener::serve(listener, router, bounds, end.clone());
    let ops = AbortOnDropHandle::new(tokio::spawn(axum::serve(ops_listener, ops_router).into_future()));
    let deadline = async {
        shutdown.await;
        let Patience { delay, grace } = patience;
        tracing::info!(
            delay = delay.as_secs(),
            grace = grace.as_secs(),
            "ending: not ready any more, and no new connections after `delay`"
        );
        end.draining.cancel();
        tokio::time::sleep(delay).await;
        end.closing.cancel();
        tokio::time::sleep(grace).await;
    };
    let ended = tokio::select! {
        // In this order a server that finished in the last moment has finished.
        biased;
        () = public => Ended::Finished,
        () = deadline => Ended::Cut,
    };
    drop(ops);
    ended
}

/// Counts SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    seen: watch::Receiver<usize>,
    _listening: AbortOnDropHandle<()>,
}

impl Signals {
    /// From now on the two signals no longer end the process by themselves.
    pub fn listen() -> io::Result<Self> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (count, seen) = watch::channel(0);
        let listening = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { seen, _listening: AbortOnDropHandle::new(listening) })
    }

    /// How many have come.
    #[must_use]
    pub fn seen(&self) -> watch::Receiver<usize> {
        self.seen.clone()
    }

    /// Ready when `number` of them have come since [`Signals::listen`].
    pub fn count(&self, number: usize) -> impl Future<Output = ()> + Send + use<> {
        let mut seen = self.seen.clone();
        async move {
            if seen.wait_for(|seen| *seen >= number).await.is_err() {
                // Nobody counts any more, so it never comes.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{extract::ConnectInfo, routing::get};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::{Notify, oneshot},
        task::JoinHandle,
    };

    use super::*;

    /// A served router whose `/slow` says when it began, and answers when it is let go.
    struct Served {
        public: SocketAddr,
        ops: SocketAddr,
        began: Arc<Notify>,
        let_go: Arc<Notify>,
        stop: oneshot::Sender<()>,
        ended: JoinHandle<Ended>,
    }

    async fn start(delay: Duration, grace: Duration) -> Served {
        let (began, let_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begin, go) = (began.clone(), let_go.clone());
        let slow = async move || {
            begin.notify_one();
            go.notified().await;
            "done"
        };
        let peer = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
        let router = Router::new().route("/slow", get(slow)).route("/peer", get(peer));
        let ops_router = Router::new().route("/livez", get(async || "ok"));
        let (listener, ops_listener) = (local().await, local().await);
        let (public, ops) = (listener.local_addr().unwrap(), ops_listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let patience = Patience { delay, grace };
        let ended = tokio::spawn(run((listener, router, Bounds::new(9)), (ops_listener, ops_router), patience, shutdown));
        Served { public, ops, began, let_go, stop, ended }
    }

    async fn local() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    async fn get_page(address: SocketAddr, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        // Without `Connection: close`: an idle connection must not keep the server either.
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
        let mut answer = vec![0; 1024];
        let mut length = 0;
        while !answer[..length].windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut answer[length..]).await? {
                0 => break,
                more => length += more,
            }
        }
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Waits until nobody listens at `address`.
    async fn refused(address: SocketAddr) {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_request_in_flight_is_finished_and_a_new_connection_refused() {
        let served = start(Duration::ZERO, Duration::from_mins(1)).await;
        assert!(get_page(served.public, "/peer").await.unwrap().ends_with("127.0.0.1"));
        let idle = TcpStream::connect(served.public).await.unwrap();
        let slow = tokio::spawn(get_page(served.public, "/slow"));
        served.began.notified().await;

        served.stop.send(()).unwrap();
        refused(served.public).await;
        assert!(get_page(served.ops, "/livez").await.unwrap().ends_with("ok"), "probes are answered to the end");
        assert!(!served.ended.is_finished());

        served.let_go.notify_one();
        assert!(slow.await.unwrap().unwrap().ends_with("done"));
        assert_eq!(served.ended.await.unwrap(), Ended::Finished);
        refused(served.ops).await;
        drop(idle);
    }

    #[tokio::test]
    async fn during_the_delay_everything_is_taken_and_no_connection_is_kept() {
        let served = start(Duration::from_hours(1), Duration::from_hours(1)).await;
        assert!(!get_page(served.public, "/peer").await.unwrap().contains("connection: close"));
        served.stop.send(()).unwrap();
        while !get_page(served.public, "/peer").await.unwrap().contains("connection: close") {
            tokio::task::yield_now().await;
        }
        assert!(get_page(served.public, "/peer").await.unwrap().ends_with("127.0.0.1"), "new connections are taken");
        assert!(!served.ended.is_finished());
    }

    #[tokio::test]
    async fn the_deadline_ends_a_request_that_is_stuck() {
        let served = start(Duration::ZERO, Duration::from_millis(1)).await;
        let stuck = tokio::spawn(get_page(served.public, "/slow"));
        served.began.notified().await;
        served.stop.send(()).unwrap();
        assert_eq!(served.ended.await.unwrap(), Ended::Cut);
        refused(served.public).await;
        assert!(!stuck.is_finished());
    }

    #[tokio::test]
    async fn nothing_in_flight_ends_at_once() {
        let served = start(Duration::ZERO, Duration::from_hours(1)).await;
        served.stop.send(()).unwrap();
        assert_eq!(served.ended.await.unwrap(), Ended::Finished);
    }

    #[tokio::test]
    async fn signals_are_counted_whichever_of_the_two_they_are() {
        let signals = Signals::listen().unwrap();
        let send = async |name: &str| {
            // The shell's own `kill`: a bare system has no other.
            let line = format!("kill -s {name} {}", std::process::id());
            let kill = move || std::process::Command::new("sh").args(["-c", &line]).status().unwrap();
            assert!(tokio::task::spawn_blocking(kill).await.unwrap().success());
        };
        let second = tokio::spawn(signals.count(2));
        send("INT").await;
        signals.count(1).await;
        assert!(!second.is_finished());
        send("TERM").await;
        second.await.unwrap();
    }
}
