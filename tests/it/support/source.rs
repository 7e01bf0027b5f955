//! Reads Rust sources for tests of how the project is built: into words, texts and signs, which is enough to find paths and statements.

use std::path::{Path, PathBuf};

/// A piece of a source. Comments and white space are left out, and so are characters in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    /// What a string says.
    Text(String),
    Sign(char),
}

impl Token {
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }
}

/// All files below a folder of the project that have this ending, by path.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Splits a source.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix("r#\"") {
            let (text, after) = after.split_once("\"#").unwrap_or((after, ""));
            tokens.push(Token::Text(text.to_owned()));
            rest = after;
        } else if first == '"' {
            let (text, after) = string(&rest[1..]);
            tokens.push(Token::Text(text));
            rest = after;
        } else if let Some(after) = character(rest) {
            rest = after;
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|other: char| !other.is_alphanumeric() && other != '_').unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    tokens
}

/// A string from after its opening quote: what it says, and what follows it.
fn string(rest: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &rest[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, escaped)) => text.push(escaped),
                None => {}
            },
            other => text.push(other),
        }
    }
    (text, "")
}

/// What follows a character in quotes; a lifetime is none.
fn character(rest: &str) -> Option<&str> {
    let after = rest.strip_prefix('\'')?;
    let inside = match after.strip_prefix('\\') {
        Some(escaped) => escaped.get(1..)?.find('\'').map(|at| at + 2)?,
        None => after.chars().next()?.len_utf8(),
    };
    after.get(inside..)?.strip_prefix('\'')
}

/// Leaves out the items that only tests are built with.
pub(crate) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mark = self::tokens("#[cfg(test)]");
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&mark) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += mark.len();
        // The item ends with a semicolon or with the first group in braces.
        while at < tokens.len() {
            match &tokens[at] {
                Token::Sign(';') => {
                    at += 1;
                    break;
                }
                Token::Sign('{') => {
                    at = end_of_group(tokens, at);
                    break;
                }
                Token::Sign('(' | '[') => at = end_of_group(tokens, at),
                _ => at += 1,
            }
        }
    }
    kept
}

/// Where the group ends that the bracket at `open` begins: after its closing bracket.
pub(crate) fn end_of_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(' | '{' | '[') => depth += 1,
            Token::Sign(')' | '}' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[test]
fn sources_are_split_and_their_tests_left_out() {
    let source = r#"
        fn one<'a>(brace: char) { if brace == '{' || brace == '\'' || brace == '\u{7d}' { "te\"xt" } } // "comment"
        #[cfg(test)]
        #[expect(dead_code)]
        mod tests { fn two() { "}" } }
        #[cfg(test)]
        use three;
        four
    "#;
    let kept = without_tests(&tokens(source));
    let words: Vec<_> =
        kept.iter().filter_map(|token| if let Token::Word(word) = token { Some(word.as_str()) } else { None }).collect();
    assert_eq!(words, ["fn", "one", "a", "brace", "char", "if", "brace", "brace", "brace", "four"]);
    assert!(kept.contains(&Token::Text("te\"xt".to_owned())));
}
