//! What the conditions of a policy look at, so that a request is built with that and no more.
//!
//! Building a request costs more than deciding it: an address and four instants are parsed for each. Most policies
//! look at a key and nothing else. The analysis never guesses: whatever it does not recognise needs everything.

use cedar_policy::pst::{Clause, Expr, Literal, Policy as PstPolicy, Var};
use cedar_policy::{Policy, ResourceConstraint};

/// A set of attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs(u16);

impl Needs {
    pub(super) const ALL: Self = Self(u16::MAX);
    pub(super) const NONE: Self = Self(0);
    pub(super) const SOURCE_IP: Self = Self(1);
    pub(super) const TIME: Self = Self(1 << 1);
    pub(super) const LOCAL: Self = Self(1 << 2);
    pub(super) const OPERATION: Self = Self(1 << 3);
    pub(super) const PROTOCOL: Self = Self(1 << 4);
    pub(super) const SESSION: Self = Self(1 << 5);
    pub(super) const PREFIX: Self = Self(1 << 6);
    pub(super) const SSE: Self = Self(1 << 7);
    pub(super) const KMS_KEY: Self = Self(1 << 8);
    pub(super) const STORAGE_CLASS: Self = Self(1 << 9);
    pub(super) const COPY_SOURCE: Self = Self(1 << 10);
    /// The principal's attributes and all its groups; those that scopes name are always there.
    pub(super) const PRINCIPAL: Self = Self(1 << 11);
    /// The resource's attributes and tags, and the bucket that an object is in.
    pub(super) const RESOURCE: Self = Self(1 << 12);

    /// The bucket of an object as an entity of its own, for conditions that name it.
    pub(super) const BUCKET: Self = Self(1 << 13);

    /// The bucket that an object is in, for scopes.
    pub(super) const PARENT: Self = Self(1 << 14);

    /// What `policy` looks at.
    pub(super) fn of(policy: &Policy) -> Self {
        let scope = match policy.resource_constraint() {
            ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => Self::PARENT,
            ResourceConstraint::Any | ResourceConstraint::Is(_) | ResourceConstraint::Eq(_) => Self::NONE,
        };
        if !policy.has_non_scope_constraint() {
            return scope;
        }
        let Ok(policy) = policy.to_pst() else {
            return Self::ALL;
        };
        let mut needs = scope;
        each_condition(&policy, |expression| needs.look(expression));
        needs
    }

    /// Whether any of `other` is in it.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Adds what one expression shows; says whether its parts are to be looked at as well.
    // INVARIANT: `context` by itself, an entity named in a condition (whose attributes may be those of the principal
    // or the resource) and every expression that is not listed here count as a look at everything they might show.
    fn look(&mut self, expression: &Expr) -> bool {
        let (shown, deeper) = match expression {
            Expr::GetAttr { expr, attr } if is_context(expr) => (Self::of_context(attr), false),
            Expr::HasAttr { expr, attrs } if is_context(expr) => (Self::of_context(attrs.first()), false),
            Expr::GetAttr { .. }
            | Expr::HasAttr { .. }
            | Expr::UnaryOp { .. }
            | Expr::BinaryOp { .. }
            | Expr::Like { .. }
            | Expr::Is { .. }
            | Expr::IfThenElse { .. }
            | Expr::Set(_)
            | Expr::Record(_)
            | Expr::Var(Var::Action)
            | Expr::Literal(Literal::Bool(_) | Literal::Long(_) | Literal::String(_)) => (Self::NONE, true),
            Expr::Var(Var::Principal) => (Self::PRINCIPAL, false),
            Expr::Var(Var::Resource) => (Self::RESOURCE, false),
            Expr::Literal(Literal::EntityUID(_)) => {
                (Self::PRINCIPAL.and(Self::RESOURCE).and(Self::BUCKET), false)
            }
            _ => (Self::ALL, false),
        };
        *self = self.and(shown);
        deeper
    }

    fn of_context(attribute: &str) -> Self {
        match attribute {
            "source_ip" => Self::SOURCE_IP,
            "time" => Self::TIME,
            "local" => Self::LOCAL,
            "operation" => Self::OPERATION,
            "protocol" => Self::PROTOCOL,
            "session" => Self::SESSION,
            "prefix" => Self::PREFIX,
            "sse" => Self::SSE,
            "kms_key" => Self::KMS_KEY,
            "storage_class" => Self::STORAGE_CLASS,
            "copy_source" => Self::COPY_SOURCE,
            _ => Self::ALL,
        }
    }
}

fn is_context(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Context))
}

/// Shows `visit` every expression of the conditions of `policy`, from the outside in; `visit` says whether to go on
/// into its parts.
pub(super) fn each_condition(policy: &PstPolicy, mut visit: impl FnMut(&Expr) -> bool) {
    for clause in policy.body().clauses() {
        match clause {
            Clause::When(condition) | Clause::Unless(condition) => walk(condition, &mut visit),
        }
    }
}

fn walk(expression: &Expr, visit: &mut impl FnMut(&Expr) -> bool) {
    if !visit(expression) {
        return;
    }
    match expression {
        Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::UnaryOp { expr, .. }
        | Expr::Like { expr, .. } => walk(expr, visit),
        Expr::BinaryOp { left, right, .. } => {
            walk(left, visit);
            walk(right, visit);
        }
        Expr::Is { expr, in_expr, .. } => {
            walk(expr, visit);
            if let Some(group) = in_expr {
                walk(group, visit);
            }
        }
        Expr::IfThenElse {
            cond,
            then_expr,
            else_expr,
        } => {
            walk(cond, visit);
            walk(then_expr, visit);
            walk(else_expr, visit);
        }
        Expr::Set(elements) => elements.iter().for_each(|element| walk(element, visit)),
        Expr::Record(fields) => fields.values().for_each(|field| walk(field, visit)),
        // The type is open: a kind of expression that is not known here has no parts that are.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_conditions_look_at_is_needed() {
        let check = |condition: &str, expected: Needs| {
            let policy = format!("permit(principal, action, resource) {condition};");
            assert_eq!(
                Needs::of(&Policy::parse(None, policy).unwrap()),
                expected,
                "{condition}"
            );
        };
        check("", Needs::NONE);
        let scope = "permit(principal, action, resource in Tidegate::Bucket::\"lake\");";
        assert_eq!(Needs::of(&Policy::parse(None, scope).unwrap()), Needs::PARENT);
        check("when { true }", Needs::NONE);
        check("when { resource.key like \"raw/*\" }", Needs::RESOURCE);
        check("unless { context.sse == \"\" }", Needs::SSE);
        check(
            "when { context has prefix && context[\"prefix\"] like \"a\" }",
            Needs::PREFIX,
        );
        check("when { context has local.minute }", Needs::LOCAL);
        check(
            "when { context.session.issued_at < context.time }",
            Needs::SESSION.and(Needs::TIME),
        );
        check(
            "when { if context.source_ip.isLoopback() then principal.id == \"x\" else resource.hasTag(\"y\") }",
            Needs::SOURCE_IP.and(Needs::PRINCIPAL).and(Needs::RESOURCE),
        );
        check("when { context == {} }", Needs::ALL);
        check("when { [context].contains({\"a\": 1}) }", Needs::ALL);
        check(
            "when { (if true then context else context).sse == \"\" }",
            Needs::ALL,
        );
        check("when { context.unheard_of }", Needs::ALL);
        check(
            "when { Tidegate::User::\"a\".id == \"a\" }",
            Needs::PRINCIPAL.and(Needs::RESOURCE).and(Needs::BUCKET),
        );
        check("when { {\"a\": context.kms_key}.a == \"\" }", Needs::KMS_KEY);
    }
}
