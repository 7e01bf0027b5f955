//! What SAML responses take, good ones and bad ones; `script/bench saml` runs it and says what it measures.
//!
//! The messages are made by `xmlsec1`, once; our validator and those of others are shown the same ones, again and again. What a flood of forged
//! messages does to good sign-ins is measured over HTTP, with the program and its database on this machine.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a measurement ends where something is not as expected"
)]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/child.rs"]
mod child;
mod flood;
#[expect(dead_code, reason = "the other measurements need more of it")]
#[path = "../scim/load.rs"]
mod load;
mod messages;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod report;
#[expect(dead_code, reason = "the other measurements need more of it")]
#[path = "../scim/service.rs"]
mod service;
mod validator;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;
use vestibule::clock::Clock;

use self::flood::{Flood, House};
use self::messages::{Answers, Keys};
use self::report::Report;

/// Measures SAML.
#[derive(clap::Parser)]
struct Arguments {
    /// How long each message is sent, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long good people sign in, beside each flood, in seconds.
    #[arg(long, default_value_t = 60.0)]
    flood: f64,
    /// How many forged messages come in a second.
    #[arg(long, default_value_t = 500)]
    forged: u32,
    /// How many forgers a second begin a sign-in of their own, to have a signature looked at: it takes a request more, and a signature of ours.
    #[arg(long, default_value_t = 100)]
    begun: u32,
    /// How many good people sign in in a second.
    #[arg(long, default_value_t = 20)]
    sign_ins: u32,
    /// The folder for tables.
    #[arg(long, default_value = "target/bench/saml")]
    out: PathBuf,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let mut report = Report::new(&arguments.out);
    let keys = Keys::make();
    let time = Duration::from_secs_f64(arguments.seconds);
    if !time.is_zero() {
        let answers = Answers {
            entity_id: "https://vestibule.example/sign-in/saml/idp/metadata",
            acs: "https://vestibule.example/sign-in/saml/idp/acs",
            request_id: "_5f0c9c1e8b7a4d2f3e6a1b0c9d8e7f6a5b4c3d2e",
            subject: "8c1f2a44-09d3-4a3e-b8a1-5f0de23c7a10",
            now: Clock::system().now(),
        };
        let messages = keys.messages(&answers);
        let folder = arguments.out.join("messages");
        messages::write(&folder, &keys, &messages, &answers);
        let mut columns = vec![("Vestibule", validator::ours(&messages, &answers, &keys, time).await)];
        columns.extend(validator::peers(&folder, time));
        report.messages(&messages, &columns);
    }
    let time = Duration::from_secs_f64(arguments.flood);
    if !time.is_zero() {
        let house = House::build(keys).await;
        let mut told = Vec::new();
        for flood in [Flood::None, Flood::Strangers, Flood::Begun] {
            let forged = if flood == Flood::Begun { arguments.begun } else { arguments.forged };
            told.push(house.measure(flood, forged, arguments.sign_ins, time).await);
        }
        report.flood(&told);
    }
    report.write();
}
