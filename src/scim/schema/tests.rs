use super::{Attribute, Kind, Mutability, Registry, ResourceKind, Returned, Uniqueness};
use crate::scim::message::urn;

fn every<'a>(attributes: &'a [Attribute], check: &mut dyn FnMut(&'a Attribute)) {
    for attribute in attributes {
        check(attribute);
        every(&attribute.sub_attributes, check);
    }
}

#[test]
fn the_schema_files_are_readable_and_consistent() {
    let registry = Registry::read().unwrap();
    assert_eq!(registry.schemas.len(), 6);
    let mut check = |attribute: &Attribute| {
        let name = &attribute.name;
        assert_eq!(attribute.kind == Kind::Complex, !attribute.sub_attributes.is_empty(), "{name}");
        assert_eq!(attribute.kind == Kind::Reference, !attribute.reference_types.is_empty(), "{name}");
        assert!(attribute.description.ends_with('.'), "{name}");
        assert!(attribute.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$'));
    };
    every(&registry.common, &mut check);
    for schema in &registry.schemas {
        every(&schema.attributes, &mut check);
    }
    for kind in [ResourceKind::User, ResourceKind::Group, ResourceKind::GroupMember] {
        let entry = registry.resource_types().iter().find(|entry| entry.schema == kind.urn()).unwrap();
        assert_eq!((entry.name.as_str(), entry.endpoint.as_str()), (kind.name(), kind.endpoint()));
    }
}

#[test]
fn no_sub_attribute_is_complex_or_multi_valued() {
    let registry = Registry::read().unwrap();
    for schema in &registry.schemas {
        for attribute in &schema.attributes {
            for sub in &attribute.sub_attributes {
                assert!(sub.kind != Kind::Complex && !sub.multi_valued, "{}.{}", attribute.name, sub.name);
            }
        }
    }
}

#[test]
fn f04_r07_r14_what_the_rules_rest_on() {
    let user = |name| ResourceKind::User.attribute(name).unwrap();
    assert!(!user("USERNAME").case_exact && user("userName").required);
    assert_eq!(user("userName").uniqueness, Uniqueness::Server);
    assert!(user("id").case_exact && user("externalId").case_exact);
    assert_eq!(user("password").returned, Returned::Never);
    assert_eq!(user("password").mutability, Mutability::WriteOnly);
    assert_eq!(user("groups").mutability, Mutability::ReadOnly);
    let members = ResourceKind::Group.attribute("members").unwrap();
    assert!(members.sub_attribute("value").unwrap().case_exact);
}

#[test]
fn r20_the_portal_extension_is_read_only_and_shown_to_who_asks_but_for_what_the_directory_says() {
    let portal = ResourceKind::User.extension(urn::PORTAL_USER).unwrap();
    let names: Vec<_> = portal.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["person", "slot", "roles", "otherLogin", "otherUserName"]);
    let (said, told): (Vec<_>, Vec<_>) = portal.attributes.iter().partition(|attribute| attribute.name == "otherUserName");
    for attribute in said {
        assert_eq!((attribute.mutability, attribute.returned), (Mutability::ReadWrite, Returned::Default));
        assert!(!attribute.case_exact && !attribute.multi_valued && !attribute.required);
    }
    for attribute in told {
        assert_eq!((attribute.mutability, attribute.returned), (Mutability::ReadOnly, Returned::Request), "{}", attribute.name);
        assert!(attribute.sub_attributes.iter().all(|sub| sub.mutability == Mutability::ReadOnly), "{}", attribute.name);
    }
    assert!(ResourceKind::Group.extension(urn::PORTAL_USER).is_none());
    assert_eq!(Registry::get().published().count(), 6);
}

#[test]
fn attributes_are_found_by_urn_and_without() {
    let user = ResourceKind::User;
    let urn = urn::ENTERPRISE_USER.to_uppercase();
    assert_eq!(user.locate(Some(&urn), "MANAGER").unwrap().path(Some("value")), format!("{}:manager.value", urn::ENTERPRISE_USER));
    assert_eq!(user.locate(Some(urn::USER), "username").unwrap().path(None), "userName");
    assert!(user.locate(None, "manager").is_none());
    assert!(user.locate(Some(urn::GROUP), "displayName").is_none());
    assert!(user.locate_unqualified("Department").is_some());
    assert!(user.locate_unqualified("displayName").is_none());
    assert!(ResourceKind::Group.locate_unqualified("department").is_none());
}

/// PATCH does not look at immutable attributes beside the members of a group; the first one has to teach it.
#[test]
fn r24_no_attribute_itself_is_immutable_yet() {
    for kind in [ResourceKind::User, ResourceKind::Group] {
        let extensions = kind.extensions().flat_map(|schema| &schema.attributes);
        for attribute in kind.attributes().chain(extensions) {
            assert_ne!(attribute.mutability, Mutability::Immutable);
            let sub_attributes = attribute.sub_attributes.iter();
            assert!(
                attribute.name == "members" || sub_attributes.into_iter().all(|sub| sub.mutability != Mutability::Immutable),
                "{}",
                attribute.name
            );
        }
    }
}
