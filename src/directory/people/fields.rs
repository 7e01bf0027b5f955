//! What administrators write down of somebody, checked, purely.
//!
//! A login of the customer's own identity provider has few fields; a local one has all of them. Whatever is wrong is told at once.

use std::fmt;

use crate::model::{LoginKind, TokenType};

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $member:literal, $attribute:literal;)*) => {
        /// A field of somebody.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $name,)* }

        impl Field {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the API calls it.
            #[must_use]
            pub const fn member(self) -> &'static str {
                match self { $(Self::$name => $member,)* }
            }

            /// What role catalogues call it, as SCIM does.
            #[must_use]
            pub const fn attribute(self) -> &'static str {
                match self { $(Self::$name => $attribute,)* }
            }
        }
    };
}

fields! {
    /// What the login is called; unique, and what somebody signs in with locally.
    UserName = "user_name", "userName";
    GivenName = "given_name", "name.givenName";
    FamilyName = "family_name", "name.familyName";
    Email = "email", "emails";
    /// Of a local login.
    PhoneNumbers = "phone_numbers", "phoneNumbers";
    /// The second factor of a local login.
    TokenType = "token_type", "tokenType";
    /// The kind of mobile that has the soft token.
    MobileType = "mobile_type", "mobileType";
}

impl Field {
    /// The field of this name in a role catalogue.
    #[must_use]
    pub fn named(attribute: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.attribute() == attribute)
    }

    /// Whether these three hang together, so that a change of one is a change of all.
    const fn is_of_second_factor(self) -> bool {
        matches!(self, Self::PhoneNumbers | Self::TokenType | Self::MobileType)
    }
}

/// Something that is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub field: Field,
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field.member(), self.text)
    }
}

/// What is written down of somebody. A field that was left out is `None`; what is empty was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub user_name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub email: Option<String>,
    pub phone_numbers: Vec<String>,
    /// As it was given: `sms` or `soft-token`.
    pub token_type: Option<String>,
    pub mobile_type: Option<String>,
}

/// Characters of a name, of whichever kind.
const LONGEST_NAME: usize = 100;
/// Characters of an e-mail address (RFC 5321 section 4.5.3.1.3).
const LONGEST_EMAIL: usize = 254;
/// Digits of a phone number (ITU-T E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
const MOST_PHONES: usize = 5;

impl Fields {
    /// Without spaces around texts, and without empty ones.
    #[must_use]
    pub fn tidied(self) -> Self {
        let tidy = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Self {
            // A space in it is a fault, which is told.
            user_name: self.user_name.filter(|text| !text.is_empty()),
            given_name: tidy(self.given_name),
            family_name: tidy(self.family_name),
            email: tidy(self.email),
            phone_numbers: self.phone_numbers,
            token_type: self.token_type.filter(|text| !text.is_empty()),
            mobile_type: tidy(self.mobile_type),
        }
    }

    /// The second factor; `None` when there is none, or it is no such thing.
    #[must_use]
    pub fn token(&self) -> Option<TokenType> {
        match self.token_type.as_deref() {
            Some("sms") => Some(TokenType::Sms),
            Some("soft-token") => Some(TokenType::SoftToken),
            _ => None,
        }
    }

    /// What people read.
    #[must_use]
    pub fn display_name(&self) -> Option<String> {
        let names: Vec<_> = [&self.given_name, &self.family_name].into_iter().flatten().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(" "))
    }

    /// A field as JSON, for what was before and after; null when there is nothing.
    #[must_use]
    pub fn value(&self, field: Field) -> serde_json::Value {
        match field {
            Field::UserName => serde_json::json!(self.user_name),
            Field::GivenName => serde_json::json!(self.given_name),
            Field::FamilyName => serde_json::json!(self.family_name),
            Field::Email => serde_json::json!(self.email),
            Field::PhoneNumbers => serde_json::json!(self.phone_numbers),
            Field::TokenType => serde_json::json!(self.token_type),
            Field::MobileType => serde_json::json!(self.mobile_type),
        }
    }

    /// The fields in which two differ.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<Field> {
        Field::ALL.iter().copied().filter(|field| self.value(*field) != other.value(*field)).collect()
    }
}

/// All that is wrong with the fields of a login of a kind.
#[must_use]
pub fn check(kind: LoginKind, fields: &Fields) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut wrong = |field: Field, text: String| faults.push(Fault { field, text });
    let is_named = |text: &str| text.chars().count() <= LONGEST_NAME && !text.chars().any(char::is_control);
    match &fields.user_name {
        None => wrong(Field::UserName, "say what the login is called".to_owned()),
        Some(name) if !is_named(name) || name.contains(char::is_whitespace) => {
            wrong(Field::UserName, format!("1 to {LONGEST_NAME} characters, and none of them a space"));
        }
        Some(_) => {}
    }
    for (field, name) in [(Field::GivenName, &fields.given_name), (Field::FamilyName, &fields.family_name)] {
        match name {
            None => wrong(field, "say what the person is called".to_owned()),
            Some(name) if !is_named(name) => wrong(field, format!("1 to {LONGEST_NAME} characters")),
            Some(_) => {}
        }
    }
    match &fields.email {
        None => wrong(Field::Email, "say to which address mail goes".to_owned()),
        Some(email) if !is_address(email) => wrong(Field::Email, "an address such as joe@bluesky.example".to_owned()),
        Some(_) => {}
    }
    match kind {
        LoginKind::Byoi => {
            let given =
                [Field::PhoneNumbers, Field::TokenType, Field::MobileType].into_iter().filter(|field| is_given(fields, *field));
            for field in given {
                wrong(
                    field,
                    "only a local login has it; the identity provider of this one looks after its second factor".to_owned(),
                );
            }
        }
        LoginKind::Local => check_factor(fields, &mut wrong),
    }
    faults
}

fn check_factor(fields: &Fields, wrong: &mut impl FnMut(Field, String)) {
    if fields.phone_numbers.len() > MOST_PHONES {
        wrong(Field::PhoneNumbers, format!("at most {MOST_PHONES}"));
    }
    if let Some(number) = fields.phone_numbers.iter().find(|number| !is_phone_number(number)) {
        wrong(Field::PhoneNumbers, format!("{number:?} is not of the form +441234567890: + country code, digits, no spaces"));
    }
    if fields.token_type.is_some() && fields.token().is_none() {
        wrong(Field::TokenType, "sms or soft-token".to_owned());
    }
    if fields.token() == Some(TokenType::Sms) && fields.phone_numbers.is_empty() {
        wrong(Field::PhoneNumbers, "codes by sms need a phone number".to_owned());
    }
    match &fields.mobile_type {
        Some(_) if fields.token() != Some(TokenType::SoftToken) => {
            wrong(Field::MobileType, "only a soft token is on a mobile".to_owned());
        }
        Some(mobile) if mobile.chars().count() > LONGEST_NAME || mobile.chars().any(char::is_control) => {
            wrong(Field::MobileType, format!("1 to {LONGEST_NAME} characters"));
        }
        _ => {}
    }
}

/// What is wrong with the fields of a login once these have changed. What nobody touches is left as it is.
#[must_use]
pub fn check_changes(kind: LoginKind, fields: &Fields, changed: &[Field]) -> Vec<Fault> {
    let factor = changed.iter().any(|field| field.is_of_second_factor());
    let mut faults = check(kind, fields);
    faults.retain(|fault| changed.contains(&fault.field) || (factor && fault.field.is_of_second_factor()));
    faults
}

fn is_given(fields: &Fields, field: Field) -> bool {
    match fields.value(field) {
        serde_json::Value::Null => false,
        serde_json::Value::Array(values) => !values.is_empty(),
        _ => true,
    }
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let parts = !local.is_empty() && domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    let visible = !text.chars().any(|character| character.is_whitespace() || character.is_control());
    parts && visible && !domain.contains('@') && text.chars().count() <= LONGEST_EMAIL
}

/// `+`, the country code, which never begins with a zero, and digits.
fn is_phone_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    PHONE_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joe() -> Fields {
        Fields {
            user_name: Some("joe".to_owned()),
            given_name: Some("Joe".to_owned()),
            family_name: Some("Bloggs".to_owned()),
            email: Some("joe@bluesky.example".to_owned()),
            ..Fields::default()
        }
    }

    fn with_token(kind: &str, mobile: Option<&str>, phones: &[&str]) -> Fields {
        Fields {
            token_type: Some(kind.to_owned()),
            mobile_type: mobile.map(ToOwned::to_owned),
            phone_numbers: phones.iter().map(|phone| (*phone).to_owned()).collect(),
            ..joe()
        }
    }

    fn members(faults: &[Fault]) -> Vec<&'static str> {
        faults.iter().map(|fault| fault.field.member()).collect()
    }

    #[test]
    fn each_kind_has_its_fields_and_all_faults_are_told_at_once() {
        use LoginKind::{Byoi, Local};
        let named = |name: &str| Fields { user_name: Some(name.to_owned()), ..joe() };
        let mailed = |email: &str| Fields { email: Some(email.to_owned()), ..joe() };
        let phone = |number: &str| Fields { phone_numbers: vec![number.to_owned()], ..joe() };
        let everything: &[&str] = &["user_name", "given_name", "family_name", "email"];
        let table: Vec<(LoginKind, Fields, &[&str])> = vec![
            (Byoi, joe(), &[]),
            (Local, joe(), &[]),
            (Byoi, Fields::default(), everything),
            (
                Local,
                Fields { token_type: Some("paper".to_owned()), ..Fields::default() },
                &["user_name", "given_name", "family_name", "email", "token_type"],
            ),
            (Byoi, named("joe bloggs"), &["user_name"]),
            (Byoi, named("joe\u{a0}bloggs"), &["user_name"]),
            (Byoi, named("joe\0"), &["user_name"]),
            (Byoi, named(" joe"), &["user_name"]),
            (Byoi, named(&"x".repeat(100)), &[]),
            (Byoi, named(&"x".repeat(101)), &["user_name"]),
            (Byoi, named("joe@bluesky.example"), &[]),
            (Byoi, Fields { given_name: Some("J\0e".to_owned()), ..joe() }, &["given_name"]),
            (Byoi, mailed("joe"), &["email"]),
            (Byoi, mailed("joe@bluesky"), &["email"]),
            (Byoi, mailed("joe@@bluesky.example"), &["email"]),
            (Byoi, mailed("@bluesky.example"), &["email"]),
            (Byoi, mailed("joe@bluesky..example"), &["email"]),
            (Byoi, mailed("joe bloggs@bluesky.example"), &["email"]),
            (Byoi, mailed(&format!("{}@bluesky.example", "x".repeat(250))), &["email"]),
            (Byoi, phone("+441234567890"), &["phone_numbers"]),
            (Byoi, with_token("sms", Some("phone"), &[]), &["token_type", "mobile_type"]),
            (Local, phone("+441234567890"), &[]),
            (Local, phone("+44 1234567890"), &["phone_numbers"]),
            (Local, phone("01234567890"), &["phone_numbers"]),
            (Local, phone("+01234567890"), &["phone_numbers"]),
            (Local, phone("+44123456789012345"), &["phone_numbers"]),
            (Local, phone("+44"), &["phone_numbers"]),
            (Local, phone("+4412345678a"), &["phone_numbers"]),
            (Local, Fields { phone_numbers: vec!["+441234567890".to_owned(); 6], ..joe() }, &["phone_numbers"]),
            (Local, with_token("sms", None, &["+441234567890"]), &[]),
            (Local, with_token("sms", None, &[]), &["phone_numbers"]),
            (Local, with_token("soft-token", None, &[]), &[]),
            (Local, with_token("soft-token", Some("Android"), &[]), &[]),
            (Local, with_token("soft-token", Some(&"x".repeat(101)), &[]), &["mobile_type"]),
            (Local, with_token("sms", Some("Android"), &["+441234567890"]), &["mobile_type"]),
            (Local, Fields { mobile_type: Some("Android".to_owned()), ..joe() }, &["mobile_type"]),
        ];
        for (kind, fields, expected) in table {
            assert_eq!(members(&check(kind, &fields)), expected, "{kind:?} {fields:?}");
        }
    }

    #[test]
    fn a_change_answers_for_what_it_changes() {
        let before = Fields { email: None, ..joe() };
        let after = Fields { given_name: Some("Joseph".to_owned()), ..before.clone() };
        assert_eq!(before.changes(&after), [Field::GivenName]);
        assert!(check_changes(LoginKind::Byoi, &after, &before.changes(&after)).is_empty(), "nobody has touched the address");
        assert_eq!(members(&check_changes(LoginKind::Byoi, &after, &[Field::Email])), ["email"]);
        let before = with_token("soft-token", Some("Android"), &[]);
        let after = Fields { token_type: Some("sms".to_owned()), ..before.clone() };
        let faults = check_changes(LoginKind::Local, &after, &before.changes(&after));
        assert_eq!(members(&faults), ["phone_numbers", "mobile_type"], "what hangs together is looked at together");
    }

    #[test]
    fn texts_are_tidied_and_fields_have_their_names() {
        let blank = |text: &str| Some(text.to_owned());
        let tidied = Fields { given_name: blank(" Joe "), family_name: blank(" "), email: blank(""), ..Fields::default() }.tidied();
        assert_eq!(tidied, Fields { given_name: blank("Joe"), ..Fields::default() });
        assert_eq!((tidied.display_name(), joe().display_name()), (blank("Joe"), blank("Joe Bloggs")));
        for field in Field::ALL {
            assert_eq!(Field::named(field.attribute()), Some(*field));
        }
        assert_eq!(Field::named("user_name"), None);
    }
}
