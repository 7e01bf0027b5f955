//! What is remembered of a provider, for how long, and what happens when it does not answer.

use chrono::TimeDelta;
use jsonwebtoken::Algorithm;
use serde_json::json;
use vestibule::federation::{Kind, Outcome, Step, Trace};

use super::Door;
use crate::support::evil_idp::{Key, Manner, Signed};

#[tokio::test]
async fn the_document_is_read_once_an_hour() {
    let door = Door::new().await;
    for _ in 0..3 {
        assert_eq!(door.outcome().await, "accepted");
    }
    door.wait(TimeDelta::minutes(59));
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!((door.idp.seen().discovery, door.idp.seen().jwks), (1, 1));
    door.wait(TimeDelta::minutes(1));
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!((door.idp.seen().discovery, door.idp.seen().jwks), (2, 2));
}

#[tokio::test]
async fn what_is_known_serves_for_a_day_while_the_provider_is_down() {
    let door = Door::new().await;
    assert_eq!(door.outcome().await, "accepted");
    door.idp.script().discovery = Manner::Status(503);
    door.wait(TimeDelta::hours(23));
    let (result, trace) = door.traced().await;
    assert!(result.is_ok());
    assert!(trace.entries().iter().any(|entry| entry.step == Step::Discovery && entry.outcome == Outcome::Warning), "{trace:?}");
    assert_eq!(door.outcome().await, "accepted");
    assert_eq!(door.idp.seen().discovery, 2, "it is not asked for every sign-in");
    door.wait(TimeDelta::hours(1));
    assert_eq!(door.outcome().await, "discovery_nonsense");
    // It comes back.
    door.idp.script().discovery = Manner::Right;
    door.wait(TimeDelta::seconds(10));
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn o02_unknown_keys_do_not_flood_the_provider() {
    let door = Door::new().await;
    assert_eq!(door.outcome().await, "accepted");
    door.idp.script().header = json!({ "kid": "unknown" });
    for _ in 0..5 {
        assert_eq!(door.outcome().await, "id_token_unknown_key");
    }
    assert_eq!(door.idp.seen().jwks, 2, "once for the document, once for the unknown key");
    door.wait(TimeDelta::seconds(59));
    assert_eq!(door.outcome().await, "id_token_unknown_key");
    assert_eq!(door.idp.seen().jwks, 2);
    door.wait(TimeDelta::seconds(1));
    assert_eq!(door.outcome().await, "id_token_unknown_key");
    assert_eq!(door.idp.seen().jwks, 3);
    // Who has a known key is not held up by any of this.
    door.idp.script().header = json!({});
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn a_key_changed_under_no_name_is_found() {
    let door = Door::with(|script| script.published = vec![(Key::Rsa, None)]).await;
    assert_eq!(door.outcome().await, "accepted");
    door.idp.script().published = vec![(Key::OtherRsa, None)];
    door.idp.script().signed = Signed::With(Key::OtherRsa, Algorithm::RS256);
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn keys_that_cannot_be_read_again_leave_the_known_ones() {
    let door = Door::new().await;
    assert_eq!(door.outcome().await, "accepted");
    door.idp.script().jwks = Manner::Status(500);
    door.idp.script().header = json!({ "kid": "unknown" });
    assert_eq!(door.outcome().await, "id_token_unknown_key");
    door.idp.script().header = json!({});
    assert_eq!(door.outcome().await, "accepted");
}

#[tokio::test]
async fn o06_a_provider_that_misbehaves_from_the_first() {
    for (manner, what) in [
        (Manner::Status(404), "nonsense"),
        (Manner::Garbage, "nonsense"),
        (Manner::Redirects, "nonsense"),
        (Manner::Oversized, "nonsense"),
        (Manner::Hangs, "unreachable"),
    ] {
        let door = Door::with(|script| script.discovery = manner).await;
        let refused = door.sign_in().await.unwrap_err();
        assert_eq!((refused.reason(), refused.kind()), (&*format!("discovery_{what}"), Kind::Unavailable), "{manner:?}");
        let door = Door::with(|script| script.jwks = manner).await;
        let refused = door.sign_in().await.unwrap_err();
        assert_eq!((refused.reason(), refused.kind()), (&*format!("keys_{what}"), Kind::Unavailable), "{manner:?}");
    }
}

#[tokio::test]
async fn o06_the_document_cannot_send_us_into_the_private_network() {
    for (document, expected) in [
        (json!({ "jwks_uri": "http://169.254.169.254/latest/meta-data" }), "keys_not_allowed"),
        (json!({ "jwks_uri": "https://10.0.0.1/jwks" }), "keys_not_allowed"),
        (json!({ "jwks_uri": "https://localhost/jwks" }), "keys_not_allowed"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "discovery_nonsense"),
        (json!({ "token_endpoint": "https://[::1]/token" }), "token_not_allowed"),
        (json!({ "token_endpoint": "http://intranet.example/token" }), "token_not_allowed"),
        (json!({ "authorization_endpoint": "javascript:alert(1)" }), "discovery_nonsense"),
        (json!({ "authorization_endpoint": "data:text/html,x" }), "discovery_nonsense"),
        (json!({ "token_endpoint": null }), "discovery_nonsense"),
        (json!({ "issuer": null }), "discovery_nonsense"),
    ] {
        let door = Door::with(|script| script.document = document.clone()).await;
        let refused = door.sign_in().await.unwrap_err();
        assert_eq!(refused.reason(), expected, "{document}: {refused}");
    }
}

#[tokio::test]
async fn o06_an_issuer_on_a_private_address_is_not_called() {
    for issuer in ["https://169.254.169.254", "https://10.0.0.1/x", "http://idp.example", "https://localhost"] {
        let mut door = Door::new().await;
        issuer.clone_into(&mut door.connection.issuer);
        let refused = door.sign_in().await.unwrap_err();
        assert_eq!((refused.reason(), refused.kind()), ("discovery_not_allowed", Kind::Misconfigured), "{issuer}");
    }
}

#[tokio::test]
async fn o08_a_document_for_many_organisations_is_refused() {
    let door =
        Door::with(|script| script.document = json!({ "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0" })).await;
    assert_eq!(door.outcome().await, "template_issuer");
    let mut door = Door::new().await;
    door.connection.issuer = "https://login.microsoftonline.com/common/v2.0".to_owned();
    assert_eq!(door.outcome().await, "template_issuer");
}

#[tokio::test]
async fn a_set_without_usable_keys_is_refused() {
    let door = Door::with(|script| script.published = Vec::new()).await;
    assert_eq!(door.outcome().await, "keys_nonsense");
}

#[tokio::test]
async fn those_who_wait_do_not_each_ask_a_provider_that_is_down() {
    let door = Door::with(|script| script.discovery = Manner::Status(500)).await;
    let sign_ins = (0..20).map(|_| async { door.begin(&mut Trace::default()).await.map(drop).unwrap_err().reason() });
    for reason in futures_all(sign_ins).await {
        assert_eq!(reason, "discovery_nonsense");
    }
    assert_eq!(door.idp.seen().discovery, 1);
}

#[tokio::test]
async fn those_who_come_at_once_are_served_by_one_reading() {
    let door = Door::new().await;
    let sign_ins = (0..20).map(|_| async { door.begin(&mut Trace::default()).await.is_ok() });
    assert!(futures_all(sign_ins).await.into_iter().all(|began| began));
    assert_eq!((door.idp.seen().discovery, door.idp.seen().jwks), (1, 1));
}

#[tokio::test]
async fn a_changed_issuer_starts_anew() {
    let mut door = Door::new().await;
    assert_eq!(door.outcome().await, "accepted");
    door.connection.issuer = format!("{}/", door.idp.issuer());
    assert_eq!(door.outcome().await, "issuer_mismatch");
}

/// Drives all futures at once on this task.
async fn futures_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}
