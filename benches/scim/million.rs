//! Lookups among very many logins. They are made by SQL, as copies of one that the endpoint made.

use reqwest::Method;

use crate::load::{AsyncJob, Recorder, Target, drive};
use crate::report::Report;
use crate::service::Service;
use crate::sync::{external_id, name};

/// One at a time, and as many as keep the machine busy.
const CONNECTIONS: [usize; 2] = [1, 8];
const LOOKUPS: usize = 5_000;

/// What a login of this number has.
type Value = fn(usize) -> String;

/// The filters that clients look logins up by, and how the value of a copy is made.
const FILTERS: [(&str, &str, Value); 3] =
    [("userName", "userName eq", name), ("externalId", "externalId eq", external_id), ("emails.value", "emails.value eq", name)];

#[derive(Clone)]
struct Look {
    target: Target,
    what: &'static str,
    filter: &'static str,
    value: Value,
    logins: usize,
}

impl AsyncJob<()> for Look {
    async fn run(&self, number: usize, recorder: &mut Recorder) -> Option<()> {
        // A stride that is coprime to the numbers of logins visits them all over.
        let value = (self.value)(number.wrapping_mul(7_919) % self.logins);
        let filter: String = url::form_urlencoded::byte_serialize(format!("{} \"{value}\"", self.filter).as_bytes()).collect();
        let found = recorder.send(&self.target, self.what, Method::GET, &format!("/Users?filter={filter}"), None).await?;
        assert_eq!(found["totalResults"], 1, "{value}");
        Some(())
    }
}

/// Fills the service up to so many logins, and looks some of them up.
pub(crate) async fn run(service: &Service, logins: usize, report: &mut Report) {
    eprintln!("filling the database up to {logins} logins");
    service.fill(logins).await;
    for (what, filter, value) in FILTERS {
        let job = Look { target: service.target.clone(), what, filter, value, logins };
        let plan = service.plan(async || drop(drive("plan", 1, 1, job.clone()).await)).await;
        for connections in CONNECTIONS {
            let label = format!("{}: lookups by {what} among {logins}, {connections} connections", service.target.name);
            let (measured, _) = drive(&label, connections, LOOKUPS, job.clone()).await;
            report.lookups(what, logins, connections, &measured, &plan);
        }
    }
}
