//! Writing XML: what we send is small and always of the same shape, so it is a text with escaped values.

use std::fmt;

/// A value within a text or an attribute in double quotes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // A parser would make a space of them in an attribute.
                '\t' => f.write_str("&#9;")?,
                '\n' => f.write_str("&#10;")?,
                '\r' => f.write_str("&#13;")?,
                // What no XML document may hold (XML 1.0 section 2.2).
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_str("\u{fffd}")?,
                letter => fmt::Write::write_char(f, letter)?,
            }
        }
        Ok(())
    }
}

/// An attribute with a space before it, or nothing.
pub(super) struct Attribute<'a>(pub(super) &'static str, pub(super) Option<&'a str>);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.map_or(Ok(()), |value| write!(f, " {}=\"{}\"", self.0, Escaped(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sso_s30_values_cannot_leave_their_place() {
        assert_eq!(Escaped("a&<b>\"c\"\n\0é").to_string(), "a&amp;&lt;b&gt;&quot;c&quot;&#10;\u{fffd}é");
        assert_eq!(Attribute("X", Some("\"/>")).to_string(), " X=\"&quot;/&gt;\"");
        assert_eq!(Attribute("X", None).to_string(), "");
    }
}
