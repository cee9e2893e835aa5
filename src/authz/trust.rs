//! Roles: who may take which on.
//!
//! A role has a trust policy, a Cedar file of its own that decides one action. The usual mistake is to trust an issuer
//! and nobody in particular: then every repository, cluster or tenant that the issuer serves may take the role on. So
//! each `permit` must say who, and a file in which one does not is refused when it is loaded (SES-09).

use super::load::Policies;
use super::permit::RoleDenied;
use super::request::{Circumstances, assume_role};
use crate::authn::oidc::Identity;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, Var};
use cedar_policy::{AuthorizationError, Decision, Effect, Policy, PolicySet, PrincipalConstraint};
use std::collections::BTreeSet;

/// The trust policies of one role.
pub(super) struct Trust {
    /// None without a file: nobody may take the role on.
    pub(super) policies: Option<PolicySet>,
}

impl Policies {
    /// Whether `identity` may take on the role of this name.
    ///
    /// # Errors
    /// [`RoleDenied`], in the caller's words.
    pub fn assume_role(
        &self,
        identity: &Identity,
        role: &str,
        circumstances: &Circumstances,
    ) -> Result<Vec<Box<str>>, RoleDenied> {
        let deny = |why: &str| RoleDenied {
            message: format!(
                "{}: {} is not authorized to perform: sts:AssumeRole on resource: \"role/{role}\" {why}",
                identity.kind.name(),
                identity.id
            ),
        };
        let Some(policies) = self.roles.get(role).and_then(|trust| trust.policies.as_ref()) else {
            return Err(deny("because no trust policy allows it"));
        };
        let built = assume_role(self.vocabulary, identity, role, circumstances);
        let (request, entities) = built.map_err(|error| {
            tracing::error!(role, %error, "a request to the trust policy cannot be built");
            deny("because its trust policy cannot be evaluated")
        })?;
        let response = self.authorizer.is_authorized(&request, policies, &entities);
        // INVARIANT: an evaluation error denies, as it does for buckets.
        if let Some(AuthorizationError::PolicyEvaluationError(error)) = response.diagnostics().errors().next()
        {
            tracing::error!(role, policy = %error.policy_id(), %error, "a trust policy fails");
            return Err(deny("because its trust policy cannot be evaluated"));
        }
        let determining = response.diagnostics().reason();
        let mut determining: Vec<Box<str>> = determining.map(|id| AsRef::<str>::as_ref(id).into()).collect();
        determining.sort();
        match (response.decision(), determining.first()) {
            (Decision::Allow, _) => Ok(determining),
            (Decision::Deny, None) => Err(deny("because its trust policy does not allow it")),
            (Decision::Deny, Some(id)) => Err(deny(&format!("with an explicit deny in trust policy {id}"))),
        }
    }

    /// Whether there is a role of this name.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains_key(role)
    }
}

/// What is wrong with a policy of a trust file: that it permits whomever an issuer vouches for.
pub(super) fn flaw(policy: &Policy, shared_tags: &BTreeSet<Box<str>>) -> Option<String> {
    (policy.effect() == Effect::Permit && !names_subject(policy, shared_tags)).then(|| {
        format!(
            "policy `{}` does not say who may take the role on: an issuer vouches for everybody who uses it",
            policy.id()
        )
    })
}

/// What mends it.
pub(super) const FLAW_HELP: &str = "name a principal (`principal == Tidegate::Workload::\"google:etl@…\"`), a group (`principal in \
     Tidegate::Group::\"…\"`), or add a condition that every way through the policy keeps: on `principal.id`, on \
     `principal.subject`, or on a tag (`principal.hasTag(\"repository\") && principal.getTag(\"repository\") == \"…\"`)";

fn names_subject(policy: &Policy, shared_tags: &BTreeSet<Box<str>>) -> bool {
    match policy.principal_constraint() {
        PrincipalConstraint::Eq(_) | PrincipalConstraint::In(_) | PrincipalConstraint::IsIn(..) => {
            return true;
        }
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
    }
    let Ok(policy) = policy.to_pst() else {
        return false;
    };
    policy.body().clauses().iter().any(|clause| match clause {
        Clause::When(condition) => says_who(condition, shared_tags),
        // What it excludes may leave everybody else.
        Clause::Unless(_) => false,
    })
}

/// Whether the expression can only be true for some subjects. What is not recognised does not count, and neither does a
/// tag that callers choose or that all tokens of an issuer have.
fn says_who(expression: &Expr, shared_tags: &BTreeSet<Box<str>>) -> bool {
    let says_who = |expression: &Expr| says_who(expression, shared_tags);
    let is_subject = |expression: &Expr| is_subject(expression, shared_tags);
    match expression {
        Expr::BinaryOp { op, left, right } => match op {
            BinaryOp::And => says_who(left) || says_who(right),
            BinaryOp::Or => says_who(left) && says_who(right),
            BinaryOp::Eq => {
                (is_subject(left) && is_given(right))
                    || (is_subject(right) && is_given(left))
                    || (is_principal(left) && is_entity(right))
                    || (is_principal(right) && is_entity(left))
            }
            BinaryOp::In => is_principal(left) && is_entity(right),
            BinaryOp::Contains => {
                matches!(&**left, Expr::Set(elements) if elements.iter().all(|one| is_given(one)))
                    && is_subject(right)
            }
            _ => false,
        },
        Expr::Like { expr, pattern } => is_subject(expr) && is_telling(pattern),
        Expr::Is {
            expr,
            in_expr: Some(group),
            ..
        } => is_principal(expr) && is_entity(group),
        Expr::IfThenElse {
            then_expr, else_expr, ..
        } => says_who(then_expr) && says_who(else_expr),
        _ => false,
    }
}

/// What tells one subject of an issuer from another.
fn is_subject(expression: &Expr, shared_tags: &BTreeSet<Box<str>>) -> bool {
    match expression {
        Expr::GetAttr { expr, attr } => is_principal(expr) && ["id", "subject"].contains(&attr.as_str()),
        Expr::BinaryOp {
            op: BinaryOp::GetTag,
            left,
            right,
        } => {
            let own = |name: &str| !shared_tags.contains(name);
            is_principal(left) && matches!(&**right, Expr::Literal(Literal::String(name)) if own(name))
        }
        _ => false,
    }
}

/// A text that is not all wildcard: with something behind the issuer's prefix of an id, or the scheme of a subject.
fn is_telling(pattern: &[PatternElem]) -> bool {
    let literal = |element: &PatternElem| match element {
        PatternElem::Char(character) => Some(*character),
        PatternElem::Wildcard => None,
    };
    let start: String = pattern.iter().map_while(literal).collect();
    // An id has the issuer's name before what a subject has.
    let without_issuer = start.split_once(':').map(|(_, rest)| rest);
    is_telling_start(&start) && without_issuer.is_none_or(|rest| !rest.is_empty() && is_telling_start(rest))
}

/// Whether not everybody of an issuer has a subject that begins so.
fn is_telling_start(start: &str) -> bool {
    // All service accounts, all repositories, all roles: of the cluster, of the host, of the account.
    const SHARED: [&str; 3] = ["system:serviceaccount:", "repo:", "arn:aws:iam::"];
    let is_shared = |shared: &&str| shared.starts_with(start);
    match start.strip_prefix("arn:aws:iam::") {
        Some(rest) if !rest.is_empty() => {
            let named = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            !["", ":", ":role", ":role/", ":user", ":user/"].contains(&named)
        }
        _ => !start.is_empty() && !SHARED.iter().any(is_shared),
    }
}

fn is_given(expression: &Expr) -> bool {
    matches!(expression, Expr::Literal(Literal::String(text)) if !text.is_empty())
}

fn is_principal(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Principal))
}

fn is_entity(expression: &Expr) -> bool {
    matches!(expression, Expr::Literal(Literal::EntityUID(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // SES-09
    #[test]
    fn a_permit_says_who_or_has_a_flaw() {
        let check = |scope: &str, condition: &str, good: bool| {
            let text = format!("permit({scope}, action, resource) {condition};");
            let policy = Policy::parse(None, &text).unwrap();
            let shared = BTreeSet::from(["audit".into(), "tid".into()]);
            assert_eq!(flaw(&policy, &shared).is_none(), good, "{text}");
        };
        let when = |condition: &str, good: bool| {
            check("principal", &format!("when {{ {condition} }}"), good);
        };
        check("principal", "", false);
        check("principal is Tidegate::Workload", "", false);
        check("principal == Tidegate::Workload::\"google:etl\"", "", true);
        check("principal in Tidegate::Group::\"okta:admins\"", "", true);
        when("true", false);
        when(
            "principal.issuer == \"https://token.actions.githubusercontent.com\"",
            false,
        );
        when("principal.id == \"google:etl@acme.test\"", true);
        when("\"google:etl@acme.test\" == principal.id", true);
        when("principal.id == \"\"", false);
        when("principal.id == principal.subject", false);
        when("principal.id != \"google:etl\"", false);
        when("!(principal.id == \"google:etl\")", false);
        when("principal.id like \"github:*\"", false);
        when("principal.id like \"*\"", false);
        when("principal.id like \"*:admin\"", false);
        when("principal.subject like \"repo:*\"", false);
        when("principal.subject like \"repo:acme/*\"", true);
        when("principal.subject like \"rep*\"", false);
        when("principal.subject like \"system:serviceaccount:*\"", false);
        when("principal.subject like \"system:serviceaccount:etl:*\"", true);
        when("principal.id like \"gke:system:serviceaccount:*\"", false);
        when("principal.id like \"gke:system:serviceaccount:etl:*\"", true);
        when("principal.subject like \"arn*\"", false);
        when(
            "principal.subject like \"arn:aws:iam::123456789012:role/*\"",
            false,
        );
        when(
            "principal.subject like \"arn:aws:iam::123456789012:role/etl-*\"",
            true,
        );
        when(
            "principal.hasTag(\"audit\") && principal.getTag(\"audit\") == \"x\"",
            false,
        );
        when(
            "principal.hasTag(\"tid\") && principal.getTag(\"tid\") == \"x\"",
            false,
        );
        when("principal.hasTag(\"repository\")", false);
        when(
            "principal.hasTag(\"repository\") && principal.getTag(\"repository\") == \"acme/etl\"",
            true,
        );
        when("[\"a:b\", \"a:c\"].contains(principal.id)", true);
        when("[\"a:b\", principal.id].contains(principal.id)", false);
        when(
            "principal.issuer == \"x\" || principal.id == \"google:etl\"",
            false,
        );
        when(
            "principal.subject == \"x\" || principal.id == \"google:etl\"",
            true,
        );
        when("principal in Tidegate::Group::\"okta:admins\"", true);
        when(
            "principal is Tidegate::User in Tidegate::Group::\"okta:admins\"",
            true,
        );
        when("principal is Tidegate::User", false);
        when(
            "if context.source_ip.isLoopback() then principal.id == \"a\" else true",
            false,
        );
        check(
            "principal",
            "unless { principal.id == \"google:mallory\" }",
            false,
        );
        check(
            "principal",
            "when { context.source_ip.isLoopback() } when { principal.id == \"a:b\" }",
            true,
        );
    }
}
