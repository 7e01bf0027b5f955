//! What the clock does at SAML connections: metadata is read again, certificates come, end and go, and what somebody could be led astray by waits
//! for an administrator.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use vestibule::federation::saml;
use vestibule::model::{CertificateSource, ConnectionState, HolderId};
use vestibule::work::refreshing::Refreshed;

use super::connections::{ENTITY, House, Published, SSO, certificate, metadata, sso};
use super::{noon, problem};
use crate::support::sql;
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn a_connection_ends_in_no_certificate_that_has_ended(engine) {
        let mut house = House::new(engine).await;
        let text = metadata(ENTITY, SSO, &[&certificate(2)]);
        let id = house.make(&json!({ "slug": "saml", "name": "Anchor", "metadata": text })).await;
        house.office.clock.advance(TimeDelta::hours(11));
        let path = format!("/connections/{id}");
        house.send(Method::PATCH, &path, &json!({ "state": "enabled" })).await.expect(200);
        house.send(Method::PATCH, &path, &json!({ "state": "disabled" })).await.expect(200);
        // By then nothing is valid any more; who asks signs in anew with a clock that is as far.
        house.office.clock.advance(TimeDelta::days(3));
        let app = &house.office.world.app;
        app.refresher().measure().await.unwrap();
        let shown = || app.metrics.render().lines().find(|line| line.starts_with("vestibule_saml_certificate_days_left")).map(ToOwned::to_owned);
        assert_eq!(shown(), None, "it is disabled");
        let mut writer = app.store.write(house.tenant.id).await.unwrap();
        writer.set_connection_state(id, ConnectionState::Enabled, app.clock.now()).await.unwrap();
        writer.commit().await.unwrap();
        app.refresher().measure().await.unwrap();
        assert_eq!(shown().as_deref(), Some("vestibule_saml_certificate_days_left{} -2"));
    }

    async fn metadata_at_an_address_brings_the_next_certificate_and_lets_the_last_one_go_after_a_week(engine) {
        let mut house = House::new(engine).await;
        let (old, new) = (certificate(400), certificate(800));
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&old])).await;
        let id = house.enabled(&url).await;
        let connection = house.connection(id).await;
        assert_eq!((connection.issuer.as_str(), sso(&connection), connection.state), (ENTITY, vec![SSO.to_owned()], ConnectionState::Enabled));
        assert_eq!(house.refresh(TimeDelta::minutes(59)).await, Refreshed::default(), "it was read an hour ago at most");
        published.now(metadata(ENTITY, SSO, &[&new]));
        assert_eq!(house.refresh(TimeDelta::hours(6)).await.taken, 1);
        let rows = house.certificates(id).await;
        assert_eq!(rows.iter().map(|row| (row.der == new, row.absent_since.is_some())).collect::<Vec<_>>(), [(false, true), (true, false)]);
        // The old one signs on for some days.
        house.office.clock.advance(TimeDelta::days(3));
        let app = &house.office.world.app;
        let mut writer = app.store.write(house.tenant.id).await.unwrap();
        writer.use_certificate(id, &rows[0].fingerprint, app.clock.now()).await.unwrap();
        writer.commit().await.unwrap();
        house.refresh(TimeDelta::days(6)).await;
        assert_eq!(house.certificates(id).await.len(), 2);
        house.refresh(TimeDelta::days(1)).await;
        let rows = house.certificates(id).await;
        assert_eq!(rows.iter().map(|row| row.der == new).collect::<Vec<_>>(), [true]);
        assert_eq!((house.told("certificate_added").await, house.told("certificate_removed").await, house.told("change_proposed").await), (2, 1, 0));
    }

    async fn another_name_or_endpoint_changes_nothing_until_somebody_approves_it(engine) {
        let mut house = House::new(engine).await;
        let (own, evil) = (certificate(400), certificate(401));
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&own])).await;
        let id = house.enabled(&url).await;
        let path = format!("/connections/{id}");
        let before = house.connection(id).await;
        published.now(metadata("https://evil.example", "https://evil.example/sso", &[&evil]));
        for _ in 0..2 {
            assert_eq!(house.refresh(TimeDelta::hours(6)).await.taken, 1);
            // The administrator is at work, so that the session goes on.
            house.office.get(&mut house.admin, &path).await.expect(200);
        }
        assert_eq!(house.connection(id).await, before);
        assert_eq!(house.certificates(id).await.len(), 1, "the certificates of another entity wait with its name");
        assert_eq!(house.told("change_proposed").await, 1, "it is told once");
        let shown = house.office.get(&mut house.admin, &path).await.expect(200).body;
        let proposal = &shown["proposal"];
        assert_eq!((&proposal["entity_id"], &proposal["sso"][0]["location"]), (&json!("https://evil.example"), &json!("https://evil.example/sso")));
        // Also which certificates would count then.
        let fingerprint = saml::certificate(&evil).unwrap().fingerprint;
        assert_eq!((&proposal["certificates"][0]["fingerprint"], &proposal["certificates"][0]["key"]), (&json!(fingerprint), &json!("RSA 2048")));
        let told = format!("change_proposed' and details ->> 'after' like '%{fingerprint}%");
        assert_eq!(house.told(&told).await, 1);
        // What was looked at is what is approved.
        let digest = proposal["proposal"].as_str().unwrap().to_owned();
        published.now(metadata(ENTITY, "https://login.bluesky.example/sso", &[&own]));
        assert_eq!(house.refresh(TimeDelta::hours(6)).await.taken, 1);
        problem(&house.send(Method::POST, &format!("{path}/approve"), &json!({ "proposal": digest })).await, 412, "precondition-failed");
        let shown = house.office.get(&mut house.admin, &path).await.expect(200).body;
        let approval = json!({ "proposal": shown["proposal"]["proposal"] });
        let answer = house.send(Method::POST, &format!("{path}/approve"), &approval).await.expect(200).body;
        assert_eq!((&answer["proposal"], &answer["issuer"]), (&Value::Null, &json!(ENTITY)));
        assert_eq!(sso(&house.connection(id).await), ["https://login.bluesky.example/sso"]);
        problem(&house.send(Method::POST, &format!("{path}/approve"), &approval).await, 409, "conflict");
        assert_eq!(house.told("change_approved").await, 1);
    }

    async fn an_approved_name_brings_its_certificates_and_ends_the_sessions_of_the_last(engine) {
        let mut house = House::new(engine).await;
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&certificate(400)])).await;
        let id = house.enabled(&url).await;
        let epoch = house.connection(id).await.epoch;
        let next = certificate(500);
        published.now(metadata("https://new.example", SSO, &[&next]));
        house.refresh(TimeDelta::hours(7)).await;
        let path = format!("/connections/{id}");
        let shown = house.office.get(&mut house.admin, &path).await.expect(200).body;
        let approval = json!({ "proposal": shown["proposal"]["proposal"] });
        // The page says what that comes to.
        let page = format!("{}/admin{path}", house.office.world.base);
        house.admin.visit(&page).await.expect(200, "This is another identity provider").expect(200, "Replace the identity provider");
        house.send(Method::POST, &format!("{path}/approve"), &approval).await.expect(200);
        let connection = house.connection(id).await;
        assert_eq!((connection.issuer.as_str(), connection.epoch), ("https://new.example", epoch + 1));
        // Those of the last one are gone at once.
        let rows = house.certificates(id).await;
        assert_eq!(rows.iter().map(|row| row.der == next).collect::<Vec<_>>(), [true]);
        assert_eq!((house.told("certificate_added").await, house.told("certificate_removed").await), (2, 1));
    }

    async fn whatever_people_can_be_signed_in_by_is_told_of(engine) {
        let mut house = House::new(engine).await;
        let (own, more) = (certificate(400), certificate(500));
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&own])).await;
        let id = house.enabled(&url).await;
        let told = async |house: &House| [house.told("created").await, house.told("certificate_added").await, house.told("key_created").await, house.told("changed").await];
        // One is the tenant's own connection; the change is that it was enabled.
        assert_eq!(told(&house).await, [2, 1, 1, 1]);
        let database = house.office.world.database.url.clone();
        let made = "select details ->> 'metadata_url' from events where kind = 'connection.created' and details ->> 'protocol' = 'saml'";
        assert_eq!(sql::texts(&database, made).await, [url]);
        // The same is read elsewhere, and then comes by hand.
        let path = format!("/connections/{id}");
        let (_elsewhere, other) = Published::at(metadata(ENTITY, SSO, &[&own])).await;
        for _ in 0..2 {
            house.send(Method::PUT, &format!("{path}/metadata"), &json!({ "url": other })).await.expect(200);
        }
        assert_eq!(told(&house).await, [2, 1, 1, 2]);
        for _ in 0..2 {
            house.send(Method::PUT, &format!("{path}/metadata"), &json!({ "xml": metadata(ENTITY, SSO, &[&own]) })).await.expect(200);
        }
        assert_eq!(told(&house).await, [2, 1, 1, 3]);
        let places = "select coalesce(details -> 'after' ->> 'metadata_url', 'none') from events where kind = 'connection.changed' and (details -> 'before' ->> 'metadata_url') is not null order by 1";
        assert_eq!(sql::texts(&database, places).await, [other.as_str(), "none"]);
        // What the metadata has no more stays for good once an administrator adds it.
        house.send(Method::PUT, &format!("{path}/metadata"), &json!({ "xml": metadata(ENTITY, SSO, &[&more]) })).await.expect(200);
        let body = json!({ "certificate": STANDARD.encode(&own) });
        for _ in 0..2 {
            house.send(Method::POST, &format!("{path}/certificates"), &body).await.expect(200);
        }
        assert_eq!(told(&house).await, [2, 3, 1, 3]);
        house.refresh(TimeDelta::days(30)).await;
        let rows = house.certificates(id).await;
        let kept = rows.iter().find(|row| row.der == own).unwrap();
        assert_eq!((rows.len(), kept.source, kept.absent_since), (2, CertificateSource::Manual, None));
        assert_eq!(published.asked(), 1, "nobody asks there any more");
    }

    async fn what_is_wrong_with_one_connection_is_none_of_the_others(engine) {
        let mut house = House::new(engine).await;
        let (_published, url) = Published::at(metadata(ENTITY, SSO, &[&certificate(20)])).await;
        for slug in ["broken", "whole"] {
            house.make(&json!({ "slug": slug, "name": "Anchor", "metadata_url": url })).await;
        }
        let broken = "update connections set settings = '{\"protocol\":\"saml\",\"sso\":1}' where slug = 'broken'";
        sql::change(&house.office.world.database.url, broken).await;
        assert_eq!(house.refresh(TimeDelta::hours(7)).await, Refreshed { taken: 1, failed: 1, told: 1 });
    }

    async fn an_identity_provider_that_does_not_answer_is_asked_less_often_and_changes_nothing(engine) {
        let mut house = House::new(engine).await;
        let (published, url) = Published::at(metadata(ENTITY, SSO, &[&certificate(400)])).await;
        let id = house.enabled(&url).await;
        let before = (house.connection(id).await, house.certificates(id).await);
        published.fails();
        let mut pauses = Vec::new();
        for hours in [7, 1, 2, 4] {
            assert_eq!(house.refresh(TimeDelta::hours(hours)).await, Refreshed { failed: 1, ..Refreshed::default() });
            pauses.push((house.metadata(id).await.due_at - house.office.clock.now()).num_hours());
        }
        assert_eq!(pauses, [1, 2, 4, 8]);
        let row = house.metadata(id).await;
        assert!(row.failures == 4 && row.problem.as_deref().is_some_and(|why| why.contains("500")), "{row:?}");
        // What is no metadata is no better.
        published.now("<html>".to_owned());
        house.refresh(TimeDelta::hours(8)).await;
        assert_eq!(house.metadata(id).await.failures, 5);
        assert_eq!((house.connection(id).await, house.certificates(id).await), before);
        published.now(metadata(ENTITY, SSO, &[&certificate(400)]));
        house.refresh(TimeDelta::hours(16)).await;
        let row = house.metadata(id).await;
        assert_eq!((row.failures, row.problem), (0, None));
    }

    async fn one_replica_at_a_time_asks_identity_providers(engine) {
        let mut house = House::new(engine).await;
        let (_published, url) = Published::at(metadata(ENTITY, SSO, &[&certificate(400)])).await;
        house.enabled(&url).await;
        house.office.clock.advance(TimeDelta::hours(7));
        let refresher = house.office.world.app.refresher();
        let (one, two) = (HolderId::new(noon()), HolderId::new(noon()));
        assert_eq!(refresher.refresh(one).await.unwrap().map(|done| done.taken), Some(1));
        assert_eq!(refresher.refresh(two).await.unwrap(), None);
        house.office.clock.advance(TimeDelta::minutes(2));
        assert_eq!(refresher.refresh(two).await.unwrap().map(|done| done.taken), Some(0), "the lease is over");
    }

    async fn a_certificate_that_ends_is_told_of_four_times(engine) {
        let mut house = House::new(engine).await;
        let text = metadata(ENTITY, SSO, &[&certificate(40)]);
        let id = house.make(&json!({ "slug": "saml", "name": "Anchor", "metadata": text })).await;
        house.send(Method::PATCH, &format!("/connections/{id}"), &json!({ "state": "enabled" })).await.expect(200);
        let mut told = Vec::new();
        for _ in 0..41 {
            house.refresh(TimeDelta::days(1)).await;
            told.push(house.told("certificate_expiring").await);
        }
        let first = |count: i64| told.iter().position(|told| *told == count).map(|day| 40 - 1 - day);
        assert_eq!([1, 2, 3, 4].map(first), [Some(30), Some(14), Some(7), Some(1)]);
        assert_eq!(told.last(), Some(&4));
        let days = sql::texts(&house.office.world.database.url, "select cast(details ->> 'days' as text) from events where kind = 'connection.certificate_expiring' order by at").await;
        assert_eq!(days, ["30", "14", "7", "1"]);
    }
}
