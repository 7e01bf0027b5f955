//! What `doctor` says of the libraries that SAML stands on.

use super::doctor::Check;
use crate::federation::saml::{is_ready, loaded, openssl_version};

const NAME: &str = "xml-signatures";

/// Which libraries are loaded, and whether they do their work.
pub(super) fn libraries() -> Check {
    if !is_ready() {
        return Check::fail(NAME, "the XML signature library does not start", "install libxmlsec1 with its OpenSSL engine");
    }
    let libraries = loaded();
    let told: Vec<_> = libraries
        .iter()
        .map(|one| match one.version {
            Some(version) => format!("{} {version}", one.name),
            None => format!("{} of an unknown version", one.name),
        })
        .collect();
    let detail = format!("{}, {}: they start, and refuse what nobody signed", told.join(", "), openssl_version());
    let supported: Vec<_> = libraries.iter().map(|one| format!("{} {}", one.name, one.supported)).collect();
    let hint = format!("the tests run with {}; use those, or disable SAML connections", supported.join(" and "));
    match () {
        () if libraries.iter().all(|one| one.is_supported) => Check::ok(NAME, detail),
        () if libraries.iter().any(|one| one.version.is_some() && !one.is_supported) => Check::fail(NAME, detail, hint),
        () => Check::warn(NAME, detail, hint),
    }
}
