//! Finds the SQL in the sources of the store, for the tests of the wall and of the plans.
//!
//! A statement is the text inside `sql!(…)` or `door!(…)`, or a `format!` that [`Reader::filtered`] runs. The finder knows `concat!`,
//! and the macros that stand for lists of columns.
//!
//! [`Reader::filtered`]: vestibule::store::Reader

use std::collections::BTreeMap;

use crate::support::source::{Token, end_of_group, files, tokens, without_tests};

/// How a text reaches the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// `sql!`: the tenant is `$1`.
    Sql,
    /// `door!`: no tenant is bound.
    Door,
    /// `format!`, with a condition in the last place: the tenant is `$1`, the directory `$2`.
    Format,
    /// Any other text that begins like a statement.
    Bare,
}

/// A statement and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) file: String,
    /// The function that it is in.
    pub(super) function: String,
    pub(super) by: By,
    /// The text with single spaces.
    pub(super) text: String,
}

/// Every statement of `src/store`, tests aside.
pub(super) fn of_the_store() -> Vec<Statement> {
    let sources: Vec<_> = files("src/store", "rs")
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    of(&sources)
}

/// The statements of these files, by name and text.
pub(super) fn of(sources: &[(String, String)]) -> Vec<Statement> {
    let tokens: Vec<_> = sources.iter().map(|(file, text)| (file, without_tests(&tokens(text)))).collect();
    let columns: BTreeMap<String, String> = tokens.iter().flat_map(|(_, tokens)| macros(tokens)).collect();
    tokens.iter().flat_map(|(file, tokens)| statements(file, tokens, &columns)).collect()
}

/// `macro_rules! name { () => { "text" }; }` as name and text.
fn macros(tokens: &[Token]) -> BTreeMap<String, String> {
    tokens
        .windows(3)
        .enumerate()
        .filter_map(|(at, window)| match window {
            [Token::Word(word), Token::Sign('!'), Token::Word(name)] if word == "macro_rules" => {
                let first = tokens[at + 4..].iter().find(|token| !matches!(token, Token::Sign(_)))?;
                let Token::Text(text) = first else { return None };
                Some((name.clone(), text.clone()))
            }
            _ => None,
        })
        .collect()
}

fn statements(file: &str, tokens: &[Token], columns: &BTreeMap<String, String>) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut function = String::new();
    let mut at = 0;
    while at < tokens.len() {
        let by = match &tokens[at..] {
            [Token::Word(word), Token::Word(name), ..] if word == "fn" => {
                function.clone_from(name);
                None
            }
            // The definitions of the macros are no statements.
            [Token::Word(word), Token::Sign('!'), Token::Word(_), ..] if word == "macro_rules" => {
                at = end_of_group(tokens, at + 3);
                continue;
            }
            [Token::Word(word), Token::Sign('!'), Token::Sign('('), ..] => match word.as_str() {
                "sql" => Some(By::Sql),
                "door" => Some(By::Door),
                "format" => Some(By::Format),
                _ => None,
            },
            _ => None,
        };
        let mut add = |by, text: &str| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            found.push(Statement { file: file.to_owned(), function: function.clone(), by, text });
        };
        if let Some(by) = by {
            let end = end_of_group(tokens, at + 2);
            let texts = spelled(&tokens[at + 3..end], columns, by);
            if by != By::Format || is_statement(&texts) {
                add(by, &texts);
            }
            at = end;
        } else {
            if let Token::Text(text) = &tokens[at]
                && is_statement(text)
            {
                add(By::Bare, text);
            }
            at += 1;
        }
    }
    found
}

fn is_statement(text: &str) -> bool {
    ["select ", "insert ", "update ", "delete ", "with "].iter().any(|verb| text.trim_start().starts_with(verb))
}

/// The text of a statement: the first string and those of a `concat!` that begins there. In a `format!` the first place is filled
/// with the first macro of columns among the arguments; the last place stays.
fn spelled(tokens: &[Token], columns: &BTreeMap<String, String>, by: By) -> String {
    let column = |token: &Token| match token {
        Token::Word(word) => columns.get(word),
        _ => None,
    };
    let is_concat = |token: &Token| *token == Token::Word("concat".to_owned());
    let first = tokens.iter().position(|token| matches!(token, Token::Text(_)) || is_concat(token)).unwrap_or(tokens.len());
    match tokens.get(first) {
        Some(Token::Text(text)) if by == By::Format => match tokens.iter().find_map(column) {
            Some(columns) => text.replacen("{}", columns, 1),
            None => text.clone(),
        },
        Some(Token::Text(text)) => text.clone(),
        Some(_) => tokens[first..end_of_group(tokens, first + 2)]
            .iter()
            .filter_map(|token| if let Token::Text(text) = token { Some(text) } else { column(token) })
            .map(String::as_str)
            .collect(),
        None => String::new(),
    }
}

#[test]
fn statements_are_found_as_they_are_written() {
    let source = r#"
        // sql!(self, execute("delete from nothing"))
        macro_rules! thing_columns { () => { "t.id, t.\"name\"" }; }
        macro_rules! sql { ($x:expr) => { sqlx::query("select 0") } }
        async fn one<'a>(&mut self) -> Result<()> {
            let brace = '{';
            sql!(self, fetch_all::<(Id,)>(concat!("select ", thing_columns!(), "
                from things t where t.tenant_id = $1"), id("x")))
        }
        fn two() {
            door!(self, execute("delete from things"));
            let text = format!("select {} from things t where {}", thing_columns!(), filter.sql);
            let words = "updated";
            let text = "select 1";
        }
        #[cfg(test)]
        mod tests { fn three() { sql!(self, execute("select 2")) } }
    "#;
    let found = of(&[("things.rs".to_owned(), source.to_owned())]);
    let told: Vec<_> = found.iter().map(|statement| (statement.function.as_str(), statement.by, statement.text.as_str())).collect();
    assert_eq!(
        told,
        [
            ("one", By::Sql, "select t.id, t.\"name\" from things t where t.tenant_id = $1"),
            ("two", By::Door, "delete from things"),
            ("two", By::Format, "select t.id, t.\"name\" from things t where {}"),
            ("two", By::Bare, "select 1"),
        ]
    );
}
