//! S30, S33: what we send cannot be turned into something else, and nobody guesses what it is answered by.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use vestibule::federation::Trace;
use vestibule::federation::saml::{Outgoing, Sp, begin};
use vestibule::model::{Demand, Endpoint, SamlBinding, SamlSettings};

use super::keys::OURS;
use super::message::{ACS, NOW, SLO, SP};
use super::vector::{connection, credential, instant};

/// With texts that would be more than texts, had nobody escaped them.
pub(crate) fn settings() -> SamlSettings {
    let endpoint = |binding, address: &str| Endpoint { binding, location: address.parse().unwrap(), response_location: None };
    SamlSettings {
        sso: vec![endpoint(SamlBinding::Post, "https://idp.example.com/sso?a=\"'<>&amp;b")],
        slo: vec![endpoint(SamlBinding::Redirect, "https://idp.example.com/slo")],
        name_id_format: Some("\"/><evil a=\"&".to_owned()),
        authn_context: vec!["</saml:AuthnContextClassRef><evil/>".to_owned()],
        ..SamlSettings::default()
    }
}

/// Begins a sign-in and answers the form, the state and the id.
fn begun(settings: SamlSettings) -> (Vec<(&'static str, String)>, String, String) {
    let keys = [credential(&OURS)];
    let (acs, slo) = (ACS.parse().unwrap(), SLO.parse().unwrap());
    let sp = Sp { entity_id: SP, acs: &acs, slo: &slo, keys: &keys };
    let begun = begin(&sp, &connection(settings), &Demand::default(), instant(NOW), &mut Trace::default()).unwrap();
    let Outgoing::Post(form) = begun.departure else { panic!("it is to be posted") };
    (form.fields, begun.relay_state.expose_secret().to_owned(), begun.request_id.expose_secret().to_owned())
}

#[test]
fn sso_s30_what_is_posted_stays_in_its_place_and_the_state_is_a_handle() {
    let (fields, state, id) = begun(settings());
    let [("SAMLRequest", request), ("RelayState", sent)] = &fields[..] else { panic!("{fields:?}") };
    assert_eq!(*sent, state);
    assert!(state.len() >= 22 && state.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{state}");
    assert!(!state.contains(&id) && !request.contains(&state));
    let request = String::from_utf8(STANDARD.decode(request).unwrap()).unwrap();
    assert!(!request.contains("<evil") && request.contains("&quot;/&gt;&lt;evil a=&quot;&amp;"), "{request}");
    assert!(request.contains(&format!("ID=\"{id}\"")));
}

#[test]
fn sso_s33_ids_of_requests_have_160_bits_and_no_two_are_alike() {
    let plain = SamlSettings { sign_requests: false, ..settings() };
    let all: BTreeSet<_> = (0..500).map(|_| begun(plain.clone()).2).collect();
    assert_eq!(all.len(), 500);
    let is_id = |id: &String| id.len() == 41 && id.starts_with('_') && id[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(all.iter().all(is_id), "{:?}", all.first());
    // Every place takes every value: none of them is a counter, a time or a constant.
    for place in 1..41 {
        let values: BTreeSet<_> = all.iter().map(|id| id.as_bytes()[place]).collect();
        assert_eq!(values.len(), 16, "{place}");
    }
}
