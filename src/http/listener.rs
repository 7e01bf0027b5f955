//! Connections: taken, bounded, and ended without losing a request.
//!
//! So many are held at a time; who comes beyond that waits in the system's own queue. A connection that sends nothing is closed, one of HTTP/1 after
//! [`Bounds::head`], one of HTTP/2 when it does not answer pings, so that idle ones cannot use the memory up.
//!
//! The end has two steps. While draining, everything is still taken and answered, and each answer of HTTP/1 says `Connection: close`: a proxy ends
//! its connections at a moment at which it has sent nothing more. Then the listener closes, what is idle is closed, and what is asked is answered.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// What one connection may hold in memory of a request's head, and of what is still to be sent.
const BUFFER: usize = 64 * 1024;
/// Requests of one connection of HTTP/2 at a time.
const STREAMS: u32 = 100;
/// How often an idle connection of HTTP/2 is asked whether somebody is there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// After a connection could not be taken because the system lacks something, such as file descriptors.
const BREATH: Duration = Duration::from_millis(500);

/// How much is held at a time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections; at least 1.
    pub connections: usize,
    /// How long a connection of HTTP/1 may take to send the head of a request, its idle time before included. Proxies keep idle connections for a
    /// minute, as a rule; it has to be longer, or they send into a connection that is being closed.
    pub head: Duration,
}

impl Bounds {
    /// With so many connections.
    #[must_use]
    pub const fn new(connections: usize) -> Self {
        Self { connections, head: Duration::from_secs(75) }
    }
}

/// The two steps of the end.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// Everything is still taken, and connections are not kept.
    pub draining: CancellationToken,
    /// Nothing more is taken.
    pub closing: CancellationToken,
}

/// Serves `router` on `listener` until `end.closing`, and then until every request is answered. Handlers can ask for `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, router: Router, bounds: Bounds, end: End) {
    let places = Arc::new(Semaphore::new(bounds.connections.max(1)));
    let builder = Arc::new(builder(bounds));
    let graceful = GracefulShutdown::new();
    loop {
        let taken = async {
            // Never closed, so it is always had.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = end.closing.cancelled() => break,
            taken = taken => taken,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                breathe(&error).await;
                continue;
            }
        };
        without_delay(&stream);
        let asked = CancellationToken::new();
        let (router, end, first) = (router.clone(), end.clone(), asked.clone());
        let service = service_fn(move |request| {
            first.cancel();
            answer(router.clone(), peer, end.clone(), request)
        });
        let (watcher, builder) = (graceful.watcher(), Arc::clone(&builder));
        tokio::spawn(async move {
            let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::trace!(%error, "a connection ended early");
                },
                () = silent(asked, bounds.head) => tracing::trace!("a connection that never asked anything was closed"),
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

fn builder(bounds: Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(64 * 1024)
        .max_send_buf_size(BUFFER);
    builder
}

/// Ready when nothing was asked in time. Until it knows which HTTP is spoken, hyper has no timer of its own.
async fn silent(asked: CancellationToken, patience: Duration) {
    if tokio::time::timeout(patience, asked.cancelled()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Answers one request of a connection.
async fn answer(mut router: Router, peer: SocketAddr, end: End, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let version = request.version();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut response = router.call(request).await?;
    if end.draining.is_cancelled() && version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Waits where the system lacks something. What is wrong with one connection is nobody else's matter.
async fn breathe(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "no connection can be taken");
        tokio::time::sleep(BREATH).await;
    }
}

/// Answers are small and written whole, so there is nothing to wait for.
fn without_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server of so many connections that waits so long, and where it is.
    async fn start(connections: usize, head: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "here"));
        tokio::spawn(serve(listener, router, Bounds { connections, head }, End::default()));
        address
    }

    /// What comes until the other end closes.
    async fn all(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    #[tokio::test]
    async fn who_says_nothing_or_half_a_word_is_not_waited_for() {
        let address = start(9, Duration::from_millis(50)).await;
        // Nothing; what might be the beginning of HTTP/2 or of a POST; half a head; and a whole request with nothing after it.
        for said in [&b""[..], b"P", b"GET / HTTP/1.1\r\nHost: loc", REQUEST] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            assert_eq!(all(&mut stream).await.ends_with("here"), said == REQUEST, "{said:?}");
        }
    }

    #[tokio::test]
    async fn beyond_the_bound_a_connection_waits_for_its_place() {
        let address = start(1, Duration::from_hours(1)).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(REQUEST).await.unwrap();
        let mut begin = [0; 12];
        first.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(REQUEST).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(50), second.read_u8()).await;
        assert!(waits.is_err(), "it was answered beside the first");
        drop(first);
        second.read_exact(&mut begin).await.unwrap();
        assert!(begin.ends_with(b"1.1 200"));
    }
}
