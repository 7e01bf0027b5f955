//! Naming conventions in rules, purely: regular expressions for the whole of a value, whose named parts say role and account.
//!
//! Administrators write them, so they are run by finite automata: a match takes time linear in the value, and a pattern whose automata
//! would be large is refused. Values are folded like everything that compares without regard to letter case.

use regex::{Captures, Regex, RegexBuilder};

use crate::model::Pattern;
use crate::scim::filter::{FilterError, Scope, text_path};
use crate::scim::fold::fold;
use crate::scim::profile::Profile;
use crate::scim::{Value, filter::ResolvedPath};

/// Characters of a pattern.
pub const LONGEST_PATTERN: usize = 1_000;
/// Bytes that the automata of a pattern may take: thousands of letters, or a few hundred of any script.
const LARGEST: usize = 1 << 20;
/// How deep groups may nest.
const DEEPEST: u32 = 32;

/// Why a pattern is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PatternError {
    #[error("attribute: {0}")]
    Attribute(#[from] FilterError),
    #[error("pattern: at most {LONGEST_PATTERN} characters")]
    TooLong,
    #[error("pattern: {0}")]
    Pattern(#[from] regex::Error),
}

/// A pattern that can be run.
#[derive(Clone, Debug)]
pub struct CompiledPattern {
    path: ResolvedPath,
    regex: Regex,
}

impl CompiledPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When facts have no such attribute or it is no text, or the pattern is none, too long or too large.
    pub fn new(pattern: &Pattern) -> Result<Self, PatternError> {
        let path = text_path(&pattern.attribute, Scope::Facts, Profile::Strict)?;
        if pattern.pattern.chars().count() > LONGEST_PATTERN {
            return Err(PatternError::TooLong);
        }
        // By itself first: what does not close its own groups must not close the one around it, and messages show what was written.
        build(&pattern.pattern)?;
        Ok(Self { path, regex: build(&format!(r"\A(?:{})\z", pattern.pattern))? })
    }

    /// Whether the pattern names a part so.
    #[must_use]
    pub fn has_part(&self, name: &str) -> bool {
        self.regex.capture_names().flatten().any(|part| part == name)
    }

    /// Calls with the parts of each value that follows the pattern.
    pub fn each(&self, document: &Value, mut found: impl FnMut(&Captures<'_>)) {
        for value in self.path.texts(document) {
            if let Some(parts) = self.regex.captures(&fold(value)) {
                found(&parts);
            }
        }
    }

    /// The values that follow the pattern.
    #[must_use]
    pub fn values<'d>(&self, document: &'d Value) -> Vec<&'d str> {
        self.path.texts(document).into_iter().filter(|value| self.regex.is_match(&fold(value))).collect()
    }
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).case_insensitive(true).size_limit(LARGEST).dfa_size_limit(LARGEST).nest_limit(DEEPEST).build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compiled(attribute: &str, pattern: &str) -> Result<CompiledPattern, PatternError> {
        CompiledPattern::new(&Pattern { attribute: attribute.into(), pattern: pattern.into() })
    }

    #[test]
    fn a_pattern_is_for_the_whole_of_a_value_in_any_letter_case() {
        let table = [
            ("portal-(?<a>[a-z]+)", "portal-emea", Some("emea")),
            ("Portal-(?<a>[A-Z]+)", "PORTAL-Emea", Some("emea")),
            ("portal-(?<a>[a-z]+)", "my-portal-emea", None),
            ("portal-(?<a>[a-z]+)", "portal-emea-1", None),
            ("portal-(?<a>[a-z]+)", "portal-emea\n", None),
            ("(?m)^(?<a>x)$", "y\nx", None),
            // Of alternatives too, all must be the whole.
            ("(?<a>x)|y", "xz", None),
            ("(?<a>x)|y", "x", Some("x")),
            ("(?<a>strasse)", "STRAẞE", Some("strasse")),
        ];
        for (pattern, value, part) in table {
            let document = Value::from(json!({ "groups": [{ "display": value }], "claims": { "team": [value] } }));
            for attribute in ["groups.display", "claims.team"] {
                let compiled = compiled(attribute, pattern).unwrap();
                let mut parts = Vec::new();
                compiled.each(&document, |captures| parts.push(captures["a"].to_owned()));
                assert_eq!(parts.first().map(String::as_str), part, "{attribute} {pattern:?} {value:?}");
                assert_eq!(compiled.values(&document).len(), usize::from(part.is_some()));
                assert!(compiled.has_part("a") && !compiled.has_part("b"));
            }
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_in_words() {
        let long = "x".repeat(1_001);
        for (attribute, pattern, words) in [
            ("groups.display", "a)|(?:b", "unopened group"),
            ("groups.display", "(?<a>x", "unclosed group"),
            ("groups.display", "(?x)a #", "unclosed group"),
            ("groups.display", "(x)\\1", "backreferences are not supported"),
            ("groups.display", "(((\\w{100}){100}){100})", "size limit"),
            ("groups.display", long.as_str(), "at most 1000"),
            ("groups", "x", ""),
            ("colour", "x", "colour"),
            ("active", "x", "active"),
            ("meta.created", "x", "meta.created"),
            ("claims", "x", "claims"),
            ("groups.display eq", "x", "character"),
        ] {
            match compiled(attribute, pattern) {
                Err(error) => assert!(error.to_string().contains(words), "{pattern}: {error}"),
                Ok(_) => assert_eq!(attribute, "groups", "{pattern}"),
            }
        }
    }
}
