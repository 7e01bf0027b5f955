//! What was measured, as Markdown and as plots.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::load::Measured;
use crate::plot::{Bar, Line, bars, lines};

/// Collects figures, and writes them at the end.
#[derive(Debug)]
pub(crate) struct Report {
    folder: PathBuf,
    syncs: String,
    rates: Vec<Bar>,
    membership: String,
    curves: Vec<Line>,
    statements: String,
    lookups: String,
    reading: String,
}

impl Report {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            syncs: "| target | people | connections | request | p50 ms | p95 ms | p99 ms | requests/s, all kinds | errors |\n|---|---|---|---|---|---|---|---|---|\n".to_owned(),
            rates: Vec::new(),
            membership: "| target | members | connections | p50 ms | p95 ms | p99 ms | PATCH/s | errors |\n|---|---|---|---|---|---|---|---|\n".to_owned(),
            curves: Vec::new(),
            statements: "| members | SQL statements of a single-member PATCH |\n|---|---|\n".to_owned(),
            lookups: "| by | logins | connections | p50 ms | p95 ms | p99 ms | requests/s | plan |\n|---|---|---|---|---|---|---|---|\n".to_owned(),
            reading: "| members | took | memory before | at most |\n|---|---|---|---|\n".to_owned(),
        }
    }

    pub(crate) fn sync(&mut self, target: &str, people: usize, connections: usize, measured: &Measured) {
        for kind in measured.kinds() {
            let [p50, p95, p99] = percentiles(measured, kind);
            let (rate, errors) = (measured.rate(), measured.errors);
            writeln!(
                self.syncs,
                "| {target} | {people} | {connections} | {kind} | {p50:.1} | {p95:.1} | {p99:.1} | {rate:.0} | {errors} |"
            )
            .unwrap();
        }
        self.rates.push(Bar { name: format!("{target}, {people} people"), value: measured.rate() });
        self.show();
    }

    pub(crate) fn membership(&mut self, target: &str, size: usize, connections: usize, measured: &Measured) {
        for kind in measured.kinds() {
            let [p50, p95, p99] = percentiles(measured, kind);
            let (rate, errors) = (measured.rate(), measured.errors);
            writeln!(
                self.membership,
                "| {target} | {size} | {connections} | {p50:.1} | {p95:.1} | {p99:.1} | {rate:.0} | {errors} |"
            )
            .unwrap();
            for (share, value) in [("p50", p50), ("p99", p99)] {
                let name = format!("{target}, {connections} connection{}, {share}", if connections == 1 { "" } else { "s" });
                let point = (f64::from(u32::try_from(size).unwrap()), value);
                match self.curves.iter_mut().find(|curve| curve.name == name) {
                    Some(curve) => curve.points.push(point),
                    None => self.curves.push(Line { name, points: vec![point] }),
                }
            }
        }
        self.show();
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn statements(&mut self, size: usize, statements: i64, requests: usize) {
        writeln!(self.statements, "| {size} | {:.2} |", statements as f64 / requests as f64).unwrap();
        self.show();
    }

    pub(crate) fn lookups(&mut self, by: &str, logins: usize, connections: usize, measured: &Measured, plan: &[String]) {
        for kind in measured.kinds() {
            let [p50, p95, p99] = percentiles(measured, kind);
            let plan = plan.iter().map(|scan| format!("`{scan}`")).collect::<Vec<_>>().join("<br>");
            let rate = measured.rate();
            writeln!(self.lookups, "| {by} | {logins} | {connections} | {p50:.1} | {p95:.1} | {p99:.1} | {rate:.0} | {plan} |")
                .unwrap();
        }
        self.show();
    }

    pub(crate) fn reading(&mut self, size: usize, took: Duration, before: f64, peak: f64) {
        writeln!(self.reading, "| {size} | {:.2} s | {before:.0} MiB | {peak:.0} MiB |", took.as_secs_f64()).unwrap();
        self.show();
    }

    fn text(&self) -> String {
        let Self { syncs, membership, statements, lookups, reading, .. } = self;
        format!(
            "## Initial sync\n\n{syncs}\n## Single members\n\n{membership}\n{statements}\n## Lookups\n\n{lookups}\n## Reading a group\n\n{reading}"
        )
    }

    /// What is known so far is written at once, so that a run that is ended early was not for nothing.
    fn show(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        std::fs::write(self.folder.join("scim.md"), self.text()).unwrap();
    }

    pub(crate) fn write(&self) {
        self.show();
        // A single size is no curve.
        let curves: Vec<_> = self.curves.iter().filter(|curve| curve.points.len() > 1).cloned().collect();
        let curves = lines("A single-member PATCH by the size of its group", "members", "ms", &curves);
        std::fs::write(self.folder.join("scim-membership.svg"), curves).unwrap();
        let rates = bars("Initial sync: filter, POST and GET for each person", "requests/s", &self.rates);
        std::fs::write(self.folder.join("scim-sync.svg"), rates).unwrap();
        println!("{}", self.text());
        println!("tables and plots are in {}", self.folder.display());
    }
}

fn percentiles(measured: &Measured, kind: &str) -> [f64; 3] {
    [0.5, 0.95, 0.99].map(|share| measured.within(kind, share))
}
