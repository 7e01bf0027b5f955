//! What a browser says of itself, and where in the network it is.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::header::{HeaderMap, HeaderName, USER_AGENT};
use http::request::Parts;

use crate::app::App;
use crate::config::TrustedProxy;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More hops than this are nobody's network.
const HOPS: usize = 20;

/// The browser of a request. Only what a trusted proxy says of its address is believed; nothing is decided by it.
#[derive(Clone, Debug)]
pub(super) struct UserAgent {
    /// Cut to what a list of sessions can show.
    pub(super) name: String,
    pub(super) address: Option<String>,
}

impl FromRequestParts<App> for UserAgent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let address = peer.map(|peer| address(peer, &parts.headers, &app.settings.server.trusted_proxies).to_string());
        Ok(Self { name: name(&parts.headers), address })
    }
}

fn name(headers: &HeaderMap) -> String {
    let text = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

/// From where a request came: the one who connected, or, as far as trusted proxies stand between, the last address in `X-Forwarded-For`
/// that is none of theirs. What stands before that one was written by whoever sent it, and can be anything.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[TrustedProxy]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|proxy| proxy.covers(*address));
    let mut last = peer.to_canonical();
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS) {
        if !is_trusted(&last) {
            return last;
        }
        // A proxy that writes something else is asked no further.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { return last };
        last = address.to_canonical();
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed_from_the_last_one_on() {
        let trusted = ["10.0.0.0/8", "192.0.2.7"].map(|text| text.parse().unwrap());
        for (peer, lines, expected) in [
            ("203.0.113.5", &[][..], "203.0.113.5"),
            // Nobody who is not trusted says where they are.
            ("203.0.113.5", &["198.51.100.1"], "203.0.113.5"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the browser wrote itself stands before what the proxy added.
            ("10.0.0.1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["127.0.0.1", "198.51.100.1,192.0.2.7"], "198.51.100.1"),
            ("10.0.0.1", &["10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["<script>"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, line.parse().unwrap());
            }
            assert_eq!(address(peer.parse().unwrap(), &headers, &trusted).to_string(), expected, "{peer} {lines:?}");
        }
        let mut many = HeaderMap::new();
        many.insert(FORWARDED_FOR, ["10.0.0.2"; 500].join(",").parse().unwrap());
        assert_eq!(address([10, 0, 0, 1].into(), &many, &trusted).to_string(), "10.0.0.2");
    }
}
