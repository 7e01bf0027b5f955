//! Role catalogues: the operator's files that say which roles there are.
//!
//! A file is read and checked when the service starts, and the `roles` table made to say the same. An entry that is gone is retired:
//! it gives nothing any more, and what refers to it stays readable.

use serde::Deserialize;

use super::{Caller, Error, Result};
use crate::model::TenantId;
use crate::store::{RoleRow, Store};

/// The catalogues that ship with the program.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("customer-portal", include_str!("../../catalogues/customer-portal.toml")),
    ("operator", include_str!("../../catalogues/operator.toml")),
];

/// A catalogue as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What tenants call it: the file's name without its ending.
    #[serde(skip)]
    pub slug: String,
    /// What people read.
    pub name: String,
    #[serde(rename = "role")]
    pub roles: Vec<Role>,
}

/// A role as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// What rules and tokens call it.
    pub key: String,
    /// What people read.
    pub name: String,
    pub description: String,
    /// On which accounts it can be given.
    #[serde(default)]
    pub scope: Scope,
    /// What it allows, in the portal's own words.
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// On which accounts a role can be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Only on the parent cloud.
    Root,
    /// Only on child clouds and business accounts.
    Child,
    #[default]
    Any,
}

impl Catalogue {
    /// Reads the catalogue `slug`.
    ///
    /// # Errors
    /// When it is no TOML, has an unknown or missing key, or two roles of one key; the text names catalogue, line and key.
    pub fn parse(slug: &str, text: &str) -> Result<Self> {
        let catalogue: Self =
            toml::from_str(text).map_err(|error| Error::Invalid(format!("catalogue {slug}: {}", error.to_string().trim_end())))?;
        let mut seen = std::collections::BTreeSet::new();
        for role in &catalogue.roles {
            if role.key.is_empty()
                || !role.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            {
                return Err(Error::Invalid(format!(
                    "catalogue {slug}: the role key {:?} may hold only lower-case letters, digits and hyphens",
                    role.key
                )));
            }
            if !seen.insert(&role.key) {
                return Err(Error::Invalid(format!("catalogue {slug}: the role {:?} is there twice", role.key)));
            }
        }
        Ok(Self { slug: slug.to_owned(), ..catalogue })
    }

    /// The role of this key.
    #[must_use]
    pub fn role(&self, key: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.key == key)
    }
}

/// Makes the `roles` table say what the catalogues say.
///
/// # Errors
/// When the database cannot be written.
pub async fn sync(store: &Store, catalogues: &[Catalogue], caller: Caller<'_>) -> Result<()> {
    let mut writer = store.write(TenantId::OPERATOR).await?;
    for catalogue in catalogues {
        let rows: Vec<_> = (0_i64..)
            .zip(&catalogue.roles)
            .map(|(rank, role)| RoleRow {
                key: role.key.clone(),
                name: role.name.clone(),
                description: role.description.clone(),
                rank,
            })
            .collect();
        writer.sync_roles(&catalogue.slug, &rows, caller.now).await?;
    }
    writer.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_catalogue_that_ships_is_valid() {
        for (slug, text) in BUILT_IN {
            assert!(!Catalogue::parse(slug, text).unwrap().roles.is_empty(), "{slug}");
        }
    }

    #[test]
    fn errors_name_the_catalogue_the_line_and_the_key() {
        let text = "name = \"x\"\n[[role]]\nkey = \"a\"\nname = \"A\"\ndescription = \"\"\ncolour = \"red\"\n";
        let error = Catalogue::parse("x", text).unwrap_err().to_string();
        assert!(error.contains("catalogue x") && error.contains("line 6") && error.contains("colour"), "{error}");
        let twice = "name = \"x\"\n[[role]]\nkey = \"a\"\nname = \"A\"\ndescription = \"\"\n[[role]]\nkey = \"a\"\nname = \"A\"\ndescription = \"\"\n";
        assert!(Catalogue::parse("x", twice).unwrap_err().to_string().contains("\"a\" is there twice"));
        let shouting = "name = \"x\"\n[[role]]\nkey = \"A b\"\nname = \"A\"\ndescription = \"\"\n";
        assert!(Catalogue::parse("x", shouting).is_err());
    }
}
