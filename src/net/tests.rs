use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

/// Names with the answers of each look-up in turn; the last one stays.
#[derive(Default)]
struct Script {
    names: HashMap<String, Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Mutex<usize>,
}

impl Script {
    fn new(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let answers = |lists: &[&[&str]]| lists.iter().map(|list| list.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        Arc::new(Self {
            names: names.iter().map(|(name, lists)| ((*name).to_owned(), Mutex::new(answers(lists)))).collect(),
            asked: Mutex::default(),
        })
    }
}

impl Lookup for Script {
    fn lookup(&self, host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        *self.asked.lock().unwrap() += 1;
        let found = self.names.get(&host).map(|answers| {
            let mut answers = answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        });
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn client(allow: &[&str], names: &[(&str, &[&[&str]])]) -> Client {
    let settings = Settings { allow: allow.iter().map(ToString::to_string).collect(), ..Settings::default() };
    Client::with_lookup(settings, &(Script::new(names) as Arc<dyn Lookup>)).unwrap()
}

fn get(url: &str) -> Request<Vec<u8>> {
    Request::builder().uri(url).body(Vec::new()).unwrap()
}

async fn reason(client: &Client, url: &str) -> &'static str {
    client.send(get(url)).await.map_or_else(|error| error.reason(), |_| "answered")
}

/// A server on loopback that says `answer` to the first request of each connection, and then holds the connection open.
async fn raw_server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.flush().await;
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

#[tokio::test]
async fn o06_addresses_in_urls_are_refused_in_every_spelling() {
    let client = client(&[], &[]);
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
    ] {
        assert_eq!(reason(&client, url).await, "private_address", "{url}");
    }
}

#[tokio::test]
async fn o06_names_of_private_addresses_are_refused() {
    let client = client(&[], &[("intranet.example", &[&["10.0.0.1", "fd00::1"]]), ("meta.example", &[&["169.254.169.254"]])]);
    for url in ["https://intranet.example/", "https://meta.example/", "https://localhost/", "https://idp.localhost/"] {
        assert_eq!(reason(&client, url).await, "private_address", "{url}");
    }
    assert_eq!(reason(&client, "https://nowhere.example/").await, "unreachable");
}

#[tokio::test]
async fn o06_a_rebinding_name_never_reaches_a_private_address() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let port = server.address().port();
    // First a public address beside the private one, then the private one alone: neither connects to this machine.
    let script = Script::new(&[("rebind.example", &[&["127.0.0.1", "192.0.2.1"], &["127.0.0.1"]])]);
    let client = Client::with_lookup(Settings::default(), &(Arc::clone(&script) as Arc<dyn Lookup>)).unwrap();
    for _ in 0..3 {
        assert_eq!(reason(&client, &format!("https://rebind.example:{port}/")).await, "private_address");
    }
    assert_eq!(*script.asked.lock().unwrap(), 3, "each connection is resolved and checked anew");
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn o06_a_listed_name_that_moves_away_from_loopback_is_not_talked_to_in_clear() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200).insert_header("connection", "close")).mount(&server).await;
    let port = server.address().port();
    let client = client(&["dev.example"], &[("dev.example", &[&["127.0.0.1"], &["192.168.0.9"]])]);
    assert_eq!(reason(&client, &format!("http://dev.example:{port}/")).await, "answered");
    assert_eq!(reason(&client, &format!("http://dev.example:{port}/")).await, "plain_http");
}

#[tokio::test]
async fn plain_http_needs_a_listed_host_on_this_machine() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let port = server.address().port();
    let listed = format!("idp.localhost:{port}");
    let client = client(
        &["127.0.0.1", &listed, "Dev.Example", "10.0.0.1", "far.example"],
        &[("dev.example", &[&["127.0.0.1"]]), ("far.example", &[&["203.0.113.1"]])],
    );
    for url in [format!("http://127.0.0.1:{port}/"), format!("http://{listed}/"), format!("http://DEV.example:{port}/")] {
        assert_eq!(reason(&client, &url).await, "answered", "{url}");
    }
    for url in
        ["http://public.example/", "http://other.localhost/", "http://idp.localhost:1/", "http://10.0.0.1/", "http://far.example/"]
    {
        assert_eq!(reason(&client, url).await, "plain_http", "{url}");
    }
}

#[tokio::test]
async fn urls_that_are_none_of_ours_are_refused() {
    let client = client(&["localhost"], &[]);
    for url in ["ftp://example.com/", "https://user@example.com/", "https://user:secret@example.com/", "/relative"] {
        assert_eq!(reason(&client, url).await, "bad_url", "{url}");
    }
}

#[tokio::test]
async fn o06_a_redirect_is_an_answer_and_is_not_followed() {
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(302).insert_header("location", format!("{}/secret", server.uri()).as_str());
    Mock::given(path("/from")).respond_with(redirect).mount(&server).await;
    Mock::given(path("/secret")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&server).await;
    let answer = client(&["127.0.0.1"], &[]).send(get(&format!("{}/from", server.uri()))).await.unwrap();
    assert_eq!(answer.status(), 302);
}

#[tokio::test]
async fn o06_a_large_answer_is_refused_whether_it_says_so_or_not() {
    let server = MockServer::start().await;
    Mock::given(path("/fits"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 1024 * 1024]))
        .mount(&server)
        .await;
    Mock::given(path("/over"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 1024 * 1024 + 1]))
        .mount(&server)
        .await;
    let client = client(&["127.0.0.1"], &[]);
    assert_eq!(client.send(get(&format!("{}/fits", server.uri()))).await.unwrap().body().len(), 1024 * 1024);
    assert_eq!(reason(&client, &format!("{}/over", server.uri())).await, "answer_too_large");

    // An answer in chunks does not say how long it is.
    let port =
        raw_server(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n")
            .await;
    let settings = Settings { allow: vec!["127.0.0.1".into()], max_bytes: 20, ..Settings::default() };
    let small = Client::with_lookup(settings, &(Script::new(&[]) as Arc<dyn Lookup>)).unwrap();
    assert_eq!(reason(&small, &format!("http://127.0.0.1:{port}/")).await, "answer_too_large");
}

#[tokio::test]
async fn o06_a_server_that_hangs_is_left_at_any_point() {
    let settings = Settings { allow: vec!["127.0.0.1".into()], timeout: Duration::from_millis(200), ..Settings::default() };
    let client = Client::with_lookup(settings, &(Script::new(&[]) as Arc<dyn Lookup>)).unwrap();
    for answer in [b"".as_slice(), b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"] {
        let port = raw_server(answer).await;
        assert_eq!(reason(&client, &format!("http://127.0.0.1:{port}/")).await, "timeout", "{answer:?}");
    }
}

#[tokio::test]
async fn errors_do_not_tell_the_path_or_the_query() {
    let client = client(&["127.0.0.1"], &[]);
    let error = client.send(get("http://127.0.0.1:1/path?code=secret")).await.unwrap_err();
    let mut chain = vec![format!("{error:?}")];
    let mut source: Option<&dyn StdError> = Some(&error);
    while let Some(error) = source {
        chain.push(error.to_string());
        source = error.source();
    }
    assert!(chain.iter().all(|text| !text.contains("secret") && !text.contains("/path")), "{chain:?}");
}

#[tokio::test]
async fn the_trace_context_goes_along() {
    use opentelemetry::trace::TracerProvider as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    opentelemetry::global::set_text_map_propagator(opentelemetry_sdk::propagation::TraceContextPropagator::new());
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // With a single dispatcher alive, `tracing` asks the thread that first meets a span whether anybody listens, and the other tests'
    // threads answer no for all. With two it asks the dispatchers.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    client(&["127.0.0.1"], &[]).send(get(&server.uri())).await.unwrap();
    let received = server.received_requests().await.unwrap();
    let context = received[0].headers.get("traceparent").unwrap().to_str().unwrap();
    assert!(context.starts_with("00-") && context.len() == 55, "{context}");
}
