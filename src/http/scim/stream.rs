//! A group with more members than should ever be in memory, written while they are read.

use axum::body::{Body, Bytes};
use futures_util::stream::try_unfold;

use crate::provisioning::{Failure, MemberPages};
use crate::scim::{Object, Value};

/// What of the answer is still to be written.
struct Writing {
    pages: MemberPages,
    /// What stands before the first member, until it is written.
    head: String,
    between: &'static str,
}

/// The body of an answer: the document, with `members` at its end. A page is read when the client has taken the one before.
///
/// A page that cannot be read breaks the connection off, so that the client never takes a part for the whole.
pub(super) fn with_members(document: Object, pages: MemberPages) -> Body {
    let mut head = Value::Object(document).to_string();
    // The brace that closes the document comes after the members.
    head.pop();
    head.push_str(if head.len() > 1 { ",\"members\":[" } else { "\"members\":[" });
    Body::from_stream(try_unfold(Some(Writing { pages, head, between: "" }), |writing| async move {
        let Some(mut writing) = writing else { return Ok(None) };
        let mut text = std::mem::take(&mut writing.head);
        let next = match writing.pages.next().await {
            Ok(Some(members)) => {
                for member in members {
                    text.push_str(std::mem::replace(&mut writing.between, ","));
                    text.push_str(&member.to_string());
                }
                Some(writing)
            }
            Ok(None) => {
                text.push_str("]}");
                None
            }
            Err(failure) => {
                tracing::error!(error = &failure as &dyn std::error::Error, "an answer was broken off");
                return Err::<_, Failure>(failure);
            }
        };
        Ok(Some((Bytes::from(text), next)))
    }))
}
