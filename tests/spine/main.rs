//! The spine, end to end: the built binary, a store that verifies SigV4, an identity provider that signs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod audit;
mod aws;
mod aws_refusals;
mod bad_input;
mod bearer;
mod bridge;
mod buckets;
mod catalogue;
mod chunks;
mod confusion;
mod copies;
mod credentials;
mod decisions;
mod deletions;
mod disclosure;
mod doctor;
mod doctor_of_callers;
mod doors;
mod drain;
mod forms;
mod framing;
mod gcs;
mod gcs_around;
mod gcs_batch;
mod gcs_buckets;
mod gcs_callers;
mod gcs_callers_refused;
mod gcs_json;
mod gcs_refusals;
mod gcs_resumable;
mod gcs_rights;
mod gcs_uploads;
mod google;
mod grpc;
mod keys;
mod late;
mod lifecycle;
mod limits;
mod listings;
mod login;
mod login_refusals;
mod multipart;
mod narrowing;
mod objects;
mod operations;
mod operations_of_process;
mod own_issuer;
mod payloads;
mod prefixes;
mod presigned;
mod probes;
mod profiles;
mod quickstart;
mod reconcile;
mod reload;
mod revocations;
mod rotations;
mod secrets;
mod service_keys;
mod sessions;
mod setup;
mod signatures;
mod stamps;
mod sts;
mod support;
mod targets;
mod threats;
mod tokens;
mod transfers;
mod uploads;
