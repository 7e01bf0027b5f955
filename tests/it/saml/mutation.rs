//! Messages, changed at random: what an attacker does who knows XML, and what a broken line does.

use super::message::{EVIL, VICTIM};

/// Numbers that follow from a seed (splitmix64): a change that found something can be made again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What means something to one parser or another.
const PIECES: &[&str] = &[
    "<!---->",
    "<!--x-->",
    "<![CDATA[x]]>",
    "<?x y?>",
    "<!DOCTYPE x>",
    "&#46;",
    "&#x0a;",
    "&amp;",
    "&lt;",
    "&x;",
    "]]>",
    "\r\n",
    "\n",
    "\t",
    " ",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{0}",
    "\u{1}",
    "\u{85}",
    "/",
    ">",
    "<",
    "\"",
    "'",
    "=",
    ":",
    "#",
    "xmlns=\"\"",
    " xmlns:q=\"urn:x\"",
    " xmlns:ds=\"urn:x\"",
    " xmlns:saml=\"urn:x\"",
    " xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:assertion\"",
    " ID=\"_a1\"",
    " id=\"_r1\"",
    " xml:id=\"_a1\"",
    " xml:space=\"preserve\"",
    " xml:lang=\"x\"",
    " xml:base=\"x\"",
    " Version=\"2.0\"",
    "<x>",
    "</x>",
    "<x/>",
    "<x xmlns=\"\"/>",
    "<saml:Assertion>",
    "</saml:Assertion>",
    "<ds:Signature>",
    "</ds:Signature>",
    "<ds:Object>",
    "</ds:Object>",
    VICTIM,
    EVIL,
    "ﬀ",
    "𝒳",
    "Ａ",
];

/// Pairs of which one is exchanged for the other.
const TURNS: &[(&str, &str)] = &[
    (VICTIM, EVIL),
    ("_a1", "_r1"),
    ("_r1", "_a1"),
    ("samlp:", "saml:"),
    ("saml:", "samlp:"),
    ("ds:", "saml:"),
    ("\"", "'"),
    ("'", "\""),
    ("></", " ></"),
    ("><", "> <"),
    ("exc-c14n#", "exc-c14n#WithComments"),
    ("sha256", "sha1"),
    ("rsa-sha256", "hmac-sha256"),
    ("xmlenc#sha256", "xmlenc#sha512"),
    ("#_a1", ""),
    ("#_a1", "#_r1"),
    ("enveloped-signature", "base64"),
    ("SAML:2.0", "SAML:1.0"),
    ("12:05:00Z", "12:50:00Z"),
    ("=", " = "),
    ("engineers", "admins"),
    ("0001", "&#48;001"),
    ("0001", "0001<x/>"),
    (":persistent", ":transient"),
];

/// A message of these, changed once to five times.
pub(crate) fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut message = random.pick(corpus).clone();
    for _ in 0..=random.below(5) {
        change(&mut message, corpus, random);
    }
    message
}

fn change(message: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    if message.is_empty() {
        return;
    }
    let place = random.below(message.len());
    match random.below(12) {
        0 => message[place] ^= 1 << random.below(8),
        1 => {
            let end = (place + 1 + random.below(16)).min(message.len());
            message.drain(place..end);
        }
        2 | 3 => {
            let piece = random.pick(PIECES);
            // Half of them where a tag begins or ends, where they are most likely to be taken for something.
            let place = if random.next().is_multiple_of(2) { place } else { near(message, place) };
            message.splice(place..place, piece.bytes());
        }
        4 | 5 => exchange(message, random),
        6 => {
            let Some(from) = element(random.pick::<Vec<u8>>(corpus), random) else { return };
            let place = near(message, place);
            message.splice(place..place, from);
        }
        7 => {
            let Some(own) = element(message, random) else { return };
            let place = near(message, place);
            message.splice(place..place, own);
        }
        8 => {
            let Some((start, end)) = range(message, random) else { return };
            let taken: Vec<u8> = message.drain(start..end).collect();
            if random.next().is_multiple_of(2) && !message.is_empty() {
                let place = near(message, random.below(message.len()));
                message.splice(place..place, taken);
            }
        }
        9 => {
            let Some((start, end)) = range(message, random) else { return };
            let Some(other) = element(random.pick::<Vec<u8>>(corpus), random) else { return };
            message.splice(start..end, other);
        }
        10 => {
            // Put an element around another.
            let Some((start, end)) = range(message, random) else { return };
            let (before, after) = *random.pick(&[
                ("<x>", "</x>"),
                ("<samlp:Extensions>", "</samlp:Extensions>"),
                ("<saml:Advice>", "</saml:Advice>"),
                ("<ds:Object>", "</ds:Object>"),
                ("<!--", "-->"),
                ("<![CDATA[", "]]>"),
            ]);
            message.splice(end..end, after.bytes());
            message.splice(start..start, before.bytes());
        }
        _ => {
            let other = random.pick(corpus);
            let cut = random.below(other.len());
            let tail = other[cut..].to_vec();
            message.truncate(place);
            message.extend(tail);
        }
    }
}

/// The nearest place behind this one where a tag begins.
fn near(message: &[u8], place: usize) -> usize {
    message[place..].iter().position(|byte| *byte == b'<').map_or(place, |at| place + at)
}

fn exchange(message: &mut Vec<u8>, random: &mut Random) {
    let (from, to) = *random.pick(TURNS);
    let places: Vec<_> =
        message.windows(from.len()).enumerate().filter(|(_, part)| *part == from.as_bytes()).map(|(at, _)| at).collect();
    if places.is_empty() {
        return;
    }
    if random.next().is_multiple_of(4) {
        for at in places.into_iter().rev().step_by(from.len()) {
            message.splice(at..at + from.len(), to.bytes());
        }
    } else {
        let at = *random.pick(&places);
        message.splice(at..at + from.len(), to.bytes());
    }
}

/// Where an element begins and ends, roughly: by its name.
fn range(message: &[u8], random: &mut Random) -> Option<(usize, usize)> {
    let start = near(message, random.below(message.len()));
    let tag = message.get(start + 1..)?;
    let name: Vec<u8> = tag.iter().copied().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b':').collect();
    if name.is_empty() {
        return None;
    }
    let close = [b"</", &name[..], b">"].concat();
    let end = tag.windows(close.len()).position(|part| part == close)?;
    Some((start, start + 1 + end + close.len()))
}

fn element(message: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    range(message, random).map(|(start, end)| message[start..end].to_vec())
}
