//! How much of a document is taken. Everything that a document can make larger has a bound here.

/// Largest document.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// Values in a document after YAML's aliases are expanded: what an anchor bomb runs into.
pub(crate) const MAX_NODES: usize = 1_000_000;

/// Text that YAML's anchors and aliases may copy in all: one long text is few values.
pub(crate) const MAX_COPIED_BYTES: usize = 64 * 1024 * 1024;

/// Collections within collections in a document.
pub(crate) const MAX_DEPTH: usize = 64;

/// Operations of one document: more tools are of no use to anybody.
pub(crate) const MAX_OPERATIONS: usize = 2000;

/// Parameters of one operation, with those of its path: each is looked at for each other.
pub(crate) const MAX_PARAMETERS: usize = 256;

/// Schemas within a schema that are written out; a message may not be nested deeper than 64 levels.
pub(crate) const MAX_SCHEMA_DEPTH: usize = 12;

/// Most bytes that the definitions of one schema take; what is beyond accepts anything.
pub(crate) const MAX_SCHEMA_BYTES: usize = 64 * 1024;

/// Most bytes that the definitions of all tools' schemas take together.
pub(crate) const MAX_SCHEMAS_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes that all tools take, in a list and for their requests: what is inlined from elsewhere counts each time.
pub(crate) const MAX_LISTED_BYTES: usize = 32 * 1024 * 1024;

/// Schemas that are looked into for one answer about a schema that is made of others.
pub(crate) const MAX_VISITS: usize = 4096;

/// References that lead to references, before it is called a circle.
pub(crate) const MAX_REFERENCES: usize = 32;

/// Longest example that is shown to a model.
pub(crate) const MAX_EXAMPLE: usize = 512;

/// Longest description of a tool or a parameter.
pub(crate) const MAX_DESCRIPTION: usize = 4096;

/// Longest tool name: what model providers accept.
pub const MAX_TOOL_NAME: usize = 64;

/// Longest argument name: what model providers accept.
pub(crate) const MAX_ARGUMENT_NAME: usize = 64;

/// Longest address of a server: each operation has one of its own.
pub(crate) const MAX_ADDRESS: usize = 8 * 1024;

/// Levels of an object in a query parameter of style `deepObject`.
pub(crate) const MAX_DEEP_OBJECT: usize = 6;

/// Most of an error's body that a caller is shown.
pub const MAX_ERROR_TEXT: usize = 16 * 1024;

/// Deepest JSON answer that is given as structured content; the message around it adds levels.
pub(crate) const MAX_STRUCTURED_DEPTH: usize = 56;

/// Most findings that are kept of one document.
pub(crate) const MAX_FINDINGS: usize = 100;

/// Longest finding: names of a document stand in it.
pub(crate) const MAX_FINDING: usize = 1024;

/// The beginning of a text, at most `most` bytes of it and no half characters.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    text.get(..end).unwrap_or_default()
}
