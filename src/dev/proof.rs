//! The proof on screen: one small job, from the token to the audit lines, through the listening socket.
//!
//! Every step says what was asked and what came back, and is held against what should have come back: a quickstart
//! that prints success without looking is worth nothing. Only a policy that its user has edited is not judged, since
//! whatever it decides is what its user wanted. The object is the proof's own, so that even then nothing is lost.

#![allow(clippy::indexing_slicing, reason = "a missing member of a JSON value is null")]

use super::{
    DevError, GcsStore, Store,
    caller::{Answer, CallError, Caller},
    configuration::AUDIENCE,
    environment::GOOGLE_BUCKET,
    settings::{ROLE_ARN, STORED_LAKE},
    tokens::Tokens,
};
use form_urlencoded::Serializer;
use http::{Method, StatusCode};
use serde_json::Value;
use std::{
    io::{Read as _, Seek as _, SeekFrom, Write},
    path::Path,
    time::Duration,
};

/// Who does the job.
const IDENTITY: &str = "etl";
/// What is written, read, and not deleted.
const KEY: &str = "results/hello.txt";
const CONTENT: &str = "Written by etl, through Tidegate, as lake.cedar allows.\n";
/// The policy that forbids the deletion.
const FORBIDDING: &str = "only-tmp-is-deleted";
/// What is read by Google's protocol, of what is in the bucket from the start.
const RELEASED: &str = "released/iris.json";
/// Its name as one segment of a path.
const RELEASED_SEGMENT: &str = "released%2Firis.json";
/// Columns of a line.
const WIDTH: usize = 100;
/// How long the audit lines may take to be in the file.
const AUDIT_TIMEOUT: Duration = Duration::from_secs(10);
const AUDIT_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of audit lines that are looked through.
const MAX_AUDIT: u64 = 4 << 20;

/// What the proof is about.
pub(super) struct Site<'a> {
    /// `https://localhost:PORT`.
    pub(super) endpoint: &'a str,
    pub(super) tokens: &'a Tokens<'a>,
    /// Knows what reached it.
    pub(super) store: &'a Store,
    /// The store that speaks Google's protocols, if the environment has one.
    pub(super) google: Option<&'a GcsStore>,
    /// The audit file.
    pub(super) audit: &'a Path,
    /// Whether the policy of bucket `lake` is the user's own.
    pub(super) policy_was_edited: bool,
    /// The same of bucket `models`.
    pub(super) models_policy_was_edited: bool,
}

/// Does the job as `caller` and prints every step to `out`.
///
/// # Errors
/// [`DevError::Proof`] names the step that did not come out as expected.
pub(super) async fn prove(out: &mut dyn Write, caller: Caller, site: &Site<'_>) -> Result<(), DevError> {
    let mut proof = Proof {
        out,
        caller,
        site,
        step: 0,
        seen: Vec::new(),
        audit_start: std::fs::metadata(site.audit).map_or(0, |file| file.len()),
    };
    proof.line(&format!("Proof: a job of the sample identity `{IDENTITY}`."))?;
    let token = proof.token()?;
    proof.session(&token).await?;
    let written = proof.put().await?;
    proof.get(written).await?;
    proof.delete().await?;
    if let Some(google) = site.google {
        proof.released(&token, google).await?;
    }
    proof.audit().await
}

struct Proof<'a> {
    out: &'a mut dyn Write,
    caller: Caller,
    site: &'a Site<'a>,
    /// The present one, counted from 1.
    step: usize,
    /// Request ids and statuses, for the audit log.
    seen: Vec<(String, StatusCode)>,
    /// Where the audit lines of the proof begin.
    audit_start: u64,
}

impl Proof<'_> {
    fn token(&mut self) -> Result<String, DevError> {
        self.begin("Get an identity token from the identity provider")?;
        let (token, until) = self.site.tokens.issue(IDENTITY)?;
        self.line(&format!(
            "   token for `{IDENTITY}`, audience `{AUDIENCE}`, signed with ES256, valid until {until:.0}"
        ))?;
        Ok(token)
    }

    async fn session(&mut self, token: &str) -> Result<(), DevError> {
        self.begin("Trade it at the STS for session keys")?;
        self.line(&format!(
            "   POST {}/  Action=AssumeRoleWithWebIdentity",
            self.site.endpoint
        ))?;
        let form = Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", ROLE_ARN)
            .append_pair("RoleSessionName", "proof")
            .append_pair("WebIdentityToken", token)
            .finish();
        let answer = self.caller.post_form(form).await;
        let answer = self.came(answer)?;
        let Some(session) = answer.session().filter(|_| answer.status == StatusCode::OK) else {
            return Err(self.failure("200 with session keys", told(&answer)));
        };
        let until = answer.element("Expiration").unwrap_or_default();
        self.line(&format!(
            "   {}: access key {}, valid until {until}",
            answer.status,
            session.access_key_id()
        ))?;
        self.caller.signs_with(session);
        Ok(())
    }

    /// Whether the object was written.
    async fn put(&mut self) -> Result<bool, DevError> {
        let answer = self
            .ask(
                "Write an object",
                Method::PUT,
                CONTENT,
                &format!("  ({} bytes)", CONTENT.len()),
            )
            .await?;
        self.judge(&answer, StatusCode::OK)?;
        let written = answer.status == StatusCode::OK;
        let etag = answer.header("etag").unwrap_or("none");
        self.result(&answer, written.then(|| format!("ETag {etag}")))?;
        Ok(written)
    }

    async fn get(&mut self, written: bool) -> Result<(), DevError> {
        let answer = self.ask("Read it back", Method::GET, "", "").await?;
        self.judge(&answer, StatusCode::OK)?;
        let read = answer.status == StatusCode::OK;
        if read && written && answer.body != CONTENT {
            return Err(self.failure(
                "the bytes that were written",
                format!("{} other bytes", answer.body.len()),
            ));
        }
        self.result(
            &answer,
            read.then(|| format!("the same {} bytes", answer.body.len())),
        )
    }

    async fn delete(&mut self) -> Result<(), DevError> {
        let title = "Try to delete it, which the policy forbids";
        let answer = self.ask(title, Method::DELETE, "", "").await?;
        self.judge(&answer, StatusCode::FORBIDDEN)?;
        self.result(&answer, None)?;
        if self.site.policy_was_edited {
            return Ok(());
        }
        let message = answer.element("Message").unwrap_or_default();
        if !message.contains("s3:DeleteObject") || !message.contains(FORBIDDING) {
            let expected = format!("a message that names the action and policy `{FORBIDDING}`");
            return Err(self.failure(&expected, message));
        }
        let deletion = format!("DELETE /{STORED_LAKE}/{KEY}");
        if self
            .site
            .store
            .requests()
            .iter()
            .any(|line| line.starts_with(&deletion))
        {
            return Err(self.failure("a store that was not asked", format!("`{deletion}`")));
        }
        self.line("   The store was not asked.")
    }

    /// The same caller with the token alone, in Google's words.
    async fn released(&mut self, token: &str, google: &GcsStore) -> Result<(), DevError> {
        self.begin("Read gs://models/released/iris.json, as gs:// clients do: with the token, without keys")?;
        let target = format!("/storage/v1/b/models/o/{RELEASED_SEGMENT}?alt=media");
        self.line(&format!("   GET {}{target}", self.site.endpoint))?;
        let answer = self.caller.get_with_token(&target, token).await;
        let answer = self.came(answer)?;
        let stored = google.content(GOOGLE_BUCKET, RELEASED);
        if answer.status != StatusCode::OK {
            // Whoever deleted the object, or edited the policy, wanted that.
            let decided = self.site.models_policy_was_edited && answer.status == StatusCode::FORBIDDEN;
            let absent = stored.is_none() && answer.status == StatusCode::NOT_FOUND;
            if !decided && !absent {
                return Err(self.failure("200 OK", told(&answer)));
            }
            return self.line(&format!("   {}", answer.status));
        }
        if stored.as_deref() != Some(&*answer.body) {
            let found = format!("{} other bytes", answer.body.len());
            return Err(self.failure("the bytes that are stored", found));
        }
        let hash = answer.header("x-goog-hash").unwrap_or("none");
        let crc32c = hash.split(',').next().unwrap_or_default();
        self.line(&format!(
            "   {}: {} bytes, {crc32c}",
            answer.status,
            answer.body.len()
        ))
    }

    async fn audit(&mut self) -> Result<(), DevError> {
        self.begin("Find all of it in the audit log")?;
        self.line(&format!("   {}", self.site.audit.display()))?;
        let deadline = tokio::time::Instant::now() + AUDIT_TIMEOUT;
        let records = loop {
            let found = self.records()?;
            match self
                .seen
                .iter()
                .find(|(id, _)| !found.iter().any(|record| is(record, id)))
            {
                None => break found,
                Some((missing, _)) if tokio::time::Instant::now() >= deadline => {
                    let expected = format!("a line for request `{missing}`");
                    return Err(self.failure(&expected, format!("none within {AUDIT_TIMEOUT:?}")));
                }
                Some(_) => tokio::time::sleep(AUDIT_PAUSE).await,
            }
        };
        for (id, status) in std::mem::take(&mut self.seen) {
            let Some(record) = records.iter().find(|record| is(record, &id)) else {
                continue;
            };
            let line = short(record);
            let effect = if status == StatusCode::FORBIDDEN {
                "deny"
            } else {
                "allow"
            };
            if record["response"]["status"] != status.as_u16() || record["decision"]["effect"] != effect {
                let expected = format!("status {} and effect `{effect}`", status.as_u16());
                return Err(self.failure(&expected, line));
            }
            self.line(&format!("   {line}"))?;
        }
        self.line("")
    }

    /// The complete audit lines since the proof began.
    fn records(&self) -> Result<Vec<Value>, DevError> {
        let path = self.site.audit;
        let read = || {
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(self.audit_start))?;
            let mut bytes = Vec::new();
            file.take(MAX_AUDIT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(DevError::file(path))?;
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// A step that is one signed request for the object.
    async fn ask(
        &mut self,
        title: &str,
        method: Method,
        body: &'static str,
        note: &str,
    ) -> Result<Answer, DevError> {
        self.begin(title)?;
        let target = format!("/lake/{KEY}");
        self.line(&format!("   {method} {}{target}{note}", self.site.endpoint))?;
        let answer = self.caller.send(method, &target, body).await;
        self.came(answer)
    }

    fn came(&mut self, answer: Result<Answer, CallError>) -> Result<Answer, DevError> {
        let answer = answer.map_err(|error| self.failure("an answer", crate::cli::describe(&error)))?;
        let Some(id) = answer.request_id() else {
            return Err(self.failure("an answer with `x-amz-request-id`", told(&answer)));
        };
        self.seen.push((id.to_owned(), answer.status));
        Ok(answer)
    }

    /// Refuses another status than `wanted`, unless an edited policy may have decided so.
    fn judge(&mut self, answer: &Answer, wanted: StatusCode) -> Result<(), DevError> {
        let code = answer.element("Code");
        let decided =
            answer.status.is_success() || matches!(code.as_deref(), Some("AccessDenied" | "NoSuchKey"));
        if answer.status == wanted {
            Ok(())
        } else if self.site.policy_was_edited && decided {
            self.line("   (policies/lake.cedar was edited, so this is not judged)")
        } else {
            Err(self.failure(&wanted.to_string(), told(answer)))
        }
    }

    /// Prints what came back: `good`, or the error in full.
    fn result(&mut self, answer: &Answer, good: Option<String>) -> Result<(), DevError> {
        let Some(good) = good else {
            self.line(&format!("   {}", headline(answer)))?;
            for line in wrap(&answer.element("Message").unwrap_or_default(), WIDTH - 3) {
                self.line(&format!("   {line}"))?;
            }
            return Ok(());
        };
        self.line(&format!("   {}: {good}", answer.status))
    }

    fn begin(&mut self, title: &str) -> Result<(), DevError> {
        self.step += 1;
        let step = self.step;
        self.line(&format!("\n{step}. {title}"))
    }

    fn line(&mut self, line: &str) -> Result<(), DevError> {
        writeln!(self.out, "{line}")
            .and_then(|()| self.out.flush())
            .map_err(DevError::Output)
    }

    fn failure(&self, expected: &str, found: String) -> DevError {
        DevError::Proof {
            step: self.step,
            expected: expected.to_owned(),
            found,
        }
    }
}

/// Status and S3 error code.
fn headline(answer: &Answer) -> String {
    match answer.element("Code") {
        Some(code) => format!("{}: {code}", answer.status),
        None => answer.status.to_string(),
    }
}

/// An answer that was not wanted, on one line.
fn told(answer: &Answer) -> String {
    match answer.element("Message") {
        Some(message) => format!("{}: {message}", headline(answer)),
        None => headline(answer),
    }
}

fn is(record: &Value, id: &str) -> bool {
    record["request_id"] == id
}

/// The essence of an audit record: when, how it ended, what was asked for by whom, and which policies decided.
fn short(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let time = text(&record["time"]);
    let mut asked = text(&record["api"]["operation"]);
    if let (Some(bucket), Some(key)) = (
        record["resource"]["bucket"].as_str(),
        record["resource"]["key"].as_str(),
    ) {
        asked.push_str(&format!(" {bucket}/{key}"));
    }
    let policies = record["decision"]["policies"].as_array().map(Vec::as_slice);
    let policies: Vec<String> = policies.unwrap_or_default().iter().map(text).collect();
    let line = format!(
        "{}  {}  {:5}  {}  {asked:36}  {}",
        time.get(11..19).unwrap_or(&time),
        record["response"]["status"],
        text(&record["decision"]["effect"]),
        text(&record["actor"]["id"]),
        policies.join(" "),
    );
    line.trim_end().to_owned()
}

/// `text` in lines of at most `width` characters, broken at spaces only.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_messages_are_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one-word-that-is-long x", 5), ["one-word-that-is-long", "x"]);
        assert_eq!(wrap("", 5), [""; 0]);
    }

    #[test]
    fn an_audit_line_is_told_in_its_essence() {
        let record = json!({
            "time": "2026-11-20T10:00:00.123Z", "request_id": "R", "actor": {"id": "dev:etl"},
            "api": {"operation": "DeleteObject"}, "resource": {"bucket": "lake", "key": "results/hello.txt"},
            "decision": {"effect": "deny", "policies": ["only-tmp-is-deleted"]}, "response": {"status": 403},
        });
        let line = short(&record);
        assert_eq!(
            line,
            "10:00:00  403  deny   dev:etl  DeleteObject lake/results/hello.txt   only-tmp-is-deleted"
        );
        assert!(line.len() + 3 <= WIDTH);
        assert_eq!(short(&json!({})), "-  null  -      -  -");
    }
}
