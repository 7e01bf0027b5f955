//! Bodies: reading never fails but by saying so, and the canonical form is one.

use crate::strategies::{any_json, facts, profile, user, user_body};
use proptest::prelude::*;
use vestibule::scim::parse::parse;
use vestibule::scim::profile::Profile;
use vestibule::scim::resource::Resource;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{Object, Value, fold::fold, search_form};

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => Object::from_iter([("value", other)]),
    }
}

proptest! {
    #[test]
    fn a05_reading_never_panics_on_bytes(body in any::<Vec<u8>>()) {
        let _ = parse(&body);
    }

    #[test]
    fn a05_reading_never_panics_on_almost_json(body in r#"[\[\]{}",:\\0-9eE.+ ntfu\x00\xff-]{0,40}"#) {
        let _ = parse(body.as_bytes());
    }

    #[test]
    fn what_was_read_prints_and_reads_the_same(json in any_json()) {
        let value = Value::from(json);
        prop_assert_eq!(parse(value.to_string().as_bytes()), Ok(value));
    }

    #[test]
    fn r07_folding_twice_is_folding_once(text in any::<String>(), marks in "[a-zA-Zß\u{345}\u{301}\u{307}İΣ]{0,6}") {
        for text in [format!("{text}{marks}"), format!("{marks}{text}")] {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }

    #[test]
    fn r11_any_json_is_accepted_or_refused(json in any_json(), profile in profile()) {
        for kind in [ResourceKind::User, ResourceKind::Group] {
            let _ = Resource::from_body(kind, json.clone().into(), profile);
        }
    }

    /// Whatever an attribute of a good body is replaced with: what is accepted is in canonical form.
    #[test]
    fn r06_what_is_accepted_is_canonical(body in user_body(), name in "title|name|emails|roles|active|members|manager|password|id|meta|x", json in any_json(), profile in profile()) {
        let mut body = body;
        body[name] = json;
        if let Ok(accepted) = Resource::from_body(ResourceKind::User, body.into(), profile) {
            let resource = accepted.resource;
            let again = Resource::from_body(ResourceKind::User, Value::Object(resource.as_object().clone()), Profile::Strict);
            prop_assert_eq!(again.as_ref().map(|again| &again.resource), Ok(&resource));
            prop_assert!(again.is_ok_and(|again| again.coercions.is_empty()));
        }
    }

    #[test]
    fn r26_a_put_of_the_canonical_form_changes_nothing(user in user(), profile in profile()) {
        let body = Value::Object(user.as_object().clone());
        let replaced = Resource::replace(&user, body, profile);
        prop_assert_eq!(replaced.map(|replaced| replaced.resource), Ok(user));
    }

    #[test]
    fn the_search_form_is_one(facts in facts()) {
        let form = search_form(ResourceKind::User, &facts);
        prop_assert_eq!(search_form(ResourceKind::User, &object(form.clone())), form);
    }

    #[test]
    fn the_search_form_of_any_json_is_one(json in any_json()) {
        for kind in [ResourceKind::User, ResourceKind::Group] {
            let form = search_form(kind, &object(json.clone().into()));
            prop_assert_eq!(search_form(kind, &object(form.clone())), form);
        }
    }
}
