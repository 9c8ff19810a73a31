//! From text to tree: JSON where the text begins like it, else YAML.

mod json;
mod yaml;

use crate::error::DocumentError;
use crate::limits::{MAX_COPIED_BYTES, MAX_DOCUMENT_BYTES, MAX_NODES};
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

/// Counts values and what copies of them take, so that none is made beyond the bounds.
#[derive(Debug, Default)]
struct Count {
    nodes: usize,
    copied: usize,
}

impl Count {
    fn spend(&mut self, nodes: usize, line: usize) -> Result<(), DocumentError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values");
            return Err(DocumentError::new(Some(line), message));
        }
        Ok(())
    }

    /// One more copy of what stands in the document already: few values may be much text.
    fn copy(&mut self, nodes: usize, bytes: usize, line: usize) -> Result<(), DocumentError> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > MAX_COPIED_BYTES {
            let message = format!("aliases stand for more than {MAX_COPIED_BYTES} bytes");
            return Err(DocumentError::new(Some(line), message));
        }
        self.spend(nodes, line)
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
