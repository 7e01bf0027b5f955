//! A form that goes on by itself: to an identity provider that takes its messages so (SAML Bindings section 3.5), or once more to ourselves.
//!
//! It is the only page with a script, and the only one whose form may lead to another site: its policy names that site's origin alone.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::{Frame, Page};

/// What a form goes on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostFor {
    /// To sign in at the identity provider.
    SignIn,
    /// To sign out there too, where the person is signed out here.
    SignOut,
    /// To tell it that the person is signed out here, as it wished.
    SignedOut,
    /// To come once more, from a page of ours: browsers keep cookies back from what other sites post.
    Again,
}

/// The page of such a form. Answer it with [`PostOn::respond`].
#[derive(Clone, Debug, Template)]
#[template(path = "post_on.html")]
pub struct PostOn {
    pub frame: Frame,
    pub what: PostFor,
    /// What the connection is called; nothing where it is not known yet.
    pub connection: String,
    /// Where it goes.
    pub action: String,
    /// Names and values of its hidden fields.
    pub fields: Vec<(&'static str, String)>,
}

impl PostOn {
    /// The page, with a policy of its own. An identity provider that ends many sessions at once does so in frames: the answer to it may be
    /// framed by it, and has nothing in it that anybody could be made to press.
    #[must_use]
    pub fn respond(self) -> Response {
        let origin = Url::parse(&self.action).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        let origin = origin.map(|origin| origin.ascii_serialization()).unwrap_or_default();
        let framed_by = if self.what == PostFor::SignedOut && !origin.is_empty() { origin.clone() } else { "'none'".to_owned() };
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self' {origin}; frame-ancestors {framed_by}; base-uri 'none'"
        );
        let mut response = Page(StatusCode::OK, self).into_response();
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        // The other site learns the form and nothing else.
        response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

#[cfg(test)]
pub(super) fn examples(frame: &Frame) -> Vec<(String, PostOn)> {
    let page = |what, fields: &[(&'static str, &str)]| PostOn {
        frame: frame.clone(),
        what,
        connection: "Anchor".into(),
        action: "https://idp.example/saml/sso?tenant=1&x=2".into(),
        fields: fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
    };
    let evil = "\"><script>alert(1)</script>";
    let mut again = page(PostFor::Again, &[("SAMLResponse", "PHNhbWw+"), ("RelayState", evil), ("again", "1")]);
    (again.connection, again.action) = (String::new(), "/sign-in/saml/0198/acs".into());
    vec![
        ("post_sign_in".into(), page(PostFor::SignIn, &[("SAMLRequest", "PHNhbWw+"), ("RelayState", "handle")])),
        ("post_sign_out".into(), page(PostFor::SignOut, &[("SAMLRequest", "PHNhbWw+")])),
        ("post_signed_out".into(), page(PostFor::SignedOut, &[("SAMLResponse", "PHNhbWw+"), ("RelayState", evil)])),
        ("post_again".into(), again),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sso_s30_the_policy_names_the_one_origin_that_the_form_goes_to_and_its_values_are_escaped() {
        for (name, page) in examples(&Frame::default()) {
            let html = page.clone().render().unwrap();
            assert!(!html.contains("<script>") && !html.contains("\"><script"), "{name}: {html}");
            assert!(page.fields.iter().all(|(field, _)| html.contains(&format!("name=\"{field}\""))), "{name}: {html}");
            let response = page.clone().respond();
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            let foreign = page.what != PostFor::Again;
            assert_eq!(policy.contains("form-action 'self' https://idp.example;"), foreign, "{name}: {policy}");
            assert_eq!(policy.contains("form-action 'self' ;"), !foreign, "{name}: {policy}");
            let framed = page.what == PostFor::SignedOut;
            assert_eq!(policy.contains("frame-ancestors https://idp.example;"), framed, "{name}: {policy}");
            assert_eq!(policy.contains("frame-ancestors 'none';"), !framed, "{name}: {policy}");
            assert!(policy.contains("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{name}: {policy}");
        }
    }
}
