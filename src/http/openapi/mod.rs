//! The description of the API for programs, `OpenAPI` 3.1, at `/api/v1/openapi.json`.
//!
//! Each operation is a line of [`OPERATIONS`]: a test compares them with the routes that the sources have, so that none is forgotten
//! and none is made up. The same document lies in `docs/openapi.json`.

mod approvals;
mod connections;
mod links;
mod people;
mod schemas;
mod sessions;
mod tenants;

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, Required, Response as Answer, ResponseBuilder};

use super::extract::SESSION_COOKIE;
use crate::directory::access::Permission;
use crate::model::ClientScope;

use Method::{Delete, Get, Patch, Post, Put};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// What an operation answers when it is carried out.
#[derive(Clone, Copy, Debug)]
enum Done {
    /// 200 with this schema.
    With(&'static str),
    /// 201 with this schema.
    Made(&'static str),
    /// 202 with this schema.
    Accepted(&'static str),
    /// 200 with a text of this media type.
    File(&'static str),
    /// 204.
    Nothing,
}

/// Method, path, what it is for, the schema of its body, its answer.
type Operation = (Method, &'static str, &'static str, Option<&'static str>, Done);

const OPERATIONS: &[Operation] = &[
    (Get, "/api/v1/accounts", "The accounts that who asks may see", None, Done::With("Accounts")),
    (Post, "/api/v1/accounts", "Makes an account below another", Some("NewAccount"), Done::Made("Account")),
    (
        Get,
        "/api/v1/accounts/{account}",
        "One account, with its services and their instances",
        None,
        Done::With("AccountWithInstances"),
    ),
    (Patch, "/api/v1/accounts/{account}", "Renames, moves or suspends an account", Some("AccountChange"), Done::With("Account")),
    (Put, "/api/v1/accounts/{account}/services/{service}", "Subscribes to a service", None, Done::Nothing),
    (Delete, "/api/v1/accounts/{account}/services/{service}", "Ends a subscription", None, Done::Nothing),
    (Put, "/api/v1/accounts/{account}/services/{service}/instances/{instance}", "Makes an instance known", None, Done::Nothing),
    (Delete, "/api/v1/accounts/{account}/services/{service}/instances/{instance}", "Forgets an instance", None, Done::Nothing),
    (Get, "/api/v1/accounts/{account}/roles", "The roles that can be given there", None, Done::With("Roles")),
    (Post, "/api/v1/accounts/{account}/assignments", "Gives a role by hand", Some("NewAssignment"), Done::Made("Assignment")),
    (
        Post,
        "/api/v1/accounts/{account}/assignments/bulk",
        "Gives and takes many roles, all or none",
        Some("Batch"),
        Done::With("BatchDone"),
    ),
    (
        Post,
        "/api/v1/accounts/{account}/access-requests",
        "Asks for access for somebody of another account",
        Some("AccessRequest"),
        Done::Accepted("Approval"),
    ),
    (Get, "/api/v1/accounts/{account}/approval-policies", "What has to be approved there", None, Done::With("ApprovalPolicies")),
    (
        Post,
        "/api/v1/accounts/{account}/approval-policies",
        "Makes an approval policy",
        Some("NewApprovalPolicy"),
        Done::Made("ApprovalPolicy"),
    ),
    (Get, "/api/v1/approval-policies/{policy}", "One approval policy", None, Done::With("ApprovalPolicy")),
    (
        Put,
        "/api/v1/approval-policies/{policy}",
        "Changes an approval policy",
        Some("NewApprovalPolicy"),
        Done::With("ApprovalPolicy"),
    ),
    (Delete, "/api/v1/approval-policies/{policy}", "Deletes an approval policy", None, Done::Nothing),
    (Get, "/api/v1/approvals", "What was asked for, newest first", None, Done::With("Approvals")),
    (Post, "/api/v1/approvals", "Asks whether an order has to be approved", Some("NewOrder"), Done::Made("Approval")),
    (Get, "/api/v1/approvals/{approval}", "One that was asked for", None, Done::With("Approval")),
    (Post, "/api/v1/approvals/{approval}/approve", "Approves it", Some("Verdict"), Done::With("Approval")),
    (Post, "/api/v1/approvals/{approval}/reject", "Rejects it", Some("Verdict"), Done::With("Approval")),
    (Post, "/api/v1/approvals/{approval}/withdraw", "Takes it back", None, Done::With("Approval")),
    (Post, "/api/v1/logins/{login}/reassign", "Hands services over", Some("Handover"), Done::With("Reassigned")),
    (Delete, "/api/v1/assignments/{assignment}", "Takes a role that a hand gave", None, Done::Nothing),
    (Get, "/api/v1/logins/{login}/roles", "What somebody holds on which account, and why", None, Done::With("HeldRoles")),
    (Get, "/api/v1/logins/{login}/link-proposals", "Who is taken for the person's other login", None, Done::With("LinkProposals")),
    (Put, "/api/v1/logins/{login}/link-proposals/{other}", "Takes two logins for one person's", None, Done::Nothing),
    (Delete, "/api/v1/logins/{login}/link-proposals/{other}", "Takes them for one person's no longer", None, Done::Nothing),
    (Put, "/api/v1/logins/{login}/break-glass", "Whether a local login stays alone", Some("BreakGlass"), Done::Nothing),
    (Get, "/api/v1/logins/{login}/sessions", "Where somebody is signed in with a login", None, Done::With("Sessions")),
    (Delete, "/api/v1/sessions/{session}", "Ends a session", None, Done::Nothing),
    (Get, "/api/v1/session-limits", "How long sessions of the tenant last", None, Done::With("SessionTimes")),
    (Put, "/api/v1/session-limits", "Says how long they last", Some("SessionLimits"), Done::With("SessionTimes")),
    (Get, "/api/v1/connections", "The connections that who asks may see", None, Done::With("Connections")),
    (Post, "/api/v1/connections", "Makes a SAML connection, as a draft", Some("NewConnection"), Done::Made("ConnectionWithAll")),
    (Get, "/api/v1/connections/{connection}", "One connection, with everything", None, Done::With("ConnectionWithAll")),
    (
        Patch,
        "/api/v1/connections/{connection}",
        "Switches a connection off or on, or changes it",
        Some("ConnectionChange"),
        Done::With("ConnectionWithAll"),
    ),
    (
        Put,
        "/api/v1/connections/{connection}/metadata",
        "Takes the identity provider's metadata in",
        Some("Metadata"),
        Done::With("ConnectionWithAll"),
    ),
    (
        Post,
        "/api/v1/connections/{connection}/approve",
        "Carries out the change that waits for an approval",
        Some("ProposalApproval"),
        Done::With("ConnectionWithAll"),
    ),
    (
        Post,
        "/api/v1/connections/{connection}/certificates",
        "Lets another certificate of the identity provider count",
        Some("NewCertificate"),
        Done::With("ConnectionWithAll"),
    ),
    (
        Delete,
        "/api/v1/connections/{connection}/certificates/{certificate}",
        "Lets a certificate count no longer",
        None,
        Done::Nothing,
    ),
    (
        Post,
        "/api/v1/connections/{connection}/keys",
        "Publishes the next key of ours",
        Some("NewConnectionKey"),
        Done::With("ConnectionWithAll"),
    ),
    (Get, "/api/v1/people", "People, by their logins", None, Done::With("People")),
    (Post, "/api/v1/people", "Makes a login by hand", Some("NewPerson"), Done::Made("Person")),
    (Get, "/api/v1/people/{login}", "One login", None, Done::With("Person")),
    (Patch, "/api/v1/people/{login}", "Changes what is written down of somebody", Some("PersonChange"), Done::With("Person")),
    (Delete, "/api/v1/people/{login}", "Deletes a login, once that was confirmed", None, Done::Nothing),
    (Post, "/api/v1/people/{login}/deletion", "What a deletion comes to, and what confirms it", None, Done::With("Consequences")),
    (Post, "/api/v1/people/{login}/deactivate", "Ends its sessions, and lets it in no more", Some("Reason"), Done::With("Person")),
    (Post, "/api/v1/people/{login}/reactivate", "Lets it in again", Some("Reason"), Done::With("Person")),
    (Post, "/api/v1/people/{login}/invite", "Asks somebody to come", None, Done::With("Person")),
    (Get, "/api/v1/persons/{person}", "A person with their logins", None, Done::With("PersonWithLogins")),
    (Post, "/api/v1/persons/{person}/deactivate", "Deactivates a person with all logins", Some("Reason"), Done::Nothing),
    (Post, "/api/v1/persons/{person}/reactivate", "Lets a person in again", Some("Reason"), Done::Nothing),
    (Get, "/api/v1/events", "The audit trail, newest first", None, Done::With("Events")),
    (
        Delete,
        "/api/v1/persons/{person}/values",
        "Erases for good what events hold about somebody who has left",
        None,
        Done::Nothing,
    ),
    (Get, "/api/v1/permissions", "Who may do what where, and why", None, Done::With("Permissions")),
    (Get, "/api/v1/permissions.csv", "The same as one file", None, Done::File("text/csv")),
    (Get, "/api/v1/rules", "The mapping rules", None, Done::With("Rules")),
    (Post, "/api/v1/rules", "Makes a rule, and gives what it wants", Some("NewRule"), Done::Made("Rule")),
    (
        Post,
        "/api/v1/rules/preview",
        "What a rule, a change or a deletion would change",
        Some("RuleProposal"),
        Done::With("RulePreview"),
    ),
    (Get, "/api/v1/rules/{rule}", "One rule", None, Done::With("Rule")),
    (Put, "/api/v1/rules/{rule}", "Changes a rule", Some("NewRule"), Done::With("Rule")),
    (Delete, "/api/v1/rules/{rule}", "Deletes a rule, and takes what it gave", None, Done::Nothing),
    (Get, "/api/v1/jobs", "Work that changes have left behind, newest first", None, Done::With("Jobs")),
    (Get, "/api/v1/jobs/{job}", "How far one job is", None, Done::With("Job")),
    (Get, "/api/v1/clients", "Clients that work for themselves", None, Done::With("Clients")),
    (Delete, "/api/v1/clients/{client}", "Ends a client at once", None, Done::Nothing),
    (Get, "/api/v1/directories", "The directories that who asks may see", None, Done::With("Directories")),
    (Get, "/api/v1/directories/{directory}/provisioning-log", "What its client did, newest first", None, Done::With("LogEntries")),
    (
        Get,
        "/api/v1/directories/{directory}/provisioning-log/last-failure",
        "What was refused last, explained",
        None,
        Done::With("LastFailure"),
    ),
    (Get, "/api/v1/directories/{directory}/provisioning-log/{entry}", "One entry of the log", None, Done::With("LogEntry")),
    (Post, "/api/v1/directories/{directory}/trace", "Reads are logged too, for a time", Some("Trace"), Done::With("Traced")),
    (Delete, "/api/v1/directories/{directory}/trace", "Reads are logged no longer", None, Done::Nothing),
    (Get, "/api/v1/directories/{directory}/tokens", "The directory's tokens", None, Done::With("Tokens")),
    (Post, "/api/v1/directories/{directory}/tokens", "Makes a token", Some("NewToken"), Done::Made("MadeToken")),
    (Delete, "/api/v1/directories/{directory}/tokens/{id}", "Ends a token at once", None, Done::Nothing),
    (Post, "/api/v1/directories/{directory}/tokens/{id}/rotate", "Hands a token on", Some("Rotation"), Done::Made("MadeToken")),
    (Get, "/api/v1/tenants", "All tenants, for the operator", None, Done::With("Tenants")),
    (Get, "/api/v1/tenants/{tenant}", "One tenant, by its slug, with how many people it has", None, Done::With("TenantWithPeople")),
    (
        Patch,
        "/api/v1/tenants/{tenant}",
        "Suspends a tenant, or takes it into use again",
        Some("TenantChange"),
        Done::With("TenantWithPeople"),
    ),
    (Get, "/api/v1/openapi.json", "This document", None, Done::With("Document")),
    (Post, "/access/v1/evaluation", "May this login do that on this account?", Some("Evaluation"), Done::With("Decision")),
    (Post, "/access/v1/evaluations", "The same, many at once", Some("Evaluations"), Done::With("Decisions")),
    (Get, "/.well-known/authzen-configuration", "Where decisions are asked for", None, Done::With("DecisionPoint")),
    (Post, "/oauth2/token", "An access token for a client's credentials", Some("TokenRequest"), Done::With("AccessToken")),
];

/// What makes something, and may be sent again with an `Idempotency-Key`.
const ONCE: &[&str] = &[
    "/api/v1/accounts",
    "/api/v1/accounts/{account}/assignments",
    "/api/v1/connections",
    "/api/v1/people",
    "/api/v1/rules",
    "/api/v1/directories/{directory}/tokens",
    "/api/v1/directories/{directory}/tokens/{id}/rotate",
    "/api/v1/accounts/{account}/assignments/bulk",
    "/api/v1/accounts/{account}/access-requests",
    "/api/v1/accounts/{account}/approval-policies",
    "/api/v1/approvals",
    "/api/v1/logins/{login}/reassign",
];

/// What operations answer beside that: method, path, status, what it means, the schema.
const ALSO: &[(Method, &str, &str, &str, &str)] = &[
    (Post, "/api/v1/accounts/{account}/assignments", "202", "it waits for an approval", "Approval"),
    (Post, "/api/v1/approvals", "200", "nobody has to approve it", "NotRequired"),
];

/// The parameters of lists that have pages, beside `limit`.
const FILTERS: &[(&str, &[&str])] = &[
    (
        "/api/v1/directories/{directory}/provisioning-log",
        &["outcome", "operation", "resource_type", "resource_id", "request_id", "rule", "from", "to", "after"],
    ),
    ("/api/v1/events", &["kind", "actor", "target", "request_id", "from", "to", "after"]),
    ("/api/v1/permissions", &["after"]),
    ("/api/v1/accounts", &["parent", "search", "after"]),
    ("/api/v1/rules", &["after"]),
    ("/api/v1/tenants", &["after"]),
    ("/api/v1/clients", &["after"]),
    ("/api/v1/connections", &["after"]),
    ("/api/v1/directories", &["after"]),
    ("/api/v1/jobs", &["after"]),
    ("/api/v1/approvals", &["state", "account", "after"]),
    ("/api/v1/people", &["search", "account", "state", "kind", "directory", "connection", "after"]),
];

/// Served to everybody: it says nothing about anybody.
pub(super) async fn serve() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(text);
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=3600")], TEXT.as_str()).into_response()
}

/// The document, as people read it too.
#[must_use]
pub fn text() -> String {
    // Nothing of it could fail to be written down.
    document().to_pretty_json().unwrap_or_default() + "\n"
}

fn document() -> OpenApi {
    let mut paths = PathsBuilder::new();
    for operation in OPERATIONS {
        let (method, path, ..) = operation;
        paths = paths.path(*path, PathItem::new(method.http(), described(operation)));
    }
    let mut components = ComponentsBuilder::new();
    let parts =
        [schemas::shapes(), people::shapes(), links::shapes(), tenants::shapes(), sessions::shapes(), connections::shapes()];
    for (name, shape) in parts.into_iter().flatten() {
        components = components.schema(name, shape);
    }
    components = components
        .schema("Document", ObjectBuilder::new())
        .schema("File", ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)));
    let scopes: Scopes = ClientScope::ALL.iter().map(|scope| (scope.as_str().to_owned(), meaning(*scope))).collect();
    let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth2/token", scopes));
    let session = ApiKey::Cookie(ApiKeyValue::with_description(SESSION_COOKIE, "an administrator's session, from our own pages"));
    components = components
        .security_scheme("client", SecurityScheme::OAuth2(OAuth2::new([flow])))
        .security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme("session", SecurityScheme::ApiKey(session))
        .security_scheme("secret", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    let info = InfoBuilder::new()
        .title("Vestibule")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Administration, and decisions for portals. docs/api.md says what each means."));
    OpenApiBuilder::new().info(info.build()).paths(paths.build()).components(Some(components.build())).build()
}

impl Method {
    fn http(self) -> HttpMethod {
        match self {
            Get => HttpMethod::Get,
            Post => HttpMethod::Post,
            Put => HttpMethod::Put,
            Patch => HttpMethod::Patch,
            Delete => HttpMethod::Delete,
        }
    }
}

/// The permissions that a scope gives.
fn meaning(scope: ClientScope) -> String {
    let given = Permission::ALL.iter().filter(|permission| permission.scopes().contains(&scope));
    let names: Vec<_> = given.map(|permission| permission.as_str()).collect();
    if names.is_empty() { "to ask for decisions".to_owned() } else { names.join(", ") }
}

fn described(&(method, path, summary, body, done): &Operation) -> OperationBuilder {
    let mut operation = OperationBuilder::new().summary(Some(summary)).operation_id(Some(name(method, path)));
    for parameter in parameters(method, path) {
        operation = operation.parameter(parameter);
    }
    let is_token = path == "/oauth2/token";
    let kind = if is_token { "application/x-www-form-urlencoded" } else { "application/json" };
    operation = operation.request_body(body.map(|schema| body_of(kind, schema)));
    operation = match done {
        Done::With(schema) => operation.response("200", answer("it is so", "application/json", Some(schema))),
        Done::Made(schema) => operation.response("201", answer("it was made", "application/json", Some(schema))),
        Done::Accepted(schema) => operation.response("202", answer("it waits for an approval", "application/json", Some(schema))),
        Done::File(kind) => operation.response("200", answer("it is so", kind, Some("File"))),
        Done::Nothing => operation.response("204", answer("it is done", "", None)),
    };
    for (_, _, status, text, schema) in ALSO.iter().filter(|(by, on, ..)| (*by, *on) == (method, path)) {
        operation = operation.response(*status, answer(text, "application/json", Some(schema)));
    }
    let is_public = path.starts_with("/.well-known") || path.ends_with("/openapi.json");
    let refusals: &[(&str, &str)] = match () {
        () if is_public => &[],
        () if is_token => {
            &[("400", "RFC 6749 section 5.2"), ("401", "the client is not known"), ("429", "too many requests"), ("503", "busy")]
        }
        () => &[
            ("400", "the request cannot be read"),
            ("401", "nobody asks who could be answered"),
            ("403", "who asks may not do this"),
            ("404", "there is nothing here for who asks"),
            ("409", "it does not go with what is there"),
            ("412", "it is no longer the version that If-Match names"),
            ("413", "the body is too large"),
            ("415", "the body is not JSON"),
            ("429", "too many requests"),
            ("503", "the service is busy"),
        ],
    };
    if method == Post && ONCE.contains(&path) {
        let reused = answer("the Idempotency-Key is that of another request", "application/problem+json", Some("Problem"));
        operation = operation.response("422", reused);
    }
    let (kind, schema) = if is_token { ("application/json", "OAuthError") } else { ("application/problem+json", "Problem") };
    for (status, text) in refusals {
        operation = operation.response(*status, answer(text, kind, Some(schema)));
    }
    let none: [&str; 0] = [];
    match () {
        () if is_public => operation,
        () if is_token => operation
            .security(SecurityRequirement::new("secret", none))
            // The secret may be in the body.
            .security(SecurityRequirement::default()),
        () => operation
            .security(SecurityRequirement::new("client", none))
            .security(SecurityRequirement::new("token", none))
            .security(SecurityRequirement::new("session", none)),
    }
}

/// A name for programs that are made from the document: `get_accounts_account_roles`.
fn name(method: Method, path: &str) -> String {
    let path = path.trim_start_matches("/api/v1").trim_start_matches("/.");
    let words: Vec<_> = path.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!("{}_{}", format!("{method:?}").to_lowercase(), words.join("_"))
}

fn parameters(method: Method, path: &str) -> Vec<Parameter> {
    let parameter = |name: &str, place, required, kind| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(kind))))
            .build()
    };
    let named = path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let mut found: Vec<_> = named.map(|(name, _)| parameter(name, ParameterIn::Path, Required::True, Type::String)).collect();
    if let Some((_, names)) = FILTERS.iter().find(|(list, _)| method == Get && *list == path) {
        found.extend(names.iter().map(|name| parameter(name, ParameterIn::Query, Required::False, Type::String)));
        found.push(parameter("limit", ParameterIn::Query, Required::False, Type::Integer));
    }
    if path.starts_with("/api/v1/") && !path.starts_with("/api/v1/tenants") && !path.ends_with("/openapi.json") {
        found.push(parameter("Vestibule-Tenant", ParameterIn::Header, Required::False, Type::String));
    }
    if method == Post && ONCE.contains(&path) {
        found.push(parameter("Idempotency-Key", ParameterIn::Header, Required::False, Type::String));
    }
    if (method, path) == (Delete, "/api/v1/people/{login}") {
        found.push(parameter("confirmation", ParameterIn::Query, Required::True, Type::String));
        found.push(parameter("reason", ParameterIn::Query, Required::False, Type::String));
    }
    if (method, path) == (Delete, "/api/v1/assignments/{assignment}") {
        found.push(parameter("reason", ParameterIn::Query, Required::False, Type::String));
    }
    found
}

fn body_of(kind: &str, schema: &str) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    RequestBodyBuilder::new().content(kind, content).required(Some(Required::True)).build()
}

fn answer(text: &str, kind: &str, schema: Option<&str>) -> Answer {
    let answer = ResponseBuilder::new().description(text);
    match schema {
        Some(schema) => answer.content(kind, ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()).build(),
        None => answer.build(),
    }
}
