//! What becomes of every vector while a guard is taken away. No module of the tests: script/mutate-saml puts it beside them in a copy in which guards can
//! be taken away.

use std::time::Duration;

use vestibule::federation::saml::{Validator, mutated};

use crate::saml;

/// Longer than any message takes with every guard in its place.
const LIMIT: Duration = Duration::from_secs(20);

/// A line for each vector.
fn outcomes(stories: &[(&'static str, Vec<saml::vector::Vector>)], until_first: Option<&[String]>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut validator = Validator::new(1);
    let mut lines = Vec::new();
    for (story, vectors) in stories {
        for vector in vectors {
            let result = runtime.block_on(async { tokio::time::timeout(LIMIT, vector.run(&validator)).await });
            let became = match result {
                Ok(result) => result.map_or_else(|refused| refused.reason().to_owned(), |identity| identity.subject.value),
                // Its thread is left to itself.
                Err(_) => {
                    validator = Validator::new(1);
                    "takes too long".to_owned()
                }
            };
            lines.push(format!("{story}: {}: {became}", vector.name));
            if until_first.is_some_and(|whole| whole[lines.len() - 1] != lines[lines.len() - 1]) {
                return lines;
            }
        }
    }
    lines.extend(saml::logouts::changed_queries().lines().map(|line| format!("s31_queries: {line}")));
    lines.extend(saml::logouts::changed_posts().lines().map(|line| format!("s31_posted: {line}")));
    lines
}

/// The guards are the lines of a file; what is said of each begins with its name.
#[test]
fn every_guard_is_missed() {
    let names = std::fs::read_to_string(std::env::var("VESTIBULE_GUARDS").unwrap()).unwrap();
    let stories = saml::all();
    let whole = outcomes(&stories, None);
    assert!(whole == outcomes(&stories, None), "without a change two runs are alike");
    for name in names.lines() {
        println!("GUARD {name}");
        mutated::take_away(name);
        let lines = outcomes(&stories, Some(&whole));
        mutated::take_away("");
        match whole.iter().zip(&lines).find(|(with, without)| with != without) {
            Some((with, without)) => println!("MISSED {name}: {with} → {}", without.rsplit(": ").next().unwrap()),
            None => println!("ALONE {name}"),
        }
    }
    println!("GUARD");
    // Threads that are still at work would hold up the end.
    std::process::exit(0);
}
