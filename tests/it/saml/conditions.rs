//! S25 to S28: what was signed well, but for another service, another time or another question.

use vestibule::federation::Trace;
use vestibule::federation::saml::Validator;
use vestibule::model::{Acr, Demand, SecondFactor, SubjectSource};

use super::keys::OTHER;
use super::message::{
    ACS, Assertion, AuthnStatement, Conditions, Confirmation, IDP, PERSISTENT, REQUEST, Response, SP, SUCCESS, TRANSIENT, status,
};
use super::sign::{Signature, sign, unsigned};
use super::vector::{Vector, Verdict, assertion_signed, both_signed, certificate, check, expected, instant, response_signed};

/// With its assertion signed, and with the response signed around it: where a value stands in the assertion, neither may take it.
fn both_ways(name: &str, assertion: &Assertion) -> [Vector; 2] {
    let response = Response::default();
    [
        Vector::refused(format!("{name} (assertion signed)"), assertion_signed(&response, assertion)),
        Vector::refused(format!("{name} (response signed)"), response_signed(&response, assertion)),
    ]
}

fn taken(name: &str, assertion: &Assertion) -> Vector {
    Vector::accepted(name, assertion_signed(&Response::default(), assertion))
}

fn restricted(audiences: &[&[&str]]) -> Assertion {
    let audiences = audiences.iter().map(|list| list.iter().map(|audience| (*audience).to_owned()).collect()).collect();
    Assertion { conditions: Some(Conditions { audiences, ..Conditions::default() }), ..Assertion::default() }
}

fn confirmed(change: impl Fn(&mut Confirmation)) -> Assertion {
    let mut confirmation = Confirmation::default();
    change(&mut confirmation);
    Assertion { confirmations: vec![confirmation], ..Assertion::default() }
}

fn conditioned(change: impl Fn(&mut Conditions)) -> Assertion {
    let mut conditions = Conditions::default();
    change(&mut conditions);
    Assertion { conditions: Some(conditions), ..Assertion::default() }
}

fn stated(change: impl Fn(&mut AuthnStatement)) -> Assertion {
    let mut statement = AuthnStatement::default();
    change(&mut statement);
    Assertion { statements: vec![statement], ..Assertion::default() }
}

pub(crate) fn audiences() -> Vec<Vector> {
    let other = "https://other.example.org/metadata";
    let mut vectors = vec![
        taken("one of several audiences", &restricted(&[&[other, SP]])),
        taken("two restrictions with us in both", &restricted(&[&[SP], &[other, SP]])),
    ];
    for (name, audiences) in [
        ("no restriction", &[][..]),
        ("a restriction without an audience", &[&[][..]][..]),
        ("another audience", &[&[other]]),
        ("two restrictions with us in one", &[&[SP], &[other]]),
        ("two restrictions with us in the other", &[&[other], &[SP]]),
        ("an audience of upper case", &[&["HTTPS://VESTIBULE.EXAMPLE.ORG/SIGN-IN/SAML/ACME/METADATA"]]),
        ("an audience with a slash", &[&["https://vestibule.example.org/sign-in/saml/acme/metadata/"]]),
        ("an audience that begins like ours", &[&["https://vestibule.example.org/sign-in/saml/acme"]]),
        ("an audience that ours begins like", &[&["https://vestibule.example.org/sign-in/saml/acme/metadata.example.com"]]),
        ("another connection of ours", &[&["https://vestibule.example.org/sign-in/saml/other/metadata"]]),
        ("an empty audience", &[&[""]]),
    ] {
        vectors.extend(both_ways(name, &restricted(audiences)));
    }
    let none = Assertion { conditions: None, ..Assertion::default() };
    vectors.extend(both_ways("no conditions", &none));
    let twice = Assertion { after: String::new(), ..Assertion::default() };
    let text = twice.text().replace("<saml:Conditions", "<saml:Conditions></saml:Conditions><saml:Conditions");
    let message = unsigned(&Response::default().around(&sign(&text, &Signature::default())));
    vectors.push(Vector::refused("two conditions", message));
    vectors
}

#[expect(clippy::too_many_lines, reason = "one list")]
pub(crate) fn times_and_places() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut refuse = |name: &str, assertion: &Assertion| vectors.extend(both_ways(name, assertion));
    let some = |text: &str| Some(text.to_owned());
    // Where it was to go.
    refuse("another recipient", &confirmed(|it| it.recipient = some("https://other.example.org/acs")));
    refuse(
        "the recipient of another connection",
        &confirmed(|it| it.recipient = some("https://vestibule.example.org/sign-in/saml/other/acs")),
    );
    refuse("a recipient with a query", &confirmed(|it| it.recipient = some(&format!("{ACS}?x=y"))));
    refuse("a recipient of upper case", &confirmed(|it| it.recipient = some(&ACS.to_uppercase())));
    refuse("no recipient", &confirmed(|it| it.recipient = None));
    // What it answers.
    refuse("an answer to another request", &confirmed(|it| it.in_response_to = some("_0000000000000000000000000000000000000000")));
    refuse("an answer to part of the request", &confirmed(|it| it.in_response_to = some(&REQUEST[..20])));
    refuse("an answer to nothing, in what is signed", &confirmed(|it| it.in_response_to = None));
    refuse("an answer to the empty request", &confirmed(|it| it.in_response_to = some("")));
    // When: the skew is a minute.
    refuse("confirmed until long ago", &confirmed(|it| it.not_on_or_after = some("2026-03-01T11:00:00Z")));
    refuse("confirmed until a minute ago, which is the skew", &confirmed(|it| it.not_on_or_after = some("2026-03-01T11:59:00Z")));
    refuse("confirmed without an end", &confirmed(|it| it.not_on_or_after = None));
    refuse("confirmed from later on", &confirmed(|it| it.not_before = some("2026-03-01T12:01:01Z")));
    let twice = vec![Confirmation::default(), Confirmation::default()];
    refuse("confirmed twice, and well both times", &Assertion { confirmations: twice, ..Assertion::default() });
    refuse("valid until long ago", &conditioned(|it| it.not_on_or_after = some("2026-03-01T11:00:00Z")));
    refuse("valid until a minute ago, which is the skew", &conditioned(|it| it.not_on_or_after = some("2026-03-01T11:59:00Z")));
    refuse("valid from a minute and a second on", &conditioned(|it| it.not_before = some("2026-03-01T12:01:01Z")));
    refuse("valid without an end", &conditioned(|it| it.not_on_or_after = None));
    refuse("valid without a beginning", &conditioned(|it| it.not_before = None));
    refuse("issued in the future", &Assertion { issue_instant: "2026-03-01T12:01:01Z".to_owned(), ..Assertion::default() });
    refuse("issued next year", &Assertion { issue_instant: "2027-03-01T12:00:00Z".to_owned(), ..Assertion::default() });
    refuse("issued a second too long ago", &Assertion { issue_instant: "2026-03-01T11:53:59Z".to_owned(), ..Assertion::default() });
    refuse("a session that has ended", &stated(|it| it.session_not_on_or_after = some("2026-03-01T11:00:00Z")));
    refuse("asked in the future", &stated(|it| it.authn_instant = some("2026-03-01T12:02:00Z")));
    for (name, time) in [
        ("no time", "soon"),
        ("an empty time", ""),
        ("a time that is no time", "2026-02-30T12:05:00Z"),
        ("a time on another planet", "2026-03-01T12:05:00+99:00"),
        ("a year of five digits", "99999-03-01T12:05:00Z"),
        ("a year before the first", "-0001-03-01T12:05:00Z"),
        ("a number", "1772366700"),
        ("a day", "2026-03-01"),
    ] {
        refuse(&format!("{name} as the end of conditions"), &conditioned(|it| it.not_on_or_after = some(time)));
        refuse(&format!("{name} as the end of its confirmation"), &confirmed(|it| it.not_on_or_after = some(time)));
        refuse(&format!("{name} as the time of its issue"), &Assertion { issue_instant: time.to_owned(), ..Assertion::default() });
        refuse(&format!("{name} as the end of its session"), &stated(|it| it.session_not_on_or_after = some(time)));
    }
    // Who says it, and how.
    refuse("another issuer", &Assertion { issuer: some("https://other.example.com/metadata"), ..Assertion::default() });
    refuse("no issuer", &Assertion { issuer: None, ..Assertion::default() });
    refuse("SAML 1.1", &Assertion { version: "1.1", ..Assertion::default() });
    refuse("SAML 2.1", &Assertion { version: "2.1", ..Assertion::default() });
    refuse("no confirmation", &Assertion { confirmations: vec![], ..Assertion::default() });
    refuse("a confirmation by a key", &confirmed(|it| it.method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"));
    refuse("a confirmation by a sender", &confirmed(|it| it.method = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"));
    refuse("no statement", &Assertion { statements: vec![], ..Assertion::default() });
    refuse("no time of asking", &stated(|it| it.authn_instant = None));
    refuse("no name", &Assertion { name_id: None, ..Assertion::default() });
    refuse("an empty name", &Assertion { subject: String::new(), ..Assertion::default() });
    refuse("a name for this time only", &Assertion { name_id: Some(format!(r#" Format="{TRANSIENT}""#)), ..Assertion::default() });
    for (name, format) in [
        ("an address", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"),
        ("a Windows name", "urn:oasis:names:tc:SAML:1.1:nameid-format:WindowsDomainQualifiedName"),
        ("an X.509 name", "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"),
        ("a Kerberos name", "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"),
        ("an entity", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"),
        ("an encrypted name", "urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted"),
    ] {
        refuse(
            &format!("a name of the format of {name}"),
            &Assertion { name_id: Some(format!(r#" Format="{format}""#)), ..Assertion::default() },
        );
    }
    refuse("a name that is an address", &Assertion { subject: "joe@example.com".to_owned(), ..Assertion::default() });
    let qualified =
        |qualifiers: &str| Assertion { name_id: Some(format!(r#" Format="{PERSISTENT}"{qualifiers}"#)), ..Assertion::default() };
    refuse("a name that another identity provider gave", &qualified(r#" NameQualifier="https://other.example.com""#));
    refuse("a name for another service", &qualified(r#" SPNameQualifier="https://other.example.org""#));
    let once = conditioned(|it| {
        it.more += "<saml:Condition xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"x\"></saml:Condition>";
    });
    refuse("a condition that nobody knows", &once);
    // And what is well.
    let two = Assertion {
        confirmations: vec![
            Confirmation { method: "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches", ..Confirmation::default() },
            Confirmation::default(),
        ],
        ..Assertion::default()
    };
    vectors.extend([
        taken("confirmed by one of two", &two),
        taken("ended within the skew", &conditioned(|it| it.not_on_or_after = some("2026-03-01T11:59:01Z"))),
        taken("begun within the skew", &conditioned(|it| it.not_before = some("2026-03-01T12:01:00Z"))),
        taken("issued within the skew", &Assertion { issue_instant: "2026-03-01T12:01:00Z".to_owned(), ..Assertion::default() }),
        taken(
            "issued five minutes ago and the skew",
            &Assertion { issue_instant: "2026-03-01T11:54:00Z".to_owned(), ..Assertion::default() },
        ),
        taken("with fractions of seconds", &conditioned(|it| it.not_on_or_after = some("2026-03-01T12:05:00.123Z"))),
        taken("without a zone, which is UTC", &conditioned(|it| it.not_on_or_after = some("2026-03-01T12:05:00"))),
        taken("with another zone", &conditioned(|it| it.not_on_or_after = some("2026-03-01T13:05:00+01:00"))),
        taken(
            "with many fractions",
            &conditioned(|it| {
                it.not_on_or_after = some("2026-03-01T12:05:00.0000000000000000000000000000000000000000000000000000000000Z");
            }),
        ),
        taken("with a qualified name", &qualified(&format!(r#" NameQualifier="{IDP}" SPNameQualifier="{SP}""#))),
        taken("to be used once", &conditioned(|it| it.more += "<saml:OneTimeUse></saml:OneTimeUse>")),
        taken("a session that ends later", &stated(|it| it.session_not_on_or_after = some("2026-03-01T20:00:00Z"))),
    ]);
    vectors
}

/// What an unsigned wrapper says is checked too, though nobody vouches for it.
pub(crate) fn wrappers() -> Vec<Vector> {
    let some = |text: &str| Some(text.to_owned());
    let requester = status("urn:oasis:names:tc:SAML:2.0:status:Requester");
    let responder = format!(
        r#"<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="{SUCCESS}"></samlp:StatusCode></samlp:StatusCode>"#
    );
    let mut vectors = Vec::new();
    for (name, response) in [
        ("another destination", Response { destination: some("https://other.example.org/acs"), ..Response::default() }),
        ("another request", Response { in_response_to: some("_x"), ..Response::default() }),
        ("another issuer of the response", Response { issuer: some("https://other.example.com"), ..Response::default() }),
        ("a response of SAML 1.1", Response { version: "1.1", ..Response::default() }),
        ("a refusal", Response { status: requester, ..Response::default() }),
        ("a refusal with a success inside", Response { status: responder, ..Response::default() }),
        ("no status", Response { status: String::new(), ..Response::default() }),
        ("a response of the future", Response { issue_instant: "2026-03-01T12:10:00Z".to_owned(), ..Response::default() }),
        ("a response of yesterday", Response { issue_instant: "2026-02-28T12:00:00Z".to_owned(), ..Response::default() }),
    ] {
        for (way, message) in [
            ("assertion signed", assertion_signed(&response, &Assertion::default())),
            ("response signed", response_signed(&response, &Assertion::default())),
            ("both signed", both_signed(&response, &Assertion::default())),
        ] {
            vectors.push(Vector::refused(format!("{name} ({way})"), message));
        }
    }
    let quiet = Response { destination: None, issuer: None, ..Response::default() };
    vectors.push(Vector::accepted(
        "an unsigned wrapper without destination and issuer",
        assertion_signed(&quiet, &Assertion::default()),
    ));
    let silent = Response { destination: None, ..Response::default() };
    // SAML Bindings section 3.5.5.2: a signed message has to say where it goes.
    vectors.push(Vector::refused("a signed response without a destination", response_signed(&silent, &Assertion::default())));
    let mapped = |settings: &mut vestibule::model::SamlSettings| {
        settings.subject = SubjectSource::Attribute { name: "displayName".to_owned() }
    };
    let transient = Assertion { name_id: Some(format!(r#" Format="{TRANSIENT}""#)), ..Assertion::default() };
    let transient = assertion_signed(&Response::default(), &transient);
    vectors.push(
        Vector::new(
            "a name for this time only, with an attribute in its place",
            transient,
            Verdict::Accepted("Joe Doe".to_owned()),
        )
        .with_settings(mapped),
    );
    let missing = Assertion { attributes: vec![], ..Assertion::default() };
    vectors.push(
        Vector::refused("no attribute in place of the name", assertion_signed(&Response::default(), &missing))
            .with_settings(mapped),
    );
    let several =
        |settings: &mut vestibule::model::SamlSettings| settings.subject = SubjectSource::Attribute { name: "groups".to_owned() };
    let message = assertion_signed(&Response::default(), &Assertion::default());
    vectors.push(Vector::refused("an attribute of two values in place of the name", message).with_settings(several));
    // What was demanded has to be said.
    let plain = assertion_signed(&Response::default(), &Assertion::default());
    let old = stated(|it| it.authn_instant = some("2026-03-01T11:00:00Z"));
    let old = assertion_signed(&Response::default(), &old);
    vectors.push(Vector::accepted("asked long ago", old.clone()));
    vectors.push(
        Vector::refused("asked long ago, where it was to be anew", old)
            .when(|expected| expected.demand = Demand { is_fresh: true, ..Demand::default() }),
    );
    vectors.push(
        Vector::refused("a password, where it was to be more", plain.clone())
            .when(|expected| expected.demand = Demand { acr: Some(Acr::Aal2.as_str().to_owned()), ..Demand::default() }),
    );
    vectors.push(Vector::accepted("what counts as more", plain).when(|expected| {
        let mut settings = expected.connection.saml().unwrap().clone();
        settings.second_factor = SecondFactor { acr: vec![super::message::PASSWORD.to_owned()], ..SecondFactor::default() };
        expected.connection.settings = settings.into();
        expected.demand = Demand { acr: Some(Acr::Aal2.as_str().to_owned()), ..Demand::default() };
    }));
    vectors
}

/// What one identity provider says in answer to a question to another.
pub(crate) fn mix_ups() -> Vec<Vector> {
    let other = "https://other.example.com/metadata";
    let theirs = Assertion { issuer: Some(other.to_owned()), ..Assertion::default() };
    let wrapper = Response { issuer: Some(other.to_owned()), ..Response::default() };
    let by_other = Signature::by(&OTHER);
    let message = unsigned(&wrapper.around(&sign(&theirs.text(), &by_other)));
    let under_our_name = unsigned(&Response::default().around(&sign(&Assertion::default().text(), &by_other)));
    let unsolicited = confirmed(|it| it.in_response_to = None);
    vec![
        Vector::refused("an answer of another identity provider", message.clone()),
        Vector::refused("an answer of another identity provider under this one's name", under_our_name),
        Vector::refused("another identity provider with the same key", message)
            .when(|expected| expected.certificates.push(certificate(&OTHER))),
        Vector::refused("a question that stands in the wrapper alone", assertion_signed(&Response::default(), &unsolicited)),
        Vector::refused("a question that stands in the signed wrapper alone", response_signed(&Response::default(), &unsolicited)),
        Vector::refused(
            "an answer that nobody asked for",
            assertion_signed(&Response { in_response_to: None, ..Response::default() }, &unsolicited),
        ),
        Vector::refused("another connection of ours", assertion_signed(&Response::default(), &Assertion::default())).when(
            |expected| {
                expected.acs = ACS.replace("acme", "other").parse().unwrap();
                expected.entity_id = SP.replace("acme", "other");
            },
        ),
        Vector::refused("another sign-in of ours", assertion_signed(&Response::default(), &Assertion::default()))
            .when(|expected| expected.request_id = "_1111111111111111111111111111111111111111".to_owned().into()),
    ]
}

#[test]
fn sso_s25_every_restriction_of_the_audience_has_to_name_us() {
    check("s25_audiences", &audiences());
}

#[test]
fn sso_s26_what_is_for_another_place_time_or_version_is_refused() {
    check("s26_times_and_places", &times_and_places());
    check("s26_wrappers", &wrappers());
}

/// Who remembers is who signs in: what is to be remembered comes from the signed bytes, the same each time, and lasts as long as the message would.
#[test]
fn sso_s27_an_assertion_says_by_what_and_until_when_to_remember_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    let message = Vector::accepted("", both_signed(&Response::default(), &Assertion::default()));
    let run =
        || runtime.block_on(validator.finish(expected(), message.field.clone(), &mut Trace::default())).unwrap().assertion.unwrap();
    let first = run();
    assert_eq!(first, run());
    assert_eq!(first.id, "_a1");
    // The earlier one of both ends, and the skew.
    assert_eq!(first.good_until, instant("2026-03-01T12:06:00Z"));
    let long = confirmed(|it| it.not_on_or_after = Some("2026-03-01T12:20:00Z".to_owned()));
    let long = Vector::accepted("", assertion_signed(&Response::default(), &long));
    let long = runtime.block_on(validator.finish(expected(), long.field, &mut Trace::default())).unwrap().assertion.unwrap();
    // It is taken as long as conditions and confirmation both last.
    assert_eq!(long.good_until, instant("2026-03-01T12:06:00Z"));
}

#[test]
fn sso_s28_an_answer_to_another_question_or_of_another_identity_provider_is_refused() {
    check("s28_mix_ups", &mix_ups());
}
