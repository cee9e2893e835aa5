//! What a test can know afterwards: the audit record of a request, everything that was written down, and what
//! reached the store.

use super::{
    transport::{self, Answer},
    world::{World, eventually},
};
use serde_json::Value;
use std::time::Duration;

impl World {
    /// The requests that reached the store.
    pub fn target_requests(&self) -> Vec<String> {
        self.store.requests()
    }

    /// A file as the store keeps it; `None` if there is none.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path("store/acme-lake-prod").join(key)).ok()
    }

    /// The audit records so far, once `wanted` holds for them.
    pub async fn audit_when(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let path = self.path("audit/audit.jsonl");
        eventually("the audit records", || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            // A line that is being written has no end yet.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let records: Vec<Value> = whole
                .lines()
                .map(|line| serde_json::from_str(line).expect("a line of JSON"))
                .collect();
            wanted(&records).then_some(records)
        })
        .await
    }

    /// The last audit record of an operation.
    pub async fn audit_of(&self, operation: &str) -> Value {
        let is = |record: &Value| record["api"]["operation"] == operation;
        let records = self.audit_when(|records| records.iter().any(is)).await;
        records.into_iter().rfind(is).expect("a record")
    }

    /// The one audit record of a request that was answered.
    pub async fn record_of(&self, answer: &Answer) -> Value {
        let id = answer
            .header("x-amz-request-id")
            .expect("a request id")
            .to_owned();
        let is = |record: &&Value| record["request_id"] == *id;
        let records = self.audit_when(|records| records.iter().any(|r| is(&r))).await;
        let mut of_this: Vec<Value> = records.into_iter().filter(|r| is(&r)).collect();
        assert_eq!(of_this.len(), 1, "one record for each request: {of_this:?}");
        of_this.remove(0)
    }

    /// Holds the one audit record of a request against what it should say.
    pub async fn recorded(&self, answer: &Answer, effect: &str, reason: &str) -> Value {
        let record = self.record_of(answer).await;
        let decision = (&record["decision"]["effect"], &record["decision"]["reason"]);
        assert_eq!(decision, (&effect.into(), &reason.into()), "{record}");
        record
    }

    /// The audit file and the log, for what must not be in them.
    pub fn written(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        read("audit/audit.jsonl") + &read("tidegate.log")
    }

    /// Fails if any of these is in the audit file or the log.
    pub fn kept_secret(&self, secrets: &[&str]) {
        let written = self.written();
        for secret in secrets {
            assert!(!written.contains(secret), "`{secret}` was written down");
        }
    }

    /// Fails if the store has seen any request.
    pub fn untouched(&self, what: &str) {
        assert_eq!(self.target_requests(), Vec::<String>::new(), "{what}");
    }

    /// Waits until a metric (with its labels, as it is written) has a value that `wanted` accepts, and gives it.
    pub async fn metric_when(&self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let (_, text) = self.admin_get("/metrics").await;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = line.and_then(|value| value.parse().ok());
            if let Some(value) = value.filter(|value| wanted(*value)) {
                return value;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "`{name}` stays {value:?}\n{text}"
            );
            tokio::task::yield_now().await;
        }
    }

    /// GET on the admin listener: status and body.
    pub async fn admin_get(&self, path: &str) -> (u16, String) {
        transport::plain_get(self.admin, path).await
    }

    /// Waits until `/readyz` says what `wanted` accepts.
    pub async fn ready_when(&self, wanted: impl Fn(u16, &str) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let (status, body) = self.admin_get("/readyz").await;
            if wanted(status, &body) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "readiness stays {status} {body}"
            );
            tokio::task::yield_now().await;
        }
    }
}
