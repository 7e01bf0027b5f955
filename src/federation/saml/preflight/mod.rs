//! The pre-flight: what the form of a message must be before any other code may see it (R1). Defence in depth, and pure.
//!
//! Deny by default: signatures stand where SAML puts them, refer to the element that they stand in, and use what is on the list; there is one
//! assertion, in its place; every ID is there once. A message that passes is [`Guarded`], which is the only thing that the verifier takes.
//! Nothing in it is proved by that.

mod encryption;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::bad::{Refusal, ensure};
use super::document::{Document, Element, MESSAGE, is_ncname, ns};

pub(super) use signature::base64_of;

/// What a message is: its outermost element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Response,
    LogoutRequest,
    LogoutResponse,
    /// What an encrypted assertion holds, or what a signature of one covers.
    Assertion,
}

impl Root {
    const ALL: [Self; 4] = [Self::Response, Self::LogoutRequest, Self::LogoutResponse, Self::Assertion];

    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Response => (ns::PROTOCOL, "Response"),
            Self::LogoutRequest => (ns::PROTOCOL, "LogoutRequest"),
            Self::LogoutResponse => (ns::PROTOCOL, "LogoutResponse"),
            Self::Assertion => (ns::ASSERTION, "Assertion"),
        }
    }

    fn of(element: Element<'_>) -> Option<Self> {
        Self::ALL.into_iter().find(|root| element.is(root.name().0, root.name().1))
    }
}

/// The assertion of a message, as far as its form tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// There is none, and there need not be: a logout message, or a response that tells of a failure.
    Nothing,
    Plain {
        is_signed: bool,
    },
    Encrypted,
}

/// What the form of a message tells. Nothing of it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    pub root: Root,
    pub id: String,
    /// The request that it says to answer.
    pub in_response_to: Option<String>,
    /// Whether the outermost element itself is signed.
    pub is_signed: bool,
    pub carried: Carried,
}

/// A message that passed the pre-flight.
#[derive(Debug)]
pub struct Guarded<'x> {
    xml: &'x str,
    document: Document<'x>,
    outline: Outline,
}

impl<'x> Guarded<'x> {
    /// The message to the letter.
    #[must_use]
    pub const fn xml(&self) -> &'x str {
        self.xml
    }

    #[must_use]
    pub fn root(&self) -> Element<'_> {
        self.document.root()
    }

    #[must_use]
    pub const fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The assertion that it is or has.
    #[must_use]
    pub fn assertion(&self) -> Option<Element<'_>> {
        match self.outline.root {
            Root::Assertion => Some(self.root()),
            _ => self.root().only(ns::ASSERTION, "Assertion"),
        }
    }

    /// The encrypted assertion that it has.
    #[must_use]
    pub fn encrypted(&self) -> Option<Element<'_>> {
        self.root().only(ns::ASSERTION, "EncryptedAssertion")
    }
}

/// Whether a message passes, and what its form tells.
///
/// # Errors
/// What does not belong into such a message.
pub fn check(xml: &[u8], root: Root) -> Result<Outline, Refusal> {
    guard(xml, root).map(|guarded| guarded.outline)
}

/// Lets a message pass.
///
/// # Errors
/// What does not belong into such a message.
pub fn guard(xml: &[u8], root: Root) -> Result<Guarded<'_>, Refusal> {
    let guarded = guard_signed(xml, root)?;
    // guard: signature_missing
    ensure_signed(&guarded.outline)?;
    Ok(guarded)
}

/// The same for the bytes that a signature covers, whose own signature is not among them any more.
pub(super) fn guard_signed(xml: &[u8], root: Root) -> Result<Guarded<'_>, Refusal> {
    let document = Document::parse(xml, &MESSAGE)?;
    let top = document.root();
    // guard: root
    ensure(Root::of(top) == Some(root), Refusal::Root)?;
    // guard: ids
    ensure_ids(&document)?;
    let carried = carried(&document, root)?;
    let assertion = top.only(ns::ASSERTION, "Assertion");
    // guard: signature_place
    ensure_parts_in_place(&document)?;
    // guard: signature_count
    ensure(signatures(top).count() <= 1, Refusal::SignatureCount)?;
    // guard: assertion_signature_count
    ensure(assertion.is_none_or(|one| signatures(one).count() <= 1), Refusal::SignatureCount)?;
    for signed in [Some(top), assertion].into_iter().flatten() {
        signatures(signed).try_for_each(|one| signature::check(one, signed))?;
    }
    if let Some(encrypted) = top.only(ns::ASSERTION, "EncryptedAssertion") {
        // guard: encryption_shape
        encryption::check(encrypted)?;
    }
    let outline = Outline {
        root,
        id: id(top)?.to_owned(),
        in_response_to: top.attribute("InResponseTo").map(ToOwned::to_owned),
        is_signed: signatures(top).next().is_some(),
        carried,
    };
    // Valid: the document was read from it.
    let xml = std::str::from_utf8(xml).map_err(|_| Refusal::NotUtf8)?;
    Ok(Guarded { xml, document, outline })
}

/// The signatures of an element.
pub(super) fn signatures(element: Element<'_>) -> impl Iterator<Item = Element<'_>> {
    element.children_named(ns::DSIG, "Signature")
}

/// A plain assertion is signed, or the response that it lies in is. What an encrypted one is, is not known yet, and a logout message may be
/// signed outside of itself.
fn ensure_signed(outline: &Outline) -> Result<(), Refusal> {
    let is_open = outline.root == Root::Response && outline.carried == Carried::Plain { is_signed: false };
    ensure(!is_open || outline.is_signed, Refusal::SignatureMissing)
}

/// The ID of an element that a signature could refer to.
fn id(element: Element<'_>) -> Result<&str, Refusal> {
    element.attribute("ID").filter(|id| is_ncname(id)).ok_or(Refusal::Id)
}

/// Every ID is there once, by whatever name a reader could know it: `ID`, `Id`, `id`, `xml:id`, of any namespace.
fn ensure_ids(document: &Document<'_>) -> Result<(), Refusal> {
    let mut known = HashSet::new();
    for element in document.elements() {
        for (namespace, name, value) in element.attributes() {
            if name.eq_ignore_ascii_case("ID") {
                // guard: id_name
                ensure(name != "ID" || !namespace.is_empty() || is_ncname(value), Refusal::Id)?;
                // guard: duplicate_id
                ensure(known.insert(value), Refusal::DuplicateId)?;
            }
        }
    }
    Ok(())
}

/// One assertion, plain or encrypted, a child of the response and nowhere else, of whatever namespace.
fn carried(document: &Document<'_>, root: Root) -> Result<Carried, Refusal> {
    let top = document.root();
    let is_one = |element: &Element<'_>| {
        element.name().eq_ignore_ascii_case("Assertion") || element.name().eq_ignore_ascii_case("EncryptedAssertion")
    };
    let is_saml = |element: Element<'_>| element.is(ns::ASSERTION, "Assertion") || element.is(ns::ASSERTION, "EncryptedAssertion");
    let is_in_place = |element: Element<'_>| match root {
        Root::Response => is_saml(element) && element.parent() == Some(top),
        Root::Assertion => element == top,
        Root::LogoutRequest | Root::LogoutResponse => false,
    };
    let mut all = document.elements().filter(is_one);
    // guard: assertion_elsewhere
    ensure(document.elements().filter(is_one).all(is_in_place), Refusal::AssertionElsewhere)?;
    let found = all.next();
    // guard: assertion_count
    ensure(all.next().is_none(), Refusal::AssertionCount)?;
    match found {
        None => {
            let may_have_none = root != Root::Response || is_failure(top);
            // guard: assertion_missing
            ensure(may_have_none, Refusal::AssertionCount)?;
            Ok(Carried::Nothing)
        }
        Some(one) if one.is(ns::ASSERTION, "Assertion") => {
            id(one)?;
            Ok(Carried::Plain { is_signed: signatures(one).next().is_some() })
        }
        Some(_) => Ok(Carried::Encrypted),
    }
}

/// Whether a response says that it has nothing to say.
fn is_failure(response: Element<'_>) -> bool {
    let status = response.only(ns::PROTOCOL, "Status").and_then(|status| status.only(ns::PROTOCOL, "StatusCode"));
    status.and_then(|code| code.attribute("Value")).is_some_and(|code| code != "urn:oasis:names:tc:SAML:2.0:status:Success")
}

/// Whether anything of XML Signature that a verifier acts on stands only within a signature in its place, and such a signature only as a
/// child of the message or its assertion.
fn ensure_parts_in_place(document: &Document<'_>) -> Result<(), Refusal> {
    let top = document.root();
    let bears = |element: Element<'_>| {
        element == top || (element.is(ns::ASSERTION, "Assertion") && element.parent() == Some(top) && top.name() == "Response")
    };
    // What lies within a signature that is in its place is checked with it; a signature within one is not in its place.
    let mut skip: Option<Element<'_>> = None;
    for element in document.elements() {
        if skip.is_some_and(|signature| signature.contains(element)) {
            continue;
        }
        if element.namespace() == ns::DSIG || element.namespace() == ns::DSIG11 {
            if element.name() == "Signature" {
                ensure(element.parent().is_some_and(bears), Refusal::SignatureElsewhere)?;
                skip = Some(element);
            } else {
                ensure(signature::may_stand_elsewhere(element), Refusal::SignatureElsewhere)?;
            }
        }
    }
    Ok(())
}
