//! Sends requests over several connections at once and keeps how long each of them took.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// A SCIM endpoint under load.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What the tables call it.
    pub(crate) name: String,
    /// The endpoint, without a slash at its end.
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) client: Client,
}

impl Target {
    pub(crate) fn new(name: &str, base: String, token: String) -> Self {
        let client = Client::builder().no_proxy().pool_max_idle_per_host(64).timeout(Duration::from_mins(2)).build().unwrap();
        Self { name: name.to_owned(), base, token, client }
    }
}

/// How long requests took, by what they were, in microseconds; and those that were answered with an error, by status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    micros: BTreeMap<&'static str, Vec<u32>>,
    errors: BTreeMap<u16, usize>,
}

impl Recorder {
    /// Sends a request and reads its whole answer. An error is counted and answers nothing.
    pub(crate) async fn send(
        &mut self,
        target: &Target,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<Value> {
        let mut request = target.client.request(method, format!("{}{path}", target.base)).bearer_auth(&target.token);
        if let Some(body) = body {
            let kind = if path.starts_with("/api/") || path.starts_with("/access/") { "json" } else { "scim+json" };
            request = request.header("content-type", format!("application/{kind}")).body(body.to_string());
        }
        self.exchange(&target.name, what, request).await.map(|(_, body)| body)
    }

    /// Sends a request and reads its whole answer: where it leads, if it leads elsewhere, and its body if that is JSON.
    pub(crate) async fn exchange(&mut self, name: &str, what: &'static str, request: RequestBuilder) -> Option<(String, Value)> {
        let began = Instant::now();
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let location = answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let bytes = answer.bytes().await.unwrap();
        let took = began.elapsed();
        if !status.is_success() && !status.is_redirection() {
            if self.errors.is_empty() {
                eprintln!("{name}: {what} was answered {status}: {}", String::from_utf8_lossy(&bytes));
            }
            *self.errors.entry(status.as_u16()).or_default() += 1;
            return None;
        }
        self.micros.entry(what).or_default().push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        Some((location, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    fn add(&mut self, other: Self) {
        for (what, micros) in other.micros {
            self.micros.entry(what).or_default().extend(micros);
        }
        for (status, times) in other.errors {
            *self.errors.entry(status).or_default() += times;
        }
    }
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    /// Sorted.
    micros: BTreeMap<&'static str, Vec<u32>>,
    pub(crate) errors: usize,
}

impl Measured {
    /// What was sent, in the order of the alphabet.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.micros.keys().copied()
    }

    pub(crate) fn requests(&self) -> usize {
        self.micros.values().map(Vec::len).sum()
    }

    /// Requests a second, of all kinds.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn rate(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64()
    }

    /// The time, in milliseconds, within which this share of the requests of a kind was answered.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures for people")]
    pub(crate) fn within(&self, kind: &str, share: f64) -> f64 {
        let sorted = &self.micros[kind];
        let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
        f64::from(sorted[rank - 1]) / 1_000.0
    }
}

/// Does `count` jobs over so many connections, each when the one before it on its connection has ended. What the jobs answer comes back by
/// their number.
pub(crate) async fn drive<T, F>(label: &str, connections: usize, count: usize, job: F) -> (Measured, Vec<Option<T>>)
where
    T: Send + 'static,
    F: AsyncJob<T>,
{
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let (next, job) = (next.clone(), job.clone());
            tokio::spawn(async move {
                let (mut recorder, mut answers) = (Recorder::default(), Vec::new());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return (recorder, answers);
                    }
                    answers.push((number, job.run(number, &mut recorder).await));
                }
            })
        })
        .collect();
    let progress = tokio::spawn(show_progress(label.to_owned(), next, count));
    let (mut all, mut answers) = (Recorder::default(), Vec::new());
    answers.resize_with(count, || None);
    for worker in workers {
        let (recorder, own) = worker.await.unwrap();
        all.add(recorder);
        for (number, answer) in own {
            answers[number] = answer;
        }
    }
    let elapsed = began.elapsed();
    progress.abort();
    eprintln!("\r{label}: {count} in {:.1} s", elapsed.as_secs_f64());
    for micros in all.micros.values_mut() {
        micros.sort_unstable();
    }
    (Measured { elapsed, micros: all.micros, errors: all.errors.values().sum() }, answers)
}

/// One job of a run, by its number.
pub(crate) trait AsyncJob<T>: Clone + Send + Sync + 'static {
    fn run(&self, number: usize, recorder: &mut Recorder) -> impl Future<Output = Option<T>> + Send;
}

async fn show_progress(label: String, done: Arc<AtomicUsize>, count: usize) {
    let pause = if std::io::stderr().is_terminal() { 1 } else { 10 };
    loop {
        tokio::time::sleep(Duration::from_secs(pause)).await;
        eprint!("\r{label}: {} of {count}", done.load(Ordering::Relaxed).min(count));
        let _ = std::io::stderr().flush();
    }
}
