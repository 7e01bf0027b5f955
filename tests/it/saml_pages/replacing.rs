//! Another identity provider takes the place of a connection's, after somebody has approved it.

use chrono::TimeDelta;
use vestibule::directory::Error;
use vestibule::directory::connections::{Came, Proposal, SamlConnections};
use vestibule::federation::saml;
use vestibule::model::{Endpoint, IdpMetadata, SamlBinding};

use super::{Stage, connections};
use crate::openid::noon;
use crate::support::http::Browser;
use crate::support::saml_idp::{SamlIdp, Says};
use crate::support::world::on_every_engine;

fn metadata(idp: &SamlIdp) -> IdpMetadata {
    let endpoint = |location| Endpoint { binding: SamlBinding::Redirect, location, response_location: None };
    IdpMetadata {
        entity_id: idp.entity_id.clone(),
        certificates: vec![saml::certificate(&idp.certificate).unwrap()],
        sso: vec![endpoint(idp.sso())],
        slo: vec![endpoint(idp.slo())],
        want_requests_signed: false,
        name_id_formats: Vec::new(),
        valid_until: None,
        cache_duration: None,
    }
}

impl Stage {
    fn connections(&self) -> SamlConnections<'_> {
        connections(&self.foyer)
    }

    /// The metadata is another identity provider's, which waits for an approval.
    async fn propose(&self, idp: &SamlIdp) -> Proposal {
        let came = Came::ByHand;
        let proposal = self.connections().take_metadata(self.connection, &metadata(idp), came).await.unwrap();
        proposal.expect("a change that waits")
    }
}

on_every_engine! {
    async fn whoever_was_bound_to_the_last_identity_provider_is_bound_to_the_next(engine) {
        let mut stage = Stage::new(engine).await;
        stage.foyer.person("joe", &[]).await;
        let mut joe = stage.signed_in("joe").await;
        let mut late = Browser::new();
        let asked = stage.asked(&mut late).await;
        let response = stage.idp.response(&asked, &Says::of("joe", stage.now()));
        let next = SamlIdp::new("next", noon());
        let proposal = stage.propose(&next).await;
        assert!(stage.is_signed_in(&mut joe).await, "nothing has changed yet");
        stage.connections().approve(stage.connection, &proposal.digest()).await.unwrap();
        assert!(!stage.is_signed_in(&mut joe).await);
        // What the last one had signed counts no more, and neither does its key under the name of the next.
        let page = stage.brings(&mut late, &asked.acs(), &response).await;
        assert_eq!(page.status, 502, "{}", page.body);
        let mut last = std::mem::replace(&mut stage.idp, next);
        last.entity_id.clone_from(&stage.idp.entity_id);
        let asked = stage.asked(&mut late).await;
        let page = stage.brings(&mut late, &asked.acs(), &last.response(&asked, &Says::of("joe", stage.now()))).await;
        assert_eq!(page.status, 502, "{}", page.body);
        assert_eq!(stage.count("events where kind = 'connection.certificate_removed' and details ->> 'reason' = 'entity_changed'").await, 1);
        assert_eq!((stage.count("connection_certificates").await, stage.count("subjects").await), (1, 1));
        // The pair says who it is, once more; afterwards the subject does.
        stage.signed_in("joe").await;
        assert_eq!((stage.count("events where kind = 'login.bound'").await, stage.count("subjects").await), (2, 2));
        let nameless = Says { attributes: vec![], ..Says::of("joe", stage.now()) };
        stage.sign_in(&mut Browser::new(), &nameless).await.expect_redirect("/me");
        assert_eq!((stage.count("logins").await, stage.count("subjects").await), (1, 2));
    }

    async fn an_enabled_connection_never_becomes_one_by_which_nobody_could_sign_in(engine) {
        let stage = Stage::new(engine).await;
        let next = SamlIdp::new("next", noon());
        let digest = stage.propose(&next).await.digest();
        stage.foyer.clock.advance(TimeDelta::days(366));
        let refused = stage.connections().approve(stage.connection, &digest).await.unwrap_err();
        assert!(matches!(&refused, Error::Conflict(text) if text.contains("certificate")), "{refused:?}");
        let mut reader = stage.foyer.world.app.store.read(stage.foyer.tenant.id);
        assert_eq!(reader.connection(stage.connection).await.unwrap().unwrap().issuer, stage.idp.entity_id);
        let rows = reader.certificates_of_connection(stage.connection).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.der == stage.idp.certificate).collect::<Vec<_>>(), [true]);
    }

    async fn a_draft_forgets_the_certificates_of_an_entity_that_it_no_longer_is(engine) {
        let stage = Stage::new(engine).await;
        let mut writer = stage.foyer.world.app.store.write(stage.foyer.tenant.id).await.unwrap();
        writer.set_connection_state(stage.connection, vestibule::model::ConnectionState::Draft, stage.now()).await.unwrap();
        writer.commit().await.unwrap();
        let next = SamlIdp::new("next", noon());
        let taken = stage.connections().take_metadata(stage.connection, &metadata(&next), Came::ByHand).await.unwrap();
        assert_eq!(taken, None, "a draft waits for nobody");
        let mut reader = stage.foyer.world.app.store.read(stage.foyer.tenant.id);
        let rows = reader.certificates_of_connection(stage.connection).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.der == next.certificate).collect::<Vec<_>>(), [true]);
    }
}
