//! What went wrong at a target, out of its error document.

use crate::json::{Json, Object};

/// A target's error. Its message may hold names of the target's: it is for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetFault {
    /// `error.errors[0].reason`, if it is a word.
    pub(crate) reason: Option<Box<str>>,
    pub(crate) message: Option<Box<str>>,
}

/// Reads an error document of any of the shapes that stores answer; what it does not say is not there.
pub(crate) fn target_fault(body: &[u8]) -> TargetFault {
    let Ok(document) = Object::parse(body) else {
        return TargetFault::default();
    };
    match document.get("error") {
        Some(Json::Object(error)) => {
            let first = match error.get("errors") {
                Some(Json::Array(errors)) => errors.first(),
                _ => None,
            };
            let first = match first {
                Some(Json::Object(first)) => Some(first),
                _ => None,
            };
            let message = error.text("message").or_else(|| first?.text("message"));
            TargetFault {
                reason: first
                    .and_then(|first| first.text("reason"))
                    .filter(|word| is_word(word))
                    .map(Into::into),
                message: message.map(Into::into),
            }
        }
        // The token service's way of saying it, which front ends of Google answer too.
        Some(Json::String(reason)) => TargetFault {
            reason: Some(reason.clone()).filter(|word| is_word(word)),
            message: document.text("error_description").map(Into::into),
        },
        _ => TargetFault::default(),
    }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
