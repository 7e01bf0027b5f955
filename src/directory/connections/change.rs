//! A SAML connection is changed, piece by piece: what is left out stays.

use serde_json::{Map, Value, json};

use super::ready::{checked, missing};
use super::saml::{SamlConnections, named, refuse_missing};
use crate::directory::{Error, Result};
use crate::model::{ConnectionId, ConnectionState, EventKind, JitPolicy, MissingClaim, Protocol, SamlSettings};
use crate::store::{ConnectionChange, retry};

/// What is changed of a SAML connection; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct SamlChange {
    pub name: Option<String>,
    pub entity_id: Option<String>,
    pub jit: Option<JitPolicy>,
    pub missing_claim: Option<MissingClaim>,
    /// An empty text is nobody.
    pub contact: Option<String>,
    /// Those that are to be others, by name.
    pub settings: Option<Map<String, Value>>,
}

impl SamlChange {
    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        let Self { name, entity_id, jit, missing_claim, contact, settings } = self;
        let texts = [name, entity_id, contact].into_iter().all(Option::is_none);
        texts && jit.is_none() && missing_claim.is_none() && settings.is_none()
    }
}

impl SamlConnections<'_> {
    /// Changes a SAML connection.
    ///
    /// # Errors
    /// When who asks may not, a setting means nothing, or it is enabled and would then be somebody else's, or lack something.
    pub async fn change(&self, id: ConnectionId, change: &SamlChange) -> Result<()> {
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let (before, settings) = self.taken(&mut writer, id).await?;
            let after = &match &change.settings {
                Some(given) => with_settings(&settings, given)?,
                None => settings.clone(),
            };
            let name = change.name.as_deref().unwrap_or(&before.name);
            let issuer = change.entity_id.as_deref().unwrap_or(&before.issuer);
            let contact = change.contact.as_deref().or(before.contact.as_deref()).filter(|contact| !contact.is_empty());
            named(name, contact, issuer)?;
            checked(after)?;
            if before.state == ConnectionState::Enabled {
                if issuer != before.issuer || after.subject != settings.subject {
                    let text =
                        "everybody would be somebody else: disable the connection before its entity ID or its subject is changed";
                    return Err(Error::Conflict(text.to_owned()));
                }
                let rows = writer.certificates_of_connection(id).await?;
                refuse_missing(&missing(issuer, after, &rows, self.caller.now))?;
            }
            let row = ConnectionChange {
                name,
                issuer,
                jit: change.jit.unwrap_or(before.jit),
                missing_claim: change.missing_claim.unwrap_or(before.missing_claim),
                contact,
                settings: &after.clone().into(),
            };
            let was = ConnectionChange {
                name: &before.name,
                issuer: &before.issuer,
                jit: before.jit,
                missing_claim: before.missing_claim,
                contact: before.contact.as_deref(),
                settings: &before.settings,
            };
            if was == row {
                return Ok(());
            }
            writer.change_connection(id, &row, self.caller.now).await?;
            let event = self.event(EventKind::ConnectionChanged, &before, json!({ "before": was, "after": row }));
            writer.record(&[event], self.caller.request_id).await?;
            writer.commit().await?;
            Ok(())
        })
        .await
    }
}

/// Settings with some of them others, each given whole under its name. What is shown of a connection can be given back as it is: the protocol
/// stands there too, and is no setting.
///
/// # Errors
/// When one has no such name or is not what it has to be; the text names it.
pub fn with_settings(settings: &SamlSettings, given: &Map<String, Value>) -> Result<SamlSettings> {
    let wrong = |name: &str, why: &dyn std::fmt::Display| Error::Invalid(format!("settings.{name}: {why}"));
    let mut after = settings.clone();
    for (name, value) in given {
        if name == "protocol" {
            if *value != json!(Protocol::Saml) {
                return Err(wrong(name, &"the connection signs in by SAML, and goes on doing so"));
            }
            continue;
        }
        // One after the other, so that it is known which is wrong.
        let mut all = serde_json::to_value(&after).unwrap_or_default();
        all[name] = value.clone();
        after = serde_json::from_value(all).map_err(|error| wrong(name, &error))?;
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionSettings, Endpoint, SamlBinding, SubjectSource};

    fn given(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("{value}") };
        map
    }

    fn before() -> SamlSettings {
        let location = "https://idp.example/sso".parse().unwrap();
        let sso = vec![Endpoint { binding: SamlBinding::Post, location, response_location: None }];
        SamlSettings { sso, allow_cbc: true, name_id_format: Some("urn:x".to_owned()), ..SamlSettings::default() }
    }

    #[test]
    fn what_is_left_out_stays_and_what_is_given_is_given_whole() {
        let changed = |value| with_settings(&before(), &given(value)).unwrap();
        assert_eq!(changed(json!({})), before());
        let subject = SubjectSource::Attribute { name: "uid".to_owned() };
        let one = changed(json!({ "subject": { "from": "attribute", "name": "uid" } }));
        assert_eq!(one, SamlSettings { subject, ..before() });
        assert_eq!(changed(json!({ "sso": [] })), SamlSettings { sso: Vec::new(), ..before() });
        assert_eq!(changed(json!({ "name_id_format": null })), SamlSettings { name_id_format: None, ..before() });
        // As the API shows them.
        let shown = serde_json::to_value(ConnectionSettings::from(before())).unwrap();
        assert_eq!(with_settings(&SamlSettings::default(), &given(shown)).unwrap(), before());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, name) in [
            (json!({ "colour": "red" }), "settings.colour"),
            (json!({ "allow_cbc": false, "skew_seconds": "long" }), "settings.skew_seconds"),
            (json!({ "preset": "other" }), "settings.preset"),
            (json!({ "sso": null }), "settings.sso"),
            (json!({ "protocol": "oidc" }), "settings.protocol"),
        ] {
            let Err(Error::Invalid(why)) = with_settings(&before(), &given(value.clone())) else { panic!("{value}") };
            assert!(why.starts_with(name), "{value}: {why}");
        }
    }
}
