//! Whether a condition is one that can be evaluated about every request, in bounded time: only known
//! variables and functions, patterns written out, and loops whose cost grows with what they loop over
//! and no faster.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{ParseErrors, Program};

use super::facts::{VARIABLES, environment};
use super::functions::Patterns;

/// The longest condition, in bytes.
const MOST_BYTES: usize = 4096;

/// Most expressions within each other.
const MOST_DEPTH: usize = 48;

/// Most brackets within each other: the parser takes much of its stack for each.
const MOST_BRACKETS: usize = 24;

/// The stack of the parser, which is generated code and recurses generously: with that of a request, a
/// few brackets would end the process.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// Standard functions of CEL that take time in proportion to what they are given.
const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// What `type(…)` may be compared with.
const TYPES: &[&str] = &[
    "bool",
    "int",
    "double",
    "string",
    "list",
    "map",
    "null_type",
];

/// Why a condition is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidCondition {
    /// What is wrong.
    pub message: String,
    /// Where in the condition: line and column in characters, both from 1, where that can be told.
    pub at: Option<(usize, usize)>,
    /// What to write instead.
    pub remedy: String,
}

pub(super) struct Checked {
    pub(super) program: Program,
    pub(super) patterns: Patterns,
    pub(super) reads_arguments: bool,
}

pub(super) fn compile(source: &str) -> Result<Checked, InvalidCondition> {
    let wrong = |message: &str, remedy: &str| InvalidCondition {
        message: message.to_owned(),
        at: None,
        remedy: remedy.to_owned(),
    };
    if source.len() > MOST_BYTES {
        let message = format!("a condition has at most {MOST_BYTES} bytes");
        return Err(wrong(&message, "make several rules of it"));
    }
    if brackets(source) > MOST_BRACKETS {
        let message = format!("more than {MOST_BRACKETS} brackets within each other");
        return Err(wrong(&message, "make several rules of it"));
    }
    let language =
        "the language is CEL, for example `tool.name == \"delete\" && principal.team != \"ops\"`";
    let program = match parse(source) {
        Some(Ok(program)) => program,
        Some(Err(errors)) => {
            let first = errors.errors.first();
            let at = first.and_then(|error| {
                let line = usize::try_from(error.pos.0).ok().filter(|line| *line > 0)?;
                Some((
                    line,
                    usize::try_from(error.pos.1)
                        .ok()
                        .filter(|column| *column > 0)?,
                ))
            });
            let message = first.map_or("not an expression", |error| error.msg.as_str());
            return Err(InvalidCondition {
                at,
                ..wrong(&format!("not an expression: {}", message.trim()), language)
            });
        }
        None => return Err(wrong("not an expression", language)),
    };
    let mut check = Check {
        source,
        program: &program,
        patterns: Patterns::default(),
        reads_arguments: false,
    };
    check.walk(program.expression(), Scope::default(), 0)?;
    let (patterns, reads_arguments) = (check.patterns, check.reads_arguments);
    Ok(Checked {
        program,
        patterns,
        reads_arguments,
    })
}

/// `None`: the parser itself gave up, which is a mistake in the file like any other.
fn parse(source: &str) -> Option<Result<Program, ParseErrors>> {
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(PARSER_STACK);
        let parser = parser.spawn_scoped(scope, || environment().compile(source));
        parser.ok()?.join().ok()
    })
}

/// How deep brackets go, at most: those in texts count, because telling them apart is the parser's work.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The names that a loop brings along.
#[derive(Clone, Copy, Default)]
struct Scope<'e> {
    looping: Option<&'e ComprehensionExpr>,
}

struct Check<'s> {
    source: &'s str,
    program: &'s Program,
    patterns: Patterns,
    reads_arguments: bool,
}

impl<'s> Check<'s> {
    fn walk(
        &mut self,
        expr: &'s IdedExpr,
        scope: Scope<'s>,
        depth: usize,
    ) -> Result<(), InvalidCondition> {
        if depth > MOST_DEPTH {
            return Err(self.wrong(
                expr,
                format!("more than {MOST_DEPTH} expressions within each other"),
                "make several rules of it, or a list: `x in [...]`",
            ));
        }
        let deeper = depth + 1;
        match &expr.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(expr, name, scope),
            Expr::Select(select) => {
                if let Expr::Ident(name) = &select.operand.expr {
                    self.member(expr, name, &select.field, scope)?;
                }
                self.walk(&select.operand, scope, deeper)
            }
            Expr::Call(call) => {
                self.call(expr, call)?;
                let parts = call.target.as_deref().into_iter().chain(&call.args);
                parts
                    .into_iter()
                    .try_for_each(|part| self.walk(part, scope, deeper))
            }
            Expr::List(list) => {
                let mut elements = list.elements.iter();
                elements.try_for_each(|element| self.walk(element, scope, deeper))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.walk(&entry.key, scope, deeper)?;
                    self.walk(&entry.value, scope, deeper)
                }
                EntryExpr::StructField(_) => Err(self.no_messages(expr)),
            }),
            Expr::Comprehension(looping) => self.looping(expr, looping, scope, deeper),
            Expr::Struct(_) | Expr::Unspecified => Err(self.no_messages(expr)),
        }
    }

    fn variable(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        scope: Scope<'_>,
    ) -> Result<(), InvalidCondition> {
        if let Some(looping) = scope.looping {
            let own = name == looping.iter_var
                || name == looping.accu_var
                || looping.iter_var2.as_deref() == Some(name);
            if own {
                return Ok(());
            }
            if name == "arguments" {
                return Err(self.wrong(
                    expr,
                    "a loop that reads `arguments` for each element costs more than the caller's arguments are long",
                    "compare the element itself; a JSON Schema (`argument_schemas`) can say more",
                ));
            }
        }
        if name == "arguments" {
            self.reads_arguments = true;
        }
        if VARIABLES.iter().any(|(known, _)| *known == name) || TYPES.contains(&name) {
            return Ok(());
        }
        let known: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        Err(self.wrong(
            expr,
            format!("unknown variable `{name}`"),
            format!("a condition knows {}", known.join(", ")),
        ))
    }

    fn member(
        &self,
        expr: &IdedExpr,
        of: &str,
        name: &str,
        scope: Scope<'_>,
    ) -> Result<(), InvalidCondition> {
        if scope.looping.is_some_and(|looping| looping.iter_var == of) {
            return Ok(());
        }
        let known = VARIABLES.iter().find(|(variable, _)| *variable == of);
        match known {
            Some((_, members)) if !members.is_empty() && !members.contains(&name) => Err(self
                .wrong(
                    expr,
                    format!("`{of}` has no `{name}`"),
                    format!("`{of}` has {}", members.join(", ")),
                )),
            _ => Ok(()),
        }
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<(), InvalidCondition> {
        let written = match (call.target.is_some(), call.args.as_slice()) {
            (true, [only]) => match &only.expr {
                Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
                _ => None,
            },
            _ => None,
        };
        match (call.func_name.as_str(), written) {
            ("matches", Some(pattern)) => self.patterns.pattern(pattern).map_err(|_| {
                let remedy = "patterns are of linear time: without look-around and back-references";
                self.wrong(expr, "not a pattern", remedy)
            }),
            ("within", Some(range)) => self.patterns.range(range).map_err(|error| {
                self.wrong(expr, error.to_string(), "write for example `client.ip.within(\"10.0.0.0/8\")`")
            }),
            ("matches" | "within", None) => Err(self.wrong(
                expr,
                format!("what `{}` is given is not written out", call.func_name),
                "write `text.matches(\"^/srv/\")` or `client.ip.within(\"10.0.0.0/8\")`: a pattern is never made of what a caller sends",
            )),
            (name, _) if is_operator(name) || FUNCTIONS.contains(&name) => Ok(()),
            (name, _) => Err(self.wrong(
                expr,
                format!("unknown function `{name}`"),
                format!("a condition knows has, all, exists, exists_one, matches, within, {}", FUNCTIONS.join(", ")),
            )),
        }
    }

    /// `all`, `exists` and `exists_one` over one list. A loop in a loop, or one that makes a list, costs
    /// more than what it loops over.
    fn looping(
        &mut self,
        expr: &'s IdedExpr,
        looping: &'s ComprehensionExpr,
        scope: Scope<'s>,
        depth: usize,
    ) -> Result<(), InvalidCondition> {
        if scope.looping.is_some() {
            let remedy = "loop over one list, and compare the element with `in [...]`";
            return Err(self.wrong(expr, "a loop within a loop", remedy));
        }
        if !matches!(looping.accu_init.expr, Expr::Literal(_)) {
            let remedy = "write `all`, `exists` or `exists_one`";
            return Err(self.wrong(
                expr,
                "`map` and `filter` make lists, which no condition is",
                remedy,
            ));
        }
        self.walk(&looping.iter_range, scope, depth)?;
        let inner = Scope {
            looping: Some(looping),
        };
        for part in [&looping.loop_cond, &looping.loop_step, &looping.result] {
            self.walk(part, inner, depth)?;
        }
        Ok(())
    }

    fn no_messages(&self, expr: &IdedExpr) -> InvalidCondition {
        self.wrong(
            expr,
            "a condition makes no messages",
            "compare members one by one",
        )
    }

    fn wrong(
        &self,
        expr: &IdedExpr,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> InvalidCondition {
        let offset = self.program.source_info().offset_for(expr.id);
        InvalidCondition {
            message: message.into(),
            at: offset.and_then(|(start, _)| self.position(usize::try_from(start).ok()?)),
            remedy: remedy.into(),
        }
    }

    /// Line and column of a byte of the source.
    fn position(&self, offset: usize) -> Option<(usize, usize)> {
        let before = self.source.get(..offset)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        Some((line, column))
    }
}

fn is_operator(name: &str) -> bool {
    use cel::common::ast::operators as known;
    [
        known::CONDITIONAL,
        known::LOGICAL_AND,
        known::LOGICAL_OR,
        known::LOGICAL_NOT,
        known::SUBSTRACT,
        known::ADD,
        known::MULTIPLY,
        known::DIVIDE,
        known::MODULO,
        known::EQUALS,
        known::NOT_EQUALS,
        known::GREATER_EQUALS,
        known::LESS_EQUALS,
        known::GREATER,
        known::LESS,
        known::NEGATE,
        known::INDEX,
        known::NOT_STRICTLY_FALSE,
        known::IN,
    ]
    .contains(&name)
}
