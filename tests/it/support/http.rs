//! Those who talk to the service over HTTP: a SCIM client, and a browser with cookies.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use url::Url;

/// A client that follows no redirect by itself, so that a test sees each step.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// A directory's SCIM client.
#[derive(Clone, Debug)]
pub(crate) struct Scim {
    client: reqwest::Client,
    /// The directory's endpoint, without a slash at its end.
    pub(crate) base: String,
    pub(crate) token: String,
}

/// What a SCIM request was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    /// `Value::Null` where there was no body.
    pub(crate) body: Value,
}

impl Answer {
    /// The `id` of the resource.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {self:?}")).to_owned()
    }

    /// The answer itself, when it has this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl Scim {
    pub(crate) fn new(base: String, token: String) -> Self {
        Self { client: client(), base, token }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("content-type", "application/scim+json").body(body.to_string());
        }
        Self::read(request.send().await.unwrap()).await
    }

    /// A request with the token, for tests that say the rest themselves.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    pub(crate) async fn read(response: Response) -> Answer {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Answer { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }
}

/// A browser: cookies by host, redirects one at a time or to their end.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    client: reqwest::Client,
    cookies: BTreeMap<(String, String), String>,
}

/// A page or a redirect, as the browser got it.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) status: StatusCode,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// Where it redirects to.
    pub(crate) location: Option<Url>,
    pub(crate) body: String,
}

impl Visit {
    /// The visit itself, when it has this status and its body has this text.
    pub(crate) fn expect(self, status: u16, text: &str) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.url, self.body);
        assert!(self.body.contains(text), "no {text:?} in {}: {}", self.url, self.body);
        self
    }

    /// The visit itself, when it redirects to this path.
    pub(crate) fn expect_redirect(self, path: &str) -> Self {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}: {}", self.url, self.body);
        let location = self.location.as_ref().expect("a location");
        assert_eq!(location.origin(), self.url.origin(), "{location}");
        assert_eq!(location.as_str().strip_prefix(&location.origin().ascii_serialization()), Some(path));
        self
    }

    /// The reference number that the page shows.
    pub(crate) fn reference(&self) -> String {
        let (_, rest) = self.body.split_once("<code>").unwrap_or_else(|| panic!("no reference number: {}", self.body));
        rest.split_once("</code>").expect("its end").0.to_owned()
    }

    /// The cookies that it sets, whole.
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
    }
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self { client: client(), cookies: BTreeMap::new() }
    }

    /// One request, whatever it is answered.
    pub(crate) async fn visit(&mut self, url: &str) -> Visit {
        self.send(Method::GET, url, &[], None).await
    }

    /// A form of the page's own site, posted.
    pub(crate) async fn post(&mut self, url: &str, form: &[(&str, &str)]) -> Visit {
        self.post_from("same-origin", url, form).await
    }

    /// A form that was posted by a page of `site`, in the words of `Sec-Fetch-Site`.
    pub(crate) async fn post_from(&mut self, site: &str, url: &str, form: &[(&str, &str)]) -> Visit {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
        self.send(Method::POST, url, &headers, Some(body)).await
    }

    /// The value of the cookie `name` of an address's host.
    pub(crate) fn cookie(&self, url: &str, name: &str) -> Option<&str> {
        self.cookies.get(&(host(&Url::parse(url).unwrap()), name.to_owned())).map(String::as_str)
    }

    /// Sets a cookie, as somebody with their hands on the browser could.
    pub(crate) fn plant(&mut self, url: &str, name: &str, value: &str) {
        self.cookies.insert((host(&Url::parse(url).unwrap()), name.to_owned()), value.to_owned());
    }

    /// Visits, and follows redirects to their end or to an address that begins with `until`, which is not visited.
    pub(crate) async fn follow(&mut self, url: &str, until: Option<&str>) -> Visit {
        let mut visit = self.visit(url).await;
        for _ in 0..20 {
            let Some(next) = visit.location.clone() else { return visit };
            if until.is_some_and(|until| next.as_str().starts_with(until)) {
                return visit;
            }
            visit = self.visit(next.as_str()).await;
        }
        panic!("too many redirects: {visit:?}");
    }

    /// Any request, with the browser's cookies.
    pub(crate) async fn send(&mut self, method: Method, url: &str, headers: &[(&str, &str)], body: Option<String>) -> Visit {
        let url = Url::parse(url).unwrap();
        let host = host(&url);
        let cookies: Vec<_> =
            self.cookies.iter().filter(|((at, _), _)| *at == host).map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut request = self.client.request(method, url.clone());
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let key = (host.clone(), name.to_owned());
            if value.is_empty() || rest.contains("Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        let location = response.headers().get(LOCATION).map(|location| url.join(location.to_str().unwrap()).unwrap());
        let (status, headers) = (response.status(), response.headers().clone());
        Visit { status, url, headers, location, body: response.text().await.unwrap() }
    }
}

fn host(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap())
}
