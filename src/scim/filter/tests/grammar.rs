//! The grammar: what is read, how it prints, and where errors are found.

use super::*;

#[test]
fn f01_names_and_operators_in_any_case_print_in_one_way() {
    for (text, printed) in [
        ("userName eq \"bjensen\"", "userName eq \"bjensen\""),
        ("  USERNAME\tEq   \"a\\u0041\\n\"  ", "USERNAME eq \"aA\\n\""),
        ("title PR AND NOT(active eq false)", "title pr and not (active eq false)"),
        ("title pr or not  ( active eq true )", "title pr or not (active eq true)"),
        ("((title pr))", "title pr"),
        ("notes pr", "notes pr"),
        ("android eq 1", "android eq 1"),
        ("a eq null", "a eq null"),
        ("a gt -1.5e3", "a gt -1500.0"),
        ("a eq 18446744073709551615", "a eq 18446744073709551615"),
        ("a[b pr]", "a[b pr]"),
        ("a[ b pr ].c ne \"x\"", "a[b pr].c ne \"x\""),
        ("a[b pr].c pr", "a[b pr].c pr"),
        ("members.$ref pr", "members.$ref pr"),
    ] {
        assert_eq!(canonical(text), printed, "{text}");
    }
}

#[test]
fn f16_what_is_incomplete_says_where_and_what_is_missing() {
    for (text, position, hint) in [
        ("", 1, "attribute name"),
        ("userName", 9, "operator"),
        ("userName eq", 12, "a value"),
        ("userName eq ", 13, "a value"),
        ("(userName eq \"b\"", 17, ")"),
        ("userName eq \"b\" and", 20, "attribute name"),
        ("userName eq \"b\" and ", 21, "attribute name"),
        ("userName eq \"b\")", 16, "the end"),
        ("userName is \"b\"", 10, "not \"is\""),
        ("userName eq \"b\" title pr", 17, "and, or"),
        ("userName eq \"b\"and title pr", 16, "a space"),
        ("title pr and or title pr", 17, "operator"),
        ("not title pr", 5, "operator"),
        ("é pr", 1, "attribute name"),
        ("name.é pr", 1, "attribute name"),
        ("title eq \"é\" und", 14, "and, or"),
        ("emails[type eq \"work\"", 22, "]"),
        ("emails[]", 8, "attribute name"),
        ("emails[type eq \"work\"].", 24, "sub-attribute"),
        ("a.b.c pr", 1, "attribute name"),
        ("a..b pr", 1, "attribute name"),
        ("1a pr", 1, "attribute name"),
        ("http://x:a pr", 1, "attribute name"),
        ("userName = \"b\"", 10, "operator"),
    ] {
        let (at, expected) = syntax(text);
        assert_eq!(at, position, "{text}: {expected}");
        assert!(expected.contains(hint), "{text}: {expected}");
    }
}

#[test]
fn f17_limits_hold_and_the_largest_filters_pass() {
    let long = |chars: usize| {
        let text = format!("title eq \"{}\"", "é".repeat(chars - 11));
        assert_eq!(text.chars().count(), chars);
        text
    };
    assert!(Filter::parse(&long(MAX_FILTER_CHARS)).is_ok());
    assert_eq!(Filter::parse(&long(MAX_FILTER_CHARS + 1)), Err(FilterError::TooLong));

    let deep = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&deep(MAX_FILTER_DEPTH)).is_ok());
    assert_eq!(Filter::parse(&deep(MAX_FILTER_DEPTH + 1)), Err(FilterError::TooDeep));
    let deep_not = format!("{}a pr{}", "not (".repeat(33), ")".repeat(33));
    assert_eq!(Filter::parse(&deep_not), Err(FilterError::TooDeep));
    let wide = |terms: usize| vec!["(a pr)"; terms].join(" or ");
    assert!(Filter::parse(&wide(MAX_FILTER_TERMS)).is_ok());
    assert_eq!(Filter::parse(&wide(MAX_FILTER_TERMS + 1)), Err(FilterError::TooManyTerms));
    assert_eq!(Filter::parse(&format!("a[{}]", wide(MAX_FILTER_TERMS + 1))), Err(FilterError::TooManyTerms));
}

#[test]
fn f20_a_quote_needs_no_space_before_it() {
    assert_eq!(canonical("userName eq\"x\""), "userName eq \"x\"");
    assert_eq!(PatchPath::parse("members[value eq\"2819\"]").unwrap().to_string(), "members[value eq \"2819\"]");
    assert_eq!(syntax("a eq1").0, 3);
}

#[test]
fn p14_p15_paths_follow_their_grammar() {
    for (text, printed) in [
        ("members", "members"),
        ("name.familyName", "name.familyName"),
        ("addresses[type eq \"work\"]", "addresses[type eq \"work\"]"),
        ("members[value EQ \"28\"].displayName", "members[value eq \"28\"].displayName"),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"work\"].value",
            "urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"work\"].value",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        ),
    ] {
        assert_eq!(PatchPath::parse(text).unwrap().to_string(), printed, "{text}");
    }
    for text in [
        "",
        "foo..bar[",
        "emails[type eq]",
        "a.b.c",
        "emails[]",
        "emails[type eq \"work\"",
        "emails[type eq \"work\"]value",
        "emails[type eq \"work\"].",
        "emails[type eq \"work\"].value.x",
        "emails[email.type eq 'work']",
        "emails.value[type eq \"work\"]",
        "emails value",
        "emails[type eq \"work\"] and x",
        " members",
    ] {
        let error = PatchPath::parse(text).unwrap_err().in_path();
        assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{text}");
    }
}
