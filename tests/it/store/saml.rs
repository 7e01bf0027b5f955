//! What SAML connections need beside the connection: certificates, keys of ours, metadata, ids that count once, logouts, and names of
//! sessions.

use chrono::TimeDelta;
use serde_json::json;
use vestibule::keys::{HashedToken, KeyRing, Place, Sealer};
use vestibule::model::{
    Authentication, Certificate, CertificateId, CertificateSource, ConnectionId, ConnectionKeyId, ConnectionState, JitPolicy,
    MissingClaim, NameId, PendingLogoutId, SamlSettings, SessionId, Sid, SubjectSource, TenantId,
};
use vestibule::store::{ConnectionChange, NewCertificate, NewConnection, NewConnectionKey, NewPendingLogout, NewSession, Writer};

use super::{Ground, House, born, how, later, now, raw};
use crate::support::world::on_every_engine;

/// A SAML connection of the tenant.
async fn saml(ground: &Ground, house: &House) -> ConnectionId {
    let id = ConnectionId::new(born());
    let new = NewConnection {
        id,
        slug: "saml",
        name: "IdP by SAML",
        state: ConnectionState::Enabled,
        issuer: "https://idp.example/saml",
        secret: None,
        jit: JitPolicy::On,
        missing_claim: MissingClaim::Clear,
        home_account_id: house.emea,
        contact: None,
        settings: &SamlSettings::default().into(),
    };
    let mut writer = ground.store.write(house.tenant).await.unwrap();
    writer.insert_connection(&new, now()).await.unwrap();
    writer.commit().await.unwrap();
    id
}

/// A certificate that is good from an hour before the stories begin. The store does not look into it.
fn certificate(name: &str, minutes: i64) -> Certificate {
    Certificate {
        der: name.as_bytes().to_vec(),
        fingerprint: format!("{name:0>64}"),
        subject: format!("CN={name}"),
        key: "RSA 2048".to_owned(),
        not_before: later(-60),
        not_after: later(minutes),
    }
}

async fn add(writer: &mut Writer, connection_id: ConnectionId, certificate: &Certificate) -> Option<CertificateId> {
    let id = CertificateId::new(born());
    let new = NewCertificate { id, connection_id, certificate, source: CertificateSource::Metadata };
    writer.insert_certificate(&new, now()).await.unwrap().then_some(id)
}

on_every_engine! {
    async fn certificates_are_kept_once_and_their_use_is_noted_to_the_minute(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let one = add(&mut writer, connection, &certificate("a", 10)).await.unwrap();
        let two = add(&mut writer, connection, &certificate("b", 20)).await.unwrap();
        assert_eq!(add(&mut writer, connection, &certificate("a", 10)).await, None);
        let other = add(&mut writer, house.connection, &certificate("a", 10)).await.unwrap();
        let name = certificate("a", 10).fingerprint;
        writer.use_certificate(connection, &name, later(1)).await.unwrap();
        writer.use_certificate(connection, &name, later(1) + TimeDelta::seconds(30)).await.unwrap();
        writer.set_certificate_absent(two, Some(later(2))).await.unwrap();
        writer.set_certificate_alerted(two, 7).await.unwrap();
        let rows = writer.certificates_of_connection(connection).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.id, row.last_used_at, row.absent_since, row.alerted_days)).collect::<Vec<_>>(), [
            (one, Some(later(1)), None, None),
            (two, None, Some(later(2)), Some(7)),
        ]);
        assert_eq!((rows[0].der.as_slice(), rows[0].source, rows[0].not_after, rows[0].added_at), (b"a".as_slice(), CertificateSource::Metadata, later(10), now()));
        assert!(rows[0].is_valid(later(9)) && !rows[0].is_valid(later(10)) && !rows[0].is_valid(later(-61)));
        writer.use_certificate(connection, &name, later(3)).await.unwrap();
        writer.keep_certificate_by_hand(two).await.unwrap();
        let row = writer.certificates_of_connection(connection).await.unwrap().pop().unwrap();
        assert_eq!((row.id, row.source, row.absent_since), (two, CertificateSource::Manual, None));
        writer.set_certificate_absent(one, Some(later(3))).await.unwrap();
        writer.set_certificate_absent(one, None).await.unwrap();
        assert!(!writer.delete_certificate(connection, other).await.unwrap(), "it is another connection's");
        assert!(writer.delete_certificate(connection, two).await.unwrap());
        writer.commit().await.unwrap();
        let rows = ground.store.read(house.tenant).certificates_of_connection(connection).await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.id, row.last_used_at, row.absent_since)).collect::<Vec<_>>(), [(one, Some(later(3)), None)]);
        assert_eq!(ground.store.read(TenantId::OPERATOR).certificates_of_connection(connection).await.unwrap(), []);
    }

    async fn the_doors_know_which_certificates_end_and_which_are_absent(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let to_look_at = async |from, to| ground.store.doors().connections_with_certificates_to_look_at(from, to).await.unwrap();
        let ends = async || ground.store.doors().certificate_ends().await.unwrap();
        assert_eq!(ends().await, (1, None));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        add(&mut writer, connection, &certificate("a", 10)).await.unwrap();
        let two = add(&mut writer, connection, &certificate("b", 20)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(ends().await, (0, Some(later(20))), "one has one until then");
        let other = ground.tenant("acme").await;
        let sooner = saml(&ground, &other).await;
        assert_eq!(ends().await, (1, Some(later(20))));
        let mut writer = ground.store.write(other.tenant).await.unwrap();
        add(&mut writer, sooner, &certificate("c", 15)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(ends().await, (0, Some(later(15))));
        raw!(ground.store, "update tenants set state = 'suspended' where tenant_id = $1".to_owned(), other.tenant).unwrap();
        assert_eq!(ends().await, (0, Some(later(20))), "the other tenant is suspended");
        assert_eq!(to_look_at(later(10), later(15)).await, []);
        assert_eq!(to_look_at(now(), later(9)).await, []);
        assert_eq!(to_look_at(now(), later(10)).await, [(house.tenant, connection)]);
        assert_eq!(to_look_at(now(), later(30)).await, [(house.tenant, connection)], "once, however many end");
        assert_eq!(to_look_at(later(20), later(30)).await, []);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.set_certificate_absent(two, Some(now())).await.unwrap();
        writer.set_connection_state(connection, ConnectionState::Disabled, now()).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(to_look_at(later(20), later(30)).await, [(house.tenant, connection)]);
        assert_eq!(ends().await, (0, None));
    }

    async fn a_key_of_ours_signs_from_its_time_on_and_goes_when_it_is_retired(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let sealer = Sealer::new(KeyRing::generate());
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let mut made = Vec::new();
        for active_from in [later(10), now()] {
            let id = ConnectionKeyId::new(born());
            let private = sealer.seal(&Place { table: "connection_keys", column: "private_sealed", row: id.uuid() }, b"key");
            let new = NewConnectionKey { id, connection_id: connection, certificate: b"der", private: &private, active_from };
            writer.insert_connection_key(&new, now()).await.unwrap();
            made.push(id);
        }
        writer.retire_connection_keys(connection, made[0], later(20)).await.unwrap();
        writer.commit().await.unwrap();
        let keys = async |at| {
            let keys = ground.store.read(house.tenant).connection_keys(connection, at).await.unwrap();
            assert!(keys.iter().all(|key| key.certificate == b"der" && key.created_at == now()));
            let place = |id: ConnectionKeyId| Place { table: "connection_keys", column: "private_sealed", row: id.uuid() };
            assert!(keys.iter().all(|key| *sealer.open(&place(key.id), &key.private_sealed).unwrap() == *b"key"));
            keys.into_iter().map(|key| (key.id, key.active_from, key.retired_at)).collect::<Vec<_>>()
        };
        let (first, next) = ((made[1], now(), Some(later(20))), (made[0], later(10), None));
        assert_eq!(keys(later(19)).await, [first, next]);
        assert_eq!(keys(later(20)).await, [next]);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.retire_connection_keys(connection, made[0], later(30)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(keys(later(25)).await, [next], "what is retired is not retired later");
    }

    async fn metadata_is_due_fails_and_proposes(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let due = async |at| {
            let due = ground.store.doors().due_metadata(at, 10).await.unwrap();
            due.into_iter().map(|due| (due.tenant_id, due.connection_id, due.url)).collect::<Vec<_>>()
        };
        let read = async || ground.store.read(house.tenant).connection_metadata(connection).await.unwrap().unwrap();
        assert_eq!(ground.store.read(house.tenant).connection_metadata(connection).await.unwrap(), None);
        let proposed = json!({ "entity_id": "https://other.example" });
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.set_metadata_url(connection, Some("https://idp.example/metadata"), later(5)).await.unwrap();
        writer.metadata_failed(connection, 2, "no answer", later(6)).await.unwrap();
        writer.propose_metadata(connection, Some(&proposed), later(1)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(due(later(5)).await, []);
        assert_eq!(due(later(6)).await, [(house.tenant, connection, "https://idp.example/metadata".to_owned())]);
        let row = read().await;
        assert_eq!((row.failures, row.problem.as_deref(), row.fetched_at), (2, Some("no answer"), None));
        assert_eq!((row.proposed, row.proposed_at), (Some(proposed), Some(later(1))));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.metadata_taken(connection, later(60), later(7)).await.unwrap();
        writer.propose_metadata(connection, None, later(7)).await.unwrap();
        writer.commit().await.unwrap();
        let row = read().await;
        assert_eq!((row.failures, row.problem, row.fetched_at, row.due_at), (0, None, Some(later(7)), later(60)));
        assert_eq!((row.proposed, row.proposed_at), (None, None));
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.set_metadata_url(connection, None, later(1)).await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!((read().await.url, due(later(600)).await), (None, Vec::new()), "it comes by hand now");
    }

    async fn an_assertion_counts_once_at_its_connection(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let r#use = async |connection, id: &str| {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            let first = writer.use_saml_assertion(connection, id, later(5)).await.unwrap();
            writer.commit().await.unwrap();
            first
        };
        assert!(r#use(connection, "_a").await && !r#use(connection, "_a").await);
        assert!(r#use(connection, "_A").await, "ids are compared to the letter");
        assert!(r#use(house.connection, "_a").await, "each identity provider has ids of its own");
        let purge = async |at| {
            let mut writer = ground.store.write(TenantId::OPERATOR).await.unwrap();
            let gone = writer.purge_saml_assertions(at, 2).await.unwrap();
            writer.commit().await.unwrap();
            gone
        };
        assert_eq!((purge(later(5)).await, purge(later(6)).await, purge(later(6)).await), (0, 2, 1));
    }

    async fn a_logout_that_was_asked_for_is_answered_once(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let id = PendingLogoutId::new(now());
        let state = HashedToken::of("relay");
        let new = NewPendingLogout { id, connection_id: connection, state: &state, request_id: "_1", expires_at: later(5) };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_pending_logout(&new, now()).await.unwrap();
        writer.commit().await.unwrap();
        let take = async |connection| {
            let mut writer = ground.store.write(house.tenant).await.unwrap();
            let taken = writer.take_pending_logout(connection, &state).await.unwrap();
            writer.commit().await.unwrap();
            taken
        };
        assert_eq!(take(house.connection).await, None);
        let row = take(connection).await.unwrap();
        assert_eq!((row.request_id.as_str(), row.expires_at), ("_1", later(5)));
        assert_eq!(take(connection).await, None);
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.insert_pending_logout(&new, now()).await.unwrap();
        assert_eq!(writer.purge_expired(later(6)).await.unwrap(), 1);
    }

    async fn sessions_are_found_by_what_their_identity_provider_calls_the_login(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let connection = saml(&ground, &house).await;
        let name = NameId { value: "joe-7".to_owned(), format: Some("persistent".to_owned()), name_qualifier: None, sp_name_qualifier: None };
        let joe = house.login(&ground.store, "joe").await;
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        let person_id = writer.any_login(joe).await.unwrap().unwrap().login.person_id;
        let mut sessions = Vec::new();
        for (cookie, connection) in [("one", connection), ("two", connection), ("elsewhere", house.connection)] {
            let authentication = Authentication {
                upstream_session: Some(format!("index-{cookie}")),
                name_id: Some(name.clone()),
                ..how(connection)
            };
            let id = SessionId::new(born());
            let sid = Sid::new(born());
            let new = NewSession {
                id,
                sid,
                digest: &HashedToken::of(cookie),
                person_id,
                login_id: joe,
                user_agent: "test",
                address: None,
                authentication: &authentication,
                expires_at: later(60),
            };
            writer.insert_session(&new, now()).await.unwrap();
            sessions.push((id, sid));
        }
        writer.commit().await.unwrap();
        let mut reader = ground.store.read(house.tenant);
        let mut found = reader.sessions_of_name_id(connection, "joe-7").await.unwrap();
        found.sort_by_key(|session| session.session_id);
        let told: Vec<_> = found.iter().map(|session| ((session.session_id, session.sid), session.upstream_session.as_deref())).collect();
        assert_eq!(told, [(sessions[0], Some("index-one")), (sessions[1], Some("index-two"))]);
        assert!(found.iter().all(|session| session.name_id == name && session.login_id == joe && session.active_login_id == joe));
        assert_eq!(reader.sessions_of_name_id(connection, "Joe-7").await.unwrap(), []);
        assert_eq!(reader.session_login(sessions[0].0, joe).await.unwrap().unwrap().authentication.name_id, Some(name));
    }

    async fn a_connection_is_changed_as_a_whole(engine) {
        let ground = Ground::fresh(engine).await;
        let house = ground.tenant("bluesky").await;
        let id = saml(&ground, &house).await;
        let settings = SamlSettings { subject: SubjectSource::Attribute { name: "uid".to_owned() }, ..SamlSettings::default() }.into();
        let change = ConnectionChange {
            name: "Anchor",
            issuer: "https://new.example",
            jit: JitPolicy::Off,
            missing_claim: MissingClaim::Deny,
            contact: Some("it@bluesky.example"),
            settings: &settings,
        };
        let mut writer = ground.store.write(house.tenant).await.unwrap();
        writer.change_connection(id, &change, later(1)).await.unwrap();
        assert!(writer.change_connection(ConnectionId::new(born()), &change, later(1)).await.is_err());
        writer.commit().await.unwrap();
        let found = ground.store.read(house.tenant).connection(id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.issuer.as_str(), found.jit, found.missing_claim), ("Anchor", "https://new.example", JitPolicy::Off, MissingClaim::Deny));
        assert_eq!((found.contact.as_deref(), found.settings, found.slug.as_str()), (Some("it@bluesky.example"), settings, "saml"));
    }
}
