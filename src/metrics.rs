//! Every figure that `/metrics` shows, in one place.
//!
//! Labels are types, so that a label can only hold one of a few values: no user name, path or identifier ever becomes a label.
//! There is no global registry: one [`Metrics`] is built by `app` and cloned to who counts.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use http::Method;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in seconds: fine where a lookup answers, coarse where an identity provider is waited for.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// An enum that is written as the text beside each variant.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
                match self { $(Self::$variant => $text.encode(encoder)),+ }
            }
        }
    };
}

label! {
    /// Which part of the service a request was for.
    Surface {
        Scim = "scim",
        SignIn = "sign_in",
        Console = "console",
        Api = "api",
        /// No route of ours.
        Other = "other",
    }
}

label! {
    /// How a sign-in ended.
    SignIn {
        /// A known login.
        Known = "known",
        /// The first sign-in of a login, bound by its pair.
        Bound = "bound",
        /// A login created at sign-in.
        Created = "created",
        /// The second login of a link, which was proved and not signed in.
        Proved = "proved",
        /// An administrator's test of a connection.
        Tested = "tested",
        /// We understood the identity provider and said no.
        Refused = "refused",
        /// The identity provider did not answer, or answered what we do not trust.
        Failed = "failed",
    }
}

label! {
    /// Why a session ended.
    SessionEnd {
        SignedOut = "signed_out",
        /// The same browser signed in anew.
        Replaced = "replaced",
        /// Its person ended it from another one.
        ByPerson = "person",
        /// An administrator ended it.
        ByAdministrator = "administrator",
        /// The identity provider ended its own.
        ByIdentityProvider = "identity_provider",
    }
}

label! {
    /// What became of an attempt to tell a portal that a session is over.
    Logout {
        Delivered = "delivered",
        /// It is tried again.
        Retried = "retried",
        /// It was given up.
        Failed = "failed",
    }
}

label! {
    /// What became of an identity provider's word that somebody's session there is over.
    UpstreamLogout {
        /// Sessions ended.
        Ended = "ended",
        /// Nobody was signed in who was meant.
        Nobody = "nobody",
        /// It was not proved.
        Refused = "refused",
    }
}

label! {
    Verb {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
        Delete = "DELETE",
        Options = "OPTIONS",
        /// A caller may send any word as method.
        Other = "other",
    }
}

impl From<&Method> for Verb {
    fn from(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Request {
    surface: Surface,
    method: Verb,
    status: u16,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestDuration {
    surface: Surface,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Coercion {
    profile: &'static str,
    rule: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Limited {
    profile: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SignInOutcome {
    outcome: SignIn,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EndedSession {
    reason: SessionEnd,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ToldPortal {
    outcome: Logout,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Told {
    outcome: UpstreamLogout,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Build {
    version: &'static str,
    saml: bool,
}

/// The registry and its metrics; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<RequestDuration, Histogram, fn() -> Histogram>,
    coercions: Family<Coercion, Counter>,
    rate_limited: Family<Limited, Counter>,
    traced_reads_dropped: Counter,
    sign_ins: Family<SignInOutcome, Counter>,
    sessions_ended: Family<EndedSession, Counter>,
    logouts: Family<ToldPortal, Counter>,
    upstream_logouts: Family<Told, Counter>,
    oldest_logout: Gauge,
    certificate_days: Family<Vec<(String, String)>, Gauge>,
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("vestibule"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            coercions: Family::default(),
            rate_limited: Family::default(),
            traced_reads_dropped: Counter::default(),
            sign_ins: Family::default(),
            sessions_ended: Family::default(),
            logouts: Family::default(),
            upstream_logouts: Family::default(),
            oldest_logout: Gauge::default(),
            certificate_days: Family::default(),
        };
        let Inner { registry, requests, request_seconds, coercions, rate_limited, traced_reads_dropped, sign_ins, .. } = &mut inner;
        // The encoder adds `_total`, `_seconds` and `_info`, and a full stop to the help.
        registry.register("http_requests", "Requests that were answered", requests.clone());
        registry.register_with_unit("http_request_duration", "Time to answer a request", Unit::Seconds, request_seconds.clone());
        registry.register(
            "scim_traced_reads_dropped",
            "Reads of directories in trace mode that did not come into the log",
            traced_reads_dropped.clone(),
        );
        registry.register("scim_coercions", "SCIM input that a client profile put right", coercions.clone());
        registry.register("scim_rate_limited", "SCIM requests answered 429, by client profile", rate_limited.clone());
        registry.register("sign_ins", "Sign-ins, by how they ended", sign_ins.clone());
        inner.registry.register("sessions_ended", "Sessions that ended, by reason", inner.sessions_ended.clone());
        inner.registry.register("back_channel_logouts", "Attempts to tell a portal that a session is over", inner.logouts.clone());
        inner.registry.register(
            "upstream_logouts",
            "Logouts that identity providers sent, by what became of them",
            inner.upstream_logouts.clone(),
        );
        inner.registry.register_with_unit(
            "back_channel_logout_oldest",
            "How long that has waited which a portal is still to be told",
            Unit::Seconds,
            inner.oldest_logout.clone(),
        );
        inner.registry.register(
            "saml_certificate_days_left",
            "Whole days until the first enabled SAML connection has no valid certificate of its identity provider; below zero, since when",
            inner.certificate_days.clone(),
        );
        let build = Build { version: env!("CARGO_PKG_VERSION"), saml: cfg!(feature = "saml") };
        inner.registry.register("build", "What is running", Info::new(build));
        Self(Arc::new(inner))
    }

    /// One answered request and how long it took.
    pub fn http_request(&self, surface: Surface, method: &Method, status: u16, took: Duration) {
        self.0.requests.get_or_create(&Request { surface, method: method.into(), status }).inc();
        self.0.request_seconds.get_or_create(&RequestDuration { surface }).observe(took.as_secs_f64());
    }

    /// `rule` of a client profile changed what a SCIM client sent. Both are names from our own tables, never from the client.
    pub fn scim_coercion(&self, profile: &'static str, rule: &'static str) {
        self.0.coercions.get_or_create(&Coercion { profile, rule }).inc();
    }

    /// A directory of this client profile was told to wait.
    pub fn scim_rate_limited(&self, profile: &'static str) {
        self.0.rate_limited.get_or_create(&Limited { profile }).inc();
    }

    /// A read of a directory in trace mode could not be kept for its log.
    pub fn traced_read_dropped(&self) {
        self.0.traced_reads_dropped.inc();
    }

    pub fn sign_in(&self, outcome: SignIn) {
        self.0.sign_ins.get_or_create(&SignInOutcome { outcome }).inc();
    }

    pub fn session_ended(&self, reason: SessionEnd) {
        self.0.sessions_ended.get_or_create(&EndedSession { reason }).inc();
    }

    /// An attempt to tell a portal that a session is over.
    pub fn back_channel_logout(&self, outcome: Logout) {
        self.0.logouts.get_or_create(&ToldPortal { outcome }).inc();
    }

    /// A logout that an identity provider sent.
    pub fn upstream_logout(&self, outcome: UpstreamLogout) {
        self.0.upstream_logouts.get_or_create(&Told { outcome }).inc();
    }

    /// How long that has waited which a portal is still to be told.
    pub fn oldest_back_channel_logout(&self, age: TimeDelta) {
        self.0.oldest_logout.set(age.num_seconds().max(0));
    }

    /// How long it is until the first enabled SAML connection has no valid certificate; none, where there is no such connection.
    pub fn certificate_ends(&self, left: Option<TimeDelta>) {
        match left {
            Some(left) => {
                self.0.certificate_days.get_or_create(&Vec::new()).set(left.num_seconds().div_euclid(86_400));
            }
            None => {
                self.0.certificate_days.remove(&Vec::new());
            }
        }
    }

    /// Everything in the text format of `OpenMetrics` 1.0; its media type is [`CONTENT_TYPE`].
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a `String` cannot fail.
        let _ = text::encode(&mut out, &self.0.registry);
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown_with_its_labels() {
        let metrics = Metrics::new();
        let other = metrics.clone();
        other.http_request(Surface::Scim, &Method::PATCH, 204, Duration::from_millis(7));
        other.http_request(Surface::Scim, &Method::PATCH, 204, Duration::from_secs(3));
        metrics.scim_coercion("entra", "boolean_as_text");
        metrics.scim_rate_limited("okta");
        metrics.sign_in(SignIn::Bound);
        metrics.session_ended(SessionEnd::Replaced);
        metrics.back_channel_logout(Logout::Retried);
        metrics.upstream_logout(UpstreamLogout::Nobody);
        metrics.oldest_back_channel_logout(TimeDelta::seconds(7));
        metrics.certificate_ends(Some(TimeDelta::hours(49)));
        let text = metrics.render();
        for line in [
            "vestibule_saml_certificate_days_left{} 2",
            r#"vestibule_http_requests_total{surface="scim",method="PATCH",status="204"} 2"#,
            r#"vestibule_http_request_duration_seconds_count{surface="scim"} 2"#,
            r#"vestibule_http_request_duration_seconds_bucket{le="0.01",surface="scim"} 1"#,
            r#"vestibule_scim_coercions_total{profile="entra",rule="boolean_as_text"} 1"#,
            r#"vestibule_scim_rate_limited_total{profile="okta"} 1"#,
            r#"vestibule_sign_ins_total{outcome="bound"} 1"#,
            r#"vestibule_sessions_ended_total{reason="replaced"} 1"#,
            r#"vestibule_back_channel_logouts_total{outcome="retried"} 1"#,
            r#"vestibule_upstream_logouts_total{outcome="nobody"} 1"#,
            "vestibule_back_channel_logout_oldest_seconds 7",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
        assert!(text.contains(concat!("vestibule_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"")), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_made_up_method_is_no_label() {
        let metrics = Metrics::new();
        metrics.http_request(Surface::Other, &Method::from_bytes(b"BREW").unwrap(), 405, Duration::ZERO);
        let text = metrics.render();
        assert!(text.contains(r#"method="other""#) && !text.contains("BREW"), "{text}");
    }
}
