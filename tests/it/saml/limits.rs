//! S32 to S35: sizes, ids, control characters, and inputs at which something panicked somewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vestibule::federation::saml::{Validator, outline};

use super::message::{Assertion, Attribute, REQUEST, Response, VICTIM};
use super::property::taken;
use super::sign::{Signature, seal, unsigned};
use super::vector::{Vector, Verdict, assertion_signed, check};

/// A response sealed by hand with so many letters more.
fn padded(letters: usize) -> String {
    let long = Attribute::new("padding", &[&"x".repeat(letters)]);
    let assertion = Assertion { attributes: vec![long], ..Assertion::default() };
    unsigned(&Response::default().around(&seal(&assertion.text(), &Signature::default())))
}

pub(crate) fn sizes() -> Vec<Vector> {
    let most = 256 * 1024;
    let least = padded(0).len();
    let nested = |depth: usize| {
        let value = format!("{}x{}", "<x>".repeat(depth), "</x>".repeat(depth));
        let extensions = Response { before: String::new(), ..Response::default() };
        let message = assertion_signed(&extensions, &Assertion::default());
        message.replacen("<samlp:Status>", &format!("<samlp:Extensions>{value}</samlp:Extensions><samlp:Status>"), 1)
    };
    let elements = |count: usize| {
        let message = assertion_signed(&Response::default(), &Assertion::default());
        let extensions = format!("<samlp:Extensions>{}</samlp:Extensions><samlp:Status>", "<x></x>".repeat(count));
        message.replacen("<samlp:Status>", &extensions, 1)
    };
    let many_attributes = |elements: usize, count: usize| {
        let attributes = (0..count).map(|number| format!(" a{number}=\"\"")).collect::<Vec<_>>().concat();
        let extensions =
            format!("<samlp:Extensions>{}</samlp:Extensions><samlp:Status>", format!("<x{attributes}></x>").repeat(elements));
        assertion_signed(&Response::default(), &Assertion::default()).replacen("<samlp:Status>", &extensions, 1)
    };
    let attributes = |count: usize| many_attributes(1, count);
    let namespaces = |count: usize| {
        let declared = (0..count).map(|number| format!(" xmlns:n{number}=\"urn:example:{number}\"")).collect::<Vec<_>>().concat();
        let message = assertion_signed(&Response::default(), &Assertion::default());
        message.replacen("<samlp:Status>", &format!("<samlp:Extensions><x{declared}></x></samlp:Extensions><samlp:Status>"), 1)
    };
    let mut exact = padded(most - least);
    assert_eq!(exact.len(), most);
    let mut over = padded(most - least + 1);
    let trailing = format!("{}{}", padded(0), " ".repeat(most));
    let huge = "A".repeat(8 * 1024 * 1024);
    let mut vectors = vec![
        Vector::accepted("256 KiB", std::mem::take(&mut exact)),
        Vector::refused("a byte more than 256 KiB", std::mem::take(&mut over)),
        Vector::refused("256 KiB of spaces behind", trailing),
        Vector::accepted("a depth of 40", nested(40)),
        Vector::refused("a depth of 60", nested(60)),
        Vector::refused("a depth of 30 000", nested(30_000)),
        Vector::accepted("5 000 elements", elements(5_000)),
        Vector::refused("6 001 elements", elements(6_001)),
        Vector::accepted("60 attributes of an element", attributes(60)),
        Vector::refused("65 attributes of an element", attributes(65)),
        Vector::refused("10 000 attributes of an element", attributes(10_000)),
        Vector::refused("16 200 attributes, 60 of each element", many_attributes(270, 60)),
        Vector::refused("65 namespaces of an element", namespaces(65)),
        Vector::refused("5 000 namespaces of an element", namespaces(5_000)),
    ];
    let mut field = Vector::refused("eight megabytes of base64", "");
    field.field = huge;
    vectors.push(field);
    for (name, field) in [
        ("nothing", String::new()),
        ("what is no base64", "*".to_owned()),
        ("base64 cut off", STANDARD.encode(padded(0)).trim_end_matches('=')[..1001].to_owned()),
        ("base64 of addresses", STANDARD.encode("<ÿ?>").replace('/', "_").replace('+', "-")),
        ("a deflated message", "fZHNTsMwEIRfxfI9".to_owned()),
        ("a NUL in base64", "AAAA\0AAAA".to_owned()),
        ("letters of other alphabets", "名".to_owned()),
        ("spaces alone", "  \r\n ".to_owned()),
    ] {
        let mut vector = Vector::refused(name, "");
        vector.field = field;
        vectors.push(vector);
    }
    vectors
}

/// Names with letters that nobody sees.
pub(crate) fn invisible() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (name, subject) in [
        ("a line feed", format!("{VICTIM}&#10;")),
        ("a line feed before", format!("&#10;{VICTIM}")),
        ("a line feed inside", "joe&#10;0001".to_owned()),
        ("a tab", "joe&#9;0001".to_owned()),
        ("a carriage return", "joe&#13;0001".to_owned()),
        ("a plain line feed", format!("{VICTIM}\n")),
        ("a plain line feed and spaces around, as pretty printers write", format!("\n      {VICTIM}\n    ")),
        ("a control character of Latin 1", "joe&#x85;0001".to_owned()),
        ("another", "joe&#x9f;0001".to_owned()),
        ("delete", "joe&#x7f;0001".to_owned()),
    ] {
        let message = assertion_signed(&Response::default(), &Assertion { subject, ..Assertion::default() });
        vectors.push(Vector::refused(format!("{name} in the name"), message));
    }
    let only = assertion_signed(&Response::default(), &Assertion { subject: "   ".to_owned(), ..Assertion::default() });
    vectors.push(Vector::refused("spaces for a name", only));
    for (name, subject) in [
        ("a space at its end", format!("{VICTIM} ")),
        ("a space before", format!(" {VICTIM}")),
        ("upper case", VICTIM.to_uppercase()),
    ] {
        let message = assertion_signed(&Response::default(), &Assertion { subject: subject.clone(), ..Assertion::default() });
        // Either it is somebody else, to the letter, or nobody: never the one without the space.
        let verdict = if subject.trim() == subject { Verdict::Accepted(subject) } else { Verdict::Refused };
        vectors.push(Vector::new(format!("{name} of the name"), message, verdict));
    }
    let long = "x".repeat(5_000);
    let message = assertion_signed(&Response::default(), &Assertion { subject: long, ..Assertion::default() });
    vectors.push(Vector::refused("a name of 5 000 letters", message));
    vectors
}

#[test]
fn sso_s32_what_is_too_large_too_deep_or_too_much_is_refused() {
    check("s32_sizes", &sizes());
}

#[test]
fn sso_s34_a_name_is_compared_to_the_letter_and_has_no_control_characters() {
    check("s34_invisible", &invisible());
}

/// Every cut of a message, and every byte of it changed: refused, and nothing worse. Some of those that still have the shape of a message go all the
/// way: where a value was changed, no signature is good any more.
#[test]
fn sso_s35_no_message_makes_it_panic() {
    let message = assertion_signed(&Response::default(), &Assertion::default()).into_bytes();
    for length in 0..message.len() {
        assert!(outline(&STANDARD.encode(&message[..length])).is_err(), "{length}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (validator, mut changed) = (Validator::new(1), 0);
    let genuine = taken(&message, &validator, &runtime);
    assert!(genuine.is_some());
    for place in 0..message.len() {
        for byte in [0, b'<', b'>', b'&', b'"', b':', b' ', 0x80, 0xff] {
            let mut message = message.clone();
            message[place] = byte;
            if outline(&STANDARD.encode(&message)).is_ok() {
                changed += 1;
                // Each takes a millisecond or two.
                let identity = if changed % 50 == 1 { taken(&message, &validator, &runtime) } else { None };
                assert!(identity.is_none() || identity == genuine, "place {place}, byte {byte}: {identity:?}");
            }
        }
    }
    assert!(changed > 0, "letters of values can be changed without the shape being another: {REQUEST}");
}
