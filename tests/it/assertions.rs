//! Every numbered assertion about the SCIM endpoint is kept by a test that has its number, or set aside by a decision that names it. The
//! table in `docs/scim.md` is made from what is found here.
//!
//! With `VESTIBULE_WRITE_DOCS=1` the table is written instead of compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::support::source::{Token, files, tokens};

const BEGIN: &str = "<!-- The rows below are made by tests/it/assertions.rs. -->\n";
const HEAD: &str = "| | assertion | tests |\n|---|---|---|\n";

/// The assertions, in their order.
fn assertions() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("assertions.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).collect()
}

/// The assertions that a test is named after: `l02_l03_paging_is_clamped` is about L02 and L03. The requirements of signing in are numbered with
/// some of the same letters: a test that is about one of those begins with `sso_`, and is none of these.
fn named(function: &str) -> impl Iterator<Item = String> {
    function.split('_').take_while(|part| is_id(part)).map(str::to_uppercase)
}

fn is_id(part: &str) -> bool {
    matches!(part.as_bytes(), [family, tens, ones] if family.is_ascii_alphabetic() && tens.is_ascii_digit() && ones.is_ascii_digit())
}

/// The files with tests of each assertion.
fn tested() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for path in ["src", "tests/it", "tests/properties"].into_iter().flat_map(|folder| files(folder, "rs")) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        for pair in tokens(&std::fs::read_to_string(&path).unwrap()).windows(2) {
            if let [keyword, Token::Word(function)] = pair
                && keyword.is("fn")
            {
                for id in named(function) {
                    found.entry(id).or_default().insert(name.clone());
                }
            }
        }
    }
    found
}

/// The assertions that the decisions of the page name.
fn decided(page: &str) -> BTreeSet<String> {
    let decisions = page.split("\n## ").find(|section| section.starts_with("Decisions")).unwrap();
    let words = decisions.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter(|word| is_id(word)).map(ToOwned::to_owned).collect()
}

#[test]
fn every_assertion_has_a_test_or_a_decision_and_the_table_says_which() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scim.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (tested, decided) = (tested(), decided(&page));
    let mut table = HEAD.to_owned();
    let mut open = Vec::new();
    for (id, text) in assertions() {
        let mut kept: Vec<_> = tested.get(id).into_iter().flatten().map(|path| format!("`{path}`")).collect();
        if decided.contains(id) {
            kept.push("see Decisions".to_owned());
        }
        if kept.is_empty() {
            open.push(id);
        }
        writeln!(table, "| {id} | {} | {} |", text.replace('|', "\\|"), kept.join(", ")).unwrap();
    }
    assert!(open.is_empty(), "neither a test nor a decision names {}", open.join(", "));
    let (before, written) = page.split_once(BEGIN).expect("the page has a place for the table");
    if std::env::var_os("VESTIBULE_WRITE_DOCS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}")).unwrap();
    } else {
        assert_eq!(written, table, "run this test again with VESTIBULE_WRITE_DOCS=1");
    }
}

#[test]
fn no_test_is_named_after_an_assertion_that_there_is_not() {
    let known: BTreeSet<_> = assertions().into_iter().map(|(id, _)| id).collect();
    let families: BTreeSet<_> = known.iter().map(|id| &id[..1]).collect();
    let unknown: Vec<_> = tested().into_keys().filter(|id| families.contains(&id[..1]) && !known.contains(id.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
