//! The shapes of tenants, as the operator sees them.

use super::schemas::{Shape, closed, id, instant, number, object, one_of, page, text};

/// All of them, by name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let state = || one_of(["active", "suspended"]);
    let mut members = vec![("id", id()), ("slug", text()), ("name", text()), ("catalogue", text())];
    members.extend([("state", state()), ("created_at", instant())]);
    members.extend(["accounts", "directories", "connections"].map(|name| (name, number())));
    let tenant = object(&members);
    members.extend(["persons", "logins"].map(|name| (name, number())));
    vec![
        ("Tenants", page("Tenant")),
        ("Tenant", tenant),
        ("TenantWithPeople", object(&members)),
        ("TenantChange", closed(&[("state", state())])),
    ]
}
