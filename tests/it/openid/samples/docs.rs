//! What docs/portal.md quotes of the samples is what is in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const GUIDE: &str = "docs/portal.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The lines between the markers `region NAME` and `endregion` of a sample, as far to the left as they go.
fn region(path: &str, name: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs").join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let marked = |line: &str, marker: &str| line.trim_start().trim_start_matches(['/', '#']).trim() == marker;
    let lines: Vec<_> = text.lines().skip_while(|line| !marked(line, &format!("region {name}"))).skip(1).collect();
    let end = lines.iter().position(|line| marked(line, "endregion")).unwrap_or_else(|| panic!("{path} has no region {name}"));
    let lines = &lines[..end];
    let margin = lines.iter().filter(|line| !line.is_empty()).map(|line| line.len() - line.trim_start().len()).min().unwrap();
    lines.iter().flat_map(|line| [line.get(margin..).unwrap_or_default(), "\n"]).collect()
}

/// The guide with each quotation as the sample has it now: what stands between `<!-- FILE: REGION -->` and `<!-- end -->`.
fn quoted(guide: &str, seen: &mut BTreeSet<(String, String)>) -> String {
    let mut out = String::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        out += line;
        out += "\n";
        let source = line.strip_prefix("<!-- samples/").and_then(|rest| rest.strip_suffix(" -->"));
        let Some((path, name)) = source.and_then(|source| source.split_once(": ")) else { continue };
        assert!(lines.any(|line| line == "<!-- end -->"), "the quotation of {path}: {name} does not end");
        let language = match Path::new(path).extension().unwrap().to_str().unwrap() {
            "mjs" => "js",
            "py" => "python",
            "conf" => "nginx",
            other => panic!("what language is {other}?"),
        };
        out += &["```", language, "\n", &region(&format!("samples/{path}"), name), "```\n<!-- end -->\n"].concat();
        seen.insert((path.to_owned(), name.to_owned()));
    }
    out
}

/// `VESTIBULE_WRITE_DOCS=1` writes the guide anew.
#[test]
fn the_guide_quotes_the_samples_as_they_are() {
    let guide = std::fs::read_to_string(root().join(GUIDE)).unwrap();
    let mut seen = BTreeSet::new();
    let expected = quoted(&guide, &mut seen);
    assert!(seen.len() >= 8, "{seen:?}");
    for sample in ["node/portal.mjs", "python/portal.py", "python/tokens.py", "python/verifier.py", "nginx/nginx.conf"] {
        assert!(seen.iter().any(|(path, _)| path == sample), "{GUIDE} quotes nothing of {sample}");
    }
    if std::env::var_os("VESTIBULE_WRITE_DOCS").is_some() {
        std::fs::write(root().join(GUIDE), &expected).unwrap();
    } else {
        assert!(
            guide == expected,
            "{GUIDE} quotes samples as they were: VESTIBULE_WRITE_DOCS=1 cargo test --test it samples::docs"
        );
    }
}

#[test]
fn a_stale_quotation_is_found() {
    let stale = "before\n<!-- samples/node/portal.mjs: discover -->\n```js\nold\n```\n<!-- end -->\nafter\n";
    let fresh = quoted(stale, &mut BTreeSet::new());
    assert!(fresh.starts_with("before\n") && fresh.ends_with("<!-- end -->\nafter\n"));
    assert!(!fresh.contains("old") && fresh.contains("openid.discovery("), "{fresh}");
    assert_eq!(quoted(&fresh, &mut BTreeSet::new()), fresh);
}
