//! Which shapes of value a schema lets through, as far as styles tell them apart. A single value is
//! not asked about: it is one text wherever it goes.

use std::ops::{BitAnd, BitOr};

use crate::limits::MAX_VISITS;
use crate::node::{Node, Value};
use crate::pointer::{Target, resolve};

/// Schemas within schemas that are looked through.
const MAX_LEVELS: usize = 8;

/// What a value may be beside a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shapes {
    pub(crate) list: bool,
    pub(crate) object: bool,
}

impl Shapes {
    /// A single value: also what is said of a schema that cannot be read.
    pub(crate) const SINGLE: Self = Self {
        list: false,
        object: false,
    };
    const ANY: Self = Self {
        list: true,
        object: true,
    };

    /// Those of a schema.
    pub(crate) fn of(root: &Node, schema: &Node) -> Self {
        let mut visits = MAX_VISITS;
        shapes(root, schema, MAX_LEVELS, &mut visits)
    }

    fn named(name: &str) -> Self {
        Self {
            list: name == "array",
            object: name == "object",
        }
    }

    const fn of_value(node: &Node) -> Self {
        Self {
            list: matches!(node.value, Value::List(_)),
            object: matches!(node.value, Value::Map(_)),
        }
    }
}

impl BitAnd for Shapes {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self {
            list: self.list && other.list,
            object: self.object && other.object,
        }
    }
}

impl BitOr for Shapes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            list: self.list || other.list,
            object: self.object || other.object,
        }
    }
}

fn any_of(shapes: impl Iterator<Item = Shapes>) -> Shapes {
    shapes.fold(Shapes::SINGLE, BitOr::bitor)
}

/// What every keyword of a schema lets through.
fn shapes(root: &Node, node: &Node, levels: usize, visits: &mut usize) -> Shapes {
    let (Some(left), Some(below)) = (visits.checked_sub(1), levels.checked_sub(1)) else {
        return Shapes::SINGLE;
    };
    *visits = left;
    if node.flag() == Some(false) {
        return Shapes::SINGLE;
    }
    let mut found = Shapes::ANY;
    if node.get("$ref").is_some() {
        // 3.1 counts what stands beside a reference, 3.0 does not: where it says less, less is taken.
        found = match resolve(root, node) {
            Target::Here(target, _) => shapes(root, target, below, visits),
            Target::Outside | Target::Nowhere => Shapes::SINGLE,
        };
    }
    match node.get("type").map(|kind| (kind.text(), kind)) {
        Some((Some(name), _)) => found = found & Shapes::named(name),
        Some((None, kind)) => {
            found = found & any_of(kind.items().filter_map(Node::text).map(Shapes::named));
        }
        // Written for values of one shape, by whoever left out to say so.
        None if node.get("properties").is_some() => found = found & Shapes::named("object"),
        None if node.get("items").is_some() => found = found & Shapes::named("array"),
        None => {}
    }
    if let Some(values) = node.get("enum") {
        found = found & any_of(values.items().map(Shapes::of_value));
    }
    if let Some(value) = node.get("const") {
        found = found & Shapes::of_value(value);
    }
    for part in node.get("allOf").into_iter().flat_map(Node::items) {
        found = found & shapes(root, part, below, visits);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = node.get(word) {
            let mut all = Shapes::SINGLE;
            for choice in choices.items() {
                all = all | shapes(root, choice, below, visits);
            }
            found = found & all;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    fn of(schema: &str) -> &'static str {
        let text = format!(
            r##"{{"openapi":"3.1.0","s":{schema},"text":{{"type":"string"}},
                "list":{{"type":"array","items":{{}}}},"round":{{"$ref":"#/round"}}}}"##
        );
        let root = read::tree(&text).unwrap();
        match Shapes::of(&root, root.get("s").unwrap()) {
            Shapes {
                list: false,
                object: false,
            } => "single",
            Shapes {
                list: true,
                object: false,
            } => "list",
            Shapes {
                list: false,
                object: true,
            } => "object",
            Shapes {
                list: true,
                object: true,
            } => "any",
        }
    }

    #[test]
    fn a_schema_tells_which_shapes_it_takes() {
        for (schema, shapes) in [
            (r"{}", "any"),
            (r"true", "any"),
            (r"false", "single"),
            (r#"{"type":"string"}"#, "single"),
            (r#"{"type":["integer","null"]}"#, "single"),
            (r#"{"type":["string","array"]}"#, "list"),
            (r#"{"type":"object"}"#, "object"),
            (r#"{"properties":{"a":{}}}"#, "object"),
            (r#"{"items":{}}"#, "list"),
            (r#"{"enum":["a","b",1,null]}"#, "single"),
            (r#"{"enum":["a",{}]}"#, "object"),
            (r#"{"const":"a"}"#, "single"),
            (r##"{"$ref":"#/text"}"##, "single"),
            (r##"{"$ref":"#/list"}"##, "list"),
            (
                r##"{"anyOf":[{"$ref":"#/text"},{"$ref":"#/list"}]}"##,
                "list",
            ),
            (r##"{"allOf":[{},{"$ref":"#/text"}]}"##, "single"),
            (
                r#"{"oneOf":[{"type":"string"},{"type":"object"}]}"#,
                "object",
            ),
            // Nobody knows what these take.
            (r#"{"$ref":"other.json"}"#, "single"),
            (r##"{"$ref":"#/nowhere"}"##, "single"),
            (r##"{"$ref":"#/round"}"##, "single"),
        ] {
            assert_eq!(of(schema), shapes, "{schema}");
        }
    }

    #[test]
    fn schemas_within_schemas_have_an_end() {
        let deep = (0..20).fold("{}".to_owned(), |inner, _| {
            format!(r#"{{"allOf":[{inner},{{}}]}}"#)
        });
        assert_eq!(of(&deep), "single");
    }
}
