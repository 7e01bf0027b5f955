use std::sync::{Arc, Mutex, PoisonError, mpsc};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};

use super::*;

/// A collector on loopback: its endpoint, and what it was sent. It lives in a thread and a runtime of its own.
fn collector() -> (String, mpsc::Receiver<(HeaderMap, Bytes)>) {
    let (send, received) = mpsc::channel();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let answer = async move |headers: HeaderMap, body: Bytes| {
                let _ = send.send((headers, body));
            };
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().route("/v1/traces", post(answer))).await.unwrap();
        });
    });
    (endpoint, received)
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|window| window == text.as_bytes())
}

fn exporting_to(endpoint: &str) -> (Telemetry, impl Subscriber + Send + Sync + use<>) {
    let provider = provider(exporter(Some(endpoint)).unwrap()).unwrap();
    let subscriber = subscriber(&Log::default(), Some(&provider), std::io::sink).unwrap();
    (Telemetry(Some(provider)), subscriber)
}

#[test]
fn dropping_the_guard_without_a_runtime_sends_our_spans_and_nobody_elses() {
    let (endpoint, received) = collector();
    let (guard, subscriber) = exporting_to(&endpoint);
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!(target: "vestibule::http", "scim.patch", directory = "staff");
        let _entered = span.enter();
        tracing::info_span!(target: "hyper::proto", "foreign.span").in_scope(|| {});
        tracing::trace_span!(target: "vestibule::http", "too.fine").in_scope(|| {});
    });
    drop(guard);
    let (headers, body) = received.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(headers["content-type"], "application/x-protobuf");
    for text in ["scim.patch", "service.name", "vestibule", "directory", "staff"] {
        assert!(contains(&body, text), "{text}");
    }
    for text in ["foreign.span", "too.fine"] {
        assert!(!contains(&body, text), "{text}");
    }
}

#[test]
fn the_guard_may_be_dropped_inside_a_runtime_and_twice_the_work_is_sent_twice() {
    let (endpoint, received) = collector();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (guard, subscriber) = exporting_to(&endpoint);
        let _current = tracing::subscriber::set_default(subscriber);
        for name in ["first", "second"] {
            tracing::info_span!(target: "vestibule", "work", name).in_scope(|| {});
            guard.0.as_ref().unwrap().force_flush().unwrap();
        }
        drop(guard);
    });
    for name in ["first", "second"] {
        let (_, body) = received.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(contains(&body, name), "{name}");
    }
    assert!(received.try_recv().is_err(), "an export made spans of its own");
}

#[test]
fn a_collector_that_is_not_there_neither_panics_nor_holds_up_the_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    drop(listener);
    let (guard, subscriber) = exporting_to(&endpoint);
    tracing::subscriber::with_default(subscriber, || tracing::info_span!(target: "vestibule", "lost").in_scope(|| {}));
    assert!(guard.0.as_ref().unwrap().force_flush().is_err());
    drop(guard);
}

#[test]
fn spans_are_exported_only_where_the_environment_asks() {
    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let table: [(&[(&str, &str)], bool); 8] = [
        (&[], false),
        (&[ENDPOINT], true),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")], true),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
        (&[("OTEL_SERVICE_NAME", "v")], false),
        (&[ENDPOINT, ("OTEL_SDK_DISABLED", "True")], false),
        (&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")], true),
        (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")], false),
    ];
    for (env, wanted) in table {
        let variable = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(export_wanted(variable), wanted, "{env:?}");
    }
    let grpc = |name: &str| (name == "OTEL_EXPORTER_OTLP_PROTOCOL").then(|| "grpc".to_owned());
    assert_eq!(unsupported_protocol(grpc), Some("grpc".to_owned()));
    assert_eq!(unsupported_protocol(|_| Some("http/protobuf".to_owned())), None);
}

/// What was logged while `act` ran.
fn logged(log: &Log, act: impl FnOnce()) -> String {
    let lines = Arc::new(Mutex::new(Vec::<u8>::new()));
    let writer = Lines(lines.clone());
    tracing::subscriber::with_default(subscriber(log, None, move || writer.clone()).unwrap(), act);
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8(lines.clone()).unwrap()
}

#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn logs_are_lines_or_json_and_pass_the_filter() {
    let act = || {
        let span = tracing::info_span!("request", id = "r-1");
        span.in_scope(|| tracing::info!(login = 7, "signed in"));
        tracing::debug!("a detail");
    };
    let human = logged(&Log::default(), act);
    assert!(human.contains("signed in") && human.contains("r-1") && !human.contains("a detail"), "{human}");

    let json = logged(&Log { format: LogFormat::Json, filter: "debug".to_owned() }, act);
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["message"], &lines[0]["login"], &lines[0]["span"]["id"]),
        (&"signed in".into(), &7.into(), &"r-1".into())
    );
    assert_eq!((&lines[1]["message"], &lines[1]["level"]), (&"a detail".into(), &"DEBUG".into()));
}

/// `init` reads the environment of the process, so this test is its own child, with another one.
#[test]
fn the_environment_alone_is_enough() {
    const NAME: &str = "telemetry::tests::the_environment_alone_is_enough";
    if std::env::var_os("IS_CHILD").is_some() {
        let guard = init(&Log::default()).unwrap();
        tracing::info_span!(target: "vestibule", "from.the.child").in_scope(|| {});
        assert!(init(&Log::default()).is_err(), "it is set up once");
        return drop(guard);
    }
    let (endpoint, received) = collector();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env("IS_CHILD", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.trim_end_matches("/v1/traces"))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic dGVzdA")
        .env("OTEL_SERVICE_NAME", "the-front-door")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let (headers, body) = received.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(headers["authorization"], "Basic dGVzdA");
    assert!(contains(&body, "from.the.child") && contains(&body, "the-front-door"));
}
