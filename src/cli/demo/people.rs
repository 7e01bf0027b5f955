//! The sample company Bluesky: who works there, and in which groups.
//!
//! The same lists feed both halves of the demo: [`super::idp`] lets a visitor choose one of these people, and [`super::push`]
//! sends them to Vestibule by SCIM. What joins the halves is `id`, an opaque value that is the identity provider's `sub` and the
//! directory's `externalId`; user names and e-mail addresses join nothing.

/// One login of somebody at Bluesky (Joe Bloggs has two).
#[derive(Clone, Copy, Debug)]
pub struct SampleLogin {
    /// `sub` at the identity provider and `externalId` in the directory.
    pub id: &'static str,
    pub user_name: &'static str,
    pub given_name: &'static str,
    pub family_name: &'static str,
    pub title: &'static str,
    /// Whether the directory still has the login switched on.
    pub active: bool,
    /// What the demo shows with this login, in a few words.
    pub shows: &'static str,
}

impl SampleLogin {
    /// The name to show, given name first.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }

    /// The address, in a domain that RFC 2606 keeps free.
    #[must_use]
    pub fn email(&self) -> String {
        format!("{}@bluesky.example", self.user_name)
    }
}

/// A group of the directory, with the user names of its members.
#[derive(Clone, Copy, Debug)]
pub struct SampleGroup {
    pub external_id: &'static str,
    pub display_name: &'static str,
    pub members: &'static [&'static str],
}

const fn login(
    id: &'static str,
    user_name: &'static str,
    [given_name, family_name]: [&'static str; 2],
    title: &'static str,
    shows: &'static str,
) -> SampleLogin {
    SampleLogin { id, user_name, given_name, family_name, title, active: true, shows }
}

/// Everybody whom the directory pushes.
pub const LOGINS: [SampleLogin; 12] = [
    login(
        "6f0d7c52-3b0e-4c55-9d0a-5f3f6f5a1c01",
        "joe.bloggs",
        ["Joe", "Bloggs"],
        "Platform Engineer",
        "everyday login: administers EMEA, works on the support desk",
    ),
    login(
        "b1a8e2d4-77c9-4f0b-8a61-0c2d9e4b7f02",
        "joe.bloggs.gsa",
        ["Joe", "Bloggs"],
        "Platform Engineer",
        "powerful login: administers all of Bluesky",
    ),
    login(
        "2c94f1a7-5e36-4d18-b7c3-91d8a06e3b03",
        "priya.nair",
        ["Priya", "Nair"],
        "Financial Controller",
        "finance team: invoices of all accounts",
    ),
    login(
        "e47b09c3-1f82-4a6d-9c5e-3ab7d2f81c04",
        "tomas.oliveira",
        ["Tomás", "Oliveira"],
        "Head of Cloud, EMEA",
        "administers EMEA",
    ),
    login("90d3a6e8-c24f-4b71-8e09-7f15c3b62d05", "meiling.chen", ["Mei-Ling", "Chen"], "Head of Cloud, APAC", "administers APAC"),
    login(
        "5b7e1f49-a830-4e2c-b6d4-28c90fa75e06",
        "asa.lindqvist",
        ["Åsa", "Lindqvist"],
        "Support Lead",
        "support desk: EMEA and APAC",
    ),
    login(
        "c8f2640d-9b15-47a3-a1e7-d6039b8c4f07",
        "kwame.mensah",
        ["Kwame", "Mensah"],
        "Support Analyst",
        "support desk: EMEA and APAC",
    ),
    login("1ad95b70-e643-4c98-8f2b-64e1a7d03c08", "fatima.haddad", ["Fatima", "Haddad"], "Buyer", "purchasing team"),
    login(
        "7e30c8b2-4d5a-4f16-93a8-b9f7260e1d09",
        "liam.oconnor",
        ["Liam", "O’Connor"],
        "Site Engineer",
        "London engineers: one account only",
    ),
    login(
        "d562e91f-08b7-4a3d-b04c-1c8a5e97f210",
        "hiroshi.tanaka",
        ["Hiroshi", "Tanaka"],
        "Network Engineer",
        "London engineers and support desk",
    ),
    SampleLogin {
        active: false,
        ..login(
            "38a1d7f6-b29c-4e80-a5f3-e07b4c961a11",
            "martin.weber",
            ["Martin", "Weber"],
            "Accountant",
            "has left: the directory switched him off, so he is refused",
        )
    },
    login(
        "f90c4e27-6a1d-4b53-8d7e-52b0c3f8e912",
        "nina.kowalski",
        ["Nina", "Kowalski"],
        "Trainee",
        "started today: in no group, so without an account yet",
    ),
];

/// Somebody whom the identity provider knows and the directory does not push.
pub const STRANGER: SampleLogin = login(
    "04b6f8a3-d71e-4c29-9e50-a8c2173d6b13",
    "sam.okafor",
    ["Sam", "Okafor"],
    "Contractor",
    "nobody has set him up, so he is refused",
);

/// The groups that the directory pushes.
pub const GROUPS: [SampleGroup; 7] = [
    SampleGroup {
        external_id: "a0c51e86-2d94-4b7f-8c13-f6e902d7b501",
        display_name: "Cloud-Global-Admins",
        members: &["joe.bloggs.gsa"],
    },
    SampleGroup {
        external_id: "b83fd029-71ce-4a60-95d2-4e0ba8c6f302",
        display_name: "Cloud-EMEA-Admins",
        members: &["joe.bloggs", "tomas.oliveira"],
    },
    SampleGroup {
        external_id: "c6720b4e-9fa3-4d15-b8e1-02d7c95fa403",
        display_name: "Cloud-APAC-Admins",
        members: &["meiling.chen"],
    },
    SampleGroup {
        external_id: "d95e81c0-3b67-4f2a-a4c9-7b18e0d36f04",
        display_name: "Finance",
        members: &["priya.nair", "martin.weber"],
    },
    SampleGroup { external_id: "e2b4a6f7-c018-4593-8d7f-95c3e1a0b205", display_name: "Purchasing", members: &["fatima.haddad"] },
    SampleGroup {
        external_id: "f17d93e5-40ab-4c82-b6e0-a8d52c7f9106",
        display_name: "Support",
        members: &["joe.bloggs", "asa.lindqvist", "kwame.mensah", "hiroshi.tanaka"],
    },
    SampleGroup {
        external_id: "07e8b2c4-d5f6-4193-9a0e-c3b17d84e607",
        display_name: "London-Engineers",
        members: &["liam.oconnor", "hiroshi.tanaka"],
    },
];

/// What the bootstrap file of the demo leaves open. All of it is ours: addresses of this machine, and generated secrets.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The identity provider.
    pub issuer: &'a str,
    /// The portal, without a slash at the end.
    pub portal: &'a str,
    /// What Vestibule proves itself by to the identity provider.
    pub client_secret: &'a str,
    pub scim_token: &'a str,
    /// What the portal proves itself by to Vestibule.
    pub portal_secret: &'a str,
}

/// The bootstrap file of the demo with its values filled in.
#[must_use]
pub fn bootstrap(values: Values<'_>) -> String {
    include_str!("demo.toml")
        .replace("{{issuer}}", values.issuer)
        .replace("{{portal}}", values.portal)
        .replace("{{client_secret}}", values.client_secret)
        .replace("{{scim_token}}", values.scim_token)
        .replace("{{portal_secret}}", values.portal_secret)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parsed() -> toml::Table {
        let text = bootstrap(Values {
            issuer: "http://idp.localhost:4001",
            portal: "http://portal.localhost:4002",
            client_secret: "a secret",
            scim_token: "a token",
            portal_secret: "another secret",
        });
        assert!(!text.contains("{{"), "every placeholder is filled in");
        text.parse().unwrap()
    }

    fn texts<'a>(tables: &'a toml::Value, key: &str) -> Vec<&'a str> {
        tables.as_array().unwrap().iter().map(|table| table[key].as_str().unwrap()).collect()
    }

    #[test]
    fn nobody_and_no_group_is_there_twice() {
        let all: Vec<_> = LOGINS.iter().chain([&STRANGER]).collect();
        assert_eq!(all.iter().map(|login| login.id).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(all.iter().map(|login| login.user_name).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(GROUPS.iter().map(|group| group.external_id).collect::<BTreeSet<_>>().len(), GROUPS.len());
        assert_eq!(GROUPS.iter().map(|group| group.display_name).collect::<BTreeSet<_>>().len(), GROUPS.len());
    }

    #[test]
    fn members_are_people_whom_the_directory_pushes() {
        for group in GROUPS {
            for member in group.members {
                assert!(LOGINS.iter().any(|login| login.user_name == *member), "{member} of {}", group.display_name);
            }
        }
        assert!(GROUPS.iter().all(|group| !group.members.contains(&"nina.kowalski")), "one person has no account");
    }

    #[test]
    fn rules_name_accounts_roles_and_groups_that_exist() {
        let file = parsed();
        let tenant = &file["tenant"][0];
        let accounts: BTreeSet<_> = texts(&tenant["account"], "path").into_iter().collect();
        let catalogue: toml::Table = include_str!("../../../catalogues/customer-portal.toml").parse().unwrap();
        let roles = texts(&catalogue["role"], "key");
        let mut groups = BTreeSet::new();
        for rule in tenant["rule"].as_array().unwrap() {
            assert_eq!(rule["from"].as_str(), Some("directory:entra"));
            let (_, rest) = rule["when"].as_str().unwrap().split_once("groups.display eq \"").unwrap();
            groups.insert(rest.split_once('"').unwrap().0);
            for grant in rule["grant"].as_array().unwrap() {
                assert!(roles.contains(&grant["role"].as_str().unwrap()), "{grant}");
                let path = match grant["account"].as_str().unwrap() {
                    "." => "bluesky".to_owned(),
                    below => format!("bluesky/{below}"),
                };
                assert!(accounts.contains(path.as_str()), "{grant}");
            }
        }
        assert_eq!(groups, GROUPS.iter().map(|group| group.display_name).collect(), "each group has its rule");
    }
}
