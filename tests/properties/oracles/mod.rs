//! What others compute of filters and PATCH operations, against ours: `scim2-parse-filter` and `scim-patch` (npm), and
//! `scim2-models` (from the Python index).
//!
//! `script/test` installs them. Cases are random, with a fixed seed, from the part of the grammar in which the RFCs leave nothing open
//! and no library is known to be wrong: there everybody has to say the same. Where we differ is a table beside them: each row is a
//! case, with what we say, what they say, and the section that says who is right. A row that is no longer so ends the test.

mod filters;
mod patches;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

type Json = serde_json::Value;

/// A program that answers for libraries of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oracle {
    /// `scim2-parse-filter` and `scim-patch`. They know no schema: text has one letter case, and a value is what JSON says.
    Npm,
    /// `scim2-models`.
    Python,
}

impl Oracle {
    fn command(self) -> Command {
        let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts");
        let (program, script) = match self {
            Self::Npm => (".installed/bin/node", "oracle/oracle.mjs"),
            Self::Python => (".installed/python/bin/python", "oracle/oracle.py"),
        };
        let program: PathBuf = parts.join(program);
        assert!(
            program.exists(),
            "{} is not installed: run the tests by `script/test`, or install their parts by `script/test --install`",
            program.display()
        );
        let mut command = Command::new(program);
        command.arg(parts.join(script));
        command
    }

    /// What it says to each of these cases.
    fn ask(self, cases: &[Json]) -> Vec<Json> {
        let mut child = self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle runs");
        let mut input = child.stdin.take().expect("its standard input");
        let output = child.stdout.take().expect("its standard output");
        let answers: Vec<Json> = std::thread::scope(|scope| {
            scope.spawn(move || {
                for case in cases {
                    writeln!(input, "{case}").expect("the oracle reads");
                }
            });
            let lines = BufReader::new(output).lines();
            lines.map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect()
        });
        assert!(child.wait().expect("its end").success());
        assert_eq!(answers.len(), cases.len(), "{self:?}");
        answers
    }
}

/// The same values in each run.
fn some<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// A case in which an oracle is known to say something else than we do.
struct Disagreement {
    oracle: Oracle,
    case: Json,
    /// Which part of the answer is looked at, as a JSON pointer.
    about: &'static str,
    /// What we say there: `"error"` when we refuse the case, `null` when there is nothing.
    ours: Json,
    /// What it says there.
    theirs: Json,
    /// Who is right, and by which section; `open` where the RFC lets both.
    right: &'static str,
}

impl Disagreement {
    /// The part of an answer that the row is about.
    fn part(&self, answer: &Json) -> Json {
        if answer.get("error").is_some() { Json::from("error") } else { answer.pointer(self.about).cloned().unwrap_or_default() }
    }
}

/// Checks each row of a table of disagreements; `ours` answers a case, and `plain` makes answers comparable.
fn check(rows: &[Disagreement], ours: impl Fn(&Json) -> Json, plain: impl Fn(&Json) -> Json) {
    for oracle in [Oracle::Npm, Oracle::Python] {
        let rows: Vec<_> = rows.iter().filter(|row| row.oracle == oracle).collect();
        let cases: Vec<_> = rows.iter().map(|row| row.case.clone()).collect();
        for (row, theirs) in rows.into_iter().zip(oracle.ask(&cases)) {
            let Disagreement { case, right, .. } = row;
            assert_eq!(row.part(&plain(&ours(case))), row.ours, "ours, {right}: {case}");
            assert_eq!(row.part(&plain(&theirs)), row.theirs, "{oracle:?}, {right}: {case}");
            assert_ne!(row.ours, row.theirs, "{case}");
        }
    }
}
