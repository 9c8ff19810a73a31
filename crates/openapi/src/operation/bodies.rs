//! The body of an operation: that of OpenAPI 3, or the parameters that make one in Swagger 2.

use super::inputs::{Inputs, binary, property};
use super::{Compiler, Operation};
use crate::body::{Body, Field, Fields, Kind, essence, field, is_json};
use crate::node::Node;
use crate::parameter::{Parameter, Place};
use crate::pointer::{Target, resolve};
use crate::schema::Writer;

impl<'d> Compiler<'d> {
    /// The body with its argument's schema.
    pub(super) fn body(
        &mut self,
        operation: &Operation<'d>,
        old: &[&'d Node],
        writer: &mut Writer<'d>,
    ) -> Result<Option<(Body, String)>, String> {
        if !old.is_empty() {
            return Ok(Some(self.old_body(operation, old, writer)));
        }
        let Some(node) = operation.node.get("requestBody") else {
            return Ok(None);
        };
        let Target::Here(node, _) = resolve(self.root, node) else {
            return Err("its body stands outside this document".to_owned());
        };
        let Some((media_type, content)) = node.get("content").and_then(Body::choose) else {
            return Ok(None);
        };
        let body = Body::read(self.root, media_type, content, node.is_set("required"));
        writer.files = matches!(body.kind, Kind::Multipart(_));
        let schema = match body.kind {
            Kind::Bytes => binary(node),
            _ => property(writer, content.get("schema").map(|schema| (schema, node))),
        };
        Ok(Some((body, schema)))
    }

    /// Swagger 2: a parameter `in: body`, or fields `in: formData`.
    fn old_body(
        &self,
        operation: &Operation<'d>,
        nodes: &[&'d Node],
        writer: &mut Writer<'d>,
    ) -> (Body, String) {
        let levels = [operation.node, self.root];
        let consumes = levels.iter().find_map(|level| level.get("consumes"));
        let consumes: Vec<&str> = consumes
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::text)
            .collect();
        if let Some(whole) = nodes.iter().find(|node| node.text_of("in") == Some("body")) {
            let json = consumes.iter().find(|kind| is_json(essence(kind)));
            let media_type = json
                .or(consumes.first())
                .copied()
                .unwrap_or("application/json");
            let body = Body::read(self.root, media_type, whole, whole.is_set("required"));
            let schema = property(writer, whole.get("schema").map(|schema| (schema, *whole)));
            return (body, schema);
        }
        let mut inputs = Inputs::new();
        let mut fields = Fields::new();
        let file = nodes
            .iter()
            .any(|node| node.text_of("type") == Some("file"));
        let multipart = file || consumes.contains(&"multipart/form-data");
        writer.files = multipart;
        for node in nodes {
            let name = node.text_of("name").unwrap_or_default();
            if fields.iter().any(|(known, _)| known == name) {
                continue;
            }
            let style = Parameter::read(self.root, node, Place::Query, name);
            let plain = field(self.root, node, None);
            let listed = node.text_of("type") == Some("array");
            let style = listed.then_some((style.style, style.explode));
            fields.push((name.to_owned(), Field { style, ..plain }));
            let schema = property(writer, Some((*node, *node)));
            inputs.add(name, schema, node.is_set("required"));
        }
        let required = !inputs.required.is_empty();
        let schema = inputs.schema();
        let (media_type, kind) = if multipart {
            ("multipart/form-data", Kind::Multipart(fields))
        } else {
            ("application/x-www-form-urlencoded", Kind::Form(fields))
        };
        let body = Body {
            argument: String::new(),
            required,
            media_type: media_type.to_owned(),
            kind,
        };
        (body, schema)
    }
}
