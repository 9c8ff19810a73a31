//! What the server offers, in the form of its revision.

use serde_json::{Value, json};

use crate::{feature::Feature, revision::Revision};

/// The resource that can be read and subscribed to.
pub const NOTE: &str = "ref://note";
/// What it says.
pub const NOTE_TEXT: &str = "the note";
/// What the user is supposed to choose.
pub const CHOICE: &str = "tea";
/// What completes `pa`.
pub const COMPLETED: &[&str] = &["paris", "park"];

/// Every tool, and the feature that it is for.
pub const TOOLS: &[(&str, Feature)] = &[
    ("echo", Feature::Tools),
    ("sum", Feature::Tools),
    ("count", Feature::Progress),
    ("chat", Feature::Logging),
    ("think", Feature::Sampling),
    ("choose", Feature::ElicitationForm),
    ("visit", Feature::ElicitationUrl),
    ("touch", Feature::Resources),
    ("wait", Feature::Cancellation),
    ("given-up", Feature::Cancellation),
    ("change", Feature::ListChanged),
    ("complaints", Feature::Schemas),
];

/// The tools, as they are after so many changes.
pub(crate) fn tools(revision: Revision, changes: u64) -> Value {
    let own = TOOLS.iter().filter(|(_, feature)| feature.is_in(revision));
    let tools: Vec<Value> = own
        .map(|(name, _)| {
            let mut tool = json!({"name": name, "description": format!("The tool {name}."),
                "inputSchema": {"type": "object"}});
            if *name == "change" {
                tool["description"] = json!(format!("Changed {changes} times."));
            }
            if *name == "sum" && Feature::StructuredResult.is_in(revision) {
                tool["outputSchema"] = json!({"type": "object",
                    "properties": {"sum": {"type": "integer"}}, "required": ["sum"]});
            }
            if *name == "echo" && revision >= Revision::V2025_11_25 {
                tool["icons"] = json!([{"src": "data:image/png;base64,AAAA"}]);
            }
            if *name == "echo" && revision == Revision::V2025_11_25 {
                tool["execution"] = json!({"taskSupport": "forbidden"});
            }
            tool
        })
        .collect();
    json!({"tools": tools})
}

pub(crate) fn resources() -> Value {
    json!({"resources": [{"uri": NOTE, "name": "note", "mimeType": "text/plain"}]})
}

pub(crate) fn templates() -> Value {
    json!({"resourceTemplates": [{"uriTemplate": "ref://item/{id}", "name": "item"}]})
}

pub(crate) fn prompts() -> Value {
    json!({"prompts": [{"name": "greet", "description": "Greets somebody.",
        "arguments": [{"name": "city", "required": true}]}]})
}
