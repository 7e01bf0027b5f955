//! The compiled rules of tenants.

use std::sync::Arc;

use moka::sync::Cache;

use crate::directory::Result;
use crate::directory::catalogue::Catalogue;
use crate::directory::mapping::{self, CompiledRule, Surroundings};
use crate::directory::tree::Tree;
use crate::model::{Rule, TenantId};
use crate::store::{Reader, Writer};

/// For how many tenants compiled rules are kept. Those of others are compiled again when they are next needed.
const KEPT: u64 = 1_000;

/// Compiled rules of tenants, each set by its version: to compile hundreds of filters costs more than to change a login. Every change of
/// the account tree is a version too, because patterns name accounts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuleBook {
    kept: Cache<(TenantId, i64), Arc<[CompiledRule]>>,
    catalogues: Arc<[Arc<Catalogue>]>,
}

impl RuleBook {
    /// An empty book, for tenants with these catalogues.
    #[must_use]
    pub fn new(catalogues: Arc<[Arc<Catalogue>]>) -> Self {
        Self { kept: Cache::new(KEPT), catalogues }
    }

    /// The catalogue of this slug, if the program knows it.
    #[must_use]
    pub fn catalogue(&self, slug: &str) -> Option<&Arc<Catalogue>> {
        self.catalogues.iter().find(|catalogue| catalogue.slug == slug)
    }

    /// The tenant's rules. They are kept only while the transaction shares them: what is not committed has no version of its own.
    pub(in crate::directory) async fn rules(&self, writer: &mut Writer) -> Result<Arc<[CompiledRule]>> {
        let key = writer.shared_rules().map(|version| (writer.tenant(), version));
        if let Some(kept) = key.and_then(|key| self.kept.get(&key)) {
            return Ok(kept);
        }
        let rules = self.read(writer).await?;
        if let Some(key) = key {
            self.kept.insert(key, rules.clone());
        }
        Ok(rules)
    }

    /// The tenant's rules, for somebody who only reads. Those of a transaction, which may have changed them, are not kept.
    pub(super) async fn rules_now(&self, reader: &mut Reader) -> Result<Arc<[CompiledRule]>> {
        let version = reader.rules_version().await?;
        if let Some(kept) = self.kept.get(&(reader.tenant(), version)) {
            return Ok(kept);
        }
        let rules = self.read(reader).await?;
        // What was read is that version's only if it is still the version.
        if !reader.is_transaction() && reader.rules_version().await? == version {
            self.kept.insert((reader.tenant(), version), rules.clone());
        }
        Ok(rules)
    }

    async fn read(&self, reader: &mut Reader) -> Result<Arc<[CompiledRule]>> {
        let saved = reader.rules().await?;
        Ok(self.compile(reader, &saved).await?.into())
    }

    /// Compiles rules for the tenant as it is now.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(in crate::directory) async fn compile(&self, reader: &mut Reader, rules: &[Rule]) -> Result<Vec<CompiledRule>> {
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = reader.tenant_row().await?;
        let catalogue = tenant.and_then(|tenant| self.catalogue(&tenant.catalogue));
        let tree = Tree::new(reader.accounts().await?);
        mapping::compile(rules, Surroundings { tree: &tree, catalogue: catalogue.map(|catalogue| &**catalogue) })
    }
}
