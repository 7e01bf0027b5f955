//! Filters: text and tree say the same, and the logic is two-valued.

use crate::strategies::{any_filter, any_json, facts, facts_filter, profile, user_filter, user_leaf};
use proptest::prelude::*;
use vestibule::scim::filter::{AttrPath, CompareOp, Filter, MAX_FILTER_CHARS, PatchPath, Scope, resolve};
use vestibule::scim::profile::Profile;
use vestibule::scim::schema::ResourceKind;
use vestibule::scim::{ResolvedFilter, Value, search_form};

fn resolved(filter: &Filter) -> ResolvedFilter {
    resolve(filter, Scope::Facts, Profile::Strict).unwrap_or_else(|error| panic!("{filter}: {error}"))
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

proptest! {
    #[test]
    fn f01_printing_and_reading_give_the_filter_back(filter in any_filter()) {
        let text = filter.to_string();
        prop_assume!(text.chars().count() <= MAX_FILTER_CHARS);
        prop_assert_eq!(Filter::parse(&text), Ok(filter));
    }

    #[test]
    fn f16_reading_never_panics_and_its_print_is_stable(text in r#"([a-z]{1,4}|urn:a:| |\(|\)|\[|\]|\.|eq|pr|not|and|or|"x"|"|\\|1|-|true|null|é){0,20}"#) {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
        if let Ok(path) = PatchPath::parse(&text) {
            prop_assert_eq!(PatchPath::parse(&path.to_string()), Ok(path));
        }
        if let Ok(path) = AttrPath::parse(&text) {
            prop_assert_eq!(AttrPath::parse(&path.to_string()), Ok(path));
        }
    }

    #[test]
    fn f16_reading_never_panics_on_any_text(text in any::<String>()) {
        let _ = Filter::parse(&text);
        let _ = PatchPath::parse(&text);
        let _ = AttrPath::parse(&text);
    }

    #[test]
    fn resolving_never_panics(filter in any_filter(), profile in profile()) {
        for scope in [Scope::User, Scope::Group, Scope::Facts] {
            let _ = resolve(&filter, scope, profile);
        }
    }

    #[test]
    fn filters_over_users_resolve_in_every_profile(filter in user_filter(), profile in profile()) {
        prop_assert!(resolve(&filter, Scope::User, profile).is_ok(), "{}", filter);
    }

    #[test]
    fn logic_is_two_valued(filter in facts_filter(), facts in facts()) {
        let form = search_form(ResourceKind::User, &facts);
        let holds = resolved(&filter).matches(&form);
        prop_assert_eq!(resolved(&not(filter.clone())).matches(&form), !holds);
        prop_assert_eq!(resolved(&not(not(filter.clone()))).matches(&form), holds);
        prop_assert_eq!(resolved(&Filter::And(vec![filter.clone(), filter.clone()])).matches(&form), holds);
        prop_assert!(resolved(&Filter::Or(vec![filter.clone(), not(filter)])).matches(&form));
    }

    #[test]
    fn f11_ne_is_the_negation_of_eq(filter in user_leaf(), facts in facts()) {
        let form = search_form(ResourceKind::User, &facts);
        let with = |op| match filter.clone() {
            Filter::Compare { path, literal, .. } => Some(Filter::Compare { path, op, literal }),
            Filter::ValuePath { path, filter, then: Some(mut then) } => {
                then.comparison = Some((op, then.comparison?.1));
                Some(Filter::ValuePath { path, filter, then: Some(then) })
            }
            _ => None,
        };
        if let (Some(eq), Some(ne)) = (with(CompareOp::Eq), with(CompareOp::Ne)) {
            prop_assert_ne!(resolved(&eq).matches(&form), resolved(&ne).matches(&form));
        }
    }

    #[test]
    fn evaluation_is_total(filter in facts_filter(), json in any_json()) {
        let document = Value::from(json);
        let holds = resolved(&filter).matches(&document);
        prop_assert_eq!(resolved(&not(filter)).matches(&document), !holds);
    }
}
