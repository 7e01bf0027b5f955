//! What a portal asks about: an order of an amount.

use serde_json::{Value, json};

use super::policy::{Occasion, check_trigger, needs};
use super::{Approvals, Asked, Shown, ask_for};
use crate::directory::access::Permission;
use crate::directory::{Error, Result};
use crate::model::{AccountId, LoginId, Requested};
use crate::store::retry;

/// Characters of what a portal calls an order.
const LONGEST_REFERENCE: usize = 200;
/// Characters of a description.
const LONGEST_DESCRIPTION: usize = 2_000;

/// What somebody wants to do in a portal.
#[derive(Clone, Debug)]
pub struct Order {
    pub account: AccountId,
    /// The portal's word for it, which policies name.
    pub trigger: String,
    /// In the currency's smallest unit, or whatever the portal counts by.
    pub amount: i64,
    /// Who wants it; left out, the login that asks.
    pub subject: Option<LoginId>,
    /// What the portal calls it.
    pub reference: Option<String>,
    pub description: Option<String>,
}

impl Approvals<'_> {
    /// Asks whether an order has to be approved. `None` is that it need not be, and nothing is written down.
    ///
    /// # Errors
    /// When who asks may not ask for that person, or has no business on the account.
    pub async fn order(&self, order: &Order) -> Result<Option<Shown>> {
        self.reach.scoped(Permission::RequestApprovals)?;
        check(order)?;
        let subject = order.subject.or(self.login());
        let subject = subject.ok_or_else(|| Error::Invalid("subject: the login that wants it".to_owned()))?;
        let for_themselves = self.login() == Some(subject) && self.reach.holds_any(order.account);
        if !for_themselves {
            self.reach.needs(Permission::RequestApprovals, order.account)?;
        }
        let path: Vec<_> = self.reach.tree().up(order.account).iter().map(|account| account.id).collect();
        retry(|| async {
            let mut writer = self.store.write(self.tenant).await?;
            let person = writer.any_login(subject).await?.ok_or(Error::NotFound("login"))?.login.person_id;
            let needs = needs(&writer.approval_policies(&path).await?, Occasion::Amount(&order.trigger, order.amount));
            if needs.is_empty() {
                return Ok(None);
            }
            let asked = Asked {
                account: order.account,
                occasion: &order.trigger,
                subject: Some((subject, person)),
                content: Requested::Order { amount: order.amount, reference: order.reference.clone() },
                needs,
                values: order.description.as_ref().map_or(Value::Null, |text| json!({ "description": text })),
            };
            let made = ask_for(&mut writer, self.sealer, asked, self.caller).await?;
            let shown = self.show(&mut writer, made).await?;
            writer.commit().await?;
            Ok(Some(shown))
        })
        .await
    }
}

fn check(order: &Order) -> Result<()> {
    check_trigger(&order.trigger)?;
    if order.amount < 0 {
        return Err(Error::Invalid("amount: 0 or more".to_owned()));
    }
    let texts = [("reference", &order.reference, LONGEST_REFERENCE), ("description", &order.description, LONGEST_DESCRIPTION)];
    for (name, text, longest) in texts {
        // PostgreSQL keeps no NUL.
        if text.as_ref().is_some_and(|text| text.chars().count() > longest || text.contains('\0')) {
            return Err(Error::Invalid(format!("{name}: at most {longest} characters, and none of them NUL")));
        }
    }
    Ok(())
}
