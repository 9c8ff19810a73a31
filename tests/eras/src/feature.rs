//! What two sides can do together, and since when.

use crate::revision::Revision;

/// A thing that the matrix tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `tools/list` and `tools/call`.
    Tools,
    /// `structuredContent` and `outputSchema`.
    StructuredResult,
    /// `notifications/progress` of a call.
    Progress,
    /// `notifications/message` at a level that the client chose.
    Logging,
    /// The server asks the client's model.
    Sampling,
    /// The server asks the user to fill in a form.
    ElicitationForm,
    /// The server asks the user to open an address.
    ElicitationUrl,
    /// Lists, templates, contents, and news of one that was subscribed to.
    Resources,
    /// `prompts/list` and `prompts/get`.
    Prompts,
    /// `completion/complete`.
    Completion,
    /// A call that its client gives up ends at the server.
    Cancellation,
    /// `notifications/tools/list_changed`.
    ListChanged,
    /// No message of the conversation broke the schema of its receiver's revision.
    Schemas,
}

impl Feature {
    /// All of them, in the order in which a conversation tries them.
    pub const ALL: [Self; 13] = [
        Self::Tools,
        Self::StructuredResult,
        Self::Progress,
        Self::Logging,
        Self::Sampling,
        Self::ElicitationForm,
        Self::ElicitationUrl,
        Self::Resources,
        Self::Prompts,
        Self::Completion,
        Self::Cancellation,
        Self::ListChanged,
        Self::Schemas,
    ];

    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "Tools",
            Self::StructuredResult => "Structured results",
            Self::Progress => "Progress",
            Self::Logging => "Logging",
            Self::Sampling => "Sampling",
            Self::ElicitationForm => "Elicitation by form",
            Self::ElicitationUrl => "Elicitation by URL",
            Self::Resources => "Resources and subscriptions",
            Self::Prompts => "Prompts",
            Self::Completion => "Completion",
            Self::Cancellation => "Cancellation",
            Self::ListChanged => "Lists that change",
            Self::Schemas => "Every message valid",
        }
    }

    /// The first revision that has it.
    pub const fn since(self) -> Revision {
        match self {
            Self::StructuredResult | Self::ElicitationForm => Revision::V2025_06_18,
            Self::ElicitationUrl => Revision::V2025_11_25,
            _ => Revision::V2024_11_05,
        }
    }

    /// Whether a revision has it.
    pub fn is_in(self, revision: Revision) -> bool {
        revision >= self.since()
    }
}
