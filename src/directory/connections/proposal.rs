//! What metadata says of an identity provider's name and endpoints, where that is not what the connection has. Whoever can change what is at
//! an address could otherwise send everybody somewhere else to enter their passwords.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Certificate, Endpoint, IdpMetadata, SamlSettings};
use crate::store::hex;

/// A change that waits for an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    pub entity_id: String,
    pub sso: Vec<Endpoint>,
    pub slo: Vec<Endpoint>,
    /// Those of another entity; empty where only endpoints are others, because certificates of the same one come by themselves.
    #[serde(default)]
    pub certificates: Vec<Certificate>,
}

impl Proposal {
    /// What the metadata says otherwise than the connection; none, when nothing.
    #[must_use]
    pub fn of(metadata: &IdpMetadata, issuer: &str, settings: &SamlSettings) -> Option<Self> {
        let is_other = metadata.entity_id != issuer;
        let is_elsewhere = metadata.sso != settings.sso || metadata.slo != settings.slo;
        (is_other || is_elsewhere).then(|| Self {
            entity_id: metadata.entity_id.clone(),
            sso: metadata.sso.clone(),
            slo: metadata.slo.clone(),
            certificates: if is_other { metadata.certificates.clone() } else { Vec::new() },
        })
    }

    /// Names it, so that what is approved is what was looked at.
    #[must_use]
    pub fn digest(&self) -> String {
        // Texts and numbers can be written down.
        let text = serde_json::to_string(self).unwrap_or_default();
        hex(&Sha256::digest(text)).chars().take(32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SamlBinding;

    #[test]
    fn only_another_name_or_another_endpoint_is_a_change() {
        let endpoint = |location: &str| Endpoint {
            binding: SamlBinding::Redirect,
            location: location.parse().unwrap(),
            response_location: None,
        };
        let metadata = IdpMetadata {
            entity_id: "idp".to_owned(),
            certificates: Vec::new(),
            sso: vec![endpoint("https://idp.example/sso")],
            slo: Vec::new(),
            want_requests_signed: false,
            name_id_formats: Vec::new(),
            valid_until: None,
            cache_duration: None,
        };
        let settings = SamlSettings { sso: metadata.sso.clone(), ..SamlSettings::default() };
        assert_eq!(Proposal::of(&metadata, "idp", &settings), None);
        let other = Proposal::of(&metadata, "other", &settings).unwrap();
        let elsewhere = IdpMetadata { sso: vec![endpoint("https://evil.example/sso")], ..metadata.clone() };
        let moved = Proposal::of(&elsewhere, "idp", &settings).unwrap();
        assert!(other.digest() != moved.digest() && moved.digest().len() == 32);
        let logout = IdpMetadata { slo: vec![endpoint("https://idp.example/slo")], ..metadata };
        assert!(Proposal::of(&logout, "idp", &settings).is_some());
        let written = serde_json::to_value(&moved).unwrap();
        assert_eq!(serde_json::from_value::<Proposal>(written).unwrap().digest(), moved.digest());
    }
}
