//! The form of an encrypted assertion (XML Encryption section 3): one `EncryptedData` with one `EncryptedKey`, both with their bytes in the
//! message itself. Which algorithms are taken is `decrypt`'s to say.

use super::super::bad::{Refusal, ensure};
use super::super::document::{Element, ns};
use super::signature::may_stand_elsewhere;

/// What may stand in it of XML Encryption. A `CipherReference` would name bytes elsewhere.
const PARTS: [&str; 11] = [
    "EncryptedData",
    "EncryptedKey",
    "EncryptionMethod",
    "KeySize",
    "OAEPparams",
    "CipherData",
    "CipherValue",
    "CarriedKeyName",
    "ReferenceList",
    "DataReference",
    "KeyReference",
];

/// Checks an encrypted assertion.
pub(super) fn check(encrypted: Element<'_>) -> Result<(), Refusal> {
    let is_part = |element: Element<'_>| match element.namespace() {
        ns::XENC => PARTS.contains(&element.name()),
        ns::XENC11 => element.name() == "MGF",
        ns::DSIG => may_stand_elsewhere(element) || element.name() == "DigestMethod",
        _ => false,
    };
    ensure(encrypted.descendants().all(is_part), Refusal::EncryptionShape)?;
    let count = |name: &str| encrypted.descendants().filter(|element| element.is(ns::XENC, name)).count();
    let is_direct = encrypted.only(ns::XENC, "EncryptedData").is_some();
    ensure(is_direct && count("EncryptedData") == 1 && count("EncryptedKey") == 1, Refusal::EncryptionShape)
}
