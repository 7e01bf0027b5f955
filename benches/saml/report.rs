//! What was measured, as Markdown.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::flood::Told;
use crate::messages::Message;
use crate::validator::Counted;

/// Collects figures, and writes them down at once, so that a run that is ended early was not for nothing.
#[derive(Debug)]
pub(crate) struct Report {
    folder: PathBuf,
    text: String,
}

impl Report {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), text: String::new() }
    }

    /// Responses a second of a core, by message and by who looks at them.
    pub(crate) fn messages(&mut self, messages: &[Message], columns: &[(&str, Vec<Counted>)]) {
        let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
        let line = "---|".repeat(columns.len());
        writeln!(self.text, "| message | KiB | should be | {} |\n|---|---|---|{line}", names.join(" | ")).unwrap();
        for message in messages {
            let should = if message.is_good { "taken" } else { "refused" };
            write!(self.text, "| {} | {} | {should} |", message.what, message.field.len().div_ceil(1_024)).unwrap();
            for (_, counted) in columns {
                let one = counted.iter().find(|one| one.name == message.name).unwrap();
                let rate = f64::from(one.count) / one.cpu;
                let other = if one.accepted == message.is_good { "" } else { " (otherwise)" };
                write!(self.text, " {rate:.0}{other} |").unwrap();
            }
            self.text.push('\n');
        }
        let walls = columns.iter().map(|(name, counted)| {
            let (cpu, elapsed) = counted.iter().fold((0.0, 0.0), |(cpu, elapsed), one| (cpu + one.cpu, elapsed + one.elapsed));
            format!("{name} {:.2}", cpu / elapsed)
        });
        let walls: Vec<_> = walls.collect();
        writeln!(self.text, "\nCores that each had on average: {}.\n", walls.join(", ")).unwrap();
        self.show();
    }

    pub(crate) fn flood(&mut self, told: &[Told]) {
        self.text += "| beside the good sign-ins | forged/s | refused as forged or unknown | sign-ins | p50 ms | p95 ms | p99 ms | failed | cores of the program |\n";
        self.text += "|---|---|---|---|---|---|---|---|---|\n";
        for one in told {
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| one.within(share));
            writeln!(
                self.text,
                "| {} | {:.0} | {} | {} | {p50:.1} | {p95:.1} | {p99:.1} | {} | {:.2} |",
                one.what,
                one.forged_a_second(),
                one.refused,
                one.sign_ins(),
                one.failed,
                one.cores(),
            )
            .unwrap();
        }
        self.show();
    }

    fn show(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        std::fs::write(self.folder.join("saml.md"), &self.text).unwrap();
    }

    pub(crate) fn write(&self) {
        println!("{}", self.text);
        println!("tables are in {}", self.folder.display());
    }
}
