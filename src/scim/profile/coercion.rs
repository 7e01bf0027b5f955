//! What is remembered of each use of a tolerance.

/// The names of the rules that coercions are recorded under: in the provisioning log, and in `vestibule_scim_coercions_total`.
pub mod rule {
    /// Writes each rule once: its constant, its name, and what it does, which is its documentation here and in `docs/scim.md`.
    macro_rules! rules {
        ($($constant:ident = $name:literal: $does:literal;)+) => {
            $(#[doc = $does] pub const $constant: &str = $name;)+

            /// Every rule: its name, and what it does.
            pub const ALL: &[(&str, &str)] = &[$(($name, $does)),+];
        };
    }

    rules! {
        STRING_BOOLEAN = "string-boolean": "Text was read as a boolean, in a value or in a filter.";
        CREATED_UNMATCHED = "created-unmatched": "`replace` created the value that its selection did not find.";
        REMOVED_LISTED = "removed-listed": "`remove` with a list of values removed those values only.";
        MANAGER_SHAPE = "manager-shape": "`manager` came as text or as a list, and was read as an object; empty text took it away.";
        BARE_MEMBER = "bare-member": "A member came as bare text and was read as its `value`.";
        MEMBER_TYPE = "member-type": "A member's `type` was neither `User` nor `Group`, or not what its id is; the id decided.";
        UNKNOWN_MEMBER = "unknown-member": "A member that is nobody in the directory was left out.";
        UNQUALIFIED_EXTENSION = "unqualified-extension": "An extension's attribute came without its URN.";
        UNDECLARED_EXTENSION = "undeclared-extension": "An extension's attributes came without the URN being listed in `schemas`.";
        JSON_IN_ROLES = "json-in-roles": "JSON in the text of a role was unpacked into its `value` and `display`.";
        MISSING_SCHEMAS = "missing-schemas": "`schemas` was missing, or did not list what was sent; it was inferred from the address.";
        UNKNOWN_SCHEMA = "unknown-schema": "An unknown URN in `schemas` was left out.";
        MISSPELT_SCHEMA = "misspelt-schema": "A misspelt or SCIM 1.1 URN was read as the one it stands for.";
        UNKNOWN_ATTRIBUTE = "unknown-attribute": "An unknown attribute was left out.";
        MISSING_CONTENT_TYPE = "missing-content-type": "A body came without `Content-Type` and was taken for JSON.";
    }
}

/// One use of a tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coercion {
    /// Which rule, one of the constants of [`rule`].
    pub rule: &'static str,
    /// Where: an attribute path or a URN as the client wrote it, shortened. Never a value.
    pub path: String,
}

/// Collects coercions: each once, and no more than a log can use.
#[derive(Debug, Default)]
pub(in crate::scim) struct Coercions {
    found: Vec<Coercion>,
}

impl Coercions {
    const MOST: usize = 100;
    const LONGEST: usize = 120;

    pub(in crate::scim) fn record(&mut self, rule: &'static str, path: &str) {
        let path: String = path.chars().filter(|character| !character.is_control()).take(Self::LONGEST).collect();
        let coercion = Coercion { rule, path };
        if self.found.len() < Self::MOST && !self.found.contains(&coercion) {
            self.found.push(coercion);
        }
    }

    pub(in crate::scim) fn into_vec(self) -> Vec<Coercion> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::{Coercions, rule};
    use std::collections::BTreeSet;

    #[test]
    fn no_two_rules_have_one_name() {
        let names: BTreeSet<_> = rule::ALL.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), rule::ALL.len());
    }

    #[test]
    fn coercions_are_recorded_once_and_bounded() {
        let mut coercions = Coercions::default();
        for _ in 0..3 {
            coercions.record(rule::STRING_BOOLEAN, "active");
        }
        for number in 0..1_000 {
            coercions.record(rule::UNKNOWN_ATTRIBUTE, &format!("x{number}\n"));
        }
        coercions.record(rule::UNKNOWN_ATTRIBUTE, &"x".repeat(10_000));
        let found = coercions.into_vec();
        assert_eq!(found.len(), 100);
        assert_eq!(found[1].path, "x0");
    }
}
