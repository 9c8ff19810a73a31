//! A whole document.

use std::collections::HashMap;

use http::HeaderName;
use portcullis_core::sha256;
use url::Url;

use crate::error::{DocumentError, Finding};
use crate::limits::MAX_FINDINGS;
use crate::node::Node;
use crate::operation::Compiler;
use crate::read;
use crate::servers::Known;
use crate::tool::Tool;

/// What is known of a document before it is read.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Where the API is, if the operator wrote it down.
    pub base: Option<Url>,
    /// Where the document was fetched, if it was.
    pub document: Option<Url>,
    /// Headers that the credential or the operator fills.
    pub withheld: Vec<HeaderName>,
}

/// A document as tools.
#[derive(Clone, Debug)]
pub struct Api {
    tools: Vec<Tool>,
    by_name: HashMap<String, usize>,
    findings: Vec<Finding>,
    title: String,
    digest: [u8; 32],
}

impl Api {
    /// Reads a document. What cannot be used of it is left out and found fault with; an error means
    /// that none of it can.
    pub fn read(text: &str, origin: &Origin) -> Result<Self, DocumentError> {
        let root = read::tree(text)?;
        is_known(&root)?;
        let known = Known {
            written: origin.base.as_ref(),
            document: origin.document.as_ref(),
        };
        let mut compiler = Compiler::new(&root, known, &origin.withheld);
        compiler.operations()?;
        let (tools, mut findings) = compiler.finish();
        if tools.is_empty() {
            let why = findings.first().map(|finding| format!(": {finding}"));
            let message = format!(
                "no operation of it can be a tool{}",
                why.unwrap_or_default()
            );
            return Err(DocumentError::new(None, message));
        }
        findings.truncate(MAX_FINDINGS);
        let by_name = tools
            .iter()
            .enumerate()
            .map(|(at, tool)| (tool.name.clone(), at))
            .collect();
        let title = root
            .get("info")
            .and_then(|info| info.text_of("title"))
            .unwrap_or("API");
        Ok(Self {
            tools,
            by_name,
            findings,
            title: title.to_owned(),
            digest: sha256(text.as_bytes()),
        })
    }

    /// All tools, in the document's order.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.get(*self.by_name.get(name)?)
    }

    /// What is wrong with the document, as far as it is used in spite of it.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// `info.title`
    pub fn title(&self) -> &str {
        &self.title
    }

    /// SHA-256 of the text.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

fn is_known(root: &Node) -> Result<(), DocumentError> {
    let version = |name: &str| root.get(name).and_then(Node::words);
    let message = match (version("openapi"), version("swagger")) {
        (Some(version), _) if version.starts_with("3.") => return Ok(()),
        (None, Some(version)) if version == "2" || version.starts_with("2.") => return Ok(()),
        (Some(other), _) => format!("`openapi: {other}` is not read here: 3.0 and 3.1 are"),
        (None, Some(other)) => format!("`swagger: {other}` is not read here: 2.0 is"),
        (None, None) => {
            "neither `openapi: 3.x` nor `swagger: \"2.0\"` stands in it: is it an OpenAPI document?"
                .to_owned()
        }
    };
    Err(DocumentError::new(Some(root.line), message))
}

#[cfg(test)]
mod tests;
