//! Expressions: a closed list of forms, operators and literals.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DateTimeField, Expr, ExtractSyntax, Function,
    FunctionArguments, Ident, Interval, Spanned, Subscript, TypedString, UnaryOperator, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

use super::types::check_type;
use super::{Walker, check_ident, invalid, refuse, refuse_if, syntax_near};
use crate::lex::{shorten, too_complex};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::names::folded;
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};

/// Dates that PostgreSQL spells as words and that move on.
const MOMENTS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

impl Walker<'_> {
    pub(super) fn exprs(&mut self, exprs: &mut [Expr]) -> Gate<()> {
        if exprs.len() > LIST_ELEMENTS_MAX {
            return Err(too_complex(format!("a list has more than {LIST_ELEMENTS_MAX} elements"), None));
        }
        exprs.iter_mut().try_for_each(|expr| self.expr(expr))
    }

    fn expr_sets(&mut self, sets: &mut [Vec<Expr>]) -> Gate<()> {
        sets.iter_mut().try_for_each(|set| self.exprs(set))
    }

    fn pair(&mut self, left: &mut Expr, right: &mut Expr) -> Gate<()> {
        self.expr(left)?;
        self.expr(right)
    }

    /// Walks an expression. Chains of operators lean to the left, so that side is followed without recursion.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Gate<()> {
        let mut levels = 1;
        self.go_down(1)?;
        let mut at = expr;
        while let Expr::BinaryOp { left, op, right } = at {
            check_operator(op, right)?;
            self.expr(right)?;
            self.go_down(1)?;
            levels += 1;
            at = left;
        }
        self.other_expr(at)?;
        self.depth -= levels;
        Ok(())
    }

    /// Every form but the binary operators.
    fn other_expr(&mut self, expr: &mut Expr) -> Gate<()> {
        match expr {
            Expr::Identifier(ident) => check_ident(ident),
            Expr::CompoundIdentifier(idents) => self.column(idents),
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root)?;
                access_chain.iter_mut().try_for_each(|access| self.access(access))
            }
            Expr::Value(value) => self.literal(value),
            Expr::TypedString(typed) => self.typed_string(typed),
            Expr::Interval(interval) => self.interval(interval),
            Expr::Function(function) => match bare_column(function) {
                Some(idents) => {
                    *expr = Expr::CompoundIdentifier(idents);
                    self.other_expr(expr)
                }
                None => self.call(function),
            },
            Expr::Nested(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.expr(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => self.pair(left, right),
            Expr::AtTimeZone { timestamp, time_zone } => self.pair(timestamp, time_zone),
            Expr::Position { expr, r#in } => self.pair(expr, r#in),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::Between { expr, negated: _, low, high } => {
                self.pair(expr, low)?;
                self.expr(high)
            }
            Expr::InList { expr, list, negated: _ } => {
                self.expr(expr)?;
                self.exprs(list)
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expr(expr)?;
                self.deeper(|walker| walker.query(subquery))
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.deeper(|walker| walker.query(subquery)),
            Expr::Tuple(exprs) => self.exprs(exprs),
            Expr::Array(array) => self.exprs(&mut array.elem),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => self.expr_sets(sets),
            other => self.syntax_form(other),
        }
    }

    /// Forms with keywords of their own.
    fn syntax_form(&mut self, expr: &mut Expr) -> Gate<()> {
        match expr {
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                refuse_if(*any, "LIKE ANY")?;
                self.pair(expr, pattern)?;
                escape_char.as_mut().map_or(Ok(()), check_value)
            }
            Expr::SimilarTo { negated: _, expr, pattern, escape_char } => {
                self.pair(expr, pattern)?;
                escape_char.as_mut().map_or(Ok(()), check_value)
            }
            Expr::AnyOp { left, compare_op, right, is_some: _ } | Expr::AllOp { left, compare_op, right } => {
                check_operator(compare_op, left)?;
                self.pair(left, right)
            }
            Expr::Cast { kind, expr, data_type, array, format } => {
                if *kind == CastKind::SafeCast {
                    return Err(SqlRefusal::whole(RefusalKind::construct_but("SAFE_CAST", "write TRY_CAST")));
                }
                refuse_if(*array, "CAST … ARRAY")?;
                refuse_if(format.is_some(), "CAST … FORMAT")?;
                check_type(data_type, || expr.span())?;
                self.expr(expr)
            }
            Expr::Extract { field, syntax, expr } => {
                refuse_if(*syntax == ExtractSyntax::Comma, "EXTRACT with a comma")?;
                check_field(field)?;
                self.expr(expr)
            }
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                let is_plain = matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime));
                refuse_if(!is_plain, "CEIL or FLOOR to a scale or field")?;
                self.expr(expr)
            }
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.expr(expr)?;
                self.optional_box(substring_from)?;
                self.optional_box(substring_for)
            }
            Expr::Trim { expr, trim_where: _, trim_what, trim_characters } => {
                self.expr(expr)?;
                self.optional_box(trim_what)?;
                trim_characters.as_mut().map_or(Ok(()), |exprs| self.exprs(exprs))
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.pair(expr, overlay_what)?;
                self.expr(overlay_from)?;
                self.optional_box(overlay_for)
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.optional_box(operand)?;
                for CaseWhen { condition, result } in conditions {
                    self.pair(condition, result)?;
                }
                self.optional_box(else_result)
            }
            other => refuse_form(other),
        }
    }

    fn optional_box(&mut self, expr: &mut Option<Box<Expr>>) -> Gate<()> {
        expr.as_mut().map_or(Ok(()), |expr| self.expr(expr))
    }

    /// `a[1]`, `a[1:2]`, `(…).field`.
    fn access(&mut self, access: &mut AccessExpr) -> Gate<()> {
        match access {
            AccessExpr::Dot(Expr::Identifier(ident)) => check_ident(ident),
            AccessExpr::Dot(other) => refuse(RefusalKind::construct("this form after a dot"), other.span()),
            AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index),
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                refuse_if(stride.is_some(), "a step in a slice")?;
                lower_bound.as_mut().map_or(Ok(()), |bound| self.expr(bound))?;
                upper_bound.as_mut().map_or(Ok(()), |bound| self.expr(bound))
            }
        }
    }

    fn unary(&mut self, op: UnaryOperator, operand: &mut Expr) -> Gate<()> {
        match op {
            UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not | UnaryOperator::BitwiseNot => self.expr(operand),
            UnaryOperator::AtDashAt
            | UnaryOperator::BangNot
            | UnaryOperator::DoubleAt
            | UnaryOperator::Hash
            | UnaryOperator::PGAbs
            | UnaryOperator::PGCubeRoot
            | UnaryOperator::PGPostfixFactorial
            | UnaryOperator::PGPrefixFactorial
            | UnaryOperator::PGSquareRoot
            | UnaryOperator::QuestionDash
            | UnaryOperator::QuestionPipe => {
                refuse(RefusalKind::construct_but(format!("the operator {op}"), "write a function"), operand.span())
            }
        }
    }

    fn typed_string(&mut self, typed: &mut TypedString) -> Gate<()> {
        let TypedString { data_type, value, uses_odbc_syntax } = typed;
        refuse_if(*uses_odbc_syntax, "{…}")?;
        check_type(data_type, || value.span)?;
        self.literal(value)?;
        match value.value {
            Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::DollarQuotedString(_) => Ok(()),
            _ => Err(syntax_near(shorten(&value.to_string()), value.span)),
        }
    }

    fn interval(&mut self, interval: &mut Interval) -> Gate<()> {
        let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
        let is_plain = leading_precision.is_none() && last_field.is_none() && fractional_seconds_precision.is_none();
        refuse_if(!is_plain, "an interval with a precision or a second field")?;
        leading_field.as_ref().map_or(Ok(()), check_field)?;
        self.expr(value)
    }

    /// In PostgreSQL, texts such as `now` and `today` are another moment in each run wherever a date is wanted. Where one
    /// is wanted is not known here, so each of them counts.
    fn literal(&mut self, value: &mut ValueWithSpan) -> Gate<()> {
        check_value(value)?;
        let text = match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text,
            Value::DollarQuotedString(text) => &text.value,
            _ => return Ok(()),
        };
        let first = text.split_whitespace().next().unwrap_or_default();
        self.is_volatile |= MOMENTS.iter().any(|moment| first.eq_ignore_ascii_case(moment));
        Ok(())
    }
}

/// The parser reads the `user` of `s.user` as a function without parentheses. It is a column, and printed in quotes it
/// is read as one.
fn bare_column(function: &Function) -> Option<Vec<Ident>> {
    let Function {
        name,
        uses_odbc_syntax: false,
        parameters,
        args,
        filter: None,
        null_treatment: None,
        over: None,
        within_group,
    } = function
    else {
        return None;
    };
    let is_bare = *parameters == FunctionArguments::None && *args == FunctionArguments::None && within_group.is_empty();
    if !is_bare || name.0.len() < 2 {
        return None;
    }
    let mut idents: Vec<Ident> = name.0.iter().map(|part| part.as_ident().cloned()).collect::<Option<_>>()?;
    if let Some(last) = idents.last_mut()
        && last.quote_style.is_none()
    {
        *last = Ident { value: folded(last).into_owned(), quote_style: Some('"'), span: last.span };
    }
    Some(idents)
}

/// What the language has but the engine, or PostgreSQL, has not.
fn refuse_form(expr: &Expr) -> Gate<()> {
    let construct = match expr {
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => return Err(syntax_near("*".to_owned(), expr.span())),
        Expr::JsonAccess { .. } => "a path into JSON",
        Expr::IsNormalized { .. } => "IS NORMALIZED",
        Expr::InUnnest { .. } => "IN UNNEST",
        Expr::RLike { .. } => "RLIKE or REGEXP",
        Expr::Convert { .. } => "CONVERT",
        Expr::Collate { .. } => "COLLATE",
        Expr::Prefixed { .. } => "a prefix before a literal",
        Expr::Struct { .. } | Expr::Named { .. } => "STRUCT",
        Expr::Dictionary(_) => "{…}",
        Expr::Map(_) => "MAP",
        Expr::MatchAgainst { .. } => "MATCH … AGAINST",
        Expr::OuterJoin(_) => "the operator (+)",
        Expr::Prior(_) => "PRIOR",
        Expr::Lambda(_) => "a lambda",
        Expr::MemberOf(_) => "MEMBER OF",
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::CompoundFieldAccess { .. }
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::BinaryOp { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::SimilarTo { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::Cast { .. }
        | Expr::AtTimeZone { .. }
        | Expr::Extract { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Position { .. }
        | Expr::Substring { .. }
        | Expr::Trim { .. }
        | Expr::Overlay { .. }
        | Expr::Nested(_)
        | Expr::Value(_)
        | Expr::TypedString(_)
        | Expr::Function(_)
        | Expr::Case { .. }
        | Expr::Exists { .. }
        | Expr::Subquery(_)
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Interval(_) => "this form of expression",
    };
    refuse(RefusalKind::construct(construct), expr.span())
}

fn check_operator(op: &BinaryOperator, operand: &Expr) -> Gate<()> {
    match op {
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::BitwiseOr
        | BinaryOperator::BitwiseAnd
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight
        | BinaryOperator::PGExp
        | BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch
        | BinaryOperator::PGLikeMatch
        | BinaryOperator::PGILikeMatch
        | BinaryOperator::PGNotLikeMatch
        | BinaryOperator::PGNotILikeMatch
        | BinaryOperator::PGStartsWith
        | BinaryOperator::PGOverlap
        | BinaryOperator::AtArrow
        | BinaryOperator::ArrowAt => Ok(()),
        other => refuse(RefusalKind::construct(format!("the operator {other}")), operand.span()),
    }
}

/// Checks a literal, and spells it so that the engine reads it and the printer prints it right.
pub(super) fn check_value(value: &mut ValueWithSpan) -> Gate<()> {
    let span = value.span;
    match &mut value.value {
        Value::Number(_, false) | Value::Boolean(_) | Value::Null => Ok(()),
        Value::EscapedStringLiteral(text) => check_text(text, span),
        Value::DollarQuotedString(text) => check_text(&text.value, span),
        // The engine does not know the last two; by now they differ from a plain literal in nothing but the prefix.
        Value::SingleQuotedString(text) | Value::UnicodeStringLiteral(text) | Value::NationalStringLiteral(text) => {
            let text = std::mem::take(text);
            check_text(&text, span)?;
            value.value = plain_literal(text);
            Ok(())
        }
        Value::Placeholder(parameter) => refuse(RefusalKind::Parameter { parameter: shorten(parameter) }, span),
        Value::Number(_, true)
        | Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_)
        | Value::HexStringLiteral(_)
        | Value::DoubleQuotedString(_) => refuse(RefusalKind::construct("this kind of literal"), span),
    }
}

/// The printer takes two quotes, or a backslash and a quote, for something that is escaped already. As `E'…'` such a
/// text is printed right.
fn plain_literal(text: String) -> Value {
    if text.contains("''") || text.contains("\\'") { Value::EscapedStringLiteral(text) } else { Value::SingleQuotedString(text) }
}

fn check_text(text: &str, span: Span) -> Gate<()> {
    if text.contains('\0') { refuse(RefusalKind::NulCharacter, span) } else { Ok(()) }
}

/// A field of a date; one that the parser does not know must at least be a word.
fn check_field(field: &DateTimeField) -> Gate<()> {
    match field {
        DateTimeField::Custom(ident) | DateTimeField::Week(Some(ident)) => {
            let is_word = !ident.value.is_empty() && ident.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let message = format!("unit \"{}\" not recognized", shorten(&ident.value));
            if is_word { Ok(()) } else { invalid(message, Position::from_location(ident.span.start)) }
        }
        _ => Ok(()),
    }
}
