//! Bluesky's directory: sends its people and groups to Vestibule by SCIM, in the steps in which Entra does it.
//!
//! Each login is looked up by its `externalId` and created when it is not there; one that has left is then switched off with
//! Entra's own `Replace` of `active` by `"False"`. Each group is looked up by name without its members, created without
//! members, and gets those that it lacks one by one. What is there already is left as it is, so a second run writes nothing.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::people::{GROUPS, LOGINS, SampleGroup, SampleLogin};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How far the push is, and at its end, what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Logins that are there now. Joe Bloggs has two.
    pub logins: usize,
    /// Groups that are there now, with their members.
    pub groups: usize,
    /// Requests that changed something; none on a second start.
    pub changes: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} logins, {} groups", self.logins, self.groups)
    }
}

/// Why the push stopped. What was pushed until then remains, and another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{0}` is not a SCIM address; it must be an http or https URL such as http://vestibule.localhost:4000/scim/v2/entra")]
    Address(String),
    #[error("the SCIM client could not be set up")]
    Client(#[source] reqwest::Error),
    #[error("{url} does not answer; is Vestibule running there?")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} does not accept the provisioning token; the directory has another one, or it was revoked")]
    Token { url: String },
    #[error("{step} was refused with status {status}: {detail}")]
    Refused { step: String, status: u16, detail: String },
    #[error("{step} was answered with something that is not SCIM")]
    Unreadable { step: String, source: serde_json::Error },
    #[error("{step} found {found} matches, where one at most was expected")]
    Ambiguous { step: String, found: usize },
}

/// Pushes all of Bluesky to the SCIM endpoint at `base`, and calls `progress` after each login and group.
pub async fn push(base: &Url, token: &SecretString, mut progress: impl FnMut(Progress)) -> Result<Progress, Error> {
    let mut directory = Directory::new(base, token)?;
    let mut done = Progress::default();
    let mut ids = HashMap::new();
    for login in &LOGINS {
        ids.insert(login.user_name, directory.push_login(login).await?);
        done = Progress { logins: done.logins + 1, changes: directory.changes, ..done };
        progress(done);
    }
    for group in &GROUPS {
        directory.push_group(group, &ids).await?;
        done = Progress { groups: done.groups + 1, changes: directory.changes, ..done };
        progress(done);
    }
    Ok(done)
}

struct Directory<'a> {
    client: reqwest::Client,
    base: &'a Url,
    token: &'a SecretString,
    changes: usize,
}

/// RFC 7644 section 3.4.2.
#[derive(Deserialize)]
struct ListResponse {
    #[serde(default, rename = "Resources")]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    id: String,
    active: Option<bool>,
    #[serde(default)]
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    value: String,
}

impl<'a> Directory<'a> {
    fn new(base: &'a Url, token: &'a SecretString) -> Result<Self, Error> {
        let (Some(host), Some(port), "http" | "https") = (base.host_str(), base.port_or_known_default(), base.scheme()) else {
            return Err(Error::Address(base.to_string()));
        };
        // This runs on the machine of the demo: no proxy stands between, and names below localhost are this machine (RFC 6761
        // section 6.3), which not every resolver knows.
        let mut builder = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if host.ends_with(".localhost") {
            builder = builder.resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
        Ok(Self { client: builder.build().map_err(Error::Client)?, base, token, changes: 0 })
    }

    /// The login's id in Vestibule.
    async fn push_login(&mut self, login: &SampleLogin) -> Result<String, Error> {
        let who = login.user_name;
        let found = self.look_up(&["Users"], &[("filter", &equals("externalId", login.id))], &format!("looking for {who}")).await?;
        let resource = match found {
            Some(resource) => resource,
            None => self.write(Method::POST, &["Users"], &user(login), &format!("creating {who}")).await?,
        };
        if !login.active && resource.active != Some(false) {
            let operation = json!({ "op": "Replace", "path": "active", "value": "False" });
            self.patch(&["Users", &resource.id], &operation, &format!("switching off {who}")).await?;
        }
        Ok(resource.id)
    }

    async fn push_group(&mut self, group: &SampleGroup, ids: &HashMap<&str, String>) -> Result<(), Error> {
        let name = group.display_name;
        let query = [("excludedAttributes", "members"), ("filter", &equals("displayName", name))];
        let found = self.look_up(&["Groups"], &query, &format!("looking for the group {name}")).await?;
        let (id, present) = if let Some(found) = found {
            let step = format!("reading the group {name}");
            let body = self.send(Method::GET, &["Groups", &found.id], &[], None, &step).await?;
            let whole: Resource = read(&body, &step)?;
            (found.id, whole.members.into_iter().map(|member| member.value).collect())
        } else {
            let step = format!("creating the group {name}");
            (self.write(Method::POST, &["Groups"], &scim_group(group), &step).await?.id, HashSet::new())
        };
        for member in group.members {
            let Some(member_id) = ids.get(member).filter(|member_id| !present.contains(*member_id)) else { continue };
            let operation = json!({ "op": "Add", "path": "members", "value": [{ "$ref": null, "value": member_id }] });
            self.patch(&["Groups", &id], &operation, &format!("adding {member} to {name}")).await?;
        }
        Ok(())
    }

    /// The one resource that a filter finds, if it finds any.
    async fn look_up(&self, path: &[&str], query: &[(&str, &str)], step: &str) -> Result<Option<Resource>, Error> {
        let body = self.send(Method::GET, path, query, None, step).await?;
        let mut found = read::<ListResponse>(&body, step)?.resources;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            found => Err(Error::Ambiguous { step: step.to_owned(), found }),
        }
    }

    async fn write(&mut self, method: Method, path: &[&str], body: &Value, step: &str) -> Result<Resource, Error> {
        let answer = self.send(method, path, &[], Some(body), step).await?;
        self.changes += 1;
        read(&answer, step)
    }

    async fn patch(&mut self, path: &[&str], operation: &Value, step: &str) -> Result<(), Error> {
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation] });
        self.send(Method::PATCH, path, &[], Some(&body), step).await?;
        self.changes += 1;
        Ok(())
    }

    /// Sends one request; the body of a successful answer, which may be empty (204).
    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
        step: &str,
    ) -> Result<Vec<u8>, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .client
            .request(method, url)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()))
            .header(header::ACCEPT, "application/scim+json");
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/scim+json").body(body.to_string());
        }
        let unreachable = |source: reqwest::Error| Error::Unreachable { url: self.base.to_string(), source: source.without_url() };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(unreachable)?.to_vec();
        if status == StatusCode::UNAUTHORIZED {
            return Err(Error::Token { url: self.base.to_string() });
        }
        if !status.is_success() {
            return Err(Error::Refused { step: step.to_owned(), status: status.as_u16(), detail: detail(&bytes) });
        }
        Ok(bytes)
    }
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8], step: &str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|source| Error::Unreadable { step: step.to_owned(), source })
}

/// The `detail` of a SCIM error (RFC 7644 section 3.12).
fn detail(body: &[u8]) -> String {
    let error = serde_json::from_slice::<Value>(body).unwrap_or_default();
    error["detail"].as_str().unwrap_or("no reason was given").to_owned()
}

/// A filter for one value; a SCIM string is written as a JSON string (RFC 7644 section 3.4.2.2).
fn equals(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}

fn user(login: &SampleLogin) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "externalId": login.id,
        "userName": login.user_name,
        "active": true,
        "displayName": login.display_name(),
        "title": login.title,
        "name": { "formatted": login.display_name(), "givenName": login.given_name, "familyName": login.family_name },
        "emails": [{ "primary": true, "type": "work", "value": login.email() }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "organization": "Bluesky" },
        "meta": { "resourceType": "User" },
    })
}

fn scim_group(group: &SampleGroup) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": group.external_id,
        "displayName": group.display_name,
        "meta": { "resourceType": "Group" },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::{Path, State};
    use axum::response::{IntoResponse as _, Response};
    use axum::routing::{get, post};
    use axum_extra::extract::Query;
    use http::HeaderMap;

    use super::*;

    /// A directory that keeps what it is sent, and a note of every write.
    #[derive(Default)]
    struct Fake {
        resources: Vec<Value>,
        writes: Vec<String>,
        /// The user name whose creation it refuses.
        refuses: Option<&'static str>,
        /// How many writes it takes before it breaks.
        breaks_after: Option<usize>,
    }

    type Shared = Arc<Mutex<Fake>>;

    fn answer(status: u16, body: &Value) -> Response {
        (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/scim+json")], body.to_string()).into_response()
    }

    impl Fake {
        fn write(&mut self, what: String) -> Option<Response> {
            if self.breaks_after.is_some_and(|writes| self.writes.len() >= writes) {
                return Some(answer(503, &json!({})));
            }
            self.writes.push(what);
            None
        }
    }

    async fn list(State(fake): State<Shared>, Path(kind): Path<String>, Query(query): Query<HashMap<String, String>>) -> Response {
        let (attribute, value) = query["filter"].split_once(" eq ").unwrap();
        let value: Value = serde_json::from_str(value).unwrap();
        assert_eq!(query.get("excludedAttributes").map(String::as_str), (kind == "Groups").then_some("members"));
        let fake = fake.lock().unwrap();
        let found: Vec<_> = fake.resources.iter().filter(|r| r["kind"] == kind && r[attribute] == value).cloned().collect();
        answer(200, &json!({ "totalResults": found.len(), "Resources": found }))
    }

    async fn create(State(fake): State<Shared>, Path(kind): Path<String>, headers: HeaderMap, body: String) -> Response {
        if headers[header::AUTHORIZATION] != "Bearer right" {
            return answer(401, &json!({}));
        }
        assert_eq!(headers[header::CONTENT_TYPE], "application/scim+json");
        let mut resource: Value = serde_json::from_str(&body).unwrap();
        assert!(resource.get("members").is_none(), "a group is created without members");
        let name = resource["userName"].as_str().or(resource["displayName"].as_str()).unwrap().to_owned();
        let mut fake = fake.lock().unwrap();
        if fake.refuses == Some(name.as_str()) {
            return answer(409, &json!({ "status": "409", "detail": "this userName is taken" }));
        }
        if let Some(broken) = fake.write(format!("POST {name}")) {
            return broken;
        }
        resource["kind"] = kind.into();
        resource["id"] = format!("id-{name}").into();
        resource["members"] = json!([]);
        fake.resources.push(resource.clone());
        answer(201, &resource)
    }

    async fn read_one(State(fake): State<Shared>, Path((_, id)): Path<(String, String)>) -> Response {
        answer(200, fake.lock().unwrap().resources.iter().find(|r| r["id"] == id).unwrap())
    }

    async fn change(State(fake): State<Shared>, Path((_, id)): Path<(String, String)>, body: String) -> Response {
        let body: Value = serde_json::from_str(&body).unwrap();
        let [operation] = body["Operations"].as_array().unwrap().as_slice() else { panic!("one operation at a time") };
        let mut fake = fake.lock().unwrap();
        if let Some(broken) = fake.write(format!("PATCH {id} {}", operation["value"])) {
            return broken;
        }
        let resource = fake.resources.iter_mut().find(|r| r["id"] == id).unwrap();
        match (operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap()) {
            ("Replace", "active") => resource["active"] = (operation["value"] == "True").into(),
            ("Add", "members") => {
                let [member] = operation["value"].as_array().unwrap().as_slice() else { panic!("one member at a time") };
                resource["members"].as_array_mut().unwrap().push(json!({ "value": member["value"] }));
            }
            other => panic!("{other:?}"),
        }
        StatusCode::NO_CONTENT.into_response()
    }

    /// Serves `fake` on loopback; its address is a name below localhost, as in the demo.
    async fn serve(fake: Fake) -> (Shared, Url) {
        let shared = Arc::new(Mutex::new(fake));
        let router = Router::new()
            .route("/scim/v2/entra/{kind}", get(list).merge(post(create)))
            .route("/scim/v2/entra/{kind}/{id}", get(read_one).patch(change))
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (shared, format!("http://vestibule.localhost:{port}/scim/v2/entra").parse().unwrap())
    }

    fn right() -> SecretString {
        "right".into()
    }

    #[tokio::test]
    async fn everybody_arrives_and_a_second_push_writes_nothing() {
        let (fake, base) = serve(Fake::default()).await;
        let mut last = Progress::default();
        let done = push(&base, &right(), |progress| last = progress).await.unwrap();
        assert_eq!((done, done.to_string().as_str()), (last, "12 logins, 7 groups"));
        let members: usize = GROUPS.iter().map(|group| group.members.len()).sum();
        assert_eq!(done.changes, 12 + 1 + 7 + members);
        {
            let fake = fake.lock().unwrap();
            let of = |name: &str| fake.resources.iter().find(|r| r["displayName"] == name).unwrap()["members"].clone();
            assert_eq!(of("Cloud-EMEA-Admins"), json!([{ "value": "id-joe.bloggs" }, { "value": "id-tomas.oliveira" }]));
            let inactive: Vec<_> = fake.resources.iter().filter(|r| r["active"] == false).map(|r| r["userName"].clone()).collect();
            assert_eq!(inactive, ["martin.weber"]);
        }
        let again = push(&base, &right(), |_| ()).await.unwrap();
        assert_eq!(again, Progress { changes: 0, ..done });
        assert_eq!(fake.lock().unwrap().writes.len(), done.changes);
    }

    #[tokio::test]
    async fn a_push_that_broke_anywhere_is_completed_by_the_next() {
        let (whole, base) = serve(Fake::default()).await;
        let done = push(&base, &right(), |_| ()).await.unwrap();
        for breaks_after in 0..done.changes {
            let (fake, base) = serve(Fake { breaks_after: Some(breaks_after), ..Fake::default() }).await;
            let error = push(&base, &right(), |_| ()).await.unwrap_err();
            assert!(matches!(error, Error::Refused { status: 503, .. }), "{error}");
            fake.lock().unwrap().breaks_after = None;
            push(&base, &right(), |_| ()).await.unwrap();
            assert_eq!(fake.lock().unwrap().writes, whole.lock().unwrap().writes, "broken after {breaks_after}");
        }
    }

    #[tokio::test]
    async fn errors_say_what_to_do_and_keep_the_token() {
        let (_, base) = serve(Fake::default()).await;
        let wrong = push(&base, &"wrong-secret".into(), |_| ()).await.unwrap_err();
        assert!(matches!(&wrong, Error::Token { .. }));
        assert!(!format!("{wrong} {wrong:?}").contains("wrong-secret"));

        let (_, base) = serve(Fake { refuses: Some("priya.nair"), ..Fake::default() }).await;
        let refused = push(&base, &right(), |_| ()).await.unwrap_err();
        assert_eq!(refused.to_string(), "creating priya.nair was refused with status 409: this userName is taken");

        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let base = format!("http://vestibule.localhost:{closed}/scim/v2/entra").parse().unwrap();
        let gone = push(&base, &right(), |_| ()).await.unwrap_err();
        assert_eq!(gone.to_string(), format!("{base} does not answer; is Vestibule running there?"));

        let mail = push(&"mailto:x@y".parse().unwrap(), &right(), |_| ()).await.unwrap_err();
        assert!(matches!(mail, Error::Address(_)));
    }
}
