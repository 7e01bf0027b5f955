//! One folding for everything that compares without regard to letter case.
//!
//! Names, user names and attributes with `caseExact` false compare by their folded form: NFKC and full Unicode case folding (what
//! Unicode calls compatibility caseless matching). The folded form is stored beside the original in indexed columns, so a change of
//! the folding is a change of the data: [`FOLDING_VERSION`] is stored with it, and a test here fails when new Unicode tables fold
//! differently.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;

/// The version of what [`fold`] answers. Raise it, and fold stored keys again, whenever any text folds differently than before.
pub const FOLDING_VERSION: i16 = 1;

/// Folds text for comparison: two texts are the same name when their folded forms are equal bytes.
///
/// Folding twice gives the same as folding once. The result can be longer than the text: `ß` folds to `ss`.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let cases = CaseMapper::new();
    // Normalising can bring up new capitals, and folding can undo the normal form (Unicode section 3.13, D146), so both are repeated
    // until nothing changes. That takes two rounds or three; the limit is for characters that nobody has encoded yet.
    let mut folded = normalizer.normalize(text).into_owned();
    for _ in 0..8 {
        let next = normalizer.normalize(&cases.fold_string(&folded)).into_owned();
        if next == folded {
            break;
        }
        folded = next;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn r07_names_that_people_take_for_the_same_fold_alike() {
        for (one, other) in [
            ("Joe@Example.COM", "joe@example.com"),
            ("STRASSE", "straße"),
            ("ÅNGSTRÖM", "a\u{30a}ngstro\u{308}m"),
            ("Ｊｏｅ", "joe"),
            ("ﬁnance", "FINANCE"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("℡", "tel"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
        for (one, other) in [
            ("joe", "jöe"),
            ("a", "а"), // the second is Cyrillic: look-alikes are not the same name
            ("ı", "i"),
        ] {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
    }

    #[test]
    fn folding_is_idempotent_and_its_version_is_pinned() {
        // FNV-1a over every character that folding changes: it tells when new Unicode tables fold differently.
        let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
        let mut changed = 0_u32;
        // Planes 4 to 13 are empty, 15 and 16 are for private use: nothing there folds.
        for character in ('\0'..='\u{3ffff}').chain('\u{e0000}'..='\u{e0fff}') {
            let text = character.to_string();
            let folded = fold(&text);
            if folded == text {
                continue;
            }
            changed += 1;
            assert_eq!(fold(&folded), folded, "U+{:04X}", u32::from(character));
            for byte in text.bytes().chain(folded.bytes()) {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        assert_eq!(
            (changed, digest),
            (6499, 15_632_323_444_050_605_437),
            "the folding changed: raise FOLDING_VERSION and pin the new digest"
        );
    }
}
