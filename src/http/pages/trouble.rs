//! Errors that are not about a sign-in.

use askama::Template;
use http::StatusCode;

use super::Frame;

/// There is no page at this address, or none for this visitor.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "not_found.html")]
pub struct NotFound {
    pub frame: Frame,
}

/// What is wrong, as far as the visitor needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// The request could not be read.
    BadRequest,
    /// The request came from another site, or the visitor may not do this.
    Forbidden,
    /// The address exists, and this is not what one does with it.
    MethodNotAllowed,
    /// The body is over the limit.
    TooLarge,
    /// Too many requests in a short time.
    TooMany,
    /// Our own fault.
    Internal,
    /// The service is starting, stopping, or without its database.
    Unavailable,
}

impl Wrong {
    /// All of them, for tests that render each.
    pub const ALL: [Self; 7] = [
        Self::BadRequest,
        Self::Forbidden,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::TooMany,
        Self::Internal,
        Self::Unavailable,
    ];

    /// What a status says when nobody said more.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Self::Forbidden,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::TOO_MANY_REQUESTS => Self::TooMany,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Self::Unavailable,
            other if other.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }

    /// The status of the page.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The generic error page. Answer it with [`Wrong::status`].
#[derive(Clone, Debug, Template)]
#[template(path = "trouble.html")]
pub struct Trouble {
    pub frame: Frame,
    pub wrong: Wrong,
    /// The request id, which the log carries too.
    pub reference: Option<String>,
}
