//! What was measured, as Markdown.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::load::Measured;
use crate::service::Service;

/// Collects figures, and writes them down at once, so that a run that is ended early was not for nothing.
#[derive(Debug)]
pub(crate) struct Report {
    folder: PathBuf,
    requests: String,
    notes: String,
}

impl Report {
    pub(crate) fn new(folder: &Path) -> Self {
        let head = "| run | connections | request | p50 ms | p95 ms | p99 ms | requests/s | requests/s of a core of the program | errors |\n\
                    |---|---|---|---|---|---|---|---|---|\n";
        Self { folder: folder.to_owned(), requests: head.to_owned(), notes: String::new() }
    }

    /// One run, in which the program used so many seconds of a core.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn requests(&mut self, run: &str, connections: usize, measured: &Measured, cpu: f64) {
        let (rate, of_a_core) = (measured.rate(), measured.requests() as f64 / cpu);
        for kind in measured.kinds() {
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| measured.within(kind, share));
            let errors = measured.errors;
            writeln!(
                self.requests,
                "| {run} | {connections} | {kind} | {p50:.1} | {p95:.1} | {p99:.1} | {rate:.0} | {of_a_core:.0} | {errors} |"
            )
            .unwrap();
        }
        self.show();
    }

    pub(crate) fn memory(&mut self, when: &str, service: &Service) {
        writeln!(self.notes, "- memory {when}: {:.1} MiB, at most {:.1} MiB", service.memory(), service.peak()).unwrap();
        self.show();
    }

    pub(crate) fn verified(&mut self, text: &str) {
        writeln!(self.notes, "- verifying an access token by the published key: {text}").unwrap();
        self.show();
    }

    fn text(&self) -> String {
        format!("{}\n{}", self.requests, self.notes)
    }

    fn show(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        std::fs::write(self.folder.join("provider.md"), self.text()).unwrap();
    }

    pub(crate) fn write(&self) {
        println!("{}", self.text());
        println!("tables are in {}", self.folder.display());
    }
}
