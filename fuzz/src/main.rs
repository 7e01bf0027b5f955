//! Changes SAML messages at random, for as long as it is told, and compares what two programs that know nothing of each other make of each: our
//! reader's tree with libxml2's, for everything that the pre-flight lets pass, and our verification with bergshamra's. It also looks at every message
//! that is taken: it has to say what a genuine one says.
//!
//! `fuzz-saml [SECONDS] [SEED]` fuzzes; `fuzz-saml cost` prints what each vector of the stories costs in processor time.

#![expect(dead_code, unused_imports, reason = "the stories need more of what is shared")]

#[path = "../../tests/it/saml/mod.rs"]
mod saml;

mod differential;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::mutation::{Random, mutated};
use vestibule::federation::saml::Validator;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| "60".to_owned());
    if first == "cost" {
        saml::cost::print();
        return;
    }
    let limit = Duration::from_secs(first.parse().expect("a number of seconds"));
    let seed: u64 = arguments.next().map_or(1, |seed| seed.parse().expect("a seed"));
    std::process::exit(i32::from(fuzz(limit, seed) > 0));
}

/// What was counted.
#[derive(Default)]
struct Counts {
    tried: u64,
    passed: u64,
    verified: u64,
    taken: u64,
    findings: u64,
}

fn fuzz(limit: Duration, seed: u64) -> u64 {
    let (genuine, forged) = saml::property::corpus();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    // Genuine ones more than once: what is far from one is refused at the first sign.
    let mut corpus: Vec<Vec<u8>> = (0..8).flat_map(|_| genuine.iter().cloned()).chain(forged).collect();
    let vectors = saml::all();
    let messages = vectors.iter().flat_map(|(_, vectors)| vectors).filter_map(|vector| STANDARD.decode(&vector.field).ok());
    corpus.extend(messages.filter(|message| !message.is_empty() && message.len() < 20_000));
    // What was signed is what is taken before anything is changed.
    let signed: Vec<_> = corpus.iter().filter_map(|message| saml::property::taken(message, &validator, &runtime)).collect();
    println!("{} messages to begin with, seed {seed}, {} s", corpus.len(), limit.as_secs());
    let judge = differential::Judge::new();
    let mut random = Random::new(seed);
    let mut counts = Counts::default();
    let (begun, mut told) = (Instant::now(), Instant::now());
    while begun.elapsed() < limit {
        let message = mutated(&corpus, &mut random);
        counts.tried += 1;
        let mut finding = |what: &str| {
            counts.findings += 1;
            println!("FINDING {what}\n{}\n", String::from_utf8_lossy(&message));
        };
        match judge.parsers(&message) {
            Ok(true) => counts.passed += 1,
            Ok(false) => continue,
            Err(what) => finding(&what),
        }
        match judge.verifiers(&message) {
            Ok(is_verified) => counts.verified += u64::from(is_verified),
            Err(what) => finding(&what),
        }
        if let Some(identity) = saml::property::taken(&message, &validator, &runtime) {
            counts.taken += 1;
            if !signed.contains(&identity) {
                finding(&format!("taken, but never signed: {identity:?}"));
            }
        }
        // What passes is a good beginning for what comes next, as long as it does not drive out the rest.
        if corpus.len() < 4_000 && random.below(50) == 0 {
            corpus.push(message);
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            print(&counts, begun.elapsed());
        }
    }
    print(&counts, begun.elapsed());
    counts.findings
}

fn print(counts: &Counts, spent: Duration) {
    let Counts { tried, passed, verified, taken, findings } = counts;
    println!(
        "{} s: {tried} messages, {passed} passed the pre-flight, {verified} verified, {taken} taken, {findings} findings",
        spent.as_secs()
    );
}
