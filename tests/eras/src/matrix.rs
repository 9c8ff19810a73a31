//! What must work between which two sides, why not where it cannot, and the page that says so.

use std::fmt::Write;

use crate::{
    feature::Feature,
    revision::{Face, Transport},
};

/// Why a cell is empty, each with the letter that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The client would not understand it.
    UnknownToClient,
    /// The server would never say it.
    UnknownToServer,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::UnknownToClient, Self::UnknownToServer];

    const fn mark(self) -> &'static str {
        match self {
            Self::UnknownToClient => "c",
            Self::UnknownToServer => "s",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::UnknownToClient => {
                "The client's revision does not have it, so there is nothing that the client could understand."
            }
            Self::UnknownToServer => {
                "The server's revision does not have it, so there is nothing to pass on."
            }
        }
    }
}

/// `None` where it works.
pub fn expected(client: Face, server: Face, feature: Feature) -> Option<Reason> {
    if !feature.is_in(client.revision) {
        return Some(Reason::UnknownToClient);
    }
    (!feature.is_in(server.revision)).then_some(Reason::UnknownToServer)
}

/// The page with one table for each feature.
pub fn page() -> String {
    let faces = Face::all();
    let mut page = String::from(INTRODUCTION);
    for feature in Feature::ALL {
        let _ = write!(page, "\n## {}\n\n", feature.as_str());
        let _ = write!(page, "{}\n\n", meaning(feature));
        page.push_str("| client ↓ server → |");
        for server in &faces {
            let _ = write!(
                page,
                " {}<br>{} |",
                server.revision,
                short(server.transport)
            );
        }
        page.push_str("\n|---|");
        page.push_str(&":-:|".repeat(faces.len()));
        page.push('\n');
        for client in &faces {
            let _ = write!(page, "| {} {} |", client.revision, short(client.transport));
            for server in &faces {
                match expected(*client, *server, feature) {
                    None => page.push_str(" ✔ |"),
                    Some(reason) => {
                        let _ = write!(page, " ✘ {} |", reason.mark());
                    }
                }
            }
            page.push('\n');
        }
    }
    page.push_str("\n## Why not\n\n");
    for reason in Reason::ALL {
        let _ = writeln!(page, "- **{}**: {}", reason.mark(), reason.text());
    }
    page
}

const fn short(transport: Transport) -> &'static str {
    transport.as_str()
}

const INTRODUCTION: &str = "# Revisions and transports

Which client reaches which server through Portcullis, and what the two can do together. Every cell is tried
by a test (`tests/eras`) with a client and a server that each speak one revision over one transport and know
nothing of any other; a cell that says more or less than what happens fails the build. Clients of stdio
come by `portcullis stdio`; Streamable HTTP begins with 2025-03-26 and HTTP+SSE ends with 2025-11-25.

The content of results passes unchanged, also to a client whose revision does not know its kind: `audio` came
with 2025-03-26 and `resource_link` with 2025-06-18. To leave it out would hide from the model that there was
something, and text in its place would be words that no server said. A client that cannot read such a result
says so itself; a server that knows its client's revision need not send one.

This page is generated (`cargo xtask gen`).
";

const fn meaning(feature: Feature) -> &'static str {
    match feature {
        Feature::Tools => "Tools are listed and called.",
        Feature::StructuredResult => {
            "`outputSchema` is listed, and `structuredContent` arrives as the server wrote it. Older clients read the text beside it."
        }
        Feature::Progress => "What a call reports arrives in order, under the client's own token.",
        Feature::Logging => {
            "The server's log arrives from the level on that the client asks for, and nothing below it."
        }
        Feature::Sampling => {
            "The server asks the client's model in the middle of a call, and goes on with its answer."
        }
        Feature::ElicitationForm => {
            "The server asks the user to fill in a form in the middle of a call, and goes on with the answer."
        }
        Feature::ElicitationUrl => {
            "The server asks the user to open an address in the middle of a call, and goes on with the answer."
        }
        Feature::Resources => {
            "Resources and templates are listed and read, an unknown one is refused in the client's words, and a change of one that was subscribed to is heard of."
        }
        Feature::Prompts => "Prompts are listed, and one is filled in.",
        Feature::Completion => "An argument is completed.",
        Feature::Cancellation => "A call that the client gives up ends at the server.",
        Feature::ListChanged => "The client hears that the server's tools changed.",
        Feature::Schemas => {
            "No message of the whole conversation broke the official JSON Schema of its receiver's revision, on either side, and none carried anything of another era."
        }
    }
}
