//! What is known when an identity arrives, read under the locks of the transaction that will act on it.

use std::collections::BTreeSet;

use crate::directory::decide::{Known, Pair};
use crate::directory::{Error, Result};
use crate::model::{Binding, ExternalIdentity, LoginId, PairValue, SUBJECT_CLAIM};
use crate::scim::fold::fold;
use crate::store::{KnownLogin, PairAttribute, Writer};

pub(super) async fn known_for_update(writer: &mut Writer, identity: &ExternalIdentity) -> Result<Known> {
    let subject = &identity.subject;
    let connection = writer.connection(subject.connection).await?.ok_or(Error::NotFound("connection"))?;
    let known = |by_subject| Known { connection, by_subject, subject_gone: false, pair_gone: false, pairs: Vec::new() };
    if let Some(login) = writer.login_of_subject(subject).await? {
        return Ok(known(Some(login)));
    }
    let bindings = writer.bindings_of_connection(subject.connection).await?;
    let values = values_of(&bindings, identity);
    // From here on nobody else signs in for the first time with these values, and no directory pushes them.
    writer.lock_pairs(&values).await?;
    let mut pairs = pairs_of(writer, &bindings, identity, &values).await?;
    // That took the logins, and both may have waited for whoever held them. What they left behind, a subject that they bound among
    // it, only statements that begin afterwards see (PostgreSQL's read committed).
    if let Some(login) = writer.login_of_subject(subject).await? {
        return Ok(known(Some(login)));
    }
    if pairs.iter().any(|pair| !pair.matches.is_empty()) {
        pairs = pairs_of(writer, &bindings, identity, &values).await?;
    }
    let subject_gone = writer.is_subject_tombstoned(subject).await?;
    let pair_gone = writer.is_pair_tombstoned(&values).await?;
    Ok(Known { subject_gone, pair_gone, pairs, ..known(None) })
}

/// What the identity says of a binding pair's claim.
fn value_of(binding: &Binding, identity: &ExternalIdentity) -> Option<PairValue> {
    binding.pair_with(identity.claim(&binding.claim)?)
}

/// All values by which the identity may find a login: those of the binding pairs, and its subject, for which logins that were made by hand
/// wait where no directory is joined.
fn values_of(bindings: &[Binding], identity: &ExternalIdentity) -> Vec<PairValue> {
    let mut values: BTreeSet<_> = bindings.iter().filter_map(|binding| value_of(binding, identity)).collect();
    let connection = identity.subject.connection;
    values.extend(identity.claim(SUBJECT_CLAIM).and_then(|value| PairValue::new(connection, SUBJECT_CLAIM, value)));
    values.into_iter().collect()
}

/// What each binding pair finds, and which logins were made by hand for one of the values; the logins are taken for update.
async fn pairs_of(
    writer: &mut Writer,
    bindings: &[Binding],
    identity: &ExternalIdentity,
    values: &[PairValue],
) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for binding in bindings {
        let value = value_of(binding, identity);
        let matches = match &value {
            Some(pair) => matches(writer, binding, &pair.value).await?,
            None => Vec::new(),
        };
        pairs.push(Pair { value, matches, by_hand: false });
    }
    for value in values {
        if let Some(login) = writer.login_expected(value).await? {
            pairs.push(Pair { value: Some(value.clone()), matches: vec![login], by_hand: true });
        }
    }
    Ok(pairs)
}

pub(in crate::directory) async fn matches(writer: &mut Writer, binding: &Binding, value: &str) -> Result<Vec<KnownLogin>> {
    let key = fold(value);
    let attribute = match binding.attribute.as_str() {
        "externalId" => PairAttribute::ExternalId(value),
        _ => PairAttribute::UserName { key: &key, value },
    };
    Ok(writer.logins_of_pair(binding.directory_id, attribute, binding.connection_id).await?)
}

/// Keeps what the sign-in proved of a login that no directory has, so that a directory which is joined can adopt it.
pub(super) async fn keep_pair_values(writer: &mut Writer, login: LoginId, identity: &ExternalIdentity) -> Result<()> {
    let bindings = writer.bindings_of_connection(identity.subject.connection).await?;
    let proved: BTreeSet<_> = bindings.iter().filter_map(|binding| value_of(binding, identity)).collect();
    let proved: Vec<_> = proved.into_iter().filter(|pair| !pair.is_email_shaped()).collect();
    Ok(writer.keep_pair_values(login, &proved).await?)
}
