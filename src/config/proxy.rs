//! Proxies that may say from where a request came.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// An address or a network of proxies that are believed, such as `10.0.0.0/8` or `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

impl TrustedProxy {
    /// Whether an address is one of them.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for TrustedProxy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let alone = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        alone.or_else(|_| text.parse()).map(Self).map_err(|_| "must be an address or a network, such as 192.0.2.7 or 10.0.0.0/8")
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for TrustedProxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_a_network_are_read() {
        let covers = |proxy: &str, address: &str| proxy.parse::<TrustedProxy>().unwrap().covers(address.parse().unwrap());
        assert!(covers("10.0.0.0/8", "10.1.2.3") && !covers("10.0.0.0/8", "11.1.2.3"));
        assert!(covers("192.0.2.7", "192.0.2.7") && !covers("192.0.2.7", "192.0.2.8"));
        assert!(covers("fd00::/8", "fd12::1") && !covers("fd00::/8", "10.0.0.1"));
        // A socket that serves both families shows an IPv4 address so.
        assert!(covers("10.0.0.0/8", "::ffff:10.1.2.3"));
        for wrong in ["", "10.0.0.0/33", "proxy.internal", "10.0.0.1:80"] {
            assert!(wrong.parse::<TrustedProxy>().is_err(), "{wrong}");
        }
    }
}
