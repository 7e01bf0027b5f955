//! Whatever becomes of a message on its way: what is taken is what somebody signed, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use vestibule::federation::Trace;
use vestibule::federation::saml::Validator;
use vestibule::model::ExternalIdentity;

use super::encrypt::{Block, Transport, encrypted};
use super::keys::{EC, OTHER, OURS};
use super::message::{Assertion, Attribute, EVIL, Response};
use super::mutation::{Random, mutated};
use super::sign::{Signature, sign, unsigned};
use super::vector::{assertion_signed, both_signed, expected, response_signed};

/// Messages of the identity provider's, signed in each way, and some of somebody else's to take pieces from.
pub(crate) fn corpus() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let response = Response::default();
    let by_curve = sign(&Assertion::default().text(), &Signature::by(&EC));
    let second = Assertion { id: "_a2".to_owned(), subject: "ann-0002".to_owned(), ..Assertion::default() };
    let second = Assertion { attributes: vec![Attribute::new("groups", &["a", "b"])], ..second };
    let signed = sign(&second.text(), &Signature::default());
    let genuine = vec![
        assertion_signed(&response, &Assertion::default()),
        response_signed(&response, &Assertion::default()),
        both_signed(&response, &Assertion::default()),
        unsigned(&response.around(&by_curve)),
        assertion_signed(&Response { id: "_r2".to_owned(), ..response.clone() }, &second),
        unsigned(&response.around(&encrypted(&signed, &OURS, Block::Gcm(128), Transport::OaepPlain))),
        sign(
            &response.around(&encrypted(&unsigned(&second.text()), &OURS, Block::Gcm(256), Transport::OaepPlain)),
            &Signature::default(),
        ),
    ];
    let evil = Assertion { attributes: vec![Attribute::new("groups", &["admins"])], ..Assertion::evil() };
    let forged = vec![
        unsigned(&response.around(&unsigned(&evil.text()))),
        unsigned(&response.around(&sign(&evil.text(), &Signature::by(&OTHER)))),
        unsigned(&response.around(&encrypted(&unsigned(&evil.text()), &OURS, Block::Gcm(128), Transport::OaepPlain))),
    ];
    let bytes = |texts: Vec<String>| texts.into_iter().map(String::into_bytes).collect();
    (bytes(genuine), bytes(forged))
}

/// What is taken of it. A panic within is answered as a refusal, and is none.
pub(crate) fn taken(message: &[u8], validator: &Validator, runtime: &tokio::runtime::Runtime) -> Option<ExternalIdentity> {
    match runtime.block_on(validator.finish(expected(), STANDARD.encode(message), &mut Trace::default())) {
        Ok(identity) => Some(identity),
        Err(refused) => {
            assert_ne!(refused.reason(), "saml_broken", "{}", String::from_utf8_lossy(message));
            None
        }
    }
}

#[test]
fn sso_r14_what_is_taken_is_what_was_signed_whatever_was_changed() {
    let (genuine, forged) = corpus();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let validator = Validator::new(1);
    let signed: Vec<_> =
        genuine.iter().map(|message| taken(message, &validator, &runtime).expect("what is genuine is taken")).collect();
    assert!(forged.iter().all(|message| taken(message, &validator, &runtime).is_none()));
    let all: Vec<_> = genuine.iter().chain(&forged).cloned().collect();
    let (mut runner, mut count) = (proptest::test_runner::TestRunner::default(), 0);
    for _ in 0..6 {
        runner
            .run(&any::<u64>(), |seed| {
                let message = mutated(&all, &mut Random::new(seed));
                if let Some(identity) = taken(&message, &validator, &runtime) {
                    // To the letter: the name, every value, every time.
                    prop_assert!(signed.contains(&identity), "{}\n{identity:?}", String::from_utf8_lossy(&message));
                    prop_assert!(identity.subject.value != EVIL);
                }
                Ok(())
            })
            .unwrap();
    }
    // Not everything that is changed is refused, or nothing was tried.
    for seed in 0..400 {
        count += usize::from(taken(&mutated(&genuine, &mut Random::new(seed)), &validator, &runtime).is_some());
    }
    assert!(count > 0, "none of the changed messages was taken: they are changed too much to prove anything");
}
