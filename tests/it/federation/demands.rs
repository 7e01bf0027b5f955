//! What a sign-in has to prove beyond who somebody is: that the person was asked anew, and with how much certainty.

use chrono::TimeDelta;
use serde_json::{Value, json};
use vestibule::federation::{Kind, Refused};
use vestibule::model::{ConnectionSettings, Demand, SecondFactor, Unmet};

use super::{Door, noon};

/// A door of whose provider something is demanded.
async fn demanding(demand: Demand) -> Door {
    let mut door = Door::new().await;
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    *second_factor(&mut door) = SecondFactor { acr: texts(&["phr"]), amr: texts(&["otp"]), ask: texts(&["phr", "mfa"]) };
    door.demand = demand;
    door
}

fn second_factor(door: &mut Door) -> &mut SecondFactor {
    match &mut door.connection.settings {
        ConnectionSettings::Oidc(settings) => &mut settings.second_factor,
        ConnectionSettings::Saml(_) => unreachable!(),
    }
}

fn fresh() -> Demand {
    Demand { is_fresh: true, ..Demand::default() }
}

/// `auth_time`, so many seconds from noon.
fn asserted(seconds: i64) -> Value {
    json!({ "auth_time": noon().timestamp() + seconds })
}

#[tokio::test]
async fn a_provider_is_asked_for_what_is_demanded() {
    let sure = Demand { acr: Some("urn:vestibule:aal2".into()), ..Demand::default() };
    let weak = Demand { acr: Some("urn:vestibule:aal1".into()), ..Demand::default() };
    for (demand, expected) in [
        (Demand::default(), [None, None, None]),
        (fresh(), [Some("login"), Some("0"), None]),
        (Demand { max_age: Some(300), ..Demand::default() }, [None, Some("300"), None]),
        (Demand { max_age: Some(300), ..fresh() }, [Some("login"), Some("0"), None]),
        (sure, [None, None, Some("phr mfa")]),
        (weak, [None, None, None]),
    ] {
        let door = demanding(demand.clone()).await;
        let _ = door.sign_in().await;
        let asked = door.idp.seen().asked;
        let found = ["prompt", "max_age", "acr_values"].map(|name| asked.get(name).map(String::as_str));
        assert_eq!(found, expected, "{demand:?}");
    }
}

#[tokio::test]
async fn a_person_counts_as_asked_anew_when_the_provider_says_so() {
    let young = Demand { max_age: Some(100), ..Demand::default() };
    for (demand, claims, outcome) in [
        (fresh(), asserted(0), "accepted"),
        (fresh(), asserted(-30), "accepted"),
        (fresh(), asserted(-31), "not_fresh"),
        (fresh(), json!({}), "not_fresh"),
        // A clock that is ahead says nothing.
        (fresh(), asserted(61), "not_fresh"),
        (young.clone(), asserted(-100), "accepted"),
        (young.clone(), asserted(-101), "not_fresh"),
        (young, json!({}), "not_fresh"),
        (Demand::default(), json!({}), "accepted"),
    ] {
        let door = demanding(demand.clone()).await;
        door.idp.script().claims = claims.clone();
        assert_eq!(door.outcome().await, outcome, "{demand:?} {claims}");
    }
    // Asked anew, but the answer was kept for too long.
    let door = demanding(fresh()).await;
    door.idp.script().claims = asserted(0);
    door.wait(TimeDelta::seconds(301));
    assert_eq!(door.outcome().await, "not_fresh");
}

#[tokio::test]
async fn a_second_factor_counts_by_the_operators_map_alone() {
    let sure = Demand { acr: Some("urn:vestibule:aal2".into()), ..Demand::default() };
    for (claims, outcome) in [
        (json!({}), "not_sure"),
        (json!({ "acr": "urn:vestibule:aal2", "amr": ["mfa", "pwd"] }), "not_sure"),
        (json!({ "acr": "phr" }), "accepted"),
        (json!({ "acr": "1", "amr": ["pwd", "otp"] }), "accepted"),
    ] {
        let door = demanding(sure.clone()).await;
        door.idp.script().claims = claims.clone();
        assert_eq!(door.outcome().await, outcome, "{claims}");
        // Whoever looks for the reason finds the provider's words in the trace.
        let (_, trace) = door.traced().await;
        assert!(trace.entries().iter().any(|entry| entry.detail.starts_with("acr: ")), "{trace:?}");
    }
    let mut door = demanding(sure).await;
    *second_factor(&mut door) = SecondFactor::default();
    door.idp.script().claims = json!({ "acr": "phr", "amr": ["otp"] });
    let refused = door.sign_in().await.unwrap_err();
    assert_eq!((refused.reason(), refused.kind()), ("not_sure", Kind::Unmet(Unmet::NotSure)));
}

#[test]
fn a_provider_may_say_itself_that_it_cannot() {
    let declined = |error: &str| Refused::Declined { error: error.into(), description: String::new() }.kind();
    assert_eq!(declined("unmet_authentication_requirements"), Kind::Unmet(Unmet::NotSure));
    assert_eq!(declined("access_denied"), Kind::Declined);
}
