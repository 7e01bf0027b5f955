//! What was measured, as Markdown.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::load::Measured;

/// Collects figures, and writes them down at once, so that a run that is ended early was not for nothing.
#[derive(Debug)]
pub(crate) struct Report {
    folder: PathBuf,
    changes: String,
    requests: String,
}

impl Report {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            changes: "| people | what | the request took | the job took | people/s |\n|---|---|---|---|---|\n".to_owned(),
            requests: "| people | what | connections | p50 ms | p95 ms | p99 ms | requests/s | errors |\n|---|---|---|---|---|---|---|---|\n"
                .to_owned(),
        }
    }

    /// A rule was saved; `job` is how long the job took behind it, if there was one.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn change(&mut self, people: usize, what: &str, saved: Duration, job: Option<Duration>) {
        let (took, rate) = match job {
            Some(job) => (format!("{:.1} s", job.as_secs_f64()), format!("{:.0}", people as f64 / job.as_secs_f64())),
            None => ("in the request".to_owned(), format!("{:.0}", people as f64 / saved.as_secs_f64())),
        };
        writeln!(self.changes, "| {people} | {what} | {:.2} s | {took} | {rate} |", saved.as_secs_f64()).unwrap();
        self.show();
    }

    pub(crate) fn requests(&mut self, people: usize, what: &str, connections: usize, measured: &Measured) {
        for kind in measured.kinds() {
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| measured.within(kind, share));
            let (rate, errors) = (measured.rate(), measured.errors);
            writeln!(
                self.requests,
                "| {people} | {what} | {connections} | {p50:.1} | {p95:.1} | {p99:.1} | {rate:.0} | {errors} |"
            )
            .unwrap();
        }
        self.show();
    }

    fn text(&self) -> String {
        format!("{}\n{}", self.changes, self.requests)
    }

    fn show(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        std::fs::write(self.folder.join("roles.md"), self.text()).unwrap();
    }

    pub(crate) fn write(&self) {
        println!("{}", self.text());
        println!("tables are in {}", self.folder.display());
    }
}
