//! The metadata of either side, as the other one reads it.

use serde_json::json;
use vestibule::clock::Clock;
use vestibule::federation::saml::metadata;

use super::idp::{Idp, Kind, Make};
use crate::support::http::client;

#[tokio::test]
async fn sso_r04_the_metadata_of_simplesamlphp_and_pysaml2_is_read_with_all_certificates_of_both_kinds() {
    for make in [Make::SimpleSamlPhp, Make::Pysaml2] {
        let mut idp = Idp::start(make, &json!({})).await;
        let (kind, keys) = if make == Make::Pysaml2 { (Kind::Ec, ["RSA 2048", "EC P-256"]) } else { (Kind::Rsa, ["RSA 2048"; 2]) };
        idp.make_key("two", kind);
        idp.change(&if make == Make::Pysaml2 { json!({ "published": ["one", "two"] }) } else { json!({ "next": "two" }) }).await;
        let url = idp.metadata_url().replace("idp.localhost", "127.0.0.1");
        let xml = client().get(url).send().await.unwrap().bytes().await.unwrap();
        let read = metadata::read(&xml, Clock::system().now())
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&xml)));
        assert_eq!(read.entity_id, idp.metadata_url());
        let mut found: Vec<_> = read.certificates.iter().map(|certificate| certificate.key.as_str()).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        assert_eq!(found, keys, "{make:?}");
        assert!(!read.sso.is_empty() && !read.slo.is_empty(), "{read:?}");
        assert!(read.sso.iter().all(|endpoint| endpoint.location.as_str().starts_with(&idp.base)), "{read:?}");
    }
}
