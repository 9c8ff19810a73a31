//! From text to tree: JSON where the text begins like it, else YAML.

mod json;
mod yaml;

use crate::error::DocumentError;
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_NODES};
use crate::node::{Map, Node};

/// Reads a document's text.
pub(crate) fn tree(text: &str) -> Result<Node, DocumentError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        let message = format!("the document is larger than {MAX_DOCUMENT_BYTES} bytes");
        return Err(DocumentError::new(None, message));
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        json::read(text)
    } else {
        yaml::read(text)
    }
}

/// Counts values, so that none is made beyond the bound.
#[derive(Debug, Default)]
struct Count(usize);

impl Count {
    fn spend(&mut self, nodes: usize, line: usize) -> Result<(), DocumentError> {
        self.0 = self.0.saturating_add(nodes);
        if self.0 > MAX_NODES {
            let message = format!("more than {MAX_NODES} values");
            return Err(DocumentError::new(Some(line), message));
        }
        Ok(())
    }
}

fn map(entries: Vec<(Box<str>, Node)>) -> Result<Map, DocumentError> {
    Map::new(entries).map_err(|(name, line)| {
        let message = format!("the key {name:?} stands twice in one map");
        DocumentError::new(Some(line), message)
    })
}

fn too_deep(line: usize) -> DocumentError {
    let most = crate::limits::MAX_DEPTH;
    DocumentError::new(Some(line), format!("nested deeper than {most} levels"))
}

#[cfg(test)]
mod tests;
