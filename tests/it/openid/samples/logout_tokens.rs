//! The sample portals believe a logout token only where it is one (OpenID Connect Back-Channel Logout 1.0 section 2.6). What a good one ends
//! is told in the whole chain.

use serde_json::{Value, json};
use vestibule::clock::Clock;

use super::op::{FORGED, Op, jwt, with};
use super::{Running, Sample, free_ports};
use crate::support::http::client;

async fn told(portal: &Running, token: &str) -> u16 {
    let address = format!("{}/backchannel-logout", portal.base);
    let answer = client().post(address).form(&[("logout_token", token)]).send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.status().as_u16()
}

async fn only_logout_tokens_are_believed(sample: Sample) {
    let op = Op::start().await;
    let [port] = free_ports();
    let portal = Running::start(sample, &op.issuer, port);
    let now = Clock::system().now().timestamp();
    let good = json!({
        "iss": op.issuer, "aud": "portal", "iat": now, "exp": now + 120, "jti": "one", "sid": "0198", "sub": "joe",
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let believed = jwt("logout+jwt", None, &good);
    assert_eq!(told(&portal, &believed).await, 200, "{}", portal.log());
    assert_eq!(told(&portal, &believed).await, 200, "once more, and nothing to do");
    for (which, changes) in
        [json!({ "sid": null, "jti": "two" }), json!({ "sub": null, "jti": "three" }), json!({ "aud": ["portal"], "jti": "four" })]
            .iter()
            .enumerate()
    {
        assert_eq!(told(&portal, &jwt("logout+jwt", None, &with(&good, changes))).await, 200, "{which}: {}", portal.log());
    }

    let bad: &[(&str, Value)] = &[
        ("another issuer", json!({ "iss": "https://evil.example" })),
        ("no issuer", json!({ "iss": null })),
        ("another client", json!({ "aud": "other" })),
        ("no audience", json!({ "aud": null })),
        ("over", json!({ "iat": now - 400, "exp": now - 300 })),
        ("without an end", json!({ "exp": null })),
        ("without a beginning", json!({ "iat": null })),
        ("of the future", json!({ "iat": now + 3_600, "exp": now + 7_200 })),
        ("old, and still good", json!({ "iat": now - 3_600, "exp": now + 3_600 })),
        ("without its own name", json!({ "jti": null })),
        ("without events", json!({ "events": null })),
        ("with another event", json!({ "events": { "urn:other": {} } })),
        ("with a nonce", json!({ "nonce": "n" })),
        ("of nobody", json!({ "sid": null, "sub": null })),
    ];
    for (what, changes) in bad {
        let claims = with(&with(&good, &json!({ "jti": what })), changes);
        assert_eq!(told(&portal, &jwt("logout+jwt", None, &claims)).await, 400, "{what}: {}", portal.log());
    }
    for typ in ["JWT", "at+jwt"] {
        assert_eq!(told(&portal, &jwt(typ, None, &with(&good, &json!({ "jti": typ })))).await, 400, "{typ}");
    }
    for forged in FORGED {
        let token = jwt("logout+jwt", Some(forged), &with(&good, &json!({ "jti": format!("{forged:?}") })));
        assert_eq!(told(&portal, &token).await, 400, "{forged:?}");
    }
    for nonsense in ["", "nonsense", "a.b.c"] {
        assert_eq!(told(&portal, nonsense).await, 400, "{nonsense:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o13_the_node_portal_believes_only_logout_tokens() {
    only_logout_tokens_are_believed(Sample::Node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o13_the_python_portal_believes_only_logout_tokens() {
    only_logout_tokens_are_believed(Sample::Python).await;
}
