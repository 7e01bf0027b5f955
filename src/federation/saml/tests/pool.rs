//! The threads on which messages are verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::federation::Kind;

#[tokio::test]
async fn a_panic_is_a_message_that_is_refused_and_the_next_one_is_taken() {
    let validator = Validator::new(1);
    for _ in 0..100 {
        let broken: Result<(), _> = validator.run(|| panic!("on purpose")).await;
        assert_eq!(broken, Err(BadSaml::Broken));
    }
    assert!(validator.finish(expected(SamlSettings::default()), field(&good()), &mut Trace::default()).await.is_ok());
}

#[tokio::test]
async fn only_so_many_are_at_work_and_only_so_many_wait() {
    let validator = Validator::new(2);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let (at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..2 * 33)
        .map(|_| {
            let (validator, gate, at_work, most) = (validator.clone(), Arc::clone(&gate), Arc::clone(&at_work), Arc::clone(&most));
            tokio::spawn(async move {
                let work = move || {
                    most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Until the gate is gone.
                    let _ = gate.lock().unwrap().recv();
                    at_work.fetch_sub(1, Ordering::SeqCst);
                };
                validator.run(work).await
            })
        })
        .collect();
    while !validator.is_full() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refused = validator.finish(expected(SamlSettings::default()), field(&good()), &mut Trace::default()).await.unwrap_err();
    assert_eq!((refused.reason(), refused.kind()), ("saml_busy", Kind::Unavailable));
    let forged = validator.finish(expected(SamlSettings::default()), field("<x/>"), &mut Trace::default()).await.unwrap_err();
    assert_eq!(forged.reason(), "saml_root", "what the form tells needs no place");
    drop(open);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert!(validator.finish(expected(SamlSettings::default()), field(&good()), &mut Trace::default()).await.is_ok());
}

#[tokio::test]
async fn fields_that_are_no_message_are_refused() {
    let finish = async |field: String| {
        let mut trace = Trace::default();
        let refused = Validator::new(1).finish(expected(SamlSettings::default()), field, &mut trace).await.unwrap_err();
        assert_eq!(trace.entries().len(), 1, "and it is told");
        refused.reason()
    };
    assert_eq!(finish(String::new()).await, "saml_malformed");
    assert_eq!(finish("?".to_owned()).await, "saml_not_base64");
    assert_eq!(finish(good()).await, "saml_not_base64");
    assert_eq!(finish(STANDARD.encode([0xff; 40])).await, "saml_not_utf8");
    assert_eq!(finish(STANDARD.encode(vec![b' '; MAX_MESSAGE + 1])).await, "saml_too_large");
    assert_eq!(finish("A".repeat(2 * MAX_MESSAGE + 1)).await, "saml_too_large");
}
