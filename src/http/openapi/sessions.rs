//! The shapes of sessions and their limits.

use super::schemas::{Shape, between, closed, id, instant, list, number, object, page, text, text_or_null};

/// All of them, by name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let limit = || between(1, 525_600, true);
    vec![
        (
            "Session",
            object(&[
                ("id", id()),
                ("login", id()),
                ("device", text()),
                ("address", text_or_null()),
                ("connection", text_or_null()),
                ("portals", list(text())),
                ("signed_in_at", instant()),
                ("last_seen_at", instant()),
                ("expires_at", instant()),
            ]),
        ),
        ("Sessions", page("Session")),
        ("SessionLimits", closed(&[("idle?", limit()), ("absolute?", limit())])),
        (
            "SessionTimes",
            object(&[
                ("idle", limit()),
                ("absolute", limit()),
                ("in_force", object(&[("idle", number()), ("absolute", number())])),
            ]),
        ),
    ]
}
