//! Logins that are made by hand.

use serde_json::json;

use super::fields::{Fields, check};
use super::list::{Shown, shown};
use super::{LOCAL_LOGINS, People, because, document, taken};
use crate::directory::access::Permission;
use crate::directory::sign_in::matches;
use crate::directory::{Error, Result};
use crate::model::{AccountId, ConnectionId, EventKind, LoginId, LoginKind, PairValue, PersonId, SUBJECT_CLAIM, Slot, SubjectKind};
use crate::store::{Constraint, NewLogin, Writer, retry};

/// Characters of the value that a login waits for.
const LONGEST_VALUE: usize = 255;

/// Somebody to be made.
#[derive(Clone, Debug)]
pub struct NewPerson {
    pub kind: LoginKind,
    /// Where the login is at home.
    pub account: AccountId,
    pub fields: Fields,
    /// By what its first sign-in is known. A local login has none.
    pub awaits: Option<Awaited>,
    /// Whether they are asked to come at once.
    pub invite: bool,
    pub reason: Option<String>,
}

/// The pair value that a login waits for.
#[derive(Clone, Debug)]
pub struct Awaited {
    pub connection: ConnectionId,
    /// A claim of the connection's binding pairs; the subject where no directory is joined. May be left out where there is one.
    pub claim: Option<String>,
    /// Compared byte for byte.
    pub value: String,
}

impl People<'_> {
    /// Makes a login with a person of its own. The tombstones of the value that it waits for are lifted: an administrator wants the
    /// person back.
    ///
    /// # Errors
    /// When who asks does not look after people there, a field is not as it must be, the user name is taken, or somebody has the value.
    pub async fn create(&self, new: &NewPerson) -> Result<Shown> {
        self.reach.needs(Permission::ManagePeople, new.account)?;
        let values = because(new.reason.as_deref())?;
        check_all(new)?;
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            writer.share_rules().await?;
            let pair = match &new.awaits {
                Some(awaits) => Some(self.hold_pair(&mut writer, awaits).await?),
                None => None,
            };
            let now = self.caller.now;
            let (id, person_id) = (LoginId::new(now), PersonId::new(now));
            writer.insert_person(person_id, now).await?;
            let document = document(&json!({}), &new.fields, true, None);
            let connection_id = pair.as_ref().map(|pair| pair.connection);
            let login = NewLogin {
                id,
                person_id,
                slot: Slot::One,
                kind: new.kind,
                directory_id: None,
                connection_id,
                home_account_id: new.account,
                namespace: connection_id.map_or(LOCAL_LOGINS, ConnectionId::uuid),
                document: &document,
            };
            writer.insert_login(&login, now).await.map_err(|error| taken(new.kind, error.into()))?;
            if new.kind == LoginKind::Local {
                writer.set_token_type(id, new.fields.token(), new.fields.mobile_type.as_deref()).await?;
            }
            let mut lifted = 0;
            if let Some(pair) = &pair {
                writer.expect_pair(id, pair).await.map_err(|error| match error.constraint() {
                    Some(Constraint::Pair) => waits_already(),
                    _ => error.into(),
                })?;
                lifted = writer.lift_tombstones(std::slice::from_ref(pair), now).await?;
                if pair.claim == SUBJECT_CLAIM {
                    lifted += writer.lift_tombstones_of_subject(pair.connection, SubjectKind::Sub, &pair.value, now).await?;
                }
            }
            if new.invite {
                writer.set_invited(id, now).await?;
            }
            let claim = pair.as_ref().map(|pair| &pair.claim);
            let details = json!({
                "person": person_id, "by_hand": true, "login_kind": new.kind, "connection": connection_id, "claim": claim,
                "invited": new.invite, "tombstones_lifted": lifted,
            });
            let mut values = values.clone();
            values["after"] = told(&new.fields);
            if let Some(pair) = &pair {
                values["after"]["awaits"] = json!(pair.value);
            }
            let event = self.caller.event(EventKind::LoginCreated, id.uuid(), details).at(new.account);
            self.record_about(&mut writer, event, person_id, values).await?;
            let made = shown(&mut writer, id).await?;
            writer.commit().await?;
            Ok(made)
        })
        .await
    }

    /// Takes the pair value, of which nobody is known yet.
    async fn hold_pair(&self, writer: &mut Writer, awaits: &Awaited) -> Result<PairValue> {
        let connection = writer.connection(awaits.connection).await?;
        let connection = connection.ok_or_else(|| Error::Invalid("awaits.connection: there is no such connection".to_owned()))?;
        let bindings = writer.bindings_of_connection(connection.id).await?;
        let mut claims: Vec<_> = bindings.iter().map(|binding| binding.claim.as_str()).collect();
        if claims.is_empty() {
            claims.push(SUBJECT_CLAIM);
        }
        claims.sort_unstable();
        claims.dedup();
        let claim = match (&awaits.claim, claims.as_slice()) {
            (Some(claim), _) if claims.contains(&claim.as_str()) => claim.as_str(),
            (None, [only]) => only,
            _ => {
                let text = format!("awaits.claim: the connection knows people by {}", claims.join(" or "));
                return Err(Error::Invalid(text));
            }
        };
        let pair = PairValue { connection: connection.id, claim: claim.to_owned(), value: awaits.value.clone() };
        // From here on nobody with this value signs in for the first time, and no directory pushes them.
        writer.lock_pairs(std::slice::from_ref(&pair)).await?;
        if !writer.logins_proved(std::slice::from_ref(&pair)).await?.is_empty() {
            return Err(waits_already());
        }
        for binding in bindings.iter().filter(|binding| binding.claim == pair.claim) {
            if !matches(writer, binding, &pair.value).await?.is_empty() {
                return Err(Error::Conflict("awaits.value: a directory provisions the login with this value".to_owned()));
            }
        }
        if pair.claim == SUBJECT_CLAIM && writer.is_subject_known(pair.connection, SubjectKind::Sub, &pair.value).await? {
            return Err(waits_already());
        }
        Ok(pair)
    }
}

fn waits_already() -> Error {
    Error::Conflict("awaits.value: a login of this connection has this value already".to_owned())
}

/// What was written down, for the audit trail.
fn told(fields: &Fields) -> serde_json::Value {
    let mut told = json!({});
    for field in Fields::default().changes(fields) {
        told[field.member()] = fields.value(field);
    }
    told
}

fn check_all(new: &NewPerson) -> Result<()> {
    let mut faults: Vec<_> = check(new.kind, &new.fields).iter().map(ToString::to_string).collect();
    match (&new.awaits, new.kind) {
        (None, LoginKind::Byoi) => {
            faults.push("awaits: say with which connection they sign in, and by what that knows them".to_owned());
        }
        (Some(_), LoginKind::Local) => faults.push("awaits: a local login waits for no connection".to_owned()),
        (Some(awaits), LoginKind::Byoi) => faults.extend(check_awaited(awaits)),
        (None, LoginKind::Local) => {}
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.join("; "))) }
}

fn check_awaited(awaits: &Awaited) -> Option<String> {
    let Awaited { connection, value, .. } = awaits;
    let pair = PairValue { connection: *connection, claim: String::new(), value: value.clone() };
    if pair.is_email_shaped() {
        return Some("awaits.value: an address names a mailbox, which changes hands, and not a person".to_owned());
    }
    let length = value.chars().count();
    let fits = (1..=LONGEST_VALUE).contains(&length) && !value.chars().any(char::is_control) && value.trim() == value;
    (!fits).then(|| format!("awaits.value: 1 to {LONGEST_VALUE} characters, without spaces around them"))
}
