//! What a message costs, in processor time of all threads. A figure to write down, not a promise: nothing is asserted of it.

use std::time::Duration;

use vestibule::federation::saml::Validator;

/// How often each vector is validated.
const TIMES: u32 = 5;

/// The time that all threads of this process were on a processor (`/proc/self/task/*/schedstat`, which counts in nanoseconds).
fn on_processor() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let spent = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

/// The mean of each vector, the dearest first.
pub(crate) fn measured() -> Vec<(Duration, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    let mut rows = Vec::new();
    for (story, vectors) in super::all() {
        for vector in vectors {
            // Once for what is made at the first use.
            let became = runtime.block_on(vector.run(&validator)).map_or_else(|refused| refused.reason(), |_| "taken");
            let before = on_processor();
            for _ in 0..TIMES {
                runtime.block_on(vector.run(&validator)).ok();
            }
            let spent = on_processor().saturating_sub(before) / TIMES;
            rows.push((spent, format!("{story}: {}: {became}", vector.name)));
        }
    }
    rows.sort();
    rows.reverse();
    rows
}

/// The table, with the dearest of each story and the whole.
pub(crate) fn print() {
    let rows = measured();
    for (spent, row) in &rows {
        println!("{:>9.3} ms  {row}", spent.as_secs_f64() * 1_000.0);
    }
    let (taken, refused): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, row)| row.ends_with(": taken"));
    for (name, part) in [("taken", taken), ("refused", refused)] {
        let most = part.first().map_or(0.0, |(spent, _)| spent.as_secs_f64() * 1_000.0);
        let median = part.get(part.len() / 2).map_or(0.0, |(spent, _)| spent.as_secs_f64() * 1_000.0);
        println!("{name}: {} vectors, at most {most:.3} ms, median {median:.3} ms", part.len());
    }
}

#[test]
#[ignore = "a measurement: cargo test --release --test it -- --ignored --nocapture saml::cost, or script/fuzz-saml cost"]
fn processor_time_of_every_vector() {
    print();
}
