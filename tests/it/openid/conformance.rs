//! The cases of the conformance suite are the ones that `docs/conformance.md` lists, and each that applies has its story.

use std::collections::BTreeSet;

use crate::support::source::{Token, files, tokens};

/// The stories of this folder that have the name of a case.
fn stories() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files("tests/it/openid", "rs") {
        let tokens = tokens(&std::fs::read_to_string(path).unwrap());
        for pair in tokens.windows(2) {
            match pair {
                [Token::Word(word), Token::Word(name)] if word == "fn" && name.starts_with("oidcc_") => {
                    names.insert(name.clone());
                }
                _ => {}
            }
        }
    }
    names
}

#[test]
fn every_case_that_applies_has_its_story() {
    let text = std::fs::read_to_string("docs/conformance.md").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `oidcc-")?.split_once("` | "));
    let (mut told, mut left_out) = (BTreeSet::new(), 0);
    for (case, expected) in rows {
        if expected.starts_with("does not apply: ") {
            left_out += 1;
        } else {
            assert!(told.insert(format!("oidcc_{}", case.replace('-', "_"))), "{case} is there twice");
        }
    }
    assert!(told.len() > 30 && left_out < 10, "{} and {left_out}", told.len());
    assert_eq!(stories(), told);
}
