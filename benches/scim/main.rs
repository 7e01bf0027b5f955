//! Load on the SCIM endpoint; `script/bench scim` runs it and says what it measures.
//!
//! The release program runs on a PostgreSQL of its own, with durable commits, on the same machine as this load generator. Where there
//! are peers, the same generator drives them in the same run. Progress goes to standard error; tables and plots go to a folder.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a measurement ends where something is not as expected"
)]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/child.rs"]
mod child;
mod load;
mod membership;
mod million;
mod peers;
mod plot;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod report;
#[expect(dead_code, reason = "the other measurement needs more of it")]
mod service;
mod sync;

use std::path::PathBuf;

use clap::Parser as _;

use self::report::Report;
use self::service::Service;

/// Measures the SCIM endpoint.
#[derive(clap::Parser)]
struct Arguments {
    /// How many people the initial syncs bring, one sync each.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    people: Vec<usize>,
    /// How many members the groups have in which single members come and go.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    groups: Vec<usize>,
    /// How many single members come and go in each group; each is two requests.
    #[arg(long, default_value_t = 1_000)]
    patches: usize,
    /// Among how many logins single ones are looked up.
    #[arg(long, default_value_t = 1_000_000)]
    logins: usize,
    /// How many people the peers are given; 0 leaves the peers out.
    #[arg(long, default_value_t = 1_000)]
    peers: usize,
    /// The folder for tables and plots.
    #[arg(long, default_value = "target/bench/scim")]
    out: PathBuf,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let mut report = Report::new(&arguments.out);
    let largest = arguments.groups.iter().copied().max().unwrap_or_default();

    for &people in &arguments.people {
        let service = Service::on_postgres().await;
        let brought = sync::run(&service.target, people, &mut report).await;
        // The largest sync leaves the people that the groups are made of.
        if people >= largest {
            membership::run(&service, &brought, &arguments.groups, arguments.patches, &mut report).await;
            membership::read(&service, largest, &mut report).await;
            million::run(&service, arguments.logins, &mut report).await;
        }
    }
    if let Some(&people) = arguments.people.first() {
        let service = Service::on_sqlite().await;
        sync::run(&service.target, people, &mut report).await;
    }
    if arguments.peers > 0 {
        for peer in peers::start().await {
            let brought = sync::run(&peer.target, arguments.peers, &mut report).await;
            membership::patch(&peer.target, &brought, arguments.peers.min(250), arguments.patches.min(100), &mut report).await;
        }
    }
    report.write();
}
