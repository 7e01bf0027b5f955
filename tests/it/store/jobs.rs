//! Jobs and the logins that wait for them.

use uuid::Uuid;
use vestibule::model::{Actor, JobId, LoginId};
use vestibule::store::{LogPosition, NewJob};

use super::{Ground, born, later, now};
use crate::support::world::on_every_engine;

on_every_engine! {
    async fn logins_wait_for_the_latest_job_and_a_finished_one_is_forgotten_in_time(engine) {
        let ground = Ground::fresh(engine).await;
        let (blue, red) = (ground.tenant("bluesky").await, ground.tenant("redsky").await);
        let [joe, ann, sue] = [blue.login(&ground.store, "joe").await, blue.login(&ground.store, "ann").await, blue.login(&ground.store, "sue").await];
        let rita = red.login(&ground.store, "rita").await;
        let [first, second] = [JobId::new(born()), JobId::new(born())];
        let new = |id, cause| NewJob { id, account: blue.emea, cause, target: Uuid::nil(), actor: Actor::Operator, request_id: Some("r") };
        let mut writer = ground.store.write(blue.tenant).await.unwrap();
        writer.insert_job(&new(first, "rule.created"), now()).await.unwrap();
        writer.await_everybody(first).await.unwrap();
        writer.insert_job(&new(second, "group.updated"), later(1)).await.unwrap();
        writer.await_logins(second, &[joe, rita, LoginId::new(now())]).await.unwrap();
        writer.commit().await.unwrap();

        let mut reader = ground.store.read(blue.tenant);
        let told = |job: vestibule::model::Job| (job.id, job.cause, job.total, job.remaining, job.finished_at);
        let both: Vec<_> = reader.jobs(&[blue.emea], None, 9).await.unwrap().into_iter().map(told).collect();
        assert_eq!(both, [(second, "group.updated".to_owned(), 1, 1, None), (first, "rule.created".to_owned(), 3, 2, None)]);
        let before = LogPosition { at: later(1), id: second.uuid() };
        assert_eq!(reader.jobs(&[blue.emea, blue.root], Some(before), 9).await.unwrap()[0].id, first);
        assert_eq!(reader.jobs(&[blue.root], None, 9).await.unwrap(), []);
        let waiting = reader.waiting_logins(&[joe, ann, rita]).await.unwrap();
        assert_eq!(waiting.into_iter().collect::<Vec<_>>(), [(joe, later(1)), (ann, now())]);
        assert_eq!(reader.logins_of_job(first, 1).await.unwrap(), [ann]);
        assert_eq!(reader.logins_of_job(first, 9).await.unwrap(), [ann, sue]);
        assert_eq!(reader.open_job().await.unwrap().map(|job| (job.id, job.actor, job.request_id)), Some((first, Actor::Operator, Some("r".to_owned()))));
        assert_eq!(ground.store.doors().tenants_with_jobs().await.unwrap(), [blue.tenant]);
        let mut theirs = ground.store.read(red.tenant);
        assert_eq!((theirs.job(first).await.unwrap(), theirs.open_job().await.unwrap()), (None, None));
        assert_eq!((theirs.logins_of_job(first, 9).await.unwrap(), theirs.waiting_logins(&[joe]).await.unwrap().len()), (vec![], 0));

        let mut writer = ground.store.write(blue.tenant).await.unwrap();
        writer.settle_logins(&[ann, sue]).await.unwrap();
        writer.finish_job(first, later(2)).await.unwrap();
        assert_eq!(writer.purge_jobs(later(2)).await.unwrap(), 0);
        assert_eq!(writer.job(first).await.unwrap().map(told), Some((first, "rule.created".to_owned(), 3, 0, Some(later(2)))));
        assert_eq!(writer.purge_jobs(later(3)).await.unwrap(), 1);
        assert_eq!((writer.job(first).await.unwrap(), writer.open_job().await.unwrap().unwrap().id), (None, second));
    }

    async fn what_a_login_was_given_counts_while_it_and_its_person_are_active(engine) {
        let ground = Ground::fresh(engine).await;
        let blue = ground.tenant("bluesky").await;
        let joe = blue.login(&ground.store, "joe").await;
        let mut reader = ground.store.read(blue.tenant);
        assert_eq!(reader.counting_logins(&[joe, LoginId::new(now())]).await.unwrap(), [joe].into());
        assert_eq!(reader.rules_version().await.unwrap(), 0);
        let mut writer = ground.store.write(blue.tenant).await.unwrap();
        writer.change_rules(now()).await.unwrap();
        assert_eq!(writer.rules_version().await.unwrap(), 1);
    }
}
