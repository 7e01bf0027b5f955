//! SAML, attacked: messages of our own making, each signed by a genuine key of the identity provider where that is the attack, given to the validator
//! as a browser would bring them. Requirements and attacks have the numbers of the list that the project works by: `sso_s01_…` to `sso_s35_…`.

mod algorithms;
mod conditions;
pub(crate) mod cost;
mod encrypt;
mod encrypted;
pub(crate) mod keys;
mod limits;
pub(crate) mod logouts;
pub(crate) mod message;
pub(crate) mod mutation;
mod parsers;
pub(crate) mod property;
mod requests;
mod shapes;
mod sign;
mod traced;
pub(crate) mod vector;
mod wrapping;

use vector::Vector;

/// The vectors of every story.
pub(crate) fn all() -> Vec<(&'static str, Vec<Vector>)> {
    vec![
        ("s01_xsw1", wrapping::xsw1()),
        ("s02_xsw2", wrapping::xsw2()),
        ("s03_xsw3", wrapping::xsw3()),
        ("s04_xsw4", wrapping::xsw4()),
        ("s05_xsw5", wrapping::xsw5()),
        ("s06_xsw6", wrapping::xsw6()),
        ("s07_xsw7", wrapping::xsw7()),
        ("s08_xsw8", wrapping::xsw8()),
        ("s08_xsw9", wrapping::xsw9()),
        ("s09_two_assertions", wrapping::two_assertions()),
        ("s09_doubled_signatures", wrapping::doubled_signatures()),
        ("s10_smuggled_digest", parsers::smuggled_digest()),
        ("s11_disagreements", parsers::disagreements()),
        ("s11_namespaces", parsers::namespaces()),
        ("s12_fragile_locks", parsers::fragile_locks()),
        ("s13_two_signed_infos", parsers::two_signed_infos()),
        ("s14_commented_digests", parsers::commented_digests()),
        ("s15_unsigned_values", parsers::unsigned_values()),
        ("s16_split_texts", parsers::split_texts()),
        ("s17_entities", parsers::entities()),
        ("s18_weak_digests", algorithms::weak_digests()),
        ("s19_public_secrets", algorithms::public_secrets()),
        ("s20_references", algorithms::references()),
        ("s21_transforms", algorithms::transforms()),
        ("s22_large", algorithms::large()),
        ("s23_unproved", algorithms::unproved()),
        ("s24_no_certificates", algorithms::no_certificates()),
        ("s25_audiences", conditions::audiences()),
        ("s26_times_and_places", conditions::times_and_places()),
        ("s26_wrappers", conditions::wrappers()),
        ("s28_mix_ups", conditions::mix_ups()),
        ("s29_taken", encrypted::taken()),
        ("s29_unproved", encrypted::unproved()),
        ("s29_undecryptable", encrypted::undecryptable()),
        ("s32_sizes", limits::sizes()),
        ("s34_invisible", limits::invisible()),
        ("r02_signatures", shapes::signatures()),
        ("r02_spellings", shapes::spellings()),
        ("r02_additions", shapes::additions()),
    ]
}
