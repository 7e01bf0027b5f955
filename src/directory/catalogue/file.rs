//! A catalogue's file: read, and checked as a whole, so that whoever writes one is told everything at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use toml::Spanned;

use super::super::people::fields::Field;
use super::{Catalogue, ExclusiveSet, FirstHolder, Role, Scope, Service};

/// Something that is wrong with a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file's name.
    pub file: String,
    /// The first line is 1.
    pub line: usize,
    /// What is wrong, beginning with the key where that is known.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// All that is wrong with a catalogue, by line; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "\n" };
            write!(formatter, "{between}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEntry {
    name: Text,
    #[serde(default, rename = "service")]
    services: Vec<ServiceEntry>,
    #[serde(default, rename = "exclusive")]
    sets: Vec<SetEntry>,
    people: Option<PeopleEntry>,
    #[serde(rename = "role")]
    roles: Vec<RoleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeopleEntry {
    immutable: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceEntry {
    key: Text,
    name: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetEntry {
    key: Text,
    roles: Spanned<Vec<Text>>,
    begins_with: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    key: Text,
    name: Text,
    description: Text,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    inherits: bool,
    #[serde(default)]
    includes: Vec<Text>,
    service: Option<Text>,
    instances: Option<Spanned<bool>>,
    assigned_by: Option<Vec<Text>>,
    first_holder: Option<Spanned<FirstHolder>>,
    #[serde(default)]
    needs_sign_in: bool,
    #[serde(default)]
    step_up: bool,
    #[serde(default)]
    permissions: Vec<Text>,
}

/// The permission that lets its holder give every role whose entry does not say who may.
const ASSIGN: &str = "roles.assign";

pub(super) fn parse(slug: &str, text: &str) -> Result<Catalogue, Faults> {
    let mut checker = Checker { file: format!("{slug}.toml"), text, faults: Vec::new() };
    let entry: FileEntry = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Faults(vec![Fault { file: checker.file.clone(), line: line(text, at), text: error.message().trim_end().to_owned() }])
    })?;
    checker.check(&entry);
    let Checker { mut faults, .. } = checker;
    if faults.is_empty() {
        return Ok(build(slug, &entry));
    }
    faults.sort_by_key(|fault| fault.line);
    Err(Faults(faults))
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Checker<'a> {
    file: String,
    text: &'a str,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault<T>(&mut self, at: &Spanned<T>, text: String) {
        let line = line(self.text, at.span().start);
        self.faults.push(Fault { file: self.file.clone(), line, text });
    }

    fn check(&mut self, entry: &FileEntry) {
        self.named("name", &entry.name);
        self.keys("service", entry.services.iter().map(|service| &service.key));
        self.keys("exclusive set", entry.sets.iter().map(|set| &set.key));
        self.keys("role", entry.roles.iter().map(|role| &role.key));
        for service in &entry.services {
            self.named(&format!("service {:?}, name", service.key.get_ref()), &service.name);
        }
        let roles: BTreeMap<&str, &RoleEntry> = entry.roles.iter().map(|role| (role.key.get_ref().as_str(), role)).collect();
        let services: BTreeSet<&str> = entry.services.iter().map(|service| service.key.get_ref().as_str()).collect();
        self.sets(&entry.sets, &roles);
        self.people(entry.people.as_ref());
        for role in &entry.roles {
            self.role(role, &roles, &services);
            self.inclusions(role, &roles, &entry.sets);
        }
    }

    /// Keys that are keys, each there once.
    fn keys<'k>(&mut self, what: &str, keys: impl Iterator<Item = &'k Text>) {
        let mut seen = BTreeSet::new();
        for key in keys {
            let text = key.get_ref();
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
                self.fault(key, format!("{what} {text:?}: a key has only lower-case letters, digits and hyphens"));
            } else if !seen.insert(text) {
                self.fault(key, format!("{what} {text:?} is there twice"));
            }
        }
    }

    fn named(&mut self, what: &str, text: &Text) {
        if text.get_ref().trim().is_empty() {
            self.fault(text, format!("{what}: people read this, so it must not be empty"));
        }
    }

    fn sets(&mut self, sets: &[SetEntry], roles: &BTreeMap<&str, &RoleEntry>) {
        let mut taken = BTreeMap::new();
        for set in sets {
            let key = set.key.get_ref();
            if set.roles.get_ref().len() < 2 {
                self.fault(&set.roles, format!("exclusive set {key:?}, roles: a set has at least two roles"));
            }
            for role in set.roles.get_ref() {
                let name = role.get_ref().as_str();
                if !roles.contains_key(name) {
                    self.fault(role, format!("exclusive set {key:?}, roles: there is no role {name:?}"));
                } else if let Some(other) = taken.insert(name, key) {
                    self.fault(role, format!("exclusive set {key:?}, roles: the role {name:?} is in the set {other:?} already"));
                }
            }
            if let Some(first) = &set.begins_with
                && !set.roles.get_ref().iter().any(|role| role.get_ref() == first.get_ref())
            {
                self.fault(first, format!("exclusive set {key:?}, begins_with: {:?} is none of its roles", first.get_ref()));
            }
        }
    }

    fn people(&mut self, people: Option<&PeopleEntry>) {
        let mut seen = BTreeSet::new();
        for field in people.iter().flat_map(|people| &people.immutable) {
            let name = field.get_ref().as_str();
            if Field::named(name).is_none() {
                let all: Vec<_> = Field::ALL.iter().map(|field| field.attribute()).collect();
                self.fault(field, format!("people, immutable: there is no field {name:?}; there are {}", all.join(", ")));
            } else if !seen.insert(name) {
                self.fault(field, format!("people, immutable: {name:?} is there twice"));
            }
        }
    }

    fn role(&mut self, role: &RoleEntry, roles: &BTreeMap<&str, &RoleEntry>, services: &BTreeSet<&str>) {
        let key = role.key.get_ref();
        self.named(&format!("role {key:?}, name"), &role.name);
        self.named(&format!("role {key:?}, description"), &role.description);
        if let Some(service) = &role.service
            && !services.contains(service.get_ref().as_str())
        {
            self.fault(service, format!("role {key:?}, service: there is no service {:?}", service.get_ref()));
        }
        if let Some(instances) = role.instances.as_ref().filter(|instances| *instances.get_ref())
            && role.service.is_none()
        {
            self.fault(instances, format!("role {key:?}, instances: only a role of a service has instances"));
        }
        for giver in role.assigned_by.iter().flatten() {
            if !roles.contains_key(giver.get_ref().as_str()) {
                self.fault(giver, format!("role {key:?}, assigned_by: there is no role {:?}", giver.get_ref()));
            }
        }
        if let Some(first) = role.first_holder.as_ref().filter(|first| *first.get_ref() == FirstHolder::Operator)
            && role.assigned_by.is_none()
        {
            self.fault(first, format!("role {key:?}, first_holder: say in assigned_by who gives it after the first"));
        }
        let mut seen = BTreeSet::new();
        for permission in &role.permissions {
            let text = permission.get_ref();
            let part = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            };
            if text.split('.').count() < 2 || !text.split('.').all(part) {
                self.fault(permission, format!("role {key:?}, permissions: {text:?} is not of the form noun.verb"));
            } else if !seen.insert(text) {
                self.fault(permission, format!("role {key:?}, permissions: {text:?} is there twice"));
            }
        }
    }

    /// No role includes itself, nor two of one exclusive set, also by way of others.
    fn inclusions(&mut self, role: &RoleEntry, roles: &BTreeMap<&str, &RoleEntry>, sets: &[SetEntry]) {
        let key = role.key.get_ref().as_str();
        for included in &role.includes {
            let name = included.get_ref().as_str();
            if !roles.contains_key(name) {
                self.fault(included, format!("role {key:?}, includes: there is no role {name:?}"));
            } else if name == key || within(name, roles).contains(key) {
                self.fault(included, format!("role {key:?}, includes: the role {name:?} includes {key:?} itself"));
            }
        }
        let Some(first) = role.includes.first() else { return };
        let mut all = within(key, roles);
        all.insert(key);
        for set in sets {
            let both: Vec<_> =
                set.roles.get_ref().iter().map(|role| role.get_ref().as_str()).filter(|role| all.contains(role)).collect();
            if let [one, other, ..] = both[..] {
                self.fault(first, format!("role {key:?}, includes: {one:?} and {other:?} are of one exclusive set"));
            }
        }
    }
}

/// All roles that a role includes, those that they include among them. A loop ends.
fn within<'a>(key: &str, roles: &BTreeMap<&'a str, &'a RoleEntry>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![key];
    while let Some(role) = waiting.pop().and_then(|key| roles.get(key)) {
        for included in &role.includes {
            let name = included.get_ref().as_str();
            if found.insert(name) {
                waiting.push(name);
            }
        }
    }
    found
}

fn build(slug: &str, entry: &FileEntry) -> Catalogue {
    let by_key: BTreeMap<&str, &RoleEntry> = entry.roles.iter().map(|role| (role.key.get_ref().as_str(), role)).collect();
    let givers: BTreeSet<String> = entry
        .roles
        .iter()
        .filter(|role| role.permissions.iter().any(|permission| permission.get_ref() == ASSIGN))
        .map(|role| role.key.get_ref().clone())
        .collect();
    let owned = |texts: &[Text]| texts.iter().map(|text| text.get_ref().clone()).collect();
    let roles = entry
        .roles
        .iter()
        .map(|role| Role {
            key: role.key.get_ref().clone(),
            name: role.name.get_ref().clone(),
            description: role.description.get_ref().clone(),
            scope: role.scope,
            inherits: role.inherits,
            includes: within(role.key.get_ref(), &by_key).into_iter().map(ToOwned::to_owned).collect(),
            service: role.service.as_ref().map(|service| service.get_ref().clone()),
            instances: role.instances.as_ref().is_some_and(|instances| *instances.get_ref()),
            assigned_by: role
                .assigned_by
                .as_ref()
                .map_or_else(|| givers.clone(), |by| by.iter().map(|role| role.get_ref().clone()).collect()),
            first_holder: role.first_holder.as_ref().map(|first| *first.get_ref()).unwrap_or_default(),
            needs_sign_in: role.needs_sign_in,
            step_up: role.step_up,
            permissions: role.permissions.iter().map(|permission| permission.get_ref().clone()).collect(),
        })
        .collect();
    let sets = entry
        .sets
        .iter()
        .map(|set| ExclusiveSet {
            key: set.key.get_ref().clone(),
            roles: owned(set.roles.get_ref()),
            begins_with: set.begins_with.as_ref().map(|role| role.get_ref().clone()),
        })
        .collect();
    let services = entry
        .services
        .iter()
        .map(|service| Service { key: service.key.get_ref().clone(), name: service.name.get_ref().clone() })
        .collect();
    let immutable = match &entry.people {
        None => BTreeSet::from([Field::UserName]),
        Some(people) => people.immutable.iter().filter_map(|field| Field::named(field.get_ref())).collect(),
    };
    Catalogue { slug: slug.to_owned(), name: entry.name.get_ref().clone(), services, sets, immutable, roles }
}
