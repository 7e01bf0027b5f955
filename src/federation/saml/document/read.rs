//! Reading a document: tokens in, tree out, and the first thing that does not belong there refused.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::super::bad::{Refusal, ensure};
use super::{Attribute, Document, Limits, Node};

/// The namespace of the prefix `xml`, which nobody declares.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of declarations themselves, which nobody may bind.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

pub(super) fn read<'x>(xml: &'x [u8], limits: &Limits) -> Result<Document<'x>, Refusal> {
    // guard: size
    ensure(xml.len() <= limits.bytes, Refusal::TooLarge)?;
    let text = std::str::from_utf8(xml).map_err(|_| Refusal::NotUtf8)?;
    // guard: characters
    ensure(has_only_characters(text), Refusal::Character)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut builder = Builder::new(limits);
    let mut start = 0;
    loop {
        let event = reader.read_event().map_err(|_| Refusal::Malformed)?;
        refuse_what_is_not_of_the_subset(&event, limits)?;
        let end = usize::try_from(reader.buffer_position()).map_err(|_| Refusal::Malformed)?;
        let raw = text.get(start..end).ok_or(Refusal::Malformed)?;
        match event {
            Event::Start(_) => builder.open(between(raw, "<", ">")?)?,
            Event::Empty(_) => {
                builder.open(between(raw, "<", "/>")?)?;
                builder.close()?;
            }
            Event::End(_) => builder.close()?,
            Event::Text(_) => builder.text(raw)?,
            Event::GeneralRef(_) => builder.reference(between(raw, "&", ";")?)?,
            Event::Decl(_) => check_declaration(start, raw)?,
            Event::Comment(_) => builder.comment()?,
            Event::Eof => break,
            Event::CData(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        start = end;
    }
    builder.finish()
}

/// What no message of ours needs.
fn refuse_what_is_not_of_the_subset(event: &Event<'_>, limits: &Limits) -> Result<(), Refusal> {
    // guard: doctype
    ensure(!matches!(event, Event::DocType(_)), Refusal::Doctype)?;
    // guard: processing_instruction
    ensure(!matches!(event, Event::PI(_)), Refusal::ProcessingInstruction)?;
    // guard: cdata
    ensure(!matches!(event, Event::CData(_)), Refusal::CData)?;
    // guard: comment
    ensure(limits.comments || !matches!(event, Event::Comment(_)), Refusal::Comment)?;
    Ok(())
}

/// XML 1.0 section 2.2: what may stand in a document at all, and no mark of byte order before it.
fn has_only_characters(text: &str) -> bool {
    let is_control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    // In pieces without early ends, which the compiler makes wide instructions of.
    let has_control = text.as_bytes().chunks(64).any(|piece| piece.iter().fold(false, |found, byte| found | is_control(*byte)));
    !has_control && !text.contains('\u{fffe}') && !text.contains('\u{ffff}') && !text.starts_with('\u{feff}')
}

const fn is_character(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn between<'x>(raw: &'x str, before: &str, after: &str) -> Result<&'x str, Refusal> {
    raw.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).ok_or(Refusal::Malformed)
}

/// The XML declaration: at the very beginning, and of the one kind that every parser reads alike.
fn check_declaration(start: usize, raw: &str) -> Result<(), Refusal> {
    let mut fields = Fields(between(raw, "<?xml", "?>")?);
    let mut last = 0;
    while let Some((name, value)) = fields.next()? {
        let (place, is_good) = match name {
            "version" => (1, value == "1.0"),
            "encoding" => (2, value.eq_ignore_ascii_case("utf-8")),
            "standalone" => (3, value == "yes" || value == "no"),
            _ => (0, false),
        };
        // guard: declaration
        ensure(is_good && place > last && (place == 1) == (last == 0), Refusal::Declaration)?;
        last = place;
    }
    ensure(start == 0 && last > 0, Refusal::Declaration)
}

/// XML Namespaces section 3, in ASCII: the prefix and the local part of a name.
fn split_name(name: &str) -> Result<(&str, &str), Refusal> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let is_good = is_ncname(local) && (name.len() == local.len() || is_ncname(prefix));
    ensure(is_good, Refusal::Malformed).map(|()| (prefix, local))
}

/// Whether it is a name without colon, in ASCII.
pub(in super::super) fn is_ncname(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Whether it is the name of a namespace that means the same wherever it stands: absolute, and an address to the letter for every parser (RFC 3986),
/// of the letters that names of namespaces are made of. Ampersands, percent signs, brackets, ports and users are none of them.
fn is_absolute(uri: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?@!$'()*+,;=".contains(&byte);
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && host.is_none_or(|host| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        })
        && !rest.is_empty()
        && rest.bytes().chain(fragment.bytes()).all(is_letter)
}

/// The attributes within a tag, as they are written.
struct Fields<'x>(&'x str);

impl<'x> Fields<'x> {
    /// XML 1.0 section 3.1: white space, a name, `=`, a quoted value without `<`.
    fn next(&mut self) -> Result<Option<(&'x str, &'x str)>, Refusal> {
        let rest = self.0.trim_start_matches(is_space);
        if rest.is_empty() {
            return Ok(None);
        }
        ensure(rest.len() < self.0.len(), Refusal::Malformed)?;
        let end = rest.find(|one| one == '=' || is_space(one)).ok_or(Refusal::Malformed)?;
        let (name, rest) = rest.split_at(end);
        let rest = rest.trim_start_matches(is_space).strip_prefix('=').ok_or(Refusal::Malformed)?.trim_start_matches(is_space);
        let quote = rest.chars().next().filter(|one| matches!(one, '"' | '\'')).ok_or(Refusal::Malformed)?;
        let (value, rest) = rest[1..].split_once(quote).ok_or(Refusal::Malformed)?;
        ensure(!value.contains('<'), Refusal::Malformed)?;
        self.0 = rest;
        Ok(Some((name, value)))
    }
}

const fn is_space(one: char) -> bool {
    matches!(one, ' ' | '\t' | '\r' | '\n')
}

/// XML 1.0 section 3.3.3: the value of an attribute.
fn attribute_value(raw: &str) -> Result<Cow<'_, str>, Refusal> {
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\r' | b'\n')) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        push_normalized(&mut value, &rest[..at]);
        let (reference, after) = rest[at + 1..].split_once(';').ok_or(Refusal::Malformed)?;
        value.push(resolve(reference)?);
        rest = after;
    }
    push_normalized(&mut value, rest);
    Ok(Cow::Owned(value))
}

/// White space of an attribute is blanks; the end of a line is one, however it is written (XML 1.0 section 2.11).
fn push_normalized(value: &mut String, raw: &str) {
    let mut letters = raw.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\r' && letters.peek() == Some(&'\n') {
            continue;
        }
        value.push(if is_space(letter) { ' ' } else { letter });
    }
}

/// A reference to one of the five entities, or to a character.
fn resolve(reference: &str) -> Result<char, Refusal> {
    let number = |digits: &str, radix: u32| {
        let is_number = !digits.is_empty() && digits.len() <= 8 && digits.chars().all(|digit| digit.is_digit(radix));
        let letter = is_number.then(|| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)).flatten();
        letter.filter(|letter| is_character(*letter))
    };
    match reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => match reference.strip_prefix("#x") {
            Some(digits) => number(digits, 16),
            None => reference.strip_prefix('#').and_then(|digits| number(digits, 10)),
        }
        .ok_or(Refusal::Entity),
    }
}

/// A document that is being read.
struct Builder<'x, 'l> {
    limits: &'l Limits,
    document: Document<'x>,
    /// The elements that are open, the innermost last, and how many namespaces were in scope before each.
    open: Vec<(usize, usize)>,
    /// The namespaces in scope: the prefix, and its place in the document's list.
    scope: Vec<(&'x str, usize)>,
    /// How many attributes there were so far, declarations of namespaces among them.
    all_attributes: usize,
    /// The attributes of the tag that is being read, as they are written.
    fields: Vec<(&'x str, &'x str, &'x str)>,
}

/// The places of namespaces that are always there.
const NONE_AT: usize = 0;
const XML_AT: usize = 1;

impl<'x, 'l> Builder<'x, 'l> {
    fn new(limits: &'l Limits) -> Self {
        let namespaces = vec![Cow::Borrowed(""), Cow::Borrowed(XML)];
        let document = Document { nodes: Vec::with_capacity(64), attributes: Vec::with_capacity(64), namespaces };
        Self {
            limits,
            document,
            open: Vec::with_capacity(16),
            scope: Vec::with_capacity(16),
            all_attributes: 0,
            fields: Vec::with_capacity(16),
        }
    }

    fn open(&mut self, tag: &'x str) -> Result<(), Refusal> {
        let at = self.document.nodes.len();
        // guard: second_root
        ensure(at == 0 || !self.open.is_empty(), Refusal::Malformed)?;
        // guard: elements
        ensure(at < self.limits.elements, Refusal::TooManyElements)?;
        // guard: depth
        ensure(self.open.len() < self.limits.depth, Refusal::TooDeep)?;
        let parent = self.open.last().map_or(0, |(parent, _)| *parent);
        self.open.push((at, self.scope.len()));
        let (name, rest) = tag.split_at(tag.find(is_space).unwrap_or(tag.len()));
        let (prefix, local) = split_name(name)?;
        self.read_fields(rest)?;
        self.declare()?;
        let namespace = self.namespace(prefix)?;
        let attributes = self.add_attributes()?;
        self.document.nodes.push(Node { namespace, name: local, attributes, parent, end: at + 1, text: Cow::Borrowed("") });
        Ok(())
    }

    fn read_fields(&mut self, rest: &'x str) -> Result<(), Refusal> {
        self.fields.clear();
        let mut fields = Fields(rest);
        while let Some((name, value)) = fields.next()? {
            // guard: attributes
            ensure(self.fields.len() < self.limits.attributes, Refusal::TooManyAttributes)?;
            let (prefix, local) = split_name(name)?;
            let is_new = !self.fields.iter().any(|(known, own, _)| *own == local && *known == prefix);
            // guard: duplicate_attribute
            ensure(is_new, Refusal::DuplicateAttribute)?;
            self.fields.push((prefix, local, value));
        }
        self.all_attributes += self.fields.len();
        // guard: all_attributes
        ensure(self.all_attributes <= self.limits.all_attributes, Refusal::TooManyAttributes)?;
        Ok(())
    }

    /// Brings the namespaces that the tag declares into scope.
    fn declare(&mut self) -> Result<(), Refusal> {
        for (prefix, local, value) in &self.fields {
            let bound = match (*prefix, *local) {
                ("", "xmlns") => "",
                ("xmlns", prefix) => prefix,
                _ => continue,
            };
            let uri = attribute_value(value)?;
            // guard: relative_namespace
            ensure(is_absolute(&uri), Refusal::Namespace)?;
            // guard: reserved_namespace
            ensure(uri != XML && uri != XMLNS && bound != "xml" && bound != "xmlns", Refusal::Namespace)?;
            // guard: namespaces
            ensure(self.scope.len() < self.limits.namespaces, Refusal::TooManyNamespaces)?;
            self.scope.push((bound, self.document.namespaces.len()));
            self.document.namespaces.push(uri);
        }
        Ok(())
    }

    /// The namespace that a prefix stands for here.
    fn namespace(&self, prefix: &str) -> Result<usize, Refusal> {
        match (prefix, self.scope.iter().rev().find(|(known, _)| *known == prefix)) {
            (_, Some((_, at))) => Ok(*at),
            ("", None) => Ok(NONE_AT),
            ("xml", None) => Ok(XML_AT),
            _ => Err(Refusal::Namespace),
        }
    }

    fn add_attributes(&mut self) -> Result<Range<usize>, Refusal> {
        let start = self.document.attributes.len();
        for (prefix, name, value) in &self.fields {
            if *prefix == "xmlns" || (prefix.is_empty() && *name == "xmlns") {
                continue;
            }
            let namespace = if prefix.is_empty() { NONE_AT } else { self.namespace(prefix)? };
            let uri = &self.document.namespaces[namespace];
            let mut known = self.document.attributes[start..].iter();
            let is_new = !known.any(|one| one.name == *name && self.document.namespaces[one.namespace] == *uri);
            // guard: duplicate_expanded_attribute
            ensure(is_new, Refusal::DuplicateAttribute)?;
            self.document.attributes.push(Attribute { namespace, name, value: attribute_value(value)? });
        }
        Ok(start..self.document.attributes.len())
    }

    /// Ends the innermost element. Its name was compared by the reader.
    fn close(&mut self) -> Result<(), Refusal> {
        let (at, in_scope) = self.open.pop().ok_or(Refusal::Malformed)?;
        self.scope.truncate(in_scope);
        self.document.nodes[at].end = self.document.nodes.len();
        Ok(())
    }

    fn text(&mut self, raw: &'x str) -> Result<(), Refusal> {
        if raw.bytes().all(|byte| is_space(byte.into())) && self.open.is_empty() {
            return Ok(());
        }
        ensure(!raw.contains("]]>"), Refusal::Malformed)?;
        // The end of a line is one sign, however it is written (XML 1.0 section 2.11).
        let text = if raw.contains('\r') { Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(raw) };
        self.add_text(text)
    }

    fn reference(&mut self, reference: &str) -> Result<(), Refusal> {
        let letter = resolve(reference)?;
        self.add_text(Cow::Owned(letter.into()))
    }

    fn add_text(&mut self, text: Cow<'x, str>) -> Result<(), Refusal> {
        let (at, _) = self.open.last().ok_or(Refusal::Malformed)?;
        let node = &mut self.document.nodes[*at];
        if node.text.is_empty() {
            node.text = text;
        } else {
            node.text.to_mut().push_str(&text);
        }
        Ok(())
    }

    /// A comment is skipped. One that parts a text would be read in two ways by two parsers.
    fn comment(&mut self) -> Result<(), Refusal> {
        let parts_a_text = self.open.last().is_some_and(|(at, _)| !self.document.nodes[*at].text.trim().is_empty());
        ensure(!parts_a_text, Refusal::Comment)
    }

    fn finish(self) -> Result<Document<'x>, Refusal> {
        // guard: unclosed
        ensure(self.open.is_empty() && !self.document.nodes.is_empty(), Refusal::Malformed)?;
        Ok(self.document)
    }
}
