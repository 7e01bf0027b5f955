//! The extract of everybody's permissions, as JSON in pages and as one CSV (RFC 4180).

use axum::body::{Body as Bytes, Bytes as Piece};
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use chrono::SecondsFormat;
use futures_util::stream::try_unfold;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::asker::{Asker, Body};
use super::events::audited_accounts;
use super::paging::{self, PAGE};
use super::problem::Problem;
use crate::app::App;
use crate::directory::extract::{Extract, Line};
use crate::http::layers::RequestId;
use crate::model::{AssignmentSource, LoginId};

/// Logins of which the lines are in memory at once.
const BATCH: u32 = 200;

/// `GET /permissions`: a page of logins, each with a line for every role and reason.
pub(super) async fn json(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Body<Value>, Problem> {
    let (mut after, mut limit) = (None::<LoginId>, PAGE);
    for (name, value) in paging::parameters(uri.query().unwrap_or_default())? {
        match name.as_str() {
            "after" => after = Some(value.parse().map_err(|_| Problem::invalid("after: the next of a former page"))?),
            "limit" => limit = paging::limit(&value)?,
            _ => return Err(Problem::invalid("there are the parameters after, limit")),
        }
    }
    let page = begin(&app, &asker, &id, "json").await?.page(after, limit).await?;
    Ok(Body(json!({ "items": page.lines, "next": page.next })))
}

/// `GET /permissions.csv`: all of them, written while they are read.
pub(super) async fn csv(State(app): State<App>, asker: Asker, id: RequestId, uri: OriginalUri) -> Result<Response, Problem> {
    if !uri.query().unwrap_or_default().is_empty() {
        return Err(Problem::invalid("there are no parameters"));
    }
    let extract = begin(&app, &asker, &id, "csv").await?;
    let first = Writing { extract, after: None, head: row(&COLUMNS) };
    let body = Bytes::from_stream(try_unfold(Some(first), |writing| async move {
        let Some(mut writing) = writing else { return Ok(None) };
        let mut text = std::mem::take(&mut writing.head);
        // A page that cannot be read breaks the connection off, so that nobody takes a part for the whole.
        let page = writing.extract.page(writing.after, BATCH).await.inspect_err(|error| {
            tracing::error!(error = error as &dyn std::error::Error, "an extract was broken off");
        })?;
        for line in &page.lines {
            text.push_str(&row(&fields(line)));
        }
        writing.after = page.next;
        Ok::<_, crate::directory::Error>(Some((Piece::from(text), page.next.map(|_| writing))))
    }));
    let head = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"permissions.csv\""),
    ];
    Ok((head, body).into_response())
}

async fn begin(app: &App, asker: &Asker, id: &RequestId, format: &str) -> Result<Extract, Problem> {
    let reach = asker.reach()?;
    let accounts = audited_accounts(reach)?;
    Ok(Extract::begin(&app.store, asker.tenant(), reach, &app.rules, &accounts, format, id.caller(app, asker.actor())).await?)
}

/// What of a file is still to be written.
struct Writing {
    extract: Extract,
    after: Option<LoginId>,
    /// What stands before the first line, until it is written.
    head: String,
}

const COLUMNS: [&str; 15] = [
    "person",
    "login",
    "user_name",
    "active",
    "account",
    "role",
    "service",
    "instance",
    "source",
    "cause",
    "included_by",
    "given_at",
    "since",
    "counts",
    "shadowed_by",
];

fn fields(line: &Line) -> [String; 15] {
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    let source = match line.source {
        AssignmentSource::Rule => "rule",
        AssignmentSource::Manual => "manual",
        AssignmentSource::Operator => "operator",
    };
    [
        line.person.to_string(),
        line.login.to_string(),
        line.user_name.clone(),
        line.active.to_string(),
        line.account.clone(),
        line.role.clone(),
        or_nothing(&line.service),
        or_nothing(&line.instance),
        source.to_owned(),
        line.cause.clone(),
        or_nothing(&line.included_by),
        line.given_at.clone(),
        line.since.to_rfc3339_opts(SecondsFormat::Micros, true),
        line.counts.to_string(),
        or_nothing(&line.shadowed_by),
    ]
}

/// One record (RFC 4180 section 2). A field that a spreadsheet would run as a formula gets an apostrophe before it.
fn row<T: AsRef<str>>(fields: &[T]) -> String {
    let mut row = String::new();
    for (at, field) in fields.iter().map(AsRef::as_ref).enumerate() {
        if at > 0 {
            row.push(',');
        }
        let guard = if field.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        if field.contains([',', '"', '\r', '\n']) {
            row.extend(["\"", guard, &field.replace('"', "\"\""), "\""]);
        } else {
            row.extend([guard, field]);
        }
    }
    row.push_str("\r\n");
    row
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn fields_are_quoted_and_formulas_are_none() {
        for (field, written) in [
            ("", ""),
            ("joe", "joe"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum(a1)", "'@sum(a1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=cmd|' /c calc'!a1,\"", "\"'=cmd|' /c calc'!a1,\"\"\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(row(&[field]), format!("{written}\r\n"), "{field:?}");
        }
        assert_eq!(row(&["a", "", "=b"]), "a,,'=b\r\n");
    }
}
