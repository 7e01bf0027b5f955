//! The pages that people see: view structs, their templates beside them, and the headers that every page carries.
//!
//! A handler decides, fills a view with plain data, and answers [`Page`]`(status, view)`. Views know no store and take no
//! decision; the words are in the templates. No page but [`PostOn`] has a script: everything works with links and forms alone.
//!
//! Leaving for an identity provider: Chromium applies `form-action` to every redirect that follows a form, so a form that
//! is answered with a redirect to another site would be stopped by our own policy, and naming all identity providers in the
//! policy would tell visitors who the customers are. Therefore the sign-in form is answered with the page [`Leaving`]
//! (200, a refresh of zero seconds and a link), and [`Choice`]s are plain links, whose redirects no `form-action` concerns.

mod assets;
mod connection;
mod connection_test;
#[cfg(test)]
mod every;
mod logins;
mod person;
mod portal;
mod post;
mod refused;
mod signed_in;
#[cfg(test)]
mod tests;
mod trouble;

use askama::Template;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderName, StatusCode, header};

pub use assets::{icon_url, router as assets, script_url, stylesheet_url};
pub use connection::{CertificateLine, ConnectionPage, Form, KeyLine, KeyState, MetadataView, ProposalView, SubjectView, Value};
pub use connection_test::{CameTo, ConnectionTest, Found, GivenRole, TestStep};
pub use logins::{ConfirmLink, ConnectionChoice, Done, LinkLogins, LoginCard, Logins, ProposalLine, ToProve, UnlinkLogins};
pub use person::{PersonLogin, PersonPage, PresenceWord, ProposedLogin};
pub use portal::{
    AccountChoice, AskSignOut, AskSwitch, ChooseAccount, LogoutRefused, NoAccount, Onward, Over, PortalRefused, RequestOver,
};
pub use post::{PostFor, PostOn};
pub use refused::{Contact, Reason, Refused};
pub use signed_in::{AccountNode, Cause, RoleLine, SignedIn};
pub use trouble::{NotFound, Trouble, Wrong};

use crate::model::LoginKind;

/// What every page may load and do: our stylesheet and icon, forms to ourselves, and nothing else.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A page as a response: the status, the rendered template, and headers that keep it private and unframed.
#[derive(Clone, Debug)]
pub struct Page<T>(pub StatusCode, pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let Self(status, view) = self;
        let (status, body) = match view.render() {
            Ok(body) => (status, body),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a page could not be rendered");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    String::from("<!doctype html><title>Error</title><h1>Something went wrong</h1>"),
                )
            }
        };
        let headers: [(HeaderName, &str); 5] = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::REFERRER_POLICY, "same-origin"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (status, headers, body).into_response()
    }
}

/// What surrounds the content of every page.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The company's name, once it is known whose page this is. A page must not tell a stranger which tenants exist.
    pub tenant: Option<String>,
    /// Who is signed in, for the header.
    pub visitor: Option<Visitor>,
    /// Where switching to the other login returns to, a path of ours; none for the page of the person's accounts.
    pub here: Option<String>,
}

impl Frame {
    /// The same on a page to which switching returns.
    #[must_use]
    pub fn at(self, here: &str) -> Self {
        Self { here: Some(here.to_owned()), ..self }
    }
}

/// The signed-in person and the login that is active.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The name to show, for example "Joe Bloggs".
    pub name: String,
    /// The active login's user name.
    pub user_name: String,
    /// What to call the login beside the person's other one, for example "everyday"; `None` for the only one.
    pub login_name: Option<String>,
    pub kind: LoginKind,
    /// The name of the connection that the person came by; `None` for a local login.
    pub connection: Option<String>,
    /// The person's other login, if there is one that can be switched to.
    pub other: Option<OtherLogin>,
}

/// The person's login that is not active.
#[derive(Clone, Debug)]
pub struct OtherLogin {
    pub id: String,
    pub user_name: String,
    /// What to call it beside the active one, for example "privileged".
    pub login_name: String,
}

/// `/sign-in`: asks for an e-mail address or user name, only to find the connection; or offers one tenant's connections.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    pub frame: Frame,
    /// What was typed, kept when it is refused.
    pub typed: String,
    /// Shown next to the field.
    pub error: Option<String>,
    /// Where to go afterwards, carried along in the form.
    pub return_to: Option<String>,
    /// The portal that waits for it, by its name.
    pub portal: Option<String>,
    /// The connections to choose from. When there are any, they take the place of the form.
    pub choices: Vec<Choice>,
}

/// A way to sign in.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The connection's name.
    pub name: String,
    /// Where signing in with it begins; a GET that redirects to the identity provider.
    pub href: String,
}

/// Sends the browser on to the identity provider after a form (see the module's words on `form-action`).
#[derive(Clone, Debug, Template)]
#[template(path = "leaving.html")]
pub struct Leaving {
    pub frame: Frame,
    /// The connection's name.
    pub connection: String,
    /// The authorization request.
    pub href: String,
}

/// `/me/sessions`: where the person is signed in.
#[derive(Clone, Debug, Template)]
#[template(path = "sessions.html")]
pub struct Sessions {
    pub frame: Frame,
    pub sessions: Vec<SessionLine>,
}

/// A session of the person.
#[derive(Clone, Debug)]
pub struct SessionLine {
    pub id: String,
    /// Whether it is the one that the page is looked at with.
    pub is_this: bool,
    pub device: String,
    /// Where in the network it is.
    pub address: Option<String>,
    /// The user name of the login that is active in it.
    pub login: String,
    pub connection: Option<String>,
    pub signed_in_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    /// The portals that were given something there, by name.
    pub portals: Vec<String>,
}

/// Sends the browser on to the identity provider, to sign out there too.
#[derive(Clone, Debug, Template)]
#[template(path = "signing_out.html")]
pub struct SigningOut {
    pub frame: Frame,
    /// The connection's name.
    pub connection: String,
    /// The logout request.
    pub href: String,
}

/// `/sign-out`, done.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOut {
    pub frame: Frame,
    /// The connection whose identity provider may still know the browser.
    pub connection: Option<String>,
}
