//! Warnings: policies that Cedar accepts and that rarely say what was meant.

use super::needs::each_condition;
use cedar_policy::pst::{Expr, PatternElem};
use cedar_policy::{ActionConstraint, Effect, Policy, PrincipalConstraint, ResourceConstraint};

/// A message and its help.
pub(super) type Lint = (String, &'static str);

/// What is odd about `policy`.
pub(super) fn lints(policy: &Policy) -> Vec<Lint> {
    let mut found = Vec::new();
    if is_unconditional(policy) {
        found.push((
            format!("policy `{}` allows everybody everything", policy.id()),
            "name a principal or a group, the actions, and a condition",
        ));
    }
    for (name, _) in policy.annotations() {
        if name != "id" && name != "explain" {
            found.push((
                format!(
                    "policy `{}` has the annotation `@{name}`, which means nothing",
                    policy.id()
                ),
                "`@id` names a policy and `@explain` reaches the callers whom it denies",
            ));
        }
    }
    if policy.has_non_scope_constraint()
        && let Ok(conditions) = policy.to_pst()
    {
        each_condition(&conditions, |expression| {
            if let Some(pattern) = open_prefix(expression) {
                found.push((
                    format!(
                        "policy `{}`: `like \"{pattern}\"` also matches names that continue `{}`",
                        policy.id(),
                        pattern.trim_end_matches('*')
                    ),
                    "end the prefix with `/` before the `*`, or use `==` for a single name",
                ));
            }
            true
        });
    }
    found
}

fn is_unconditional(policy: &Policy) -> bool {
    policy.effect() == Effect::Permit
        && !policy.has_non_scope_constraint()
        && matches!(
            policy.principal_constraint(),
            PrincipalConstraint::Any | PrincipalConstraint::Is(_)
        )
        && policy.action_constraint() == ActionConstraint::Any
        && matches!(policy.resource_constraint(), ResourceConstraint::Any)
}

/// `team-a*` on a key or a prefix: it matches `team-ab/secret` as well as `team-a/file`.
fn open_prefix(expression: &Expr) -> Option<String> {
    let Expr::Like { expr, pattern } = expression else {
        return None;
    };
    let Expr::GetAttr { attr, .. } = &**expr else {
        return None;
    };
    if !["key", "prefix", "copy_source"].contains(&attr.as_str()) {
        return None;
    }
    let mut text = String::new();
    for element in pattern {
        match element {
            PatternElem::Char('/') => return None,
            PatternElem::Char(character) => text.push(*character),
            PatternElem::Wildcard if text.is_empty() => return None,
            PatternElem::Wildcard => return Some(text + "*"),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_policies_are_named() {
        let check = |policy: &str, expected: &[&str]| {
            let found = lints(&Policy::parse(None, policy).unwrap());
            assert_eq!(found.len(), expected.len(), "{policy}: {found:?}");
            for ((message, _), expected) in found.iter().zip(expected) {
                assert!(message.contains(expected), "{message}");
            }
        };
        check(
            "permit(principal, action, resource);",
            &["allows everybody everything"],
        );
        check(
            "permit(principal is Tidegate::User, action, resource);",
            &["everybody"],
        );
        check("forbid(principal, action, resource);", &[]);
        check("permit(principal, action, resource) when { true };", &[]);
        check(
            "@explan(\"x\") forbid(principal, action, resource);",
            &["`@explan`"],
        );
        // AUZ-26
        let like = |condition: &str| format!("permit(principal, action, resource) when {{ {condition} }};");
        check(&like("resource.key like \"team-a*\""), &["like \"team-a*\""]);
        check(
            &like("context has prefix && context.prefix like \"t*/x\""),
            &["like \"t*\""],
        );
        check(&like("resource.key like \"team-a/*\""), &[]);
        check(&like("resource.key like \"raw/2026-*\""), &[]);
        check(&like("resource.key like \"*.csv\""), &[]);
        check(&like("resource.key like \"team-a\""), &[]);
        check(&like("principal.id like \"google:*\""), &[]);
    }
}
