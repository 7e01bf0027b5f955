//! The few things that the two engines spell differently.
//!
//! A statement is written once. Where the engines differ it holds a mark in braces, which is replaced when the statement is
//! first used; the result is kept for the life of the program, so that there are as many texts as there are statements.
//!
//! | mark | PostgreSQL | SQLite |
//! |---|---|---|
//! | `{for update}` | row locks | nothing: there is one writer |
//! | `{for share}` | shared row locks | nothing |
//! | `{ids $2}` | the ids of a JSON array, as a subquery | the same |
//! | `{rows $2}` | a JSON array as a table `item` of one column `value` | the same |
//! | `{by index}` behind a table | nothing: it knows its tables | `indexed by index`, where without statistics it takes a worse one |
//! | `{uuid item.value ->> 'id'}` | a UUID from its text | the same |
//! | `{bytes item.value ->> 'digest'}` | bytes from their hexadecimal text | the same |
//! | `{within select …}` | `in (select …)`, for a subquery that ends at a limit and depends on another table: it is run once a row of that | the same |
//! | `{alone text}` | true, once no other transaction holds the lock of this text | true: there is one writer |
//! | `{each doc -> 'emails'}` | the elements of a JSON array as `element.value` | the same |
//! | `{scalar element.value}` | the text of a JSON string | the same |
//! | `{contains a, b}` | whether text a has b in it | the same |
//! | `{ordered a}` | text in the order of its code points | text always is |
//! | `{idtext id}` | an id as it is written | the same |
//! | `{member $ref}` | the name of a JSON object's member, for `->` | the same |
//!
//! A mark may stand in another.

use super::Engine;

impl Engine {
    /// Writes `text` in the words of the engine, and keeps it.
    pub(super) fn render(self, text: &str) -> &'static str {
        Box::leak(self.replace_marks(text).into_boxed_str())
    }

    /// Writes `text` in the words of the engine. Public only for the test that asks the database for the plans of all statements.
    #[doc(hidden)]
    #[must_use]
    pub fn replace_marks(self, text: &str) -> String {
        let mut rest = text;
        let mut out = String::with_capacity(text.len() + 64);
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((mark, after)) = end_of_mark(after).and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?))) else {
                out.push('{');
                rest = after;
                continue;
            };
            let (word, argument) = mark.split_once(' ').unwrap_or((mark, ""));
            match self.mark(word, &self.replace_marks(argument)) {
                Some(words) => out.push_str(&words),
                None => out.extend(["{", mark, "}"]),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn mark(self, word: &str, argument: &str) -> Option<String> {
        Some(match (word, self) {
            // References to the row, such as a new membership's, do not wait for whoever changes its other columns.
            ("for", Self::Postgres) if argument == "update" => "for no key update".to_owned(),
            ("for", Self::Postgres) => format!("for {argument}"),
            ("for", Self::Sqlite) | ("by", Self::Postgres) => String::new(),
            ("ids", Self::Postgres) => format!("(select id::uuid from jsonb_array_elements_text({argument}) as given(id))"),
            ("ids", Self::Sqlite) => format!("(select unhex(replace(value, '-', '')) from json_each({argument}))"),
            ("rows", Self::Postgres) => format!("jsonb_array_elements({argument}) as item(value)"),
            ("rows", Self::Sqlite) => format!("json_each({argument}) as item"),
            ("by", Self::Sqlite) => format!("indexed by {argument}"),
            ("uuid", Self::Postgres) => format!("({argument})::uuid"),
            ("uuid", Self::Sqlite) => format!("unhex(replace({argument}, '-', ''))"),
            ("bytes", Self::Postgres) => format!("decode({argument}, 'hex')"),
            ("bytes", Self::Sqlite) => format!("unhex({argument})"),
            // `in` would run the subquery for every row of the table that is looked at.
            ("within", Self::Postgres) => format!("= any (array({argument}))"),
            ("within", Self::Sqlite) => format!("in ({argument})"),
            ("alone", Self::Postgres) => format!("pg_advisory_xact_lock(hashtextextended({argument}, 0)) is not null"),
            ("alone", Self::Sqlite) => format!("{argument} is not null"),
            ("each", Self::Postgres) => format!(
                "jsonb_array_elements(case jsonb_typeof({argument}) when 'array' then {argument} else '[]'::jsonb end) as element(value)"
            ),
            ("each", Self::Sqlite) => format!("json_each(coalesce({argument}, '[]')) as element"),
            ("scalar", Self::Postgres) => format!("({argument} #>> '{{}}')"),
            ("contains", Self::Postgres) => format!("strpos({argument}) > 0"),
            ("contains", Self::Sqlite) => format!("instr({argument}) > 0"),
            ("ordered", Self::Postgres) => format!("({argument}) collate \"C\""),
            ("scalar" | "ordered", Self::Sqlite) => argument.to_owned(),
            ("idtext", Self::Postgres) => format!("({argument}::text)"),
            ("idtext", Self::Sqlite) => {
                let part = |from, length| format!("substr(lower(hex({argument})), {from}, {length})");
                format!(
                    "({} || '-' || {} || '-' || {} || '-' || {} || '-' || {})",
                    part(1, 8),
                    part(9, 4),
                    part(13, 4),
                    part(17, 4),
                    part(21, 12)
                )
            }
            ("member", Self::Postgres) => format!("'{argument}'"),
            ("member", Self::Sqlite) => format!("'$.\"{argument}\"'"),
            // Such as '{}', the empty JSON object.
            (_, _) => return None,
        })
    }
}

/// Where the brace is that closes a mark, in the text after its opening brace.
fn end_of_mark(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, character)| {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_replaced_and_the_rest_is_left() {
        let text = "select id from logins where tenant_id = $1 and id in {ids $2} order by id {for update}";
        assert_eq!(
            Engine::Sqlite.replace_marks(text),
            "select id from logins where tenant_id = $1 and id in (select unhex(replace(value, '-', '')) from json_each($2)) order by id "
        );
        assert!(Engine::Postgres.replace_marks(text).ends_with("order by id for no key update"));
        assert_eq!(Engine::Sqlite.replace_marks("select '{}'"), "select '{}'");
        assert_eq!(Engine::Sqlite.replace_marks("select '{', 1"), "select '{', 1");
    }

    #[test]
    fn marks_may_stand_in_marks() {
        let text = "{ordered {scalar element.value}} > $3 and {contains (x ->> {member $ref}), $4}";
        assert_eq!(
            Engine::Postgres.replace_marks(text),
            "((element.value #>> '{}')) collate \"C\" > $3 and strpos((x ->> '$ref'), $4) > 0"
        );
        assert_eq!(Engine::Sqlite.replace_marks(text), r#"element.value > $3 and instr((x ->> '$."$ref"'), $4) > 0"#);
    }
}
