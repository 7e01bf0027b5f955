//! The house stands as it was drawn: which module may import which, who may name which crate, and how long files may be.
//!
//! The sources are read as text. Every path that begins with `crate` or `super` is resolved to a module of ours; tests are left out.

use std::path::{Component, Path};

use crate::support::source::{Token, files, tokens, without_tests};

/// What each module may import besides itself. `*` is everything.
const ARROWS: &[(&str, &[&str])] = &[
    ("scim", &[]),
    ("model", &[]),
    ("clock", &[]),
    ("config", &[]),
    ("net", &["config", "clock"]),
    ("mail", &["config", "clock"]),
    ("i18n", &["config", "clock"]),
    ("metrics", &["config", "clock"]),
    ("telemetry", &["config", "clock"]),
    ("keys", &["model", "clock"]),
    (
        "store",
        &[
            "model",
            "clock",
            "scim::ResolvedFilter",
            "scim::filter",
            "scim::sort",
            "keys::Sealed",
            "keys::HashedToken",
            "keys::PublicJwk",
        ],
    ),
    ("federation", &["model", "keys", "net", "clock"]),
    (
        "directory",
        &[
            "model",
            "store",
            "keys",
            "clock",
            "scim::ResolvedFilter",
            "scim::filter",
            "scim::fold",
            "scim::schema",
            "scim::profile",
            "scim::search_form",
            "scim::Object",
            "scim::Value",
        ],
    ),
    ("provisioning", &["scim", "directory", "store", "model", "clock"]),
    ("openid", &["model", "store", "keys", "directory", "clock"]),
    (
        "http",
        &[
            "app",
            "openid",
            "provisioning",
            "directory",
            "federation",
            "scim",
            "store",
            "model",
            "keys",
            "mail",
            "net",
            "i18n",
            "metrics",
            "telemetry",
            "config",
            "clock",
        ],
    ),
    (
        "work",
        &[
            "model",
            "keys",
            "clock",
            "config",
            "metrics",
            "store",
            "directory",
            "provisioning",
            "scim",
            "federation",
            "openid",
            "net",
            "mail",
        ],
    ),
    ("app", &["*"]),
    ("cli", &["*"]),
];

/// Modules, and what each may name.
type Places = &'static [(&'static str, &'static [&'static str])];

/// Crates that only some modules may name, and what of them; `*` is everything.
const NAMES: &[(&str, Places)] = &[
    // Statements are written in the store. What is read from a row derives how.
    ("sqlx", &[("store", &["*"]), ("model", &["Type", "FromRow"]), ("keys", &["Type"])]),
    ("samael", &[("federation::saml", &["*"])]),
    ("openssl", &[("federation::saml", &["*"])]),
    ("quick_xml", &[("federation::saml", &["*"])]),
    ("libxml", &[]),
    // The demo's portal is a relying party of Vestibule's: it stands for somebody else's program.
    ("openidconnect", &[("federation::oidc", &["*"]), ("openid", &["*"]), ("cli::demo::portal", &["*"])]),
    ("chacha20poly1305", &[("keys", &["*"])]),
    ("getrandom", &[("keys", &["*"])]),
    // The demo's identity provider makes a signing key of its own: it stands for somebody else's program.
    ("aws_lc_rs", &[("keys", &["*"]), ("cli::demo::idp", &["*"])]),
];

/// How many lines a file may have.
const LONGEST: usize = 450;

/// Files that are longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// A file of the program, without its tests.
struct Source {
    /// Its path from the project's folder.
    name: String,
    /// Its modules, from the top: `scim`, `filter`. None for `lib.rs`.
    module: Vec<String>,
    tokens: Vec<Token>,
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().to_owned()
}

fn sources() -> Vec<Source> {
    files("src", "rs")
        .into_iter()
        .filter_map(|path| {
            let name = relative(&path);
            let module = module(&name)?;
            let tokens = without_tests(&tokens(&std::fs::read_to_string(&path).unwrap()));
            Some(Source { name, module, tokens })
        })
        .collect()
}

/// The module that a file is, unless it holds tests.
fn module(name: &str) -> Option<Vec<String>> {
    let path = Path::new(name.strip_prefix("src/").unwrap()).with_extension("");
    let mut module: Vec<String> = path
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str().unwrap().to_owned(),
            other => panic!("{other:?} in {name}"),
        })
        .collect();
    if module.iter().any(|part| part == "tests") {
        return None;
    }
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    Some(module)
}

/// Every path to a module of ours that a source names, from the top.
fn paths(module: &[String], tokens: &[Token]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut base = Vec::new();
        if tokens[at].is("crate") {
            at += 1;
        } else if tokens[at].is("super") {
            base = module.to_vec();
            base.pop();
            at += 1;
            while tokens[at..].len() > 2 && is_path_separator(&tokens[at..]) && tokens[at + 2].is("super") {
                base.pop();
                at += 3;
            }
        } else {
            at += 1;
            continue;
        }
        // `pub(crate)` and `pub(super)` lead nowhere.
        if is_path_separator(&tokens[at..]) {
            at = tree(tokens, at + 2, &base, &mut found);
        }
    }
    found
}

fn is_path_separator(tokens: &[Token]) -> bool {
    tokens.starts_with(&[Token::Sign(':'), Token::Sign(':')])
}

/// Reads what may follow `::` in a path or in `use`, and answers where it ends.
fn tree(tokens: &[Token], mut at: usize, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    match tokens.get(at) {
        Some(Token::Word(word)) => {
            let mut path = base.to_vec();
            if word != "self" {
                path.push(word.clone());
            }
            at += 1;
            if is_path_separator(&tokens[at..]) {
                return tree(tokens, at + 2, &path, found);
            }
            found.push(path);
            if tokens.get(at).is_some_and(|token| token.is("as")) { at + 2 } else { at }
        }
        Some(Token::Sign('{')) => {
            at += 1;
            while at < tokens.len() && tokens[at] != Token::Sign('}') {
                let end = tree(tokens, at, base, found);
                at = if end == at || tokens.get(end) == Some(&Token::Sign(',')) { end + 1 } else { end };
            }
            at + 1
        }
        // A glob, or the arguments of a type.
        other => {
            found.push(base.to_vec());
            if other == Some(&Token::Sign('*')) { at + 1 } else { at }
        }
    }
}

/// Whether a path may be named by a module, by the rules.
fn is_allowed(rules: &[(&str, &[&str])], module: &str, path: &[String]) -> bool {
    if path.first().is_some_and(|first| first == module) {
        return true;
    }
    rules.iter().filter(|(importer, _)| *importer == module).flat_map(|(_, allowed)| *allowed).any(|allowed| {
        *allowed == "*" || {
            let allowed: Vec<_> = allowed.split("::").collect();
            path.len() >= allowed.len() && path.iter().zip(allowed).all(|(own, allowed)| own == allowed)
        }
    })
}

/// What follows the names of a crate: `Type` for `sqlx::Type`, and nothing where it is imported as a whole.
fn named(name: &str, tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for at in (0..tokens.len()).filter(|at| tokens[*at].is(name)) {
        let inside = at >= 2 && is_path_separator(&tokens[at - 2..]) && at >= 3 && matches!(tokens[at - 3], Token::Word(_));
        if inside {
            continue;
        }
        if is_path_separator(&tokens[at + 1..]) {
            let mut paths = Vec::new();
            tree(tokens, at + 3, &[], &mut paths);
            found.extend(paths.into_iter().map(|path| path.first().cloned().unwrap_or_default()));
        } else if at >= 1 && (tokens[at - 1].is("use") || tokens[at - 1].is("crate")) {
            found.push(String::new());
        }
    }
    found
}

#[test]
fn modules_import_only_what_is_below_them() {
    let sources = sources();
    let mut faults = Vec::new();
    let mut arrows = 0;
    for source in &sources {
        // The program and the list of modules stand above all.
        let Some(top) = source.module.first().filter(|top| *top != "main") else { continue };
        if !ARROWS.iter().any(|(module, _)| module == top) {
            faults.push(format!("{}: the module {top} is not in the list of arrows", source.name));
        }
        for path in paths(&source.module, &source.tokens) {
            arrows += usize::from(path.first() != Some(top));
            if !is_allowed(ARROWS, top, &path) {
                faults.push(format!("{}: {top} may not import {}", source.name, path.join("::")));
            }
        }
    }
    assert!(sources.len() > 80 && arrows > 200, "{arrows} imports in {} files: the sources were not read", sources.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn crates_are_named_where_they_belong() {
    let mut faults = Vec::new();
    for source in sources() {
        let module = source.module.join("::");
        for (name, places) in NAMES {
            let allowed: Vec<_> =
                places.iter().filter(|(place, _)| module == *place || module.starts_with(&format!("{place}::"))).collect();
            for part in named(name, &source.tokens) {
                if !allowed.iter().any(|(_, parts)| parts.iter().any(|allowed| *allowed == "*" || *allowed == part)) {
                    faults.push(format!("{}: may not name {name}::{part}", source.name));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_clock_alone_asks_the_time_and_nothing_is_unsafe() {
    for source in sources() {
        for clock in ["Utc", "Local", "SystemTime"] {
            let asked = named(clock, &source.tokens).contains(&"now".to_owned());
            assert!(!asked || source.module == ["clock"], "{} asks {clock}::now; take the Clock", source.name);
        }
        // Two functions of the XML signature library that its Rust crate does not offer.
        let may_be = source.module == ["federation", "saml", "sys"];
        let is_unsafe = source.tokens.iter().any(|token| token.is("unsafe") || token.is("unsafe_code"));
        assert_eq!(is_unsafe, may_be, "{} is unsafe, or need not be on the list", source.name);
    }
}

#[test]
fn files_are_short() {
    let mut long = Vec::new();
    for folder in ["src", "tests/it", "tests/properties"] {
        for path in files(folder, "rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            let name = relative(&path);
            let excepted = LONGER.iter().any(|(longer, _)| *longer == name);
            assert!(!excepted || lines > LONGEST, "{name} is short now: take it off the list");
            if lines > LONGEST && !excepted {
                long.push(format!("{name} has {lines} lines, more than {LONGEST}"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn paths_are_found_in_every_form() {
    let found = |source: &str| -> Vec<String> {
        let module = ["scim".to_owned(), "filter".to_owned(), "grammar".to_owned()];
        paths(&module, &without_tests(&tokens(source))).iter().map(|path| path.join("::")).collect()
    };
    for (source, expected) in [
        ("use crate::store::Store;", vec!["store::Store"]),
        (
            "use crate::scim::{Object, value::{self, Value as V}, filter::*};",
            vec!["scim::Object", "scim::value", "scim::value::Value", "scim::filter"],
        ),
        ("use crate::{clock::Clock, model};", vec!["clock::Clock", "model"]),
        (
            "use super::Filter; use super::super::{value, super_thing};",
            vec!["scim::filter::Filter", "scim::value", "scim::super_thing"],
        ),
        ("use super::super::super::store;", vec!["store"]),
        (
            "fn f(x: &crate::model::Login) -> crate::keys::Result<u8> { $crate::store::statement!(x) }",
            vec!["model::Login", "keys::Result", "store::statement"],
        ),
        ("crate::directory::decide::<u8>(x)", vec!["directory::decide"]),
        ("pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::scim) fn h() {}", vec!["scim"]),
        ("// use crate::http;\nlet x = \"crate::http::x\";", vec![]),
        ("#[cfg(test)] mod tests { use crate::store::Store; } use crate::clock;", vec!["clock"]),
    ] {
        assert_eq!(found(source), expected, "{source}");
    }
}

#[test]
fn what_the_list_does_not_allow_is_refused() {
    let path = |text: &str| text.split("::").map(ToOwned::to_owned).collect::<Vec<_>>();
    for (module, to, allowed) in [
        ("store", "model::LoginId", true),
        ("store", "store::Error", true),
        ("store", "scim::filter::Comparison", true),
        ("store", "scim", false),
        ("store", "scim::patch", false),
        ("store", "keys::Sealer", false),
        ("scim", "model", false),
        ("model", "clock", false),
        ("federation", "store::Store", false),
        ("directory", "http", false),
        ("directory", "scim::patch::apply", false),
        ("cli", "http", true),
    ] {
        assert_eq!(is_allowed(ARROWS, module, &path(to)), allowed, "{module} → {to}");
    }
    let named = |source: &str| named("sqlx", &tokens(source));
    assert_eq!(named("#[derive(sqlx::Type)] #[sqlx(transparent)] struct A;"), ["Type"]);
    assert_eq!(named("use sqlx::{PgPool, types::Json};"), ["PgPool", "types"]);
    assert_eq!(named("use sqlx; use other::sqlx::Thing; let sqlx = 1;"), [""]);
    assert_eq!(module("src/scim/filter/tests/mod.rs"), None);
    assert_eq!(module("src/scim/filter/mod.rs").unwrap(), ["scim", "filter"]);
    assert_eq!(module("src/clock.rs").unwrap(), ["clock"]);
    assert_eq!(module("src/lib.rs").unwrap(), Vec::<String>::new());
}
