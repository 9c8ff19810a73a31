//! What a tool says about tasks (2025-11-25, `execution.taskSupport`).

use crate::json::Members;

/// Whether a tool answers with tasks only: whoever is not offered the server's tasks cannot use it.
/// Said by a server of sessions; 2026-07-28 has no such member.
pub fn answers_with_tasks_only(tool: &Members<'_>) -> bool {
    tool.object("execution")
        .ok()
        .flatten()
        .and_then(|execution| execution.string("taskSupport"))
        .is_some_and(|support| support == "required")
}
