//! The messages of the protocol (RFC 7644 sections 3.4.2, 3.12 and 8): errors, lists, and the URNs that name them.

use crate::scim::value::{Object, Value};

/// The URNs of schemas and messages.
pub mod urn {
    /// The core User schema (RFC 7643 section 4.1).
    pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
    /// The core Group schema (RFC 7643 section 4.2).
    pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
    /// One membership (draft-zollner-scim-group-members-00).
    pub const GROUP_MEMBER: &str = "urn:ietf:params:scim:schemas:core:2.0:GroupMember";
    /// The extension of Group that says how its members are to be read (draft-zollner-scim-group-members-00).
    pub const GROUP_MEMBERS: &str = "urn:ietf:params:scim:schemas:extension:groupMembers:2.0:Group";
    /// The enterprise extension of User (RFC 7643 section 4.3).
    pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    /// Vestibule's own extension of User: what the portal knows about a login.
    pub const PORTAL_USER: &str = "urn:vestibule:params:scim:schemas:extension:portal:2.0:User";
    /// A schema definition (RFC 7643 section 7).
    pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
    /// A resource type definition (RFC 7643 section 6).
    pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
    /// The service provider's configuration (RFC 7643 section 5).
    pub const SERVICE_PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
    /// An error response (RFC 7644 section 3.12).
    pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
    /// A list response (RFC 7644 section 3.4.2).
    pub const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
    /// A PATCH request (RFC 7644 section 3.5.2).
    pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    /// A query by POST (RFC 7644 section 3.4.3).
    pub const SEARCH_REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
}

/// The detail error keyword of a response (RFC 7644 table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// The filter is malformed, or compares an attribute in a way that its type does not know.
    InvalidFilter,
    /// The filter yields more results than the server is willing to process.
    TooMany,
    /// A value is already in use.
    Uniqueness,
    /// The change does not fit the attribute's mutability.
    Mutability,
    /// The structure of the request body is wrong.
    InvalidSyntax,
    /// The path of a PATCH operation is malformed or names nothing.
    InvalidPath,
    /// The path of a PATCH operation selects nothing that could be changed.
    NoTarget,
    /// A value is missing, of the wrong type, or not acceptable.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// The request would put sensitive data in a URI.
    Sensitive,
    /// The cursor is none, or that of another query (RFC 9865 section 2.1).
    InvalidCursor,
    /// The cursor is older than `cursorTimeout` (RFC 9865 section 2.1).
    ExpiredCursor,
    /// The count is not usable with this cursor (RFC 9865 section 2.1).
    InvalidCount,
}

impl ScimType {
    /// The keyword as it stands in the response.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// A refusal in SCIM's terms (RFC 7644 section 3.12). The detail tells the client what to do, and holds no values of attributes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The detail error keyword, for status 400 and 409.
    pub scim_type: Option<ScimType>,
    /// What is wrong, for people.
    pub detail: String,
}

impl ScimError {
    /// An error without a keyword.
    #[must_use]
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// A 400 with its keyword.
    #[must_use]
    pub fn bad_request(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// 400 `invalidSyntax`.
    #[must_use]
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidSyntax, detail)
    }

    /// 400 `invalidValue`.
    #[must_use]
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidValue, detail)
    }

    /// 400 `invalidPath`.
    #[must_use]
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidPath, detail)
    }

    /// 400 `noTarget`.
    #[must_use]
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::NoTarget, detail)
    }

    /// 400 `mutability`.
    #[must_use]
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::Mutability, detail)
    }

    /// 409 `uniqueness`.
    #[must_use]
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self { status: 409, scim_type: Some(ScimType::Uniqueness), detail: detail.into() }
    }

    /// 404 for an id that names nothing in this directory.
    #[must_use]
    pub fn not_found(id: &str) -> Self {
        Self::new(404, format!("no resource with the id {} is here", quoted(id)))
    }

    /// The response body; the status in it is a string.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut body = Object::new();
        body.insert("schemas", vec![urn::ERROR]);
        body.insert("status", self.status.to_string());
        if let Some(scim_type) = self.scim_type {
            body.insert("scimType", scim_type.as_str());
        }
        body.insert("detail", self.detail.as_str());
        Value::Object(body)
    }
}

/// One page of results (RFC 7644 section 3.4.2, RFC 9865 section 2).
#[derive(Clone, Debug, PartialEq)]
pub struct ListResponse {
    /// How many resources match, on all pages together.
    pub total_results: u64,
    /// How this page was found.
    pub place: PagePlace,
    /// The resources of this page.
    pub resources: Vec<Value>,
}

/// Where a page stands among its like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PagePlace {
    /// By the 1-based index of its first result, as it was asked for.
    Index(u64),
    /// In a run of pages, with the cursor of the next one unless this is the last (L07).
    Cursor(Option<String>),
}

impl ListResponse {
    /// The response body. `itemsPerPage` is what is on the page (L01), and `Resources` is there even when it is empty (F21).
    #[must_use]
    pub fn into_value(self) -> Value {
        let mut body = Object::new();
        body.insert("schemas", vec![urn::LIST_RESPONSE]);
        body.insert("totalResults", Value::Number(serde_json::Number::from(self.total_results)));
        if let PagePlace::Index(start) = self.place {
            body.insert("startIndex", Value::Number(serde_json::Number::from(start)));
        }
        body.insert("itemsPerPage", self.resources.len());
        if let PagePlace::Cursor(Some(next)) = self.place {
            body.insert("nextCursor", next);
        }
        body.insert("Resources", Value::Array(self.resources));
        Value::Object(body)
    }
}

/// A piece of the client's input for a message: in double quotes, without control characters, and of bounded length.
pub(super) fn quoted(input: &str) -> String {
    const MOST: usize = 80;
    let mut text = String::from("\"");
    for (count, character) in input.chars().enumerate() {
        if count == MOST {
            text.push('…');
            break;
        }
        text.push(if character.is_control() { '\u{fffd}' } else { character });
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::{ListResponse, PagePlace, ScimError, quoted};
    use crate::scim::Value;

    #[test]
    fn a01_errors_have_a_string_status() {
        assert_eq!(
            ScimError::uniqueness("this userName is taken").to_value().to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"409","scimType":"uniqueness","detail":"this userName is taken"}"#
        );
        assert_eq!(
            ScimError::new(404, "gone").to_value().to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"gone"}"#
        );
    }

    #[test]
    fn f21_l01_an_empty_list_has_resources_and_numbers() {
        let page = ListResponse { total_results: 7, place: PagePlace::Index(9), resources: vec![] };
        assert_eq!(
            page.into_value().to_string(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"startIndex":9,"itemsPerPage":0,"Resources":[]}"#
        );
        let page = ListResponse { total_results: 7, place: PagePlace::Index(1), resources: vec![Value::Null, Value::Null] };
        let page = page.into_value();
        assert_eq!(page.as_object().unwrap().get("itemsPerPage"), Some(&Value::from(2_usize)));
    }

    #[test]
    fn l07_a_page_of_a_run_has_a_cursor_and_no_index() {
        let page = |next: Option<&str>| {
            let place = PagePlace::Cursor(next.map(ToOwned::to_owned));
            ListResponse { total_results: 7, place, resources: vec![] }.into_value().to_string()
        };
        assert_eq!(
            page(Some("abc")),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":7,"itemsPerPage":0,"nextCursor":"abc","Resources":[]}"#
        );
        assert!(!page(None).contains("Cursor"));
    }

    #[test]
    fn quoted_input_is_short_and_harmless() {
        assert_eq!(quoted("a\r\nb"), "\"a\u{fffd}\u{fffd}b\"");
        assert_eq!(quoted(&"é".repeat(81)).chars().count(), 83);
    }
}
