//! Checking the types of policies that use arguments whose types nobody declared.
//!
//! Each tool has arguments of its own, so the schema cannot list them, and Cedar's validator refuses
//! whatever the schema does not list. Before validation every use of an argument is therefore replaced
//! by an attribute of the type which the surrounding operator or literal demands:
//!
//! | written | validated as |
//! |---|---|
//! | `context.arguments.path like "/srv/*"` | `context.arguments.any_string like "/srv/*"` |
//! | `context.arguments.limit <= 100` | `context.arguments.any_long <= 100` |
//! | `context.arguments has path` | `context.arguments.any_bool` |
//! | `ip(context.arguments.host).isLoopback()` | `ip("127.0.0.1").isLoopback()` |
//!
//! So everything around the arguments is checked strictly, and an argument is checked as far as the
//! policy itself says what it is. What it does not say is taken to be a string. At run time a value of
//! another type makes the policy fail, and a failing policy refuses.

use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp, Var};

use crate::expr::{argument_path, map_children};

/// A type an argument may be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Bool,
    Long,
    String,
    Bools,
    Longs,
    Strings,
}

impl Sort {
    pub(crate) const ALL: [Self; 6] =
        [Self::Bool, Self::Long, Self::String, Self::Bools, Self::Longs, Self::Strings];

    /// The attribute that stands in for an argument of this type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bool => "any_bool",
            Self::Long => "any_long",
            Self::String => "any_string",
            Self::Bools => "any_bools",
            Self::Longs => "any_longs",
            Self::Strings => "any_strings",
        }
    }

    /// The type in schema syntax.
    pub(crate) fn cedar_type(self) -> &'static str {
        match self {
            Self::Bool => "Bool",
            Self::Long => "Long",
            Self::String => "String",
            Self::Bools => "Set<Bool>",
            Self::Longs => "Set<Long>",
            Self::Strings => "Set<String>",
        }
    }

    /// A set of this; sets of sets have no stand-in and count as sets of strings.
    fn set(self) -> Self {
        match self {
            Self::Bool => Self::Bools,
            Self::Long => Self::Longs,
            _ => Self::Strings,
        }
    }

    fn element(self) -> Self {
        match self {
            Self::Bools => Self::Bool,
            Self::Longs => Self::Long,
            _ => Self::String,
        }
    }

    /// The type `expr` has by itself, where it tells.
    fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Literal(Literal::Bool(_)) | Expr::HasAttr { .. } | Expr::Like { .. } | Expr::Is { .. } => {
                Some(Self::Bool)
            }
            Expr::Literal(Literal::Long(_)) => Some(Self::Long),
            Expr::Literal(Literal::String(_)) => Some(Self::String),
            Expr::UnaryOp { op: UnaryOp::Neg, .. } => Some(Self::Long),
            Expr::UnaryOp { op: UnaryOp::Not | UnaryOp::IsEmpty, .. } => Some(Self::Bool),
            Expr::BinaryOp { op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, .. } => Some(Self::Long),
            Expr::Set(elements) => elements.iter().find_map(|element| Self::of(element)).map(Self::set),
            Expr::GetAttr { expr, attr } if matches!(**expr, Expr::Var(Var::Context)) && attr == "now" => {
                Some(Self::Long)
            }
            _ => None,
        }
    }
}

/// `expr`, which is wanted as a `want`, with each use of an argument replaced by its stand-in.
pub(crate) fn stand_in(expr: &Arc<Expr>, want: Sort) -> Arc<Expr> {
    if argument_path(expr).is_some_and(|path| !path.is_empty()) {
        return attribute(want);
    }
    match &**expr {
        Expr::HasAttr { expr, .. } if argument_path(expr).is_some() => attribute(Sort::Bool),
        Expr::UnaryOp { op, expr } => unary(*op, expr),
        Expr::BinaryOp { op, left, right } => {
            let (left_sort, right_sort) = operands(*op, left, right);
            Expr::BinaryOp { op: *op, left: stand_in(left, left_sort), right: stand_in(right, right_sort) }
                .into()
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => Expr::IfThenElse {
            cond: stand_in(cond, Sort::Bool),
            then_expr: stand_in(then_expr, want),
            else_expr: stand_in(else_expr, want),
        }
        .into(),
        Expr::Set(_) => {
            let sort = Sort::of(expr).unwrap_or(want).element();
            map_children(expr, |element| stand_in(element, sort)).into()
        }
        other => map_children(other, |child| stand_in(child, Sort::String)).into(),
    }
}

fn unary(op: UnaryOp, operand: &Arc<Expr>) -> Arc<Expr> {
    // Strict validation wants literals in these constructors; an argument in one is checked when it runs.
    let example = match op {
        UnaryOp::Ip => Some("127.0.0.1"),
        UnaryOp::Decimal => Some("0.0"),
        UnaryOp::Datetime => Some("1970-01-01"),
        UnaryOp::Duration => Some("0s"),
        _ => None,
    };
    let sort = match op {
        UnaryOp::Not => Sort::Bool,
        UnaryOp::Neg => Sort::Long,
        UnaryOp::IsEmpty => Sort::Strings,
        _ => Sort::String,
    };
    let expr = match example {
        Some(example) if argument_path(operand).is_some_and(|path| !path.is_empty()) => {
            Expr::Literal(Literal::String(example.into())).into()
        }
        _ => stand_in(operand, sort),
    };
    Expr::UnaryOp { op, expr }.into()
}

/// What the two operands of `op` are wanted as.
fn operands(op: BinaryOp, left: &Expr, right: &Expr) -> (Sort, Sort) {
    let own = |expr, default| Sort::of(expr).unwrap_or(default);
    match op {
        BinaryOp::And | BinaryOp::Or => (Sort::Bool, Sort::Bool),
        BinaryOp::Less
        | BinaryOp::LessEq
        | BinaryOp::Greater
        | BinaryOp::GreaterEq
        | BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul => (Sort::Long, Sort::Long),
        BinaryOp::Contains => (own(right, Sort::String).set(), own(left, Sort::Strings).element()),
        BinaryOp::ContainsAll | BinaryOp::ContainsAny => {
            (own(right, Sort::Strings), own(left, Sort::Strings))
        }
        _ => (own(right, Sort::String), own(left, Sort::String)),
    }
}

fn attribute(sort: Sort) -> Arc<Expr> {
    let arguments = Expr::GetAttr { expr: Expr::Var(Var::Context).into(), attr: "arguments".into() };
    Expr::GetAttr { expr: arguments.into(), attr: sort.name().into() }.into()
}
