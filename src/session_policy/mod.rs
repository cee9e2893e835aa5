//! Session policies: what a session was narrowed to.
//!
//! The policy that comes with a call of the token service, in the words of IAM, because that is what SDKs and query
//! engines send. It only ever narrows: it is asked after the policies of the bucket have allowed something, so that
//! nothing in it can add a right. What is not understood here refuses the whole policy: a condition that was ignored
//! would be a session with more rights than its maker meant.
//!
//! Read once, when a session is opened; knows no principals and no buckets' policies.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

mod condition;
mod document;
mod narrowing;
mod pattern;
#[cfg(test)]
mod tests;

pub use document::SessionPolicyError;
pub(crate) use narrowing::Dialect;
pub use narrowing::NarrowingError;

use crate::operation::{Action, BucketName};
use condition::Condition;
use pattern::{ActionPattern, Pattern};
use std::net::IpAddr;

/// A policy that was read. Its text is what a session carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    source: Box<str>,
    statements: Vec<Statement>,
}

/// What is asked of a session policy.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// As IAM names it, without its service: `GetObject`.
    pub action: &'a str,
    /// The bucket, by the name that callers use. None for calls that are about no bucket.
    pub bucket: Option<&'a str>,
    /// The key, if it is about an object.
    pub key: Option<&'a str>,
    /// What a listing asks for.
    pub prefix: Option<&'a str>,
    /// The caller's address.
    pub source_ip: IpAddr,
}

/// What a session policy answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves the right as it is.
    Allowed,
    /// None of its statements allows it.
    NotAllowed,
    /// One of its statements denies it.
    Denied,
}

/// Longest policy, in characters, as IAM has it for what comes inline.
pub const MAX_POLICY: usize = 2048;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    denies: bool,
    actions: Matcher<ActionPattern>,
    resources: Matcher<Pattern>,
    conditions: Vec<Condition>,
}

/// One of several, or none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Matcher<P> {
    Any(Vec<P>),
    NoneOf(Vec<P>),
}

impl SessionPolicy {
    /// Reads a policy of at most [`MAX_POLICY`] characters.
    ///
    /// # Errors
    /// [`SessionPolicyError`] for whatever IAM would refuse, and for what is not supported here.
    pub fn parse(text: &str) -> Result<Self, SessionPolicyError> {
        document::parse(text)
    }

    /// Everything in these buckets and nothing elsewhere.
    pub fn of_buckets<'a>(buckets: impl IntoIterator<Item = &'a BucketName>) -> Self {
        let mut resources = Vec::new();
        for bucket in buckets {
            resources.push(Pattern::new(&format!("{ARN}{bucket}")));
            resources.push(Pattern::new(&format!("{ARN}{bucket}/*")));
        }
        let statement = |action: &str, resources| Statement {
            denies: false,
            actions: Matcher::Any(vec![ActionPattern::new(action)]),
            resources: Matcher::Any(resources),
            conditions: Vec::new(),
        };
        let listed = vec![Pattern::new("*")];
        Self {
            source: Box::default(),
            statements: vec![statement("*", resources), statement(LIST_ALL_MY_BUCKETS, listed)],
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the policy leaves `ask` alone.
    pub fn decide(&self, ask: &Ask<'_>) -> Verdict {
        let resource = ask.resource();
        let mut verdict = Verdict::NotAllowed;
        for statement in &self.statements {
            if !statement.matches(ask, &resource) {
                continue;
            }
            if statement.denies {
                return Verdict::Denied;
            }
            verdict = Verdict::Allowed;
        }
        verdict
    }

    /// Whether it may allow something in `bucket`: what it certainly does not is not listed.
    pub fn mentions(&self, bucket: &str) -> bool {
        self.mentions_any(bucket, Action::ALL)
    }

    /// Whether it may allow one of `actions` in `bucket`.
    pub fn mentions_any(&self, bucket: &str, actions: &[Action]) -> bool {
        let arn = format!("{ARN}{bucket}");
        let about = |statement: &Statement| match &statement.resources {
            Matcher::Any(patterns) => patterns.iter().any(|pattern| pattern.reaches_into(&arn)),
            Matcher::NoneOf(_) => true,
        };
        let in_buckets = |statement: &Statement| {
            actions
                .iter()
                .any(|action| statement.is_about_action(action.name()))
        };
        self.statements
            .iter()
            .any(|statement| !statement.denies && about(statement) && in_buckets(statement))
    }
}

impl Ask<'_> {
    /// The call that lists buckets, which is about none.
    pub fn list_buckets(source_ip: IpAddr) -> Ask<'static> {
        Ask {
            action: LIST_ALL_MY_BUCKETS,
            bucket: None,
            key: None,
            prefix: None,
            source_ip,
        }
    }

    fn resource(&self) -> String {
        match (self.bucket, self.key) {
            (None, _) => format!("{ARN}*"),
            (Some(bucket), None) => format!("{ARN}{bucket}"),
            (Some(bucket), Some(key)) => format!("{ARN}{bucket}/{key}"),
        }
    }
}

impl Statement {
    fn matches(&self, ask: &Ask<'_>, resource: &str) -> bool {
        let about = match &self.resources {
            Matcher::Any(patterns) => patterns.iter().any(|pattern| pattern.matches(resource)),
            Matcher::NoneOf(patterns) => !patterns.iter().any(|pattern| pattern.matches(resource)),
        };
        about
            && self.is_about_action(ask.action)
            && self.conditions.iter().all(|condition| condition.holds(ask))
    }

    fn is_about_action(&self, action: &str) -> bool {
        match &self.actions {
            Matcher::Any(patterns) => patterns.iter().any(|pattern| pattern.matches(action)),
            Matcher::NoneOf(patterns) => !patterns.iter().any(|pattern| pattern.matches(action)),
        }
    }
}

/// What names of buckets and objects begin with.
const ARN: &str = "arn:aws:s3:::";

const LIST_ALL_MY_BUCKETS: &str = "ListAllMyBuckets";
