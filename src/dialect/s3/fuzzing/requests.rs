//! Whole requests: what goes out reads as what came in.

use super::super::{self as s3, Draft, Glimpse};
use super::{domains, read};
use crate::fuzzing::outward::{self, STORE, Style};
use crate::operation::{Handling, Operation};
use bytes::Bytes;
use http::Request;

/// A request, of which the signature is not verified, with its document if it has one.
///
/// What is parsed of it becomes the target's request, and of that the same is parsed again. CLS-01, CLS-02
pub fn request(data: &[u8]) {
    let Some((head, body)) = read(data).map(Request::into_parts) else {
        return;
    };
    if s3::is_sts(&head, &domains()) {
        return;
    }
    let Some(operation) = parse(&head, body, &domains()) else {
        return;
    };
    if operation.bucket().is_none() || operation.api().row().handling != Handling::Forwarded {
        return;
    }
    for style in [Style::Path, Style::Host] {
        // An upload without bytes: what they are framed with is the business of others.
        let sent = outward::request(&operation, style, b"");
        let Ok((head, body)) = sent.map(Request::into_parts) else {
            unreachable!("{} cannot be sent", operation.api().name())
        };
        let again = parse(&head, &body, &[STORE.into()]);
        assert_eq!(again.as_ref().map(essence), Some(essence(&operation)));
    }
}

fn parse(head: &http::request::Parts, body: &[u8], domains: &[Box<str>]) -> Option<Operation> {
    match s3::parse(head, domains, &mut Glimpse::default()).ok()?.draft {
        Draft::Ready(operation) => Some(operation),
        Draft::Document(draft) if body.len() <= draft.limit() => {
            draft.complete(&Bytes::copy_from_slice(body)).ok()
        }
        Draft::Document(_) => None,
    }
}

/// Everything of an operation; headers in one order.
fn essence(operation: &Operation) -> String {
    let mut headers = operation.headers().to_vec();
    headers.sort_unstable();
    let (api, resource) = (operation.api(), operation.resource());
    let (parameters, detail) = (operation.parameters(), operation.detail());
    format!("{api:?} {resource:?} {parameters:?} {headers:?} {detail:?}")
}
