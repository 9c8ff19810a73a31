//! The arguments of a tool, as the schema that it lists.

use crate::limits::{MAX_ARGUMENT_NAME, MAX_DESCRIPTION, beginning};
use crate::name::{Names, of_argument};
use crate::node::{Node, object, quote};
use crate::schema::{Members, Writer};

/// The properties of a schema that we make.
pub(super) struct Inputs {
    names: Names,
    pub(super) properties: Members,
    pub(super) required: Vec<String>,
}

impl Inputs {
    pub(super) fn new() -> Self {
        Self {
            names: Names::new(MAX_ARGUMENT_NAME),
            properties: Members::new(),
            required: Vec::new(),
        }
    }

    /// The bare name for whoever comes first, and with the place in front for others.
    pub(super) fn claim(&mut self, name: &str, place: &str) -> String {
        let bare = of_argument(name);
        let taken = self.properties.iter().any(|(known, _)| *known == bare);
        if taken {
            self.names.claim(&format!("{place}_{bare}"))
        } else {
            self.names.claim(&bare)
        }
    }

    pub(super) fn add(&mut self, name: &str, schema: String, required: bool) {
        self.properties.push((name.to_owned(), schema));
        if required {
            self.required.push(name.to_owned());
        }
    }

    pub(super) fn schema(&self) -> String {
        let required: Vec<String> = self.required.iter().map(|name| quote(name)).collect();
        object(&[
            ("type", quote("object")),
            ("properties", object(&self.properties)),
            ("required", format!("[{}]", required.join(","))),
        ])
    }
}

/// A property: its schema, and what the document says of it where it is used.
pub(super) fn property<'d>(
    writer: &mut Writer<'d>,
    described: Option<(&'d Node, &'d Node)>,
) -> String {
    let Some((schema, node)) = described else {
        return object(&[("type", quote("string"))]);
    };
    let mut members = writer.members(schema, 1);
    if !std::ptr::eq(schema, node)
        && let Some(text) = node.text_of("description")
        && !members.iter().any(|(key, _)| key == "anyOf")
    {
        members.retain(|(key, _)| key != "description");
        members.push((
            "description".to_owned(),
            quote(beginning(text, MAX_DESCRIPTION)),
        ));
    }
    object(&members)
}

pub(super) fn binary(node: &Node) -> String {
    let told = node.text_of("description").unwrap_or_default();
    let described = format!(
        "{} Binary content, in base64.",
        beginning(told, MAX_DESCRIPTION)
    );
    object(&[
        ("type", quote("string")),
        ("contentEncoding", quote("base64")),
        ("description", quote(described.trim())),
    ])
}
