//! Good sign-ins over HTTP, while forged messages come in.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use url::Url;
use vestibule::clock::Clock;

use crate::messages::{Answers, Keys};
use crate::service::Service;

/// What comes in beside the good sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    None,
    /// Forged responses to requests that nobody made.
    Strangers,
    /// The same to requests that were made: each forger begins a sign-in of their own, so that its signature is looked at.
    Begun,
}

impl Flood {
    const fn what(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Strangers => "forged responses that answer nothing",
            Self::Begun => "forged responses, each to a sign-in that its forger began",
        }
    }
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) what: &'static str,
    /// Forged messages that were refused.
    pub(crate) refused: usize,
    /// Good sign-ins that did not succeed.
    pub(crate) failed: usize,
    /// Milliseconds, sorted.
    took: Vec<f64>,
    elapsed: Duration,
    cpu: f64,
}

impl Told {
    pub(crate) fn sign_ins(&self) -> usize {
        self.took.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn forged_a_second(&self) -> f64 {
        self.refused as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn cores(&self) -> f64 {
        self.cpu / self.elapsed.as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures for people")]
    pub(crate) fn within(&self, share: f64) -> f64 {
        let Some(last) = self.took.len().checked_sub(1) else { return f64::NAN };
        let rank = (self.took.len() as f64 * share).ceil() as usize;
        self.took[rank.saturating_sub(1).min(last)]
    }
}

/// The program with one SAML connection.
pub(crate) struct House {
    service: Service,
    door: Arc<Door>,
}

/// Where people, and forgers, sign in.
struct Door {
    /// `…/sign-in/saml/{connection}` at this machine.
    base: String,
    entity_id: String,
    acs: String,
    keys: Keys,
    client: Client,
    /// Forged responses that answer nothing.
    forged: Vec<String>,
}

impl House {
    pub(crate) async fn build(keys: Keys) -> Self {
        let service = Service::set_up(&described(&keys)).await;
        let connection = service.texts("select id::text from connections").await.remove(0);
        let (host, _) = service.target.base.split_once("/scim/").unwrap();
        let base = format!("{host}/sign-in/saml/{connection}");
        let client =
            Client::builder().no_proxy().pool_max_idle_per_host(256).redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let metadata = client.get(format!("{base}/metadata")).send().await.unwrap().text().await.unwrap();
        let entity_id = between(&metadata, "entityID=\"", "\"").to_owned();
        let consumer = &metadata[metadata.find("AssertionConsumerService").unwrap()..];
        let acs = between(consumer, "Location=\"", "\"").to_owned();
        let forged = (0..64)
            .map(|number| {
                let request_id = format!("_{number:040x}");
                let answers = Answers {
                    entity_id: &entity_id,
                    acs: &acs,
                    request_id: &request_id,
                    subject: "mallory",
                    now: Clock::system().now(),
                };
                keys.response(&answers, true)
            })
            .collect();
        Self { service, door: Arc::new(Door { base, entity_id, acs, keys, client, forged }) }
    }

    /// People sign in at a steady rate, each whenever it is their turn and not when the one before them is done; and so do forgers.
    pub(crate) async fn measure(&self, flood: Flood, forged: u32, sign_ins: u32, time: Duration) -> Told {
        eprintln!("signing in for {} s, beside {}", time.as_secs(), flood.what());
        let door = &self.door;
        for number in 0..50 {
            assert!(door.sign_in(number).await, "a good sign-in fails");
        }
        let refused = Arc::new(AtomicUsize::new(0));
        let (begun, cpu) = (Instant::now(), self.service.cpu_seconds());
        let flooding = (flood != Flood::None).then(|| {
            let (door, refused) = (door.clone(), refused.clone());
            tokio::spawn(async move {
                steadily(forged, time, move |number| {
                    let (door, refused) = (door.clone(), refused.clone());
                    async move {
                        if door.forge(flood, number).await {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
                .await
            })
        });
        let good = steadily(sign_ins, time, |number| {
            let door = door.clone();
            async move {
                let begun = Instant::now();
                door.sign_in(number).await.then(|| begun.elapsed().as_secs_f64() * 1_000.0)
            }
        });
        let good = good.await;
        if let Some(flooding) = flooding {
            flooding.await.unwrap();
        }
        let (elapsed, cpu) = (begun.elapsed(), self.service.cpu_seconds() - cpu);
        let failed = good.iter().filter(|took| took.is_none()).count();
        let mut took: Vec<_> = good.into_iter().flatten().collect();
        took.sort_by(f64::total_cmp);
        Told { what: flood.what(), refused: refused.load(Ordering::Relaxed), failed, took, elapsed, cpu }
    }
}

impl Door {
    /// Begins a sign-in: the cookie, the `RelayState` and the id of the request.
    async fn begin(&self) -> Option<(String, String, String)> {
        let answer = self.client.get(&self.base).send().await.ok()?;
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let cookie = header("set-cookie")?.split(';').next()?.to_owned();
        let away = Url::parse(&header("location")?).ok()?;
        let parameter = |name: &str| away.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let deflated = STANDARD.decode(parameter("SAMLRequest")?).ok()?;
        let mut request = String::new();
        flate2::read::DeflateDecoder::new(deflated.as_slice()).read_to_string(&mut request).ok()?;
        Some((cookie, parameter("RelayState")?, between(&request, " ID=\"", "\"").to_owned()))
    }

    async fn post(&self, cookie: &str, relay_state: &str, response: &str) -> Option<StatusCode> {
        let form = [("SAMLResponse", response), ("RelayState", relay_state)];
        let request = self.client.post(format!("{}/acs", self.base)).header("cookie", cookie).form(&form);
        let answer = request.send().await.ok()?;
        let status = answer.status();
        answer.bytes().await.ok()?;
        Some(status)
    }

    fn respond(&self, request_id: &str, subject: &str, is_forged: bool) -> String {
        let answers = Answers { entity_id: &self.entity_id, acs: &self.acs, request_id, subject, now: Clock::system().now() };
        self.keys.response(&answers, is_forged)
    }

    /// One of a thousand people signs in, from the first click until they are in.
    async fn sign_in(&self, number: usize) -> bool {
        let Some((cookie, relay_state, id)) = self.begin().await else { return false };
        let response = self.respond(&id, &format!("person-{}", number % 1_000), false);
        self.post(&cookie, &relay_state, &response).await == Some(StatusCode::SEE_OTHER)
    }

    /// Whether a forged response is refused for what it is, and not because there was no time for it.
    async fn forge(&self, flood: Flood, number: usize) -> bool {
        if flood == Flood::Begun {
            let Some((cookie, relay_state, id)) = self.begin().await else { return false };
            let response = self.respond(&id, "person-1", true);
            // What an identity provider would not have sent.
            self.post(&cookie, &relay_state, &response).await == Some(StatusCode::BAD_GATEWAY)
        } else {
            let relay_state = format!("nobody-knows-{number}");
            let cookie = "__Host-vestibule-sign-in=nobody-nobody-nobody-nobody-nobody-nobody-n";
            let status = self.post(cookie, &relay_state, &self.forged[number % self.forged.len()]).await;
            status.is_some_and(|status| status.is_client_error())
        }
    }
}

/// Begins so many jobs a second, for some time, whether or not those before are done; and waits for all.
async fn steadily<T, F>(rate: u32, time: Duration, job: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begun, mut jobs) = (Instant::now(), JoinSet::new());
    for number in 0.. {
        ticks.tick().await;
        if begun.elapsed() >= time {
            break;
        }
        jobs.spawn(job(number));
    }
    jobs.join_all().await
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

fn described(keys: &Keys) -> String {
    DESCRIBED.replace("{metadata}", &keys.metadata().display().to_string())
}

const DESCRIBED: &str = r#"
[[tenant]]
slug = "bluesky"
name = "Bluesky"
catalogue = "customer-portal"

[[tenant.account]]
path = "bluesky"
name = "Bluesky"

[[tenant.connection]]
slug = "idp"
name = "Identity provider"
jit = "on"
saml = { metadata_file = "{metadata}" }

[[tenant.directory]]
slug = "directory"
name = "Directory"
profile = "entra"

[[tenant.directory.token]]
name = "load"
secret = { env = "LOAD_TOKEN" }
"#;
