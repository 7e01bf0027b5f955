//! The form of an XML signature (XML Signature section 4): one `SignedInfo`, one `Reference` to the element that it stands in, the
//! transforms and algorithms of the list, nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::bad::{Refusal, ensure};
use super::super::document::{Element, is_ncname, ns};

/// What may sign: RSA and ECDSA with SHA-256, SHA-384 and SHA-512.
const SIGNATURES: [&str; 6] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];

/// What may digest, how long its digests are, and that of nothing (S12).
pub(super) const DIGESTS: [(&str, usize, &str); 3] = [
    ("http://www.w3.org/2001/04/xmlenc#sha256", 32, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ("http://www.w3.org/2001/04/xmldsig-more#sha384", 48, "OLBgp1GsljhM2TJ+sbHjaiH9txEUvgdDTAzHv2P24donTt6/529l+9Ua0vFImLlb"),
    (
        "http://www.w3.org/2001/04/xmlenc#sha512",
        64,
        "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    ),
];

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// How many prefixes exclusive canonicalisation may be told to treat inclusively.
const MOST_PREFIXES: usize = 16;

/// What of XML Signature stands in a message outside of signatures: the keys of encrypted parts and of confirmations.
const ELSEWHERE: [&str; 13] = [
    "KeyInfo",
    "KeyName",
    "KeyValue",
    "RSAKeyValue",
    "Modulus",
    "Exponent",
    "X509Data",
    "X509Certificate",
    "X509IssuerSerial",
    "X509IssuerName",
    "X509SerialNumber",
    "X509SKI",
    "X509SubjectName",
];

/// Whether it may stand outside of signatures.
pub(super) fn may_stand_elsewhere(element: Element<'_>) -> bool {
    let is_in_encryption = element.parent().is_some_and(|parent| parent.namespace() == ns::XENC);
    let is_reference = element.parent().and_then(Element::parent).is_some_and(|parent| parent.is(ns::XENC, "EncryptedData"));
    match element.name() {
        // Of RSA-OAEP.
        "DigestMethod" => is_in_encryption,
        // To the key of the encrypted part, which may stand beside it.
        "RetrievalMethod" => is_reference,
        name => ELSEWHERE.contains(&name),
    }
}

/// Checks a signature of `signed`.
pub(super) fn check(signature: Element<'_>, signed: Element<'_>) -> Result<(), Refusal> {
    let [info, value] = first_children(signature, [(ns::DSIG, "SignedInfo"), (ns::DSIG, "SignatureValue")])?;
    // guard: signature_shape
    ensure_nothing_follows(signature)?;
    // guard: signature_value
    ensure(value.only_text().is_some_and(|text| base64_of(text).is_some()), Refusal::SignatureShape)?;
    let [canonicalization, method, reference] =
        first_children(info, [(ns::DSIG, "CanonicalizationMethod"), (ns::DSIG, "SignatureMethod"), (ns::DSIG, "Reference")])?;
    // guard: one_reference
    ensure(info.children().count() == 3, Refusal::SignatureShape)?;
    // guard: canonicalization
    ensure(is_exclusive(canonicalization), Refusal::Canonicalization)?;
    // guard: signature_algorithm
    ensure(names_one_of(method, &SIGNATURES), Refusal::SignatureAlgorithm)?;
    let [transforms, digest, digested] =
        first_children(reference, [(ns::DSIG, "Transforms"), (ns::DSIG, "DigestMethod"), (ns::DSIG, "DigestValue")])?;
    // guard: reference_shape
    ensure(reference.children().count() == 3, Refusal::SignatureShape)?;
    // guard: reference
    ensure(refers_to(reference, signed), Refusal::Reference)?;
    // guard: transforms
    ensure(are_the_two(transforms), Refusal::Transforms)?;
    // guard: digest
    check_digest(digest, digested)?;
    Ok(())
}

/// The first children of an element, which must be these.
fn first_children<'d, const N: usize>(parent: Element<'d>, names: [(&str, &str); N]) -> Result<[Element<'d>; N], Refusal> {
    let mut children = parent.children();
    let mut found = [parent; N];
    for (place, (namespace, name)) in found.iter_mut().zip(names) {
        *place = children.next().filter(|child| child.is(namespace, name)).ok_or(Refusal::SignatureShape)?;
    }
    Ok(found)
}

/// After the value there may be the key, for whoever wants to be told. We do not: it is a hint, and has to be one that nobody follows.
fn ensure_nothing_follows(signature: Element<'_>) -> Result<(), Refusal> {
    let mut rest = signature.children().skip(2);
    if let Some(key) = rest.next() {
        ensure(key.is(ns::DSIG, "KeyInfo"), Refusal::SignatureShape)?;
        let is_plain = |element: Element<'_>| match element.namespace() {
            ns::DSIG => ELSEWHERE.contains(&element.name()),
            ns::DSIG11 => matches!(element.name(), "ECKeyValue" | "NamedCurve" | "PublicKey" | "DEREncodedKeyValue" | "X509Digest"),
            _ => false,
        };
        // guard: key_info
        ensure(key.descendants().all(is_plain), Refusal::KeyInfo)?;
    }
    ensure(rest.next().is_none(), Refusal::SignatureShape)
}

/// Whether it names one of these algorithms, without parameters.
fn names_one_of(method: Element<'_>, algorithms: &[&str]) -> bool {
    method.attribute("Algorithm").is_some_and(|algorithm| algorithms.contains(&algorithm)) && method.children().next().is_none()
}

/// Whether it is exclusive canonicalisation without comments, with a list of prefixes at most.
fn is_exclusive(method: Element<'_>) -> bool {
    let mut children = method.children();
    let has_good_list = children.next().is_none_or(|list| {
        list.is(ns::EXC_C14N, "InclusiveNamespaces")
            && list.children().next().is_none()
            && list.attribute("PrefixList").is_some_and(|prefixes| {
                let mut prefixes = prefixes.split(' ').filter(|prefix| !prefix.is_empty());
                prefixes.by_ref().take(MOST_PREFIXES).all(|prefix| prefix == "#default" || is_ncname(prefix))
                    && prefixes.next().is_none()
            })
    });
    method.attribute("Algorithm") == Some(ns::EXC_C14N) && has_good_list && children.next().is_none()
}

/// Whether a reference is to the element itself, by its ID, and says nothing else.
fn refers_to(reference: Element<'_>, signed: Element<'_>) -> bool {
    let is_alone = reference.attributes().count() == 1;
    let uri = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
    is_alone && uri.is_some() && uri == signed.attribute("ID").filter(|id| is_ncname(id))
}

/// Whether the signature is taken out first, and what is left is brought into its exclusive canonical form.
fn are_the_two(transforms: Element<'_>) -> bool {
    let mut children = transforms.children();
    let are_transforms = transforms.children().all(|one| one.is(ns::DSIG, "Transform"));
    let takes_out = children.next().is_some_and(|first| names_one_of(first, &[ENVELOPED]));
    let canonicalizes = children.next().is_some_and(is_exclusive);
    are_transforms && takes_out && canonicalizes && children.next().is_none()
}

fn check_digest(method: Element<'_>, value: Element<'_>) -> Result<(), Refusal> {
    let known = DIGESTS.iter().find(|(algorithm, ..)| names_one_of(method, &[algorithm]));
    // guard: digest_algorithm
    ensure(known.is_some(), Refusal::DigestAlgorithm)?;
    let digest = value.only_text().and_then(base64_of).unwrap_or_default();
    // guard: digest_length
    ensure(known.is_none_or(|(_, length, _)| digest.len() == *length), Refusal::Digest)?;
    let is_of_nothing = DIGESTS.iter().any(|(.., empty)| STANDARD.encode(&digest) == *empty);
    // guard: empty_digest
    ensure(!is_of_nothing, Refusal::EmptyDigest)?;
    Ok(())
}

/// Base64 with white space between, as XML Signature has it.
pub(in super::super) fn base64_of(text: &str) -> Option<Vec<u8>> {
    let tight: String = text.chars().filter(|one| !matches!(one, ' ' | '\t' | '\r' | '\n')).collect();
    STANDARD.decode(tight).ok().filter(|bytes| !bytes.is_empty())
}
