use serde_json::json;

use super::*;
use crate::model::{
    AccountState, AssignmentId, AssignmentSource, ClientId, ConnectionId, LoginKind, PersonId, PortalSettings, ServiceId,
    SessionId, Sid, Slot,
};

const CATALOGUE: &str = r#"
name = "x"
[[service]]
key = "mail"
name = "Mail"
[[role]]
key = "administrator"
name = "A"
description = "Does all."
inherits = true
includes = ["reader"]
permissions = ["people.manage"]
[[role]]
key = "reader"
name = "R"
description = "Reads."
permissions = ["invoices.view"]
[[role]]
key = "helper"
name = "H"
description = "Helps."
permissions = ["tickets.view"]
"#;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

struct Scene {
    catalogue: Catalogue,
    path: Vec<Account>,
    row: LoginRow,
    grant: PortalGrant,
    portal: Portal,
}

fn scene() -> Scene {
    let [root, emea] = std::array::from_fn(|_| AccountId::new(at()));
    let account = |id, parent_id| Account { id, parent_id, slug: String::new(), name: String::new(), state: AccountState::Active };
    let (login_id, person_id, connection) = (LoginId::new(at()), PersonId::new(at()), ConnectionId::new(at()));
    let login = Login {
        id: login_id,
        person_id,
        born_person_id: person_id,
        slot: Slot::One,
        kind: LoginKind::Byoi,
        directory_id: None,
        connection_id: Some(connection),
        home_account_id: root,
        user_name: "joe@bluesky.example".to_owned(),
        external_id: None,
        active: true,
        locked_at: None,
        suspended_by: None,
        break_glass: false,
        invited_at: None,
        token_type: None,
        mobile_type: None,
        signed_in_at: None,
        version: 1,
        epoch: 0,
        created_at: at(),
        updated_at: at(),
    };
    let scim = json!({
        "displayName": "Joe Bloggs", "name": { "givenName": "Joe", "familyName": "Bloggs", "formatted": "J. Bloggs" },
        "emails": [{ "value": "old@bluesky.example" }, { "value": "joe@bluesky.example", "primary": true }],
    });
    let client = ClientId::new(at());
    Scene {
        catalogue: Catalogue::parse("x", CATALOGUE).unwrap(),
        path: vec![account(emea, Some(root)), account(root, None)],
        row: LoginRow { login, scim },
        grant: PortalGrant {
            id: GrantId::new(at()),
            tenant_id: TenantId::new(at()),
            client_id: client,
            session_id: SessionId::new(at()),
            sid: Sid::new(at()),
            login_id,
            person_id,
            connection_id: Some(connection),
            account_id: emea,
            scopes: vec!["openid".to_owned()],
            authenticated_at: at() - TimeDelta::minutes(10),
            asserted_at: Some(at() - TimeDelta::minutes(12)),
            acr: Some("https://idp.example/high".to_owned()),
            amr: vec!["pwd".to_owned(), "mfa".to_owned()],
            expires_at: at() + TimeDelta::hours(1),
        },
        portal: Portal {
            id: client,
            client_id: "portal".to_owned(),
            name: "Portal".to_owned(),
            redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            settings: PortalSettings { audience: Some("https://api.example".to_owned()), ..PortalSettings::default() },
        },
    }
}

impl Scene {
    /// Role, whether on the root, service.
    fn standing(&self, roles: &[(&str, bool, Option<&str>)]) -> Option<Standing> {
        let held: Vec<_> = roles.iter().map(|(role, on_root, service)| self.given(role, *on_root, *service)).collect();
        stand(&self.catalogue, &self.path, &BTreeSet::from(["mail".to_owned()]), &held, self.row.clone())
    }

    fn given(&self, role: &str, on_root: bool, service: Option<&str>) -> Assignment {
        Assignment {
            id: AssignmentId::new(at()),
            login_id: self.grant.login_id,
            account_id: self.path[usize::from(on_root)].id,
            service_id: service.map(|_| ServiceId::new(at())),
            service: service.map(ToOwned::to_owned),
            instance_id: None,
            instance: None,
            role: role.to_owned(),
            source: AssignmentSource::Manual,
            source_id: self.grant.login_id.uuid(),
            granted_at: at(),
        }
    }

    fn issue<'a>(&'a self, standing: &'a Standing, scopes: &'a [String]) -> Issue<'a> {
        let now = at();
        Issue { issuer: "https://id.example", portal: &self.portal, grant: &self.grant, standing, scopes, now }
    }
}

fn names(scopes: &str) -> Vec<String> {
    scopes.split(' ').map(ToOwned::to_owned).collect()
}

#[test]
fn roles_are_those_that_count_at_the_account_inherited_and_included_ones_among_them() {
    let scene = scene();
    let of = |roles: &[(&str, bool, Option<&str>)]| {
        scene.standing(roles).map(|standing| (standing.roles, standing.entitlements.into_iter().collect()))
    };
    let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&text| text.to_owned()).collect() };
    for (roles, expected) in [
        (&[][..], None),
        // It does not inherit.
        (&[("helper", true, None)], None),
        (&[("gone", false, None)], None),
        (&[("helper", false, None)], Some((texts(&["helper"]), texts(&["tickets.view"])))),
        (&[("administrator", true, None)], Some((texts(&["administrator", "reader"]), texts(&["invoices.view", "people.manage"])))),
        (
            &[("helper", false, None), ("reader", false, None)],
            Some((texts(&["reader", "helper"]), texts(&["invoices.view", "tickets.view"]))),
        ),
        // What is for one service is no role on the account.
        (&[("helper", false, Some("mail"))], Some((texts(&[]), texts(&[])))),
    ] {
        assert_eq!(of(roles), expected, "{roles:?}");
    }
    let narrowed = scene.standing(&[("helper", false, Some("mail"))]).unwrap();
    let claims = narrowed.claims(&scene.grant, MOST_GROUP_BYTES);
    assert_eq!(claims["narrowed_roles"], json!([{ "role": "helper", "service": "mail" }]));
    assert_eq!(claims["account_path"], json!([scene.path[1].id, scene.path[0].id]));
}

#[test]
fn an_access_token_and_an_id_token_say_who_and_where_and_for_whom() {
    let scene = scene();
    let standing = scene.standing(&[("helper", false, None)]).unwrap();
    let scopes = names("openid email");
    let issue = scene.issue(&standing, &scopes);
    let access = issue.access_token("an id");
    let now = at().timestamp();
    let common = json!({
        "iss": "https://id.example", "sub": scene.grant.login_id, "iat": now, "exp": now + 300, "sid": scene.grant.sid,
        "auth_time": now - 720, "acr": "urn:vestibule:aal1", "amr": ["fed"], "tenant": scene.grant.tenant_id, "person": scene.grant.person_id,
        "login": { "id": scene.grant.login_id, "kind": "byoi", "connection": scene.grant.connection_id, "linked": false },
        "account": scene.grant.account_id, "account_path": standing.account_path, "roles": ["helper"], "groups": [],
        "entitlements": ["tickets.view"],
    });
    let with = |more: Value| {
        let mut all = object(common.clone());
        all.extend(object(more));
        all
    };
    assert_eq!(
        access,
        with(json!({
            "aud": "https://api.example", "client_id": "portal", "jti": "an id", "grant_id": scene.grant.id, "scope": "openid email",
        }))
    );
    let mail = json!({ "email": "joe@bluesky.example", "email_verified": false });
    // The example of OpenID Connect Core appendix A.4.
    let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    let mut expected = with(mail);
    expected.extend(object(json!({ "aud": "portal", "nonce": "n", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" })));
    assert_eq!(issue.id_token(Some("n"), token), expected);
    assert_eq!(issue.id_token(None, token).get("nonce"), None);
    // No token outlives the session.
    let late = Issue { now: scene.grant.expires_at - TimeDelta::seconds(10), ..issue };
    assert_eq!(late.access_token("x")["exp"], json!(scene.grant.expires_at.timestamp()));
}

#[test]
fn scopes_ask_for_names_and_addresses_and_nothing_is_empty() {
    let mut scene = scene();
    let told = |scene: &Scene, scopes: &str| {
        let standing = scene.standing(&[("helper", false, None)]).unwrap();
        Value::Object(standing.profile(&names(scopes)))
    };
    assert_eq!(told(&scene, "openid"), json!({}));
    let name =
        json!({ "name": "Joe Bloggs", "given_name": "Joe", "family_name": "Bloggs", "preferred_username": "joe@bluesky.example" });
    assert_eq!(told(&scene, "openid profile"), name);
    assert_eq!(told(&scene, "email"), json!({ "email": "joe@bluesky.example", "email_verified": false }));
    for (scim, expected) in [
        (json!({}), json!({ "preferred_username": "joe@bluesky.example" })),
        (
            json!({ "name": { "givenName": " ", "familyName": "Bloggs" } }),
            json!({ "name": "Bloggs", "family_name": "Bloggs", "preferred_username": "joe@bluesky.example" }),
        ),
        (
            json!({ "emails": [{ "value": "a@b.example" }] }),
            json!({ "preferred_username": "joe@bluesky.example", "email": "a@b.example", "email_verified": false }),
        ),
        (json!({ "emails": [], "displayName": 1 }), json!({ "preferred_username": "joe@bluesky.example" })),
    ] {
        scene.row.scim = scim.clone();
        assert_eq!(told(&scene, "openid profile email"), expected, "{scim}");
    }
}

#[test]
fn many_groups_are_told_by_userinfo_and_introspection_alone() {
    let scene = scene();
    let mut standing = scene.standing(&[("helper", false, None)]).unwrap();
    let scopes = names("openid");
    for (count, in_token) in [(0, true), (100, true), (200, true), (201, false), (5_000, false)] {
        standing.groups = (0..count).map(|number| format!("Group {number:04}")).collect();
        let issue = scene.issue(&standing, &scopes);
        assert_eq!(issue.access_token("x").contains_key("groups"), in_token, "{count}");
        assert_eq!(issue.id_token(None, "x").contains_key("groups"), in_token, "{count}");
        for told in [standing.userinfo(&scene.grant, &scopes), standing.introspection(&scene.grant, &scopes)] {
            assert_eq!(told["groups"].as_array().unwrap().len(), count);
        }
    }
}

#[test]
fn what_an_identity_provider_says_of_itself_is_no_second_factor() {
    let mut grant = scene().grant;
    for (stated, expected, methods) in [
        (None, Acr::Aal1, &["fed"][..]),
        (Some("https://idp.example/high"), Acr::Aal1, &["fed"]),
        (Some("urn:vestibule:aal1"), Acr::Aal1, &["fed"]),
        (Some("urn:vestibule:aal2"), Acr::Aal2, &["fed", "mfa"]),
    ] {
        grant.acr = stated.map(ToOwned::to_owned);
        assert_eq!((acr(&grant), amr(&grant).as_slice()), (expected, methods), "{stated:?}");
    }
}
