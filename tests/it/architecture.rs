//! The imports run one way (`docs/ARCHITECTURE.md`), and the files stay readable. The sources themselves are read: every path that
//! begins with `crate::` or `super::`, and every name of a library that only one place may know. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which modules each module may import from. What is not here may import nothing of ours.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("config", &[]),
    ("metrics", &[]),
    ("model", &[]),
    ("scim", &[]),
    ("telemetry", &["config"]),
    ("net", &["config", "clock"]),
    ("keys", &["model", "clock"]),
    ("store", &["model", "clock", "scim", "keys"]),
    ("federation", &["model", "keys", "net", "clock"]),
    ("directory", &["model", "store", "keys", "clock", "scim"]),
    ("provisioning", &["scim", "directory", "store", "model", "clock"]),
    ("http", &["app", "clock", "directory", "federation", "keys", "metrics", "model", "provisioning", "scim", "store"]),
    ("app", &["clock", "config", "directory", "federation", "keys", "metrics", "model", "net", "store"]),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "directory",
            "federation",
            "http",
            "keys",
            "metrics",
            "model",
            "net",
            "provisioning",
            "scim",
            "store",
            "telemetry",
        ],
    ),
];

/// Of some modules only a part may be imported: who, from where, what.
const ONLY_PARTS: &[(&str, &str, &[&str])] = &[
    ("store", "scim", &["ResolvedFilter", "filter"]),
    ("directory", "scim", &["ResolvedFilter", "Value", "Object", "filter", "fold", "profile", "schema", "search_form"]),
    ("store", "keys", &["HashedToken", "Sealed"]),
];

/// Libraries that only some files may name, by the beginning of their path below `src`.
const ONLY_THERE: &[(&str, &[&str])] = &[
    // `model` and `keys` use its derives: their types are columns.
    ("sqlx", &["store/", "model/", "keys/"]),
    ("openidconnect", &["federation/oidc/"]),
    ("samael", &["federation/saml.rs"]),
    ("chacha20poly1305", &["keys/"]),
    ("getrandom", &["keys/"]),
    // The demo's identity provider signs its own tokens.
    ("aws_lc_rs", &["cli/demo/", "keys/"]),
    ("reqwest", &["net/", "cli/demo/", "telemetry/"]),
];

/// A source file without its tests.
struct Source {
    /// Below `src`, with slashes.
    path: String,
    /// The modules from the crate down, for example `store`, `logins`.
    module: Vec<String>,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    files
        .into_iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            let text = without_tests(&std::fs::read_to_string(&file).unwrap());
            Source { module: module_of(&path), path, text }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(&path, files);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
}

fn module_of(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// Drops comments, and the tests at the end of a file.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path that a text writes after `prefix`, as its first two names; groups in braces are opened.
fn paths(text: &str, prefix: &str) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        if before.is_some_and(|character| character.is_alphanumeric() || character == '_' || character == ':') {
            continue;
        }
        names(text.get(at + prefix.len()..).unwrap_or_default(), &mut found);
    }
    found
}

fn names(rest: &str, found: &mut Vec<(String, Option<String>)>) {
    if let Some(group) = rest.strip_prefix('{') {
        for item in items(group) {
            names(item.trim_start(), found);
        }
        return;
    }
    let first = word(rest);
    let after = rest.get(first.len()..).unwrap_or_default();
    match after.strip_prefix("::") {
        Some(next) if next.starts_with('{') => {
            for item in items(next.get(1..).unwrap_or_default()) {
                found.push((first.to_owned(), Some(word(item.trim_start()).to_owned())));
            }
        }
        Some(next) => found.push((first.to_owned(), Some(word(next).to_owned()))),
        None => found.push((first.to_owned(), None)),
    }
}

/// The items of a group whose opening brace was read, up to its closing one.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut items) = (0_usize, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(group.get(from..at).unwrap_or_default());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(group.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

fn word(text: &str) -> &str {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// What a source imports of ours: the top module, and what of it.
fn imports(source: &Source) -> Vec<(String, Option<String>)> {
    let mut all = paths(&source.text, "crate::");
    // As many `super::` as there are modules lead to the crate; fewer stay within the top module.
    let to_crate = "super::".repeat(source.module.len());
    if !to_crate.is_empty() {
        all.extend(paths(&source.text, &to_crate).into_iter().filter(|(first, _)| first != "super"));
    }
    let own = source.module.first().cloned().unwrap_or_default();
    all.retain(|(first, _)| *first != own && !first.is_empty());
    all
}

#[test]
fn imports_run_one_way() {
    let rules: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = BTreeSet::new();
    for source in sources() {
        let Some(own) = source.module.first() else { continue };
        let Some(allowed) = rules.get(own.as_str()) else {
            wrong.insert(format!("{}: the module {own} has no rule in MAY_IMPORT", source.path));
            continue;
        };
        for (module, part) in imports(&source) {
            if !allowed.contains(&module.as_str()) {
                wrong.insert(format!("{}: {own} may not import from {module}", source.path));
            }
            let parts = ONLY_PARTS.iter().find(|(who, from, _)| who == own && *from == module).map(|(_, _, parts)| parts);
            if let (Some(parts), Some(part)) = (parts, &part)
                && !parts.contains(&part.as_str())
            {
                wrong.insert(format!("{}: {own} may not import {module}::{part}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn some_libraries_are_named_in_one_place_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (library, places) in ONLY_THERE {
            let named = !paths(&source.text, &format!("{library}::")).is_empty();
            if named && !places.iter().any(|place| source.path.starts_with(place)) {
                wrong.push(format!("{}: names {library}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unsafe() {
    let unsafe_files: Vec<_> =
        sources().into_iter().filter(|source| source.text.contains("unsafe_code")).map(|source| source.path).collect();
    assert!(unsafe_files.is_empty(), "{unsafe_files:?}");
}

/// A file that a reader would dread.
const MOST_LINES: usize = 450;

#[test]
fn no_file_is_one_that_a_reader_would_dread() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    collect(&root.join("tests"), &mut files);
    let long: Vec<_> = files
        .into_iter()
        .filter(|file| !file.components().any(|part| part.as_os_str() == ".installed"))
        .map(|file| (std::fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn the_reader_of_paths_finds_what_is_written() {
    let text = "use crate::{a, b::{c, d}, e::f::g};\nlet x = crate::h::i();\nmycrate::no; use crate::j;";
    let found: Vec<_> = paths(text, "crate::").into_iter().map(|(first, part)| (first, part.unwrap_or_default())).collect();
    let expected = [("a", ""), ("b", "c"), ("b", "d"), ("e", "f"), ("h", "i"), ("j", "")];
    assert_eq!(found, expected.map(|(first, part)| (first.to_owned(), part.to_owned())));
    let source = |path: &str, text: &str| Source { path: path.to_owned(), module: module_of(path), text: text.to_owned() };
    let names = |source: Source| imports(&source).into_iter().map(|(module, _)| module).collect::<Vec<_>>();
    assert_eq!(
        names(source("scim/filter/mod.rs", "use super::super::store::X; use super::value::Y; use crate::scim::Z;")),
        ["store"]
    );
    assert_eq!(names(source("clock.rs", "use super::model::X;")), ["model"]);
    assert_eq!(without_tests("a // crate::b\n#[cfg(test)]\nmod tests {\n crate::c"), "a ");
}
