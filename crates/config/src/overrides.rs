//! `PORTCULLIS__SECTION__KEY`: single values from the environment, laid over the file's.

use crate::findings::{Findings, Place};
use crate::keys::ours::ROOT;
use crate::keys::{Kind, Section, Standing};
use crate::suggest::nearest;
use crate::tree::{Entry, Node, Span, Value};

const PREFIX: &str = "PORTCULLIS__";

/// Applies every such variable; one that names nothing is an error, like a misspelt key.
pub(crate) fn apply(root: &mut Node, findings: &Findings<'_>) {
    let mut names = (findings.sources().env_names)();
    names.retain(|name| name.starts_with(PREFIX));
    names.sort();
    for variable in names {
        let Some(value) = (findings.sources().env)(&variable) else {
            continue;
        };
        let path = variable
            .trim_start_matches(PREFIX)
            .to_ascii_lowercase()
            .split("__")
            .map(str::to_owned)
            .collect::<Vec<_>>();
        if let Err(problem) = set(root, &ROOT, &path, &variable, value) {
            let place = Place {
                path: variable,
                span: Span::default(),
            };
            findings.error(place, problem.message, problem.help);
        }
    }
}

struct Problem {
    message: String,
    help: Option<String>,
}

fn problem(message: impl Into<String>, help: Option<String>) -> Problem {
    Problem {
        message: message.into(),
        help,
    }
}

fn set(
    node: &mut Node,
    section: &'static Section,
    path: &[String],
    variable: &str,
    value: String,
) -> Result<(), Problem> {
    let Some((first, rest)) = path.split_first() else {
        return Err(problem("names a section, not a key in it", None));
    };
    let Some(key) = section.key(first) else {
        let help = nearest(first, section.keys.iter().map(|key| key.name))
            .map(|name| format!("did you mean `{}`?", name.to_ascii_uppercase()));
        return Err(problem(
            format!("`{section}` has no key `{first}`", section = section.name),
            help,
        ));
    };
    if !matches!(key.standing, Standing::Works) {
        return Err(problem(format!("`{}` has no effect here", key.name), None));
    }
    match key.kind {
        Kind::Section(inner) => set(child(node, key.name)?, inner, rest, variable, value),
        Kind::Named(inner) => {
            let Some((name, rest)) = rest.split_first() else {
                return Err(problem("names a section, not a key in it", None));
            };
            let named = child(node, key.name)?;
            if matches!(named.value, Value::Null) {
                named.value = Value::Map(Vec::new());
            }
            let Value::Map(entries) = &mut named.value else {
                return Err(problem(format!("`{}` is not a map", key.name), None));
            };
            let entry = entries
                .iter_mut()
                .find(|entry| as_variable(&entry.key) == *name);
            let Some(entry) = entry else {
                return Err(problem(
                    format!("`{}` has no entry `{name}`", key.name),
                    Some("a variable can change an entry of the file, not add one".to_owned()),
                ));
            };
            set(&mut entry.node, inner, rest, variable, value)
        }
        Kind::Sections(_)
        | Kind::Texts
        | Kind::TextMap
        | Kind::SecretMap
        | Kind::TextsMap
        | Kind::Anything => Err(problem(
            format!("`{}` is not a single value: write it in the file", key.name),
            None,
        )),
        _ if !rest.is_empty() => Err(problem(
            format!("`{}` is a single value and has no keys", key.name),
            None,
        )),
        _ => {
            let leaf = child(node, key.name)?;
            leaf.value = Value::Scalar {
                text: value,
                plain: true,
            };
            leaf.span = Span::default();
            leaf.variable = Some(variable.to_owned());
            Ok(())
        }
    }
}

fn as_variable(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

/// The child of this name, made when absent.
fn child<'n>(node: &'n mut Node, name: &str) -> Result<&'n mut Node, Problem> {
    if matches!(node.value, Value::Null) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else {
        return Err(problem(
            "what the file has there is not a map".to_owned(),
            None,
        ));
    };
    let position = entries.iter().position(|entry| entry.key == name);
    let position = position.unwrap_or_else(|| {
        entries.push(Entry {
            key: name.to_owned(),
            key_span: Span::default(),
            node: Node {
                value: Value::Null,
                span: Span::default(),
                variable: None,
            },
        });
        entries.len() - 1
    });
    entries
        .get_mut(position)
        .map(|entry| &mut entry.node)
        .ok_or_else(|| problem("cannot be set", None))
}
