//! An XML document as SAML needs one: well-formed to the letter, with resolved namespaces, and nothing in it that two parsers could read
//! in two ways.
//!
//! The tokens come from `quick-xml`; everything that it leaves to its caller is decided here, and what is not expected is refused (R1). The
//! subset is XML 1.0 with Namespaces in UTF-8, without document types, processing instructions, CDATA sections, comments and entities
//! of one's own. Names are ASCII, as all of SAML's are.
//!
//! The tree lies in two vectors, in document order, and borrows its texts from the message: what an element contains is a range.

mod read;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use super::bad::Refusal;

pub(super) use read::is_ncname;

/// The names of namespaces that SAML messages use.
pub mod ns {
    pub const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
    pub const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
    pub const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
    /// XML Signature.
    pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
    /// XML Signature 1.1.
    pub const DSIG11: &str = "http://www.w3.org/2009/xmldsig11#";
    /// XML Encryption.
    pub const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
    /// XML Encryption 1.1.
    pub const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
    /// Exclusive canonicalisation, without comments; also the name of its algorithm.
    pub const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
}

/// How much a document may hold.
pub struct Limits {
    pub bytes: usize,
    pub elements: usize,
    pub depth: usize,
    /// Of one element, declarations of namespaces among them.
    pub attributes: usize,
    /// Of all elements together.
    pub all_attributes: usize,
    /// In scope at one place.
    pub namespaces: usize,
    /// Whether comments may stand in it. They are skipped, and a text that one stands in is refused.
    pub comments: bool,
}

/// A message that somebody sends us (R1).
pub const MESSAGE: Limits = Limits {
    bytes: 256 * 1024,
    elements: 6_000,
    depth: 48,
    attributes: 64,
    all_attributes: 16_000,
    namespaces: 64,
    comments: false,
};

/// Metadata, which an administrator gives us or names the address of. Nothing in it is proved by a signature, and people write into it.
pub const METADATA: Limits = Limits {
    bytes: 1024 * 1024,
    elements: 20_000,
    depth: 48,
    attributes: 64,
    all_attributes: 60_000,
    namespaces: 64,
    comments: true,
};

/// A document that was read.
#[derive(Debug)]
pub struct Document<'x> {
    nodes: Vec<Node<'x>>,
    attributes: Vec<Attribute<'x>>,
    /// Every name of a namespace that was declared, and the two that always are.
    namespaces: Vec<Cow<'x, str>>,
}

#[derive(Debug)]
struct Node<'x> {
    namespace: usize,
    name: &'x str,
    attributes: Range<usize>,
    parent: usize,
    /// The first node after its last descendant.
    end: usize,
    /// Its own text, without that of its children.
    text: Cow<'x, str>,
}

#[derive(Debug)]
struct Attribute<'x> {
    /// That of no namespace has the empty one.
    namespace: usize,
    name: &'x str,
    value: Cow<'x, str>,
}

/// An element of a document.
#[derive(Clone, Copy, Debug)]
pub struct Element<'d> {
    document: &'d Document<'d>,
    at: usize,
}

impl<'x> Document<'x> {
    /// Reads a document.
    ///
    /// # Errors
    /// The first thing in it that is not of the subset.
    pub fn parse(xml: &'x [u8], limits: &Limits) -> Result<Self, Refusal> {
        read::read(xml, limits)
    }

    /// The element that everything else is in.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element { document: self, at: 0 }
    }

    /// Every element, in document order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len()).map(|at| Element { document: self, at })
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d Node<'d> {
        &self.document.nodes[self.at]
    }

    /// Its name without prefix.
    #[must_use]
    pub fn name(self) -> &'d str {
        self.node().name
    }

    /// The namespace that its name is of; empty where there is none.
    #[must_use]
    pub fn namespace(self) -> &'d str {
        &self.document.namespaces[self.node().namespace]
    }

    #[must_use]
    pub fn is(self, namespace: &str, name: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The value of an attribute of no namespace.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        self.attributes().find(|(namespace, own, _)| namespace.is_empty() && *own == name).map(|(_, _, value)| value)
    }

    /// Its attributes: namespace, name, value. Declarations of namespaces are none.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str, &'d str)> {
        let document = self.document;
        document.attributes[self.node().attributes.clone()]
            .iter()
            .map(|one| (document.namespaces[one.namespace].as_ref(), one.name, one.value.as_ref()))
    }

    /// Its own text, to the letter, without what its children hold.
    #[must_use]
    pub fn text(self) -> &'d str {
        &self.node().text
    }

    /// Its text, if it holds nothing else.
    #[must_use]
    pub fn only_text(self) -> Option<&'d str> {
        self.children().next().is_none().then(|| self.text())
    }

    /// The element that it is a child of.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        (self.at > 0).then(|| Self { at: self.node().parent, ..self })
    }

    /// Whether it is that element, or one within it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.at <= other.at && other.at < self.node().end
    }

    pub fn children(self) -> impl Iterator<Item = Self> {
        let end = self.node().end;
        let place = move |at: usize| (at < end).then_some(Self { at, ..self });
        std::iter::successors(place(self.at + 1), move |child| place(child.node().end))
    }

    /// Its children of a name.
    pub fn children_named(self, namespace: &'static str, name: &'static str) -> impl Iterator<Item = Self> {
        self.children().filter(move |child| child.is(namespace, name))
    }

    /// Its one child of a name; none where there are several, too.
    #[must_use]
    pub fn only(self, namespace: &'static str, name: &'static str) -> Option<Self> {
        let mut found = self.children_named(namespace, name);
        found.next().filter(|_| found.next().is_none())
    }

    /// Everything within it, in document order.
    pub fn descendants(self) -> impl Iterator<Item = Self> {
        (self.at + 1..self.node().end).map(move |at| Self { at, ..self })
    }
}

impl PartialEq for Element<'_> {
    /// Whether both are the same element of the same document.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.at == other.at
    }
}
