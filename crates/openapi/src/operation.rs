//! From paths to tools.

mod bodies;
mod inputs;

use http::{HeaderName, Method};

use self::inputs::{Inputs, property};
use crate::body::{essence, is_json};
use crate::call::Plan;
use crate::error::{DocumentError, Finding};
use crate::limits::{
    MAX_DESCRIPTION, MAX_FINDING, MAX_FINDINGS, MAX_LISTED_BYTES, MAX_OPERATIONS, MAX_PARAMETERS,
    MAX_SCHEMAS_BYTES, MAX_TOOL_NAME, beginning,
};
use crate::name::{Names, of_tool};
use crate::node::{Node, object, quote};
use crate::parameter::{Parameter, Place, may_fill, schema_of};
use crate::pointer::{Target, resolve};
use crate::query_name::QueryName;
use crate::schema::{Direction, Members, Writer, is_object};
use crate::servers::{Known, base};
use crate::template::{Part, parts};
use crate::tool::Tool;

/// Methods that become tools. OPTIONS and TRACE are about the server and no operations of the API.
const METHODS: &[(&str, Method)] = &[
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
];

/// Levels of `allOf` that are looked through for what a schema is.
const MAX_LEVELS: usize = 8;

/// Makes the tools of one document.
pub(crate) struct Compiler<'d> {
    root: &'d Node,
    known: Known<'d>,
    withheld: &'d [HeaderName],
    names: Names,
    tools: Vec<Tool>,
    findings: Vec<Finding>,
    /// Bytes that definitions may still take.
    room: usize,
    /// Bytes of all tools so far.
    listed: usize,
}

/// A parameter with what the document says of it.
type Described<'d> = (Parameter, Option<&'d Node>);

/// One operation of one path.
struct Operation<'d> {
    path: &'d str,
    method: &'static (&'static str, Method),
    item: &'d Node,
    node: &'d Node,
}

impl<'d> Compiler<'d> {
    pub(crate) fn new(root: &'d Node, known: Known<'d>, withheld: &'d [HeaderName]) -> Self {
        Self {
            root,
            known,
            withheld,
            names: Names::new(MAX_TOOL_NAME),
            tools: Vec::new(),
            findings: Vec::new(),
            room: MAX_SCHEMAS_BYTES,
            listed: 0,
        }
    }

    pub(crate) fn finish(self) -> (Vec<Tool>, Vec<Finding>) {
        (self.tools, self.findings)
    }

    /// All operations, in the document's order.
    pub(crate) fn operations(&mut self) -> Result<(), DocumentError> {
        let paths = self.root.get("paths");
        let paths = paths.ok_or_else(|| {
            DocumentError::new(
                Some(self.root.line),
                "`paths` is missing: there is nothing to call",
            )
        })?;
        for (path, item) in paths.entries().filter(|(path, _)| path.starts_with('/')) {
            let Target::Here(resolved, _) = resolve(self.root, item) else {
                self.find(
                    item,
                    format!("the path {path:?} stands outside this document and is left out"),
                );
                continue;
            };
            for (word, node) in resolved.entries() {
                let Some(method) = METHODS.iter().find(|(known, _)| *known == word) else {
                    continue;
                };
                if self.tools.len() >= MAX_OPERATIONS {
                    let message = format!("more than {MAX_OPERATIONS} operations");
                    return Err(DocumentError::new(Some(node.line), message));
                }
                let operation = Operation {
                    path,
                    method,
                    item: resolved,
                    node,
                };
                if let Err(why) = self.operation(&operation) {
                    let name = word.to_uppercase();
                    self.find(node, format!("{name} {path:?} is left out: {why}"));
                }
            }
        }
        Ok(())
    }

    fn find(&mut self, node: &Node, mut message: String) {
        if self.findings.len() < MAX_FINDINGS {
            message.truncate(beginning(&message, MAX_FINDING).len());
            message.shrink_to_fit();
            self.findings.push(Finding {
                line: node.line,
                message,
            });
        }
    }

    fn operation(&mut self, operation: &Operation<'d>) -> Result<(), String> {
        if self.listed > MAX_LISTED_BYTES {
            return Err("the tools of this document are too large together".to_owned());
        }
        let node = operation.node;
        let base = base(self.known, &[self.root, operation.item, node])?;
        let (path, query) = parts(operation.path);
        let mut plan = Plan {
            method: operation.method.1.clone(),
            base,
            path,
            query,
            parameters: Vec::new(),
            body: None,
        };
        let (parameters, form) = self.parameters(operation, &plan)?;
        let mut writer = Writer::new(self.root, Direction::Input);
        let mut inputs = Inputs::new();
        for (mut parameter, described) in parameters {
            parameter.argument = inputs.claim(&parameter.name, parameter.place.word());
            let schema = property(&mut writer, described.map(|node| (schema_of(node), node)));
            inputs.add(&parameter.argument, schema, parameter.required);
            plan.parameters.push(parameter);
        }
        if let Some((mut body, schema)) = self.body(operation, &form, &mut writer)? {
            body.argument = inputs.claim("body", "request");
            inputs.add(&body.argument, schema, body.required);
            plan.body = Some(body);
        }
        let wanted = node.text_of("operationId").filter(|id| !id.is_empty());
        let wanted = wanted.map_or_else(
            || {
                of_tool(&format!(
                    "{}_{}",
                    operation.method.0,
                    operation.path.trim_matches('/')
                ))
            },
            of_tool,
        );
        let name = self.names.claim(&wanted);
        let input = self.input(&inputs, &mut writer);
        let output = self.output(operation);
        self.lost(writer.lost);
        let structured = output.is_some();
        let listed = listing(&name, operation, input, output);
        let bytes = listed.len().saturating_add(plan.bytes());
        self.listed = self.listed.saturating_add(bytes);
        self.tools.push(Tool {
            name,
            listed,
            structured,
            plan,
        });
        Ok(())
    }

    fn lost(&mut self, lost: Vec<(usize, String)>) {
        let room = MAX_FINDINGS.saturating_sub(self.findings.len());
        let told = lost.into_iter().take(room).map(|(line, what)| Finding {
            line,
            message: format!(
                "the schema {}: it accepts anything",
                beginning(&what, MAX_FINDING)
            ),
        });
        self.findings.extend(told);
    }

    fn input(&mut self, inputs: &Inputs, writer: &mut Writer<'d>) -> String {
        let mut members: Members = vec![
            ("type".to_owned(), quote("object")),
            ("properties".to_owned(), object(&inputs.properties)),
        ];
        if !inputs.required.is_empty() {
            let required: Vec<String> = inputs.required.iter().map(|name| quote(name)).collect();
            members.push(("required".to_owned(), format!("[{}]", required.join(","))));
        }
        members.push(("additionalProperties".to_owned(), "false".to_owned()));
        if let Some(definitions) = writer.definitions(self.room) {
            self.room = self.room.saturating_sub(definitions.len());
            members.push(("$defs".to_owned(), definitions));
        }
        object(&members)
    }

    /// The schema of what the operation answers, if every success is an object of one schema.
    fn output(&mut self, operation: &Operation<'d>) -> Option<String> {
        let mut schemas = operation
            .node
            .get("responses")?
            .entries()
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(_, response)| self.answer_schema(response));
        let schema = schemas.next()??;
        if schemas.next().is_some() || !is_object(self.root, schema, MAX_LEVELS) {
            return None;
        }
        let mut writer = Writer::new(self.root, Direction::Output);
        let mut members = writer.resolved(schema);
        members.retain(|(key, _)| key != "type");
        members.insert(0, ("type".to_owned(), quote("object")));
        if let Some(definitions) = writer.definitions(self.room) {
            self.room = self.room.saturating_sub(definitions.len());
            members.push(("$defs".to_owned(), definitions));
        }
        self.lost(writer.lost);
        Some(object(&members))
    }

    /// The JSON schema of a response; `None` when it may answer something else.
    fn answer_schema(&self, response: &'d Node) -> Option<&'d Node> {
        let Target::Here(response, _) = resolve(self.root, response) else {
            return None;
        };
        let Some(content) = response.get("content") else {
            // Swagger 2
            return response.get("schema");
        };
        let mut kinds = content.entries();
        let (media_type, content) = kinds.next()?;
        let only = kinds.next().is_none();
        (only && is_json(essence(media_type)))
            .then(|| content.get("schema"))
            .flatten()
    }

    /// Parameters by the path's order of importance; those of the operation win over those of the path.
    /// Also the fields of a Swagger 2 form or body.
    fn parameters(
        &mut self,
        operation: &Operation<'d>,
        plan: &Plan,
    ) -> Result<(Vec<Described<'d>>, Vec<&'d Node>), String> {
        let mut found: Vec<Described<'d>> = Vec::new();
        let mut bodies: Vec<&'d Node> = Vec::new();
        let levels = [operation.node, operation.item];
        let nodes = levels
            .into_iter()
            .filter_map(|level| level.get("parameters"))
            .flat_map(Node::items);
        for (position, node) in nodes.enumerate() {
            if position >= MAX_PARAMETERS {
                return Err(format!("it has more than {MAX_PARAMETERS} parameters"));
            }
            let Target::Here(resolved, _) = resolve(self.root, node) else {
                return Err(format!(
                    "its parameter on line {} stands outside this document",
                    node.line
                ));
            };
            let (Some(name), Some(word)) = (resolved.text_of("name"), resolved.text_of("in"))
            else {
                return Err(format!(
                    "its parameter on line {} has no `name` or `in`",
                    node.line
                ));
            };
            if matches!(word, "body" | "formData") {
                bodies.push(resolved);
                continue;
            }
            let Some(place) = Place::of(word) else {
                return Err(format!(
                    "its parameter {name:?} is in {word:?}, which is no place"
                ));
            };
            let parameter = Parameter::read(self.root, resolved, place, name);
            let known = |(other, _): &Described<'_>| other.name == name && other.place == place;
            if found.iter().any(known) {
                continue;
            }
            match self.refusal(&parameter, plan) {
                Some(why) => self.find(
                    node,
                    format!("the parameter {name:?} is no argument: {why}"),
                ),
                None => found.push((parameter, Some(resolved))),
            }
        }
        for part in &plan.path {
            let Part::Expression(name) = part else {
                continue;
            };
            let known =
                |(other, _): &Described<'_>| other.name == *name && other.place == Place::Path;
            if !found.iter().any(known) {
                found.push((Parameter::of_path(name), None));
            }
        }
        found.sort_by_key(|(parameter, _)| parameter.place);
        Ok((found, bodies))
    }

    /// Why a parameter cannot be an argument.
    fn refusal(&self, parameter: &Parameter, plan: &Plan) -> Option<&'static str> {
        match parameter.place {
            Place::Path => {
                let expression = Part::Expression(parameter.name.clone());
                (!plan.path.contains(&expression)).then_some("the path does not hold it")
            }
            Place::Query => plan
                .fixed_names()
                .any(|fixed| fixed == QueryName::of(&parameter.name))
                .then_some("the address says it already"),
            Place::Header => match HeaderName::try_from(&parameter.name) {
                Err(_) => Some("this is no header's name"),
                Ok(name) => (!may_fill(&name, self.withheld))
                    .then_some("the credential, the file or HTTP itself fills this header"),
            },
            Place::Cookie => self
                .withheld
                .contains(&http::header::COOKIE)
                .then_some("the credential fills the cookies"),
        }
    }
}

fn listing(name: &str, operation: &Operation<'_>, input: String, output: Option<String>) -> String {
    let node = operation.node;
    let method = operation.method.0.to_uppercase();
    let said = |key: &str| {
        let on = |node: &'_ Node| node.text_of(key).map(str::trim).map(str::to_owned);
        on(node)
            .or_else(|| on(operation.item))
            .filter(|text| !text.is_empty())
    };
    let (summary, described) = (said("summary"), said("description"));
    let text = match (&summary, described) {
        (Some(summary), Some(described)) if !described.starts_with(summary.as_str()) => {
            format!("{summary}\n\n{described}")
        }
        (_, Some(described)) => described,
        (Some(summary), None) => summary.clone(),
        (None, None) => format!("{method} {}", operation.path),
    };
    let reads = matches!(operation.method.1, Method::GET | Method::HEAD);
    let mut hints = vec![("readOnlyHint", reads.to_string())];
    if !reads {
        // POST may do anything, and so says nothing: the protocol's default is the careful one.
        if operation.method.1 != Method::POST {
            hints.push(("destructiveHint", "true".to_owned()));
        }
        let again = matches!(operation.method.1, Method::PUT | Method::DELETE);
        hints.push(("idempotentHint", again.to_string()));
    }
    hints.push(("openWorldHint", "true".to_owned()));
    let mut members = vec![("name", quote(name))];
    if let Some(summary) = summary.filter(|summary| summary.len() <= 120) {
        members.push(("title", quote(&summary)));
    }
    members.push(("description", quote(beginning(&text, MAX_DESCRIPTION))));
    members.push(("inputSchema", input));
    if let Some(output) = output {
        members.push(("outputSchema", output));
    }
    members.push(("annotations", object(&hints)));
    object(&members)
}
