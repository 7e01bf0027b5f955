//! SAML connections, as administrators set them up and the clock keeps them going.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::directory::connections::our_keys;
use vestibule::federation::saml;
use vestibule::model::{AttributePreset, CertificateSource, Connection, ConnectionId, ConnectionState, HolderId, SubjectSource};
use vestibule::store::{CertificateRow, Engine, MetadataRow};
use vestibule::work::refreshing::Refreshed;

use super::operator::operators;
use super::{Office, noon, problem};
use crate::support::http::Browser;
use crate::support::sql;
use crate::support::world::{Tenant, on_every_engine};

pub(super) const ENTITY: &str = "https://idp.bluesky.example/saml";
pub(super) const SSO: &str = "https://idp.bluesky.example/sso";

/// A certificate (DER) of an identity provider, good for so many days from noon on.
pub(super) fn certificate(days: i64) -> Vec<u8> {
    saml::new_credential("idp", noon() - TimeDelta::days(1), noon() + TimeDelta::days(days)).unwrap().certificate
}

pub(super) fn metadata(entity: &str, sso: &str, certificates: &[&[u8]]) -> String {
    let mut text = format!(
        r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{entity}"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">"#
    );
    for der in certificates {
        let base64 = STANDARD.encode(der);
        write!(text, r#"<KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{base64}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"#).unwrap();
    }
    text + &format!(
        r#"<SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="{sso}"/></IDPSSODescriptor></EntityDescriptor>"#
    )
}

/// An address where metadata is, or is not, and how often it was asked for.
#[derive(Clone)]
pub(super) struct Published(Arc<Mutex<(StatusCode, String, usize)>>);

impl Published {
    /// Publishes a text; answers where.
    pub(super) async fn at(text: String) -> (Self, String) {
        let published = Self(Arc::new(Mutex::new((StatusCode::OK, text, 0))));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metadata", listener.local_addr().unwrap());
        let serve = async |State(Self(held)): State<Self>| {
            let mut held = held.lock().unwrap();
            held.2 += 1;
            (held.0, held.1.clone())
        };
        let router = Router::new().route("/metadata", get(serve)).with_state(published.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (published, url)
    }

    pub(super) fn now(&self, text: String) {
        let mut held = self.0.lock().unwrap();
        (held.0, held.1) = (StatusCode::OK, text);
    }

    pub(super) fn asked(&self) -> usize {
        self.0.lock().unwrap().2
    }

    pub(super) fn fails(&self) {
        self.0.lock().unwrap().0 = StatusCode::INTERNAL_SERVER_ERROR;
    }
}

/// A company whose administrator is signed in.
pub(super) struct House {
    pub(super) office: Office,
    pub(super) tenant: Tenant,
    pub(super) admin: Browser,
}

impl House {
    pub(super) async fn new(engine: Engine) -> Self {
        let office = Office::new(engine).await;
        let tenant = office.tenant("bluesky", "entra").await;
        let admin = office.inside(&tenant, "anne", "Cloud-Admins").await;
        Self { office, tenant, admin }
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, body: &Value) -> crate::support::http::Answer {
        self.office.send(&mut self.admin, method, path, Some(body)).await
    }

    /// A connection that is made with this body, and is a draft.
    pub(super) async fn make(&mut self, body: &Value) -> ConnectionId {
        let made = self.send(Method::POST, "/connections", body).await.expect(201).body;
        assert_eq!(made["state"], "draft");
        made["id"].as_str().unwrap().parse().unwrap()
    }

    /// A connection whose metadata is read at an address, enabled.
    pub(super) async fn enabled(&mut self, url: &str) -> ConnectionId {
        let id = self.make(&json!({ "slug": "saml", "name": "Anchor", "metadata_url": url })).await;
        self.send(Method::PATCH, &format!("/connections/{id}"), &json!({ "state": "enabled" })).await.expect(200);
        id
    }

    pub(super) async fn refresh(&self, after: TimeDelta) -> Refreshed {
        self.office.clock.advance(after);
        let app = &self.office.world.app;
        app.refresher().refresh(HolderId::new(app.clock.now())).await.unwrap().expect("nobody else has the lease")
    }

    pub(super) async fn certificates(&self, id: ConnectionId) -> Vec<CertificateRow> {
        self.office.world.app.store.read(self.tenant.id).certificates_of_connection(id).await.unwrap()
    }

    pub(super) async fn connection(&self, id: ConnectionId) -> Connection {
        self.office.world.app.store.read(self.tenant.id).connection(id).await.unwrap().unwrap()
    }

    pub(super) async fn metadata(&self, id: ConnectionId) -> MetadataRow {
        self.office.world.app.store.read(self.tenant.id).connection_metadata(id).await.unwrap().unwrap()
    }

    pub(super) async fn told(&self, kind: &str) -> i64 {
        let text = format!("select count(*) from events where kind = 'connection.{kind}'");
        sql::number(&self.office.world.database.url, &text).await
    }
}

pub(super) fn sso(connection: &Connection) -> Vec<String> {
    connection.saml().unwrap().sso.iter().map(|endpoint| endpoint.location.to_string()).collect()
}

on_every_engine! {
    async fn sso_r04_a_connection_is_enabled_when_nothing_is_missing_and_not_before(engine) {
        let mut house = House::new(engine).await;
        let der = certificate(400);
        let id = house.make(&json!({ "slug": "saml", "name": "Anchor" })).await;
        let path = format!("/connections/{id}");
        let (on, off) = (json!({ "state": "enabled" }), json!({ "state": "disabled" }));
        let draft = house.office.get(&mut house.admin, &path).await.expect(200).body;
        assert_eq!(draft["missing"].as_array().unwrap().len(), 3, "{draft}");
        let base = format!("{}/sign-in/saml/{id}", house.office.world.base);
        assert_eq!(draft["service_provider"], json!({
            "entity_id": format!("{base}/metadata"), "metadata": format!("{base}/metadata"), "acs": format!("{base}/acs"), "slo": format!("{base}/slo"),
        }));
        problem(&house.send(Method::PATCH, &path, &on).await, 409, "conflict");
        // By hand, piece by piece.
        let settings = json!({ "settings": { "sso": [{ "binding": "redirect", "location": SSO }] }, "entity_id": ENTITY });
        house.send(Method::PATCH, &path, &settings).await.expect(200);
        problem(&house.send(Method::PATCH, &path, &on).await, 409, "conflict");
        let ended = json!({ "certificate": STANDARD.encode(saml::new_credential("idp", noon() - TimeDelta::days(9), noon()).unwrap().certificate) });
        problem(&house.send(Method::POST, &format!("{path}/certificates"), &ended).await, 400, "invalid-request");
        let added = house.send(Method::POST, &format!("{path}/certificates"), &json!({ "certificate": STANDARD.encode(&der) })).await.expect(200).body;
        let shown = &added["certificates"][0];
        assert_eq!((&shown["subject"], &shown["key"], &shown["source"], &shown["valid"]), (&json!("CN=idp"), &json!("RSA 2048"), &json!("manual"), &json!(true)));
        assert_eq!(added["missing"], json!([]));
        let switched = house.send(Method::PATCH, &path, &on).await.expect(200).body;
        assert_eq!(switched, house.office.get(&mut house.admin, &path).await.expect(200).body);
        // The last one stays while it is enabled, and so does who people are.
        let one = format!("{path}/certificates/{}", shown["id"].as_str().unwrap());
        problem(&house.office.send(&mut house.admin, Method::DELETE, &one, None).await, 409, "conflict");
        for change in [json!({ "entity_id": "https://other.example" }), json!({ "settings": { "sso": [{ "binding": "redirect", "location": SSO }], "subject": { "from": "attribute", "name": "uid" } } }), json!({ "settings": { "sso": [] } })] {
            problem(&house.send(Method::PATCH, &path, &change).await, 409, "conflict");
        }
        house.send(Method::PATCH, &path, &off).await.expect(200);
        house.office.send(&mut house.admin, Method::DELETE, &one, None).await.expect(204);
        problem(&house.send(Method::PATCH, &path, &on).await, 409, "conflict");
        assert_eq!((house.told("certificate_added").await, house.told("certificate_removed").await), (1, 1));
    }

    async fn what_a_change_leaves_out_stays_also_of_the_settings(engine) {
        let mut house = House::new(engine).await;
        let xml = metadata(ENTITY, SSO, &[&certificate(400)]);
        let body = json!({ "slug": "saml", "name": "Anchor", "metadata": xml, "settings": { "allow_cbc": true } });
        let id = house.make(&body).await;
        let path = format!("/connections/{id}");
        let subject = json!({ "from": "attribute", "name": "uid" });
        let changed = house.send(Method::PATCH, &path, &json!({ "settings": { "subject": subject } })).await.expect(200).body;
        let settings = &changed["settings"];
        assert_eq!((&settings["subject"], &settings["allow_cbc"], &settings["sso"][0]["location"]), (&subject, &json!(true), &json!(SSO)));
        assert_eq!(changed["missing"], json!([]));
        // What is read can be sent back, and changes nothing.
        let events = house.told("changed").await;
        let again = house.send(Method::PATCH, &path, &json!({ "settings": settings })).await.expect(200).body;
        assert_eq!((&again, house.told("changed").await), (&changed, events));
        let copy = json!({ "slug": "copy", "name": "Copy", "settings": settings });
        let copy = house.make(&copy).await;
        assert_eq!(house.connection(copy).await.settings, house.connection(id).await.settings);
        for (settings, name) in [(json!({ "colour": "red" }), "colour"), (json!({ "skew_seconds": "long" }), "skew_seconds"), (json!({ "protocol": "oidc" }), "protocol")] {
            let answer = house.send(Method::PATCH, &path, &json!({ "settings": settings })).await;
            assert!(answer.body["detail"].as_str().unwrap().starts_with(&format!("settings.{name}: ")), "{}", answer.body);
            problem(&answer, 400, "invalid-request");
        }
    }

    async fn our_next_key_is_published_before_it_signs_and_the_last_one_decrypts_on(engine) {
        let mut house = House::new(engine).await;
        let id = house.make(&json!({ "slug": "saml", "name": "Anchor" })).await;
        let keys = async |house: &House| {
            let app = &house.office.world.app;
            let mut reader = app.store.read(house.tenant.id);
            let keys = our_keys(&mut reader, &app.sealer, id, app.clock.now()).await.unwrap();
            keys.into_iter().map(|key| key.certificate).collect::<Vec<_>>()
        };
        let first = keys(&house).await;
        assert_eq!(first.len(), 1);
        let path = format!("/connections/{id}/keys");
        let past = json!({ "signs_from": noon() - TimeDelta::seconds(1) });
        problem(&house.send(Method::POST, &path, &past).await, 400, "invalid-request");
        let answer = house.send(Method::POST, &path, &json!({})).await.expect(200).body;
        let signs_from: DateTime<Utc> = answer["keys"][1]["signs_from"].as_str().unwrap().parse().unwrap();
        assert_eq!(signs_from, noon() + TimeDelta::days(7));
        problem(&house.send(Method::POST, &path, &json!({})).await, 409, "conflict");
        let both = keys(&house).await;
        assert_eq!((both.len(), &both[0]), (2, &first[0]), "the first signs");
        house.office.clock.advance(TimeDelta::days(7));
        assert_eq!(keys(&house).await, [both[1].clone(), both[0].clone()], "the next one signs, the last one decrypts");
        house.office.clock.advance(TimeDelta::days(7));
        assert_eq!(keys(&house).await, [both[1].clone()]);
        assert_eq!(house.told("key_created").await, 2);
    }

    async fn who_may_not_change_a_connection_reads_it_at_most_and_has_nobody_called(engine) {
        let mut house = House::new(engine).await;
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&certificate(400)])).await;
        let id = house.enabled(&url).await;
        published.fails();
        let mut helper = house.office.inside(&house.tenant, "joe", "Cloud-Helpers").await;
        let path = format!("/connections/{id}");
        for (method, path, body) in [
            (Method::POST, "/connections".to_owned(), json!({ "slug": "other", "name": "Other", "metadata_url": url })),
            (Method::PUT, format!("{path}/metadata"), json!({ "url": url })),
            (Method::POST, format!("{path}/certificates"), json!({ "certificate": STANDARD.encode(certificate(9)) })),
            (Method::DELETE, format!("{path}/certificates/{id}"), Value::Null),
            (Method::POST, format!("{path}/approve"), json!({ "proposal": "" })),
            (Method::POST, format!("{path}/keys"), json!({})),
            (Method::PATCH, path.clone(), json!({ "name": "Mine" })),
        ] {
            let status = house.office.send(&mut helper, method.clone(), &path, Some(&body)).await.status;
            assert!(matches!(status, 401 | 403 | 404), "{method} {path}: {status}");
        }
        let other = house.office.tenant("umbra", "entra").await;
        let mut stranger = house.office.inside(&other, "eve", "Cloud-Admins").await;
        problem(&house.office.get(&mut stranger, &path).await, 404, "not-found");
        problem(&house.office.send(&mut stranger, Method::PUT, &format!("{path}/metadata"), Some(&json!({ "url": url }))).await, 404, "not-found");
        assert_eq!(published.asked(), 1, "only for whoever made it");
        // Whoever may is told what is wrong with it.
        problem(&house.send(Method::PUT, &format!("{path}/metadata"), &json!({ "url": url })).await, 400, "invalid-request");
        for wrong in [json!({}), json!({ "url": url, "xml": "" }), json!({ "xml": "<html/>" }), json!({ "url": "file:///etc/passwd" }), json!({ "url": "http://192.0.2.1/" })] {
            problem(&house.send(Method::PUT, &format!("{path}/metadata"), &wrong).await, 400, "invalid-request");
        }
        for settings in [json!({ "skew_seconds": 301 }), json!({ "subject": { "from": "attribute", "name": "mail" } }), json!({ "attributes": { "uid": "sub" } }), json!({ "colour": "red" })] {
            let body = json!({ "slug": "wrong", "name": "Wrong", "settings": settings });
            problem(&house.send(Method::POST, "/connections", &body).await, 400, "invalid-request");
        }
        let again = json!({ "slug": "saml", "name": "Again" });
        problem(&house.send(Method::POST, "/connections", &again).await, 409, "conflict");
        let oidc = format!("/connections/{}/keys", house.tenant.connection);
        problem(&house.send(Method::POST, &oidc, &json!({})).await, 409, "conflict");
        let list = house.office.get(&mut house.admin, "/connections").await.expect(200).body;
        let told: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| (item["slug"].clone(), item["protocol"].clone())).collect();
        assert_eq!(told, [(json!("saml"), json!("saml")), (json!("idp"), json!("oidc"))]);
    }

    async fn the_page_leads_an_administrator_from_a_draft_to_an_enabled_connection(engine) {
        let mut house = House::new(engine).await;
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&certificate(20)])).await;
        let id = house.make(&json!({ "slug": "saml", "name": "Anchor" })).await;
        let at = format!("{}/admin/connections/{id}", house.office.world.base);
        let to = |what: &str| format!("{at}/{what}");
        let done = |what: &str| format!("/admin/connections/{id}?done={what}");
        let draft = house.admin.visit(&at).await.expect(200, "What to do next").body;
        for text in [format!("/sign-in/saml/{id}/acs"), "Give us the metadata".to_owned(), "It can be enabled once".to_owned()] {
            assert!(draft.contains(&text), "{text}: {draft}");
        }
        assert!(!draft.contains("Test the connection"), "{draft}");
        house.admin.post(&to("state"), &[("state", "enabled")]).await.expect(422, "Nobody could sign in by it");
        house.admin.post(&to("metadata"), &[("url", "nonsense")]).await.expect(422, "This is no address");
        house.admin.post(&to("metadata"), &[("xml", "<html/>")]).await.expect(422, "&#60;html/&#62;");
        house.admin.post(&to("metadata"), &[("url", &url)]).await.expect_redirect(&done("metadata"));
        let read = house.admin.visit(&to("?done=metadata").replace("/?", "?")).await.expect(200, "The metadata is read.").body;
        for text in [ENTITY, SSO, "ends in 20 days", "RSA 2048", "Test the connection", "From the metadata."] {
            assert!(read.contains(text), "{text}: {read}");
        }
        house.admin.post(&to("state"), &[("state", "enabled")]).await.expect_redirect(&done("enabled"));
        let pem = STANDARD.encode(certificate(300));
        house.admin.post(&to("certificates"), &[("certificate", "nothing")]).await.expect(422, "This is not a certificate");
        house.admin.post(&to("certificates"), &[("certificate", &pem)]).await.expect_redirect(&done("certificate"));
        let rows = house.certificates(id).await;
        let by_hand = rows.iter().find(|row| row.source == CertificateSource::Manual).unwrap().id;
        house.admin.post(&to(&format!("certificates/{by_hand}/remove")), &[]).await.expect_redirect(&done("removed"));
        house.admin.post(&to("keys"), &[]).await.expect_redirect(&done("keys"));
        house.admin.post(&to("keys"), &[]).await.expect(422, "The next key is published already");
        // Somebody changes what is at the address.
        published.now(metadata(ENTITY, "https://login.bluesky.example/sso", &[&certificate(20)]));
        house.admin.post(&to("metadata"), &[("url", &url)]).await.expect_redirect(&done("proposed"));
        let page = house.admin.visit(&at).await.expect(200, "A change waits for your approval").expect(200, "Approve this change").body;
        assert!(!page.contains("another identity provider"), "{page}");
        let proposal = page.split("name=\"proposal\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        house.admin.post(&to("approve"), &[("proposal", "other")]).await.expect(422, "says something else by now");
        house.admin.post_from("cross-site", &to("approve"), &[("proposal", &proposal)]).await.expect(403, "This is not allowed");
        house.admin.post(&to("approve"), &[("proposal", &proposal)]).await.expect_redirect(&done("approved"));
        assert_eq!(sso(&house.connection(id).await), ["https://login.bluesky.example/sso"]);
        let mut helper = house.office.inside(&house.tenant, "joe", "Cloud-Helpers").await;
        helper.visit(&at).await.expect(404, "There is no page here");
        helper.post(&to("state"), &[("state", "disabled")]).await.expect(404, "There is no page here");
        house.admin.visit(&format!("{}/admin/connections/{}", house.office.world.base, house.tenant.connection)).await.expect(200, "Redirect URI");
        house.admin.post(&to("state"), &[("state", "disabled")]).await.expect_redirect(&done("disabled"));
    }

    async fn who_somebody_is_is_said_on_the_page_while_nobody_can_sign_in(engine) {
        let mut house = House::new(engine).await;
        let xml = metadata(ENTITY, SSO, &[&certificate(400)]);
        let id = house.make(&json!({ "slug": "saml", "name": "Anchor", "metadata": xml })).await;
        let at = format!("{}/admin/connections/{id}", house.office.world.base);
        let to = |what: &str| format!("{at}/{what}");
        house.admin.post(&to("subject"), &[("attribute", "mail"), ("preset", "adfs")]).await.expect(422, "This attribute is an address").expect(422, "value=\"mail\"");
        let done = format!("/admin/connections/{id}?done=subject");
        house.admin.post(&to("subject"), &[("attribute", " objectGUID "), ("preset", "adfs")]).await.expect_redirect(&done);
        let subject = SubjectSource::Attribute { name: "objectGUID".to_owned() };
        let settings = house.connection(id).await.saml().unwrap().clone();
        assert_eq!((&settings.subject, settings.preset, settings.sso.len()), (&subject, AttributePreset::Adfs, 1));
        house.admin.post(&to("state"), &[("state", "enabled")]).await.expect_redirect(&format!("/admin/connections/{id}?done=enabled"));
        house.admin.visit(&at).await.expect(200, "value=\"objectGUID\" disabled").expect(200, "<option value=\"adfs\" selected>");
        // Whoever had the page open before: it is told at the top, and what was typed stays.
        let late = house.admin.post(&to("subject"), &[("attribute", ""), ("preset", "okta")]).await;
        late.expect(422, "role=\"alert\"").expect(422, "before its entity ID or its subject is changed").expect(422, "value=\"objectGUID\" disabled");
        house.admin.post(&to("subject"), &[("preset", "okta")]).await.expect_redirect(&done);
        let settings = house.connection(id).await.saml().unwrap().clone();
        assert_eq!((&settings.subject, settings.preset), (&subject, AttributePreset::Okta));
    }

    async fn who_only_looks_after_connections_by_eye_changes_none(engine) {
        let office = Office::new(engine).await;
        let own = operators(&office).await;
        let (mut olga, mut sam) = (office.inside(&own, "olga", "Operators").await, office.inside(&own, "sam", "Supporters").await);
        let made = json!({ "slug": "saml", "name": "Anchor", "metadata": metadata(ENTITY, SSO, &[&certificate(400)]) });
        let made = office.send(&mut olga, Method::POST, "/connections", Some(&made)).await.expect(201).body;
        let path = format!("/connections/{}", made["id"].as_str().unwrap());
        let at = format!("{}/admin{path}", office.world.base);
        olga.visit(&at).await.expect(200, "action=\"/admin");
        let seen = sam.visit(&at).await.expect(200, "Anchor").body;
        assert!(seen.contains(SSO) && !seen.contains("action=\"/admin"), "{seen}");
        office.get(&mut sam, &path).await.expect(200);
        problem(&office.send(&mut sam, Method::PATCH, &path, Some(&json!({ "name": "Mine" }))).await, 403, "forbidden");
        // A form that the page does not have says all the same why it was not carried out.
        for (what, field) in [("state", ("state", "enabled")), ("certificates", ("certificate", "nothing")), ("keys", ("x", "y"))] {
            sam.post(&format!("{at}/{what}"), &[field]).await.expect(422, "role=\"alert\"");
        }
        assert_eq!(sam.post(&format!("{at}/test"), &[]).await.status, 404);
    }

    async fn a_bootstrap_file_has_saml_connections(engine) {
        let house = House::new(engine).await;
        let folder = tempfile::tempdir().unwrap();
        let (xml, pem) = (folder.path().join("idp.xml"), folder.path().join("idp.pem"));
        std::fs::write(&xml, metadata(ENTITY, SSO, &[&certificate(400)])).unwrap();
        std::fs::write(&pem, STANDARD.encode(certificate(300))).unwrap();
        let head = "[[tenant]]\nslug = \"bluesky\"\nname = \"bluesky\"\ncatalogue = \"customer-portal\"\n[[tenant.connection]]\nslug = \"saml\"\nname = \"Anchor\"\n";
        let app = &house.office.world.app;
        let apply = async |rest: &str| {
            let file = vestibule::cli::bootstrap::parse(&format!("{head}{rest}")).map_err(|error| error.to_string())?;
            vestibule::cli::bootstrap::apply(app, &file).await.map_err(|error| format!("{error:#}"))
        };
        for (wrong, why) in [
            ("", "a table saml"),
            ("client_id = \"x\"\nissuer = \"https://x.example\"\nsaml = {}", "a table saml"),
            ("saml = { colour = 1 }", "colour"),
            ("saml = {}", "entity ID"),
            ("saml = { metadata_file = \"/nowhere.xml\" }", "cannot read the metadata"),
        ] {
            let error = apply(wrong).await.unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        let text = format!(
            "issuer = \"{ENTITY}\"\nsaml = {{ certificate_files = [{:?}], settings = {{ sso = [{{ binding = \"post\", location = \"{SSO}\" }}], allow_cbc = true }} }}",
            pem.display()
        );
        let report = apply(&text).await.unwrap();
        assert!(report.to_string().contains("/acs") && report.made == 1, "{report}");
        let id = report.connections[&("bluesky".to_owned(), "saml".to_owned())];
        let connection = house.connection(id).await;
        assert!(connection.state == ConnectionState::Enabled && connection.saml().unwrap().allow_cbc, "{connection:?}");
        // What is there stays as it is.
        let again = apply(&format!("saml = {{ metadata_file = {:?} }}", xml.display())).await.unwrap();
        assert_eq!((again.made, house.connection(id).await), (0, connection.clone()));
        // Whoever made it elsewhere names it, to say who comes by it and whose logins they are.
        let joined = "saml = {}\n[[tenant.domain]]\nname = \"anchor.example\"\nconnections = [\"saml\"]\n[[tenant.directory]]\nslug = \"directory\"\nname = \"x\"\nprofile = \"strict\"\n[[tenant.directory.binding]]\nconnection = \"saml\"\nclaim = \"sub\"\nattribute = \"externalId\"\n";
        let report = apply(joined).await.unwrap();
        assert_eq!((report.made, house.connection(id).await), (2, connection), "{report}");
        let found = app.store.read(house.tenant.id).connections_of_domain("anchor.example").await.unwrap();
        assert_eq!(found.iter().map(|connection| connection.id).collect::<Vec<_>>(), [id]);
        let other = head.replace("slug = \"saml\"", "slug = \"draft\"");
        let file = vestibule::cli::bootstrap::parse(&format!("{other}saml = {{ metadata_file = {:?}, enabled = false }}", xml.display())).unwrap();
        let report = vestibule::cli::bootstrap::apply(app, &file).await.unwrap();
        let id = report.connections[&("bluesky".to_owned(), "draft".to_owned())];
        assert_eq!((house.connection(id).await.state, house.certificates(id).await.len()), (ConnectionState::Draft, 1));
    }
}
