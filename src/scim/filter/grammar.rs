//! The grammar of RFC 7644 figure 1, for filters and for the paths of PATCH operations.
//!
//! The grammar is decided one token at a time and never goes back further than a keyword, so that reading takes linear time.
//! What is tolerated beyond the figure, for everyone: more than one space, no space before a quoted literal (the RFC's own PATCH
//! example has none, F20), and a sub-attribute with a comparison after brackets (F09).

use super::{
    AttrPath, CompareOp, Filter, FilterError, Literal, MAX_FILTER_CHARS, MAX_FILTER_DEPTH, MAX_FILTER_TERMS, PatchPath, Then,
};
use crate::scim::message::quoted;
use winnow::ascii::Caseless;
use winnow::combinator::{alt, opt, peek, preceded, repeat};
use winnow::error::ParserError;
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location, Stateful, Stream};
use winnow::token::{any, none_of, take_while};

type Input<'i> = Stateful<LocatingSlice<&'i str>, Budget>;
type Parsed<T> = Result<T, Failure>;

/// What has been used up of the limits, and whether brackets are open.
#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    depth: usize,
    terms: usize,
    in_brackets: bool,
}

#[derive(Debug)]
enum Failure {
    Expected { at: usize, what: String },
    TooDeep,
    TooManyTerms,
}

impl<'i> ParserError<Input<'i>> for Failure {
    type Inner = Self;

    fn from_input(input: &Input<'i>) -> Self {
        expected(input, "something else")
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

fn expected(input: &Input<'_>, what: impl Into<String>) -> Failure {
    Failure::Expected { at: input.current_token_start(), what: what.into() }
}

/// Reads a whole filter.
pub(super) fn filter(text: &str) -> Result<Filter, FilterError> {
    whole(text, |input| {
        space0.parse_next(input)?;
        let filter = disjunction(input)?;
        end(input, "and, or, or the end")?;
        Ok(filter)
    })
}

/// Reads a whole attribute name.
pub(super) fn attr_path(text: &str) -> Result<AttrPath, FilterError> {
    whole(text, |input| {
        let path = attribute(input)?;
        end(input, "the end of the attribute name")?;
        Ok(path)
    })
}

/// Reads a whole PATCH path: `attrPath / valuePath [subAttr]` (RFC 7644 figure 7).
pub(super) fn patch_path(text: &str) -> Result<PatchPath, FilterError> {
    whole(text, |input| {
        let mut path = attribute(input)?;
        let mut selection = None;
        if next_is(input, '[') {
            refuse_sub_attribute(&path, input)?;
            selection = Some(brackets(input)?);
            path.sub = opt(preceded('.', sub_attribute)).parse_next(input)?;
            if path.sub.is_none() && next_is(input, '.') {
                return Err(expected(input, "a sub-attribute after the dot"));
            }
        }
        end(input, "[ or the end of the path")?;
        Ok(PatchPath { path, selection })
    })
}

fn whole<T>(text: &str, parser: impl Fn(&mut Input<'_>) -> Parsed<T>) -> Result<T, FilterError> {
    // Bytes bound characters from above, so the long way to count is rarely taken.
    if text.len() > MAX_FILTER_CHARS && text.chars().count() > MAX_FILTER_CHARS {
        return Err(FilterError::TooLong);
    }
    let mut input = Stateful { input: LocatingSlice::new(text), state: Budget::default() };
    parser(&mut input).map_err(|failure| match failure {
        Failure::Expected { at, what } => {
            FilterError::Syntax { position: text.get(..at).map_or(0, |before| before.chars().count()) + 1, expected: what }
        }
        Failure::TooDeep => FilterError::TooDeep,
        Failure::TooManyTerms => FilterError::TooManyTerms,
    })
}

fn end(input: &mut Input<'_>, what: &str) -> Parsed<()> {
    space0.parse_next(input)?;
    if input.eof_offset() > 0 {
        return Err(expected(input, what));
    }
    Ok(())
}

fn disjunction(input: &mut Input<'_>) -> Parsed<Filter> {
    joined(input, "or", conjunction, Filter::Or)
}

fn conjunction(input: &mut Input<'_>) -> Parsed<Filter> {
    joined(input, "and", term, Filter::And)
}

fn joined(
    input: &mut Input<'_>,
    word: &'static str,
    operand: fn(&mut Input<'_>) -> Parsed<Filter>,
    join: fn(Vec<Filter>) -> Filter,
) -> Parsed<Filter> {
    let first = operand(input)?;
    if !keyword(input, word)? {
        return Ok(first);
    }
    let mut operands = vec![first, operand(input)?];
    while keyword(input, word)? {
        operands.push(operand(input)?);
    }
    Ok(join(operands))
}

/// Takes ` and ` or ` or ` when it comes next.
fn keyword(input: &mut Input<'_>, word: &'static str) -> Parsed<bool> {
    let start = input.checkpoint();
    let found = opt(preceded(space1, take_while(1.., is_word)))
        .parse_next(input)?
        .is_some_and(|found: &str| found.eq_ignore_ascii_case(word));
    if found {
        space0.parse_next(input)?;
    } else {
        input.reset(&start);
    }
    Ok(found)
}

fn term(input: &mut Input<'_>) -> Parsed<Filter> {
    if next_is(input, '(') {
        return group(input);
    }
    if opt((Caseless("not"), space0, peek('('))).parse_next(input)?.is_some() {
        return Ok(Filter::Not(Box::new(group(input)?)));
    }
    let path = attribute(input)?;
    if next_is(input, '[') {
        return value_path(path, input);
    }
    Ok(match condition(input)? {
        None => Filter::Present { path },
        Some((op, literal)) => Filter::Compare { path, op, literal },
    })
}

fn group(input: &mut Input<'_>) -> Parsed<Filter> {
    enclosed(input, '(', ')', "and, or, or )")
}

fn brackets(input: &mut Input<'_>) -> Parsed<Filter> {
    if input.state.in_brackets {
        return Err(expected(input, "an operator; brackets cannot stand in brackets"));
    }
    input.state.in_brackets = true;
    let filter = enclosed(input, '[', ']', "and, or, or ]")?;
    input.state.in_brackets = false;
    Ok(filter)
}

fn enclosed(input: &mut Input<'_>, open: char, close: char, what: &str) -> Parsed<Filter> {
    if input.state.depth == MAX_FILTER_DEPTH {
        return Err(Failure::TooDeep);
    }
    input.state.depth += 1;
    (open, space0).parse_next(input)?;
    let filter = disjunction(input)?;
    space0.parse_next(input)?;
    if opt(close).parse_next(input)?.is_none() {
        return Err(expected(input, what));
    }
    input.state.depth -= 1;
    Ok(filter)
}

fn value_path(path: AttrPath, input: &mut Input<'_>) -> Parsed<Filter> {
    refuse_sub_attribute(&path, input)?;
    let filter = Box::new(brackets(input)?);
    let then = match opt('.').parse_next(input)? {
        None => None,
        Some(_) => Some(Then { sub: sub_attribute(input)?, comparison: condition(input)? }),
    };
    Ok(Filter::ValuePath { path, filter, then })
}

fn refuse_sub_attribute(path: &AttrPath, input: &Input<'_>) -> Parsed<()> {
    if path.sub.is_some() {
        return Err(expected(input, "an operator; brackets follow the attribute itself, not a sub-attribute"));
    }
    Ok(())
}

/// `SP "pr"`, or `SP operator SP literal`; `None` is `pr`.
fn condition(input: &mut Input<'_>) -> Parsed<Option<(CompareOp, Literal)>> {
    const OPERATORS: &str = "an operator: eq, ne, co, sw, ew, gt, ge, lt, le or pr";
    input.state.terms += 1;
    if input.state.terms > MAX_FILTER_TERMS {
        return Err(Failure::TooManyTerms);
    }
    if opt(space1).parse_next(input)?.is_none() {
        return Err(expected(input, OPERATORS));
    }
    let start = input.checkpoint();
    let word: &str = take_while(0.., is_word).parse_next(input)?;
    let op = CompareOp::ALL.into_iter().find(|op| op.as_str().eq_ignore_ascii_case(word));
    let present = word.eq_ignore_ascii_case("pr");
    if op.is_none() && !present {
        input.reset(&start);
        let instead = if word.is_empty() { String::new() } else { format!(", not {}", quoted(word)) };
        return Err(expected(input, format!("{OPERATORS}{instead}")));
    }
    let condition = match op {
        None => None,
        Some(op) => {
            let spaced = opt(space1).parse_next(input)?.is_some();
            if !spaced && !next_is(input, '"') {
                return Err(expected(input, "a space and a value"));
            }
            Some((op, literal(input)?))
        }
    };
    let boundary = input.peek_token().is_none_or(|next| is_space(next) || next == ')' || next == ']');
    if !boundary {
        return Err(expected(input, "a space, a closing bracket, or the end"));
    }
    Ok(condition)
}

fn literal(input: &mut Input<'_>) -> Parsed<Literal> {
    match input.peek_token() {
        Some('"') => text(input).map(Literal::String),
        Some('-' | '0'..='9') => number(input),
        Some('\'') => Err(expected(input, "text in double quotes, not in single quotes")),
        _ => {
            let start = input.checkpoint();
            let word: &str = take_while(0.., is_word).parse_next(input)?;
            match word {
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                "null" => Ok(Literal::Null),
                _ => {
                    input.reset(&start);
                    let lower = word.to_ascii_lowercase();
                    Err(if ["true", "false", "null"].contains(&lower.as_str()) {
                        expected(input, format!("{lower} in lower case"))
                    } else {
                        expected(input, "a value: text in double quotes, a number, true, false or null")
                    })
                }
            }
        }
    }
}

/// A JSON string. Its end is found here, its escapes are undone by the JSON reader.
fn text(input: &mut Input<'_>) -> Parsed<String> {
    let start = input.checkpoint();
    let character = alt((none_of(['"', '\\']).void(), ('\\', any).void()));
    let raw: Option<&str> = opt(('"', repeat::<_, _, (), _, _>(0.., character), '"').take()).parse_next(input)?;
    let Some(raw) = raw else {
        return Err(expected(input, "text that ends with a double quote"));
    };
    match serde_json::from_str::<String>(raw) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => {
            input.reset(&start);
            Err(expected(input, "a JSON string: escape control characters, and no NUL"))
        }
    }
}

/// A JSON number; one with fraction or exponent becomes the nearest double.
fn number(input: &mut Input<'_>) -> Parsed<Literal> {
    let start = input.checkpoint();
    let raw: &str = take_while(1.., ('0'..='9', '-', '+', '.', 'e', 'E')).parse_next(input)?;
    let number = serde_json::from_str::<serde_json::Number>(raw)
        .ok()
        .and_then(|number| if number.is_f64() { serde_json::Number::from_f64(raw.parse().ok()?) } else { Some(number) });
    number.map(Literal::Number).ok_or_else(|| {
        input.reset(&start);
        expected(input, "a JSON number; put dates and other text in double quotes")
    })
}

fn attribute(input: &mut Input<'_>) -> Parsed<AttrPath> {
    const WHAT: &str = "an attribute name such as userName, name.givenName or a URN, a colon and a name";
    let start = input.checkpoint();
    let word: &str = take_while(0.., is_word).parse_next(input)?;
    read_attribute(word).ok_or_else(|| {
        input.reset(&start);
        expected(input, WHAT)
    })
}

/// Takes a word apart: the URN ends at the last colon, so that the dot of "2.0" in it is none of ours (F05).
fn read_attribute(word: &str) -> Option<AttrPath> {
    let (first, rest) = word.split_once('.').unwrap_or((word, ""));
    if first.eq_ignore_ascii_case("claims") && !rest.is_empty() {
        return Some(AttrPath { urn: None, name: first.to_owned(), sub: Some(rest.to_owned()) });
    }
    let (urn, tail) = match word.rsplit_once(':') {
        Some((urn, tail)) => (Some(urn), tail),
        None => (None, word),
    };
    if let Some(urn) = urn {
        let scheme = urn.get(..4)?;
        if !scheme.eq_ignore_ascii_case("urn:") || urn.contains(['/', '$']) || urn.ends_with(':') {
            return None;
        }
    }
    let (name, sub) = match tail.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (tail, None),
    };
    if !is_name(name) || !sub.is_none_or(is_name) {
        return None;
    }
    Some(AttrPath { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) })
}

fn sub_attribute(input: &mut Input<'_>) -> Parsed<String> {
    let start = input.checkpoint();
    let word: &str = take_while(0.., is_word).parse_next(input)?;
    if is_name(word) {
        return Ok(word.to_owned());
    }
    input.reset(&start);
    Err(expected(input, "a sub-attribute after the dot"))
}

/// `ATTRNAME = ALPHA *(nameChar)`, and `$ref`, which the schema has although the figure forgets it.
fn is_name(word: &str) -> bool {
    let plain = word.strip_prefix('$').unwrap_or(word);
    plain.starts_with(|first: char| first.is_ascii_alphabetic())
        && plain.chars().all(|next| next.is_ascii_alphanumeric() || next == '-' || next == '_')
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | ':' | '$' | '/')
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn next_is(input: &Input<'_>, character: char) -> bool {
    input.peek_token() == Some(character)
}

fn space0<'i>(input: &mut Input<'i>) -> Parsed<&'i str> {
    take_while(0.., is_space).parse_next(input)
}

fn space1<'i>(input: &mut Input<'i>) -> Parsed<&'i str> {
    take_while(1.., is_space).parse_next(input)
}
