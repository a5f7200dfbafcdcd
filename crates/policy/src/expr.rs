//! Reading Cedar expressions.

use std::{ops::BitOr, sync::Arc};

use cedar_policy::pst::{Clause, Expr, Template, Var};

/// Which changeable parts of the request a policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mentions {
    /// `context.arguments`, what they name, and what a token grants in detail about them.
    pub(crate) arguments: bool,
    /// `context.now`.
    pub(crate) now: bool,
    /// What has entered the conversation, what the item does, and whether a person approved the call.
    pub(crate) conversation: bool,
}

impl Mentions {
    const ALL: Self = Self { arguments: true, now: true, conversation: true };
    const NONE: Self = Self { arguments: false, now: false, conversation: false };

    /// What looking at this attribute of `context` means. Unknown ones count as everything.
    fn of_attribute(name: &str) -> Self {
        match name {
            "arguments" | "hosts" | "programs" | "statements" | "authorization_details" => {
                Self { arguments: true, ..Self::NONE }
            }
            "now" => Self { now: true, ..Self::NONE },
            "labels" | "conduct" | "approved" => Self { conversation: true, ..Self::NONE },
            "channel"
            | "version"
            | "endpoint"
            | "actor"
            | "scopes"
            | "issuer"
            | "client"
            | "proof_of_possession" => Self::default(),
            _ => Self::ALL,
        }
    }

    /// What `expr` looks at. Errs on the side of more.
    pub(crate) fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Var(Var::Context) => Self::ALL,
            Expr::GetAttr { expr, attr } if is_context(expr) => Self::of_attribute(attr),
            Expr::HasAttr { expr, attrs } if is_context(expr) => Self::of_attribute(attrs.first()),
            _ => match children(expr) {
                Some(children) => {
                    children.into_iter().fold(Self::default(), |sum, child| sum | Self::of(child))
                }
                None => Self::ALL,
            },
        }
    }

    /// What the conditions of a policy look at.
    pub(crate) fn of_policy(policy: &Template) -> Self {
        conditions(policy).fold(Self::default(), |sum, condition| sum | Self::of(condition))
    }

    /// Whether the answer can differ from one call to the next.
    pub(crate) fn any(self) -> bool {
        self.arguments || self.now || self.conversation
    }
}

impl BitOr for Mentions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            arguments: self.arguments || other.arguments,
            now: self.now || other.now,
            conversation: self.conversation || other.conversation,
        }
    }
}

/// The expressions of a policy's `when` and `unless` clauses.
pub(crate) fn conditions(policy: &Template) -> impl Iterator<Item = &Arc<Expr>> {
    policy.clauses().iter().map(|(Clause::When(expr) | Clause::Unless(expr))| expr)
}

/// Whether `expr` looks at this attribute of `context`, or at all of it.
pub(crate) fn looks_at(expr: &Expr, attribute: &str) -> bool {
    match expr {
        Expr::Var(Var::Context) => true,
        Expr::GetAttr { expr, attr } if is_context(expr) => attr == attribute,
        Expr::HasAttr { expr, attrs } if is_context(expr) => attrs.first() == attribute,
        _ => children(expr).is_none_or(|inner| inner.into_iter().any(|child| looks_at(child, attribute))),
    }
}

/// Whether `expr` looks at `context` as a whole, or at whether something is in it, rather than at an attribute.
pub(crate) fn tests_context(expr: &Expr) -> bool {
    match expr {
        Expr::Var(Var::Context) => true,
        Expr::HasAttr { expr, .. } if is_context(expr) => true,
        Expr::GetAttr { expr, .. } if is_context(expr) => false,
        _ => children(expr).is_none_or(|inner| inner.into_iter().any(|child| tests_context(child))),
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Context))
}

/// The names that lead from `context.arguments` to what `expr` reads; empty for the arguments as a whole,
/// `None` for an expression that reads something else.
pub(crate) fn argument_path(expr: &Expr) -> Option<Vec<&str>> {
    let Expr::GetAttr { expr, attr } = expr else { return None };
    if is_context(expr) {
        return (attr == "arguments").then(Vec::new);
    }
    let mut path = argument_path(expr)?;
    path.push(attr);
    Some(path)
}

/// The operands of `expr`; `None` for a form of expression that this build does not know.
pub(crate) fn children(expr: &Expr) -> Option<Vec<&Arc<Expr>>> {
    Some(match expr {
        Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) => Vec::new(),
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => vec![expr],
        Expr::BinaryOp { left, right, .. } => vec![left, right],
        Expr::Is { expr, in_expr, .. } => std::iter::once(expr).chain(in_expr).collect(),
        Expr::IfThenElse { cond, then_expr, else_expr } => vec![cond, then_expr, else_expr],
        Expr::Set(elements) => elements.iter().collect(),
        Expr::Record(fields) => fields.values().collect(),
        _ => return None,
    })
}

/// `expr` with each operand replaced; a form of expression that this build does not know stays as it is.
pub(crate) fn map_children(expr: &Expr, mut f: impl FnMut(&Arc<Expr>) -> Arc<Expr>) -> Expr {
    let mut copy = expr.clone();
    match &mut copy {
        Expr::UnaryOp { expr, .. }
        | Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. } => *expr = f(expr),
        Expr::BinaryOp { left, right, .. } => (*left, *right) = (f(left), f(right)),
        Expr::Is { expr, in_expr, .. } => {
            *expr = f(expr);
            *in_expr = in_expr.as_ref().map(f);
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            (*cond, *then_expr, *else_expr) = (f(cond), f(then_expr), f(else_expr));
        }
        Expr::Set(elements) => elements.iter_mut().for_each(|element| *element = f(element)),
        Expr::Record(fields) => fields.values_mut().for_each(|field| *field = f(field)),
        _ => {}
    }
    copy
}
