//! One policy file: parsed, named and validated, with a line and a column for everything that is wrong.

use super::finding::{Finding, Lines, PolicyError, PolicyWarning};
use super::lint::{Names, lints};
use super::needs::Needs;
use super::schema::Vocabulary;
use super::shape::too_deep;
use super::trust;
use crate::config::Bucket;
use cedar_policy::ffi::DetailedError;
use cedar_policy::{Policy, PolicyId, PolicySet, ResourceConstraint, ValidationMode};
use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

/// Longest `@id`, in characters.
const ID: usize = 128;
/// Longest `@explain`, in characters: it becomes part of an error document.
const EXPLAIN: usize = 512;

/// The text of a policy file.
pub(super) struct PolicyFile<'a> {
    file: &'a Path,
    text: &'a str,
    lines: Lines<'a>,
    subject: Subject<'a>,
}

/// What the policies of a file are about.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    /// What is done in a bucket.
    Bucket(&'a Bucket),
    /// Who takes on a role.
    Role(&'a str),
}

impl<'a> PolicyFile<'a> {
    /// The file `file` of `subject`, which has `text` in it.
    pub(super) fn new(file: &'a Path, text: &'a str, subject: Subject<'a>) -> Self {
        Self {
            file,
            text,
            lines: Lines::new(text),
            subject,
        }
    }

    /// Parses and checks everything in the file.
    pub(super) fn policies(
        &self,
        vocabulary: &Vocabulary,
        names: &Names,
        warnings: &mut Vec<PolicyWarning>,
    ) -> Result<Vec<(Policy, Needs)>, Vec<PolicyError>> {
        if let Some((offset, message)) = too_deep(self.text) {
            return Err(vec![self.finding(
                offset,
                message,
                Some("write several policies"),
            )]);
        }
        let parsed = PolicySet::from_str(self.text).map_err(|errors| {
            let found = errors
                .iter()
                .map(|error| self.cedar(None, DetailedError::from(error)));
            sorted(found.collect())
        })?;
        let mut errors = Vec::new();
        for template in parsed.templates() {
            let offset = self.text.find(&template.to_cedar()).unwrap_or_default();
            let message = "a policy has `?principal` or `?resource`, and templates are not supported";
            errors.push(self.finding(offset, message, Some("write one policy for each principal")));
        }
        if !errors.is_empty() {
            return Err(sorted(errors));
        }
        let (policies, offsets) = self.named(&parsed, &mut errors);
        for policy in &policies {
            let offset = offsets.get(policy.id()).copied().unwrap_or_default();
            if let Some((message, help)) = self.misplaced(vocabulary, names, policy) {
                errors.push(self.finding(offset, message, Some(help)));
            }
        }
        let set = match PolicySet::from_policies(policies.iter().cloned()) {
            Ok(set) if errors.is_empty() => set,
            Ok(_) => return Err(sorted(errors)),
            Err(error) => {
                if errors.is_empty() {
                    errors.push(Finding::of_file(self.file, error.to_string(), None));
                }
                return Err(sorted(errors));
            }
        };
        let validator = match self.subject {
            Subject::Bucket(_) => &vocabulary.validator,
            Subject::Role(_) => &vocabulary.trust_validator,
        };
        let validation = validator.validate(&set, ValidationMode::Strict);
        errors.extend(validation.validation_errors().map(|error| {
            let offset = offsets.get(error.policy_id()).copied();
            self.cedar(offset, DetailedError::from(error))
        }));
        if !validation.validation_passed() {
            // Cedar says the same of each action that a policy is about: once is enough.
            let mut errors = sorted(errors);
            errors.dedup_by_key(|error| error.position);
            return Err(errors);
        }
        let mut found: Vec<PolicyWarning> = validation
            .validation_warnings()
            .map(|warning| {
                self.cedar(
                    offsets.get(warning.policy_id()).copied(),
                    DetailedError::from(warning),
                )
            })
            .collect();
        if policies.is_empty() {
            let message = match self.subject {
                Subject::Bucket(bucket) => {
                    format!(
                        "has no policies: everything in bucket `{}` is denied",
                        bucket.name
                    )
                }
                Subject::Role(role) => format!("has no policies: nobody may take on role `{role}`"),
            };
            found.push(Finding::of_file(self.file, message, None));
        }
        for policy in &policies {
            let offset = offsets.get(policy.id()).copied().unwrap_or_default();
            let lints = lints(policy, names).into_iter();
            found.extend(lints.map(|(message, help)| self.finding(offset, message, Some(help))));
        }
        warnings.extend(sorted(found));
        Ok(policies
            .into_iter()
            .map(|policy| {
                let needs = Needs::of(&policy);
                (policy, needs)
            })
            .collect())
    }

    /// The policies in the order of the file, under the names of their `@id`, and where each begins.
    fn named(
        &self,
        parsed: &PolicySet,
        errors: &mut Vec<PolicyError>,
    ) -> (Vec<Policy>, HashMap<PolicyId, usize>) {
        let mut policies = Vec::new();
        let mut offsets = HashMap::new();
        let mut cursor = 0;
        // Cedar numbers the policies of a file from 0, in its order.
        let by_number = |number| parsed.policy(&PolicyId::new(format!("policy{number}")));
        for policy in (0..parsed.num_of_policies()).filter_map(by_number) {
            let offset = skip_blanks(self.text, cursor);
            cursor = offset + policy.to_cedar().map_or(0, |text| text.len());
            let policy = match policy.annotation("id") {
                Some(id) => policy.new_id(PolicyId::new(id)),
                None => policy.clone(),
            };
            let id = policy.id().clone();
            let mut refuse = |message: String, help| errors.push(self.finding(offset, message, Some(help)));
            if !is_printable(AsRef::<str>::as_ref(&id), ID) {
                let help = "use 1 to 128 characters, none of them a control character";
                refuse("the `@id` of a policy is not a name".to_owned(), help);
            }
            if policy
                .annotation("explain")
                .is_some_and(|text| !is_printable(text, EXPLAIN))
            {
                let help = "use 1 to 512 characters on one line";
                refuse(format!("the `@explain` of policy `{id}` cannot be shown"), help);
            }
            if let Some(first) = offsets.get(&id) {
                let first = self.lines.position(*first).line;
                let help = "give each policy an `@id` of its own";
                refuse(
                    format!("policy `{id}` has the same name as the one in line {first}"),
                    help,
                );
                continue;
            }
            offsets.insert(id, offset);
            policies.push(policy);
        }
        (policies, offsets)
    }

    /// What is wrong with a scope that names another bucket or role, which could never match here; and, for roles, with
    /// a permit that names nobody.
    fn misplaced(
        &self,
        vocabulary: &Vocabulary,
        names: &Names,
        policy: &Policy,
    ) -> Option<(String, &'static str)> {
        let id = policy.id();
        let named = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
                Some(uid)
            }
        };
        match (self.subject, named) {
            (Subject::Bucket(bucket), Some(uid)) => {
                let name = &bucket.name;
                vocabulary.is_foreign(&uid, name.as_str()).then(|| {
                    (
                        format!("policy `{id}` is for `{uid}`, but this file is for bucket `{name}`"),
                        "write it in the policy file of that bucket",
                    )
                })
            }
            (Subject::Bucket(_), None) => None,
            (Subject::Role(role), Some(uid)) if uid != vocabulary.role(role) => Some((
                format!("policy `{id}` is for `{uid}`, but this file is for role `{role}`"),
                "write it in the trust policy of that role",
            )),
            (Subject::Role(_), _) => {
                trust::flaw(policy, &names.shared_tags).map(|message| (message, trust::FLAW_HELP))
            }
        }
    }

    fn finding(&self, offset: usize, message: impl Into<String>, help: Option<&str>) -> Finding {
        Finding::of_file(self.file, message, help).at(&self.lines, offset)
    }

    fn cedar(&self, fallback: Option<usize>, error: DetailedError) -> Finding {
        Finding::of_cedar(self.file, &self.lines, fallback, error)
    }
}

/// Past white space and comments, which are all that stands between policies.
fn skip_blanks(text: &str, from: usize) -> usize {
    let mut rest = text.get(from..).unwrap_or_default();
    loop {
        rest = rest.trim_start();
        match rest.strip_prefix("//") {
            Some(comment) => rest = comment.split_once('\n').map_or("", |(_, after)| after),
            None => return text.len() - rest.len(),
        }
    }
}

fn is_printable(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort();
    findings.dedup();
    findings
}
