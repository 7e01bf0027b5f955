//! Patterns of user names: what the name of a person's second login has more than that of the first one.

use std::collections::BTreeSet;

use crate::model::LinkSuffix;
use crate::scim::fold::fold;

/// The user names, folded, that the other login of a person may have by these patterns: the own one with a suffix before its last `@`, and the
/// own one without it.
#[must_use]
pub fn counterparts(user_name: &str, suffixes: &[LinkSuffix]) -> Vec<String> {
    let own = fold(user_name);
    let (name, domain) = own.rsplit_once('@').map_or((own.as_str(), None), |(name, domain)| (name, Some(domain)));
    let whole = |name: &str| fold(&domain.map_or_else(|| name.to_owned(), |domain| format!("{name}@{domain}")));
    let mut found = BTreeSet::new();
    for suffix in suffixes.iter().map(|suffix| fold(suffix.as_str())) {
        // Without anything before it a suffix is a name like any other.
        let shorter = name.strip_suffix(suffix.as_str()).filter(|shorter| !shorter.is_empty());
        found.extend(shorter.map(whole));
        found.extend((!name.is_empty()).then(|| whole(&format!("{name}{suffix}"))));
    }
    found.into_iter().filter(|name| *name != own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_goes_before_the_last_at_sign_in_both_directions() {
        for (user_name, suffixes, expected) in [
            ("Joe.Bloggs@BlueSky.example", &[".GSA"][..], &["joe.bloggs.gsa@bluesky.example"][..]),
            ("joe.bloggs.gsa@bluesky.example", &[".GSA"], &["joe.bloggs.gsa.gsa@bluesky.example", "joe.bloggs@bluesky.example"]),
            ("joe", &["-adm"], &["joe-adm"]),
            ("JOE-ADM", &["-adm"], &["joe", "joe-adm-adm"]),
            ("joe@home@bluesky", &[".gsa"], &["joe@home.gsa@bluesky"]),
            ("joe.gsa@home@bluesky", &[".gsa"], &["joe.gsa@home.gsa@bluesky"]),
            ("joe@bluesky.gsa", &[".gsa"], &["joe.gsa@bluesky.gsa"]),
            ("joe", &[".gsa", "-adm"], &["joe-adm", "joe.gsa"]),
            ("joe", &[".gsa", ".GSA"], &["joe.gsa"]),
            (".gsa", &[".gsa"], &[".gsa.gsa"]),
            (".gsa@bluesky", &[".gsa"], &[".gsa.gsa@bluesky"]),
            ("@bluesky", &[".gsa"], &[]),
            ("JÖRG", &["ß"], &["jörgss"]),
            ("jörgss", &["ß"], &["jörg", "jörgssss"]),
            ("joe", &[], &[]),
        ] {
            let suffixes: Vec<LinkSuffix> = suffixes.iter().map(|suffix| (*suffix).to_owned().try_into().unwrap()).collect();
            assert_eq!(counterparts(user_name, &suffixes), expected, "{user_name}");
        }
    }
}
