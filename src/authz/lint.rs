//! Warnings: policies that Cedar accepts and that rarely say what was meant.

use super::needs::each_condition;
use cedar_policy::pst::{Expr, Literal, PatternElem};
use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use std::collections::BTreeSet;

/// A message and its help.
pub(super) type Lint = (String, &'static str);

/// The names that the configuration gives. A policy that speaks of another one says nothing, and a `forbid` of it
/// protects from nobody.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What ids of principals and groups begin with. Empty if that is not known.
    pub issuers: BTreeSet<Box<str>>,
    /// Roles.
    pub roles: BTreeSet<Box<str>>,
    /// Tags that tell nobody of an issuer from the others: callers choose them, or all tokens must have the same.
    pub shared_tags: BTreeSet<Box<str>>,
}

/// What is odd about `policy`.
pub(super) fn lints(policy: &Policy, names: &Names) -> Vec<Lint> {
    let mut found = Vec::new();
    found.extend(unknown_names(policy, names));
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

/// Principals, groups and roles that nobody can be.
fn unknown_names(policy: &Policy, names: &Names) -> Vec<Lint> {
    if names.issuers.is_empty() {
        return Vec::new();
    }
    let mut named: BTreeSet<(String, String)> = BTreeSet::new();
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
        PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
            named.insert(parts(&uid));
        }
    }
    if let Ok(conditions) = policy.to_pst() {
        each_condition(&conditions, |expression| {
            if let Expr::Literal(Literal::EntityUID(uid)) = expression {
                named.insert((uid.ty.0.id.to_string(), uid.eid.to_string()));
            }
            true
        });
    }
    let unknown = named.into_iter().filter_map(|(kind, id)| {
        let policy = policy.id();
        match &*kind {
            "Role" if !names.roles.contains(&*id) => Some((
                format!("policy `{policy}` names role `{id}`, and there is no such role"),
                "roles are the tables `[[roles]]` of the configuration",
            )),
            "User" | "Workload" | "Group" => {
                let issuer = id.split_once(':').map_or("", |(issuer, _)| issuer);
                (!names.issuers.contains(issuer)).then(|| {
                    (
                        format!("policy `{policy}` names `{id}`, and no issuer is called `{issuer}`"),
                        "ids of principals and groups begin with the name of their `[[issuers]]` table, or that of a \
                         service key, and a colon",
                    )
                })
            }
            _ => None,
        }
    });
    unknown.collect()
}

/// The type without its namespace, and the id.
fn parts(uid: &EntityUid) -> (String, String) {
    (
        uid.type_name().basename().to_owned(),
        uid.id().unescaped().to_owned(),
    )
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
            let found = lints(&Policy::parse(None, policy).unwrap(), &Names::default());
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

    #[test]
    fn names_that_nobody_has_are_told() {
        let names = Names {
            issuers: ["google".into()].into(),
            roles: ["exporter".into()].into(),
            ..Names::default()
        };
        let check = |scope: &str, condition: &str, expected: Option<&str>| {
            let text =
                format!("permit({scope}, action == Tidegate::Action::\"GetObject\", resource) {condition};");
            let found = lints(&Policy::parse(None, &text).unwrap(), &names);
            match expected {
                None => assert!(found.is_empty(), "{text}: {found:?}"),
                Some(expected) => assert!(found[0].0.contains(expected), "{text}: {found:?}"),
            }
        };
        check("principal == Tidegate::User::\"google:ana\"", "", None);
        check("principal in Tidegate::Role::\"exporter\"", "", None);
        check(
            "principal in Tidegate::Group::\"gogle:all\"",
            "",
            Some("no issuer is called `gogle`"),
        );
        check(
            "principal == Tidegate::Workload::\"etl\"",
            "",
            Some("no issuer is called ``"),
        );
        check(
            "principal in Tidegate::Role::\"exportr\"",
            "",
            Some("no such role"),
        );
        check(
            "principal",
            "unless { principal in Tidegate::Group::\"okta:all\" }",
            Some("no issuer is called `okta`"),
        );
        check(
            "principal",
            "when { principal == Tidegate::User::\"google:ana\" && resource in Tidegate::Bucket::\"x\" }",
            None,
        );
    }
}
