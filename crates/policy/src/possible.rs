//! Whether some call could be permitted, before any call is made.
//!
//! A list entry has no arguments yet. To judge it, each policy that looks at arguments gets a second form
//! in which every comparison that involves them has the outcome that favours the call: a `permit` assumes
//! that it holds, a `forbid` that it does not. `&&`, `||`, `!` and `if` stay as they are around it. If the
//! second forms do not permit the entry, no call to it can be permitted.
//!
//! The converse does not hold: the comparisons are taken one by one, so conditions that contradict each
//! other may leave an entry visible that no call can use. Such calls are still refused one by one.

use std::sync::Arc;

use cedar_policy::pst::{
    BinaryOp, Clause, Effect, Expr, Literal, PstConstructionError, StaticPolicy, Template, UnaryOp,
};

use crate::expr::Mentions;

/// The second form of `policy`.
///
/// # Errors
/// Never for a policy that Cedar parsed; the caller treats an error as a fault of the policy.
pub(crate) fn favouring(policy: &Template) -> Result<cedar_policy::Policy, PstConstructionError> {
    let hope = policy.effect == Effect::Permit;
    let clauses = policy.clauses().iter().map(|clause| match clause {
        Clause::When(expr) => Clause::When(assume(expr, hope)),
        Clause::Unless(expr) => Clause::Unless(assume(expr, !hope)),
    });
    let favouring = policy.clone().try_with_clauses(clauses.collect::<Vec<_>>())?;
    cedar_policy::Policy::from_pst(StaticPolicy::try_from(favouring)?.into())
}

/// `expr`, a condition, with every comparison that involves arguments decided as `hope`.
fn assume(expr: &Arc<Expr>, hope: bool) -> Arc<Expr> {
    if !Mentions::of(expr).arguments {
        return Arc::clone(expr);
    }
    match &**expr {
        Expr::UnaryOp { op: UnaryOp::Not, expr } => {
            Expr::UnaryOp { op: UnaryOp::Not, expr: assume(expr, !hope) }.into()
        }
        Expr::BinaryOp { op: op @ (BinaryOp::And | BinaryOp::Or), left, right } => {
            Expr::BinaryOp { op: *op, left: assume(left, hope), right: assume(right, hope) }.into()
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            let (then_expr, else_expr) = (assume(then_expr, hope), assume(else_expr, hope));
            if Mentions::of(cond).arguments {
                // Either branch may be taken: the better one counts.
                let op = if hope { BinaryOp::Or } else { BinaryOp::And };
                Expr::BinaryOp { op, left: then_expr, right: else_expr }.into()
            } else {
                Expr::IfThenElse { cond: Arc::clone(cond), then_expr, else_expr }.into()
            }
        }
        _ => Expr::Literal(Literal::Bool(hope)).into(),
    }
}
