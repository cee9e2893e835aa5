//! `tidegate doctor`: what is wrong, on whose side, and what mends it.
//!
//! A request passes five parties before it is an object: this machine, an identity provider, Tidegate, a cloud's token
//! service and the target. Each of them fails in the words of another one (a clock shows as a signature, a missing wildcard
//! as a timeout, a trust policy as a 503), so everything is tried for itself and each finding names its side.
//!
//! What is known elsewhere is asked there: findings of `check`, the verifier's keys, the targets' own credentials and
//! connections. Nothing here waits for long, and what hangs becomes a finding like any other. Nothing is written anywhere
//! unless that was asked for. Nothing secret is in a report: it is made to be pasted into a ticket.

mod aws_files;
mod buckets;
mod callers_bucket;
pub mod client;
mod clocks;
mod issuers;
mod own_issuer;
mod reach;
mod secrets;
pub mod server;
mod signed;
mod targets;
mod ward;
mod x509;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use std::fmt;

/// How one thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not looked at, and why is said.
    Skip,
    /// It works, and will not for long, or is hardly meant.
    Warn,
    /// It does not work.
    Fail,
}

/// Who has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Whoever runs the machine on which this runs: its clock, its name resolution, its environment.
    ThisMachine,
    /// The identity provider.
    IdentityProvider,
    /// Tidegate: its configuration and its files.
    Tidegate,
    /// The secret manager that keeps what signs.
    SecretManager,
    /// The token service or IAM of the target's cloud.
    TokenService,
    /// The target.
    Target,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it was found.
    pub outcome: Outcome,
    /// What was looked at: `clock`, `tls`, `bucket`.
    pub check: &'static str,
    /// Which one, if there are several.
    pub about: String,
    /// What was found.
    pub said: String,
    /// Whose it is, if something is wrong.
    pub side: Option<Side>,
    /// The command, or the line of a policy or configuration, that mends it.
    pub remedy: Option<String>,
}

impl Line {
    /// As it should be.
    pub fn ok(check: &'static str, about: impl Into<String>, said: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Ok,
            check,
            about: about.into(),
            said: said.into(),
            side: None,
            remedy: None,
        }
    }

    /// Not looked at.
    pub fn skip(check: &'static str, about: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Skip,
            ..Self::ok(check, about, why)
        }
    }

    /// It does not work.
    pub fn fail(
        check: &'static str,
        about: impl Into<String>,
        said: impl Into<String>,
        side: Side,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            outcome: Outcome::Fail,
            side: Some(side),
            remedy: Some(remedy.into()).filter(|remedy| !remedy.is_empty()),
            ..Self::ok(check, about, said)
        }
    }

    /// The same finding, if it keeps nothing from working.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self {
            outcome: Outcome::Warn,
            ..self
        }
    }
}

/// Whether nothing fails.
pub fn is_well(lines: &[Line]) -> bool {
    lines.iter().all(|line| line.outcome != Outcome::Fail)
}

/// The report for machines.
pub fn document(lines: &[Line]) -> Value {
    let shape = |line: &Line| {
        json!({
            "outcome": line.outcome.name(),
            "check": line.check,
            "about": line.about,
            "message": line.said,
            "side": line.side.map(Side::name),
            "fix": line.remedy,
        })
    };
    json!({ "well": is_well(lines), "checks": lines.iter().map(shape).collect::<Vec<_>>() })
}

impl Outcome {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// As it is printed: what fails must be seen.
    fn mark(self) -> &'static str {
        match self {
            Self::Fail => "FAIL",
            other => other.name(),
        }
    }
}

impl Side {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::ThisMachine => "this-machine",
            Self::IdentityProvider => "identity-provider",
            Self::Tidegate => "tidegate",
            Self::SecretManager => "secret-manager",
            Self::TokenService => "token-service",
            Self::Target => "target",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThisMachine => "this machine",
            Self::IdentityProvider => "identity provider",
            Self::Tidegate => "Tidegate",
            Self::SecretManager => "secret manager",
            Self::TokenService => "token service",
            Self::Target => "target",
        })
    }
}

/// `FAIL  bucket lake         put: 403 AccessDenied [target]. Fix: …`
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = format!("{} {}", self.check, self.about);
        write!(
            f,
            "{:<4}  {:<22} {}",
            self.outcome.mark(),
            title.trim_end(),
            self.said
        )?;
        if let Some(side) = self.side {
            write!(f, " [{side}]")?;
        }
        match &self.remedy {
            Some(remedy) => write!(f, ". Fix: {remedy}"),
            None => Ok(()),
        }
    }
}
