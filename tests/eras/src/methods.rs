//! What methods are called in the schemas.

/// Requests: method, and the definition's name without `Request`.
const REQUESTS: &[(&str, &str)] = &[
    ("initialize", "Initialize"),
    ("ping", "Ping"),
    ("server/discover", "Discover"),
    ("tools/list", "ListTools"),
    ("tools/call", "CallTool"),
    ("prompts/list", "ListPrompts"),
    ("prompts/get", "GetPrompt"),
    ("resources/list", "ListResources"),
    ("resources/templates/list", "ListResourceTemplates"),
    ("resources/read", "ReadResource"),
    ("resources/subscribe", "Subscribe"),
    ("resources/unsubscribe", "Unsubscribe"),
    ("subscriptions/listen", "SubscriptionsListen"),
    ("completion/complete", "Complete"),
    ("logging/setLevel", "SetLevel"),
    ("sampling/createMessage", "CreateMessage"),
    ("elicitation/create", "Elicit"),
    ("roots/list", "ListRoots"),
];

const NOTIFICATIONS: &[(&str, &str)] = &[
    ("notifications/initialized", "Initialized"),
    ("notifications/cancelled", "Cancelled"),
    ("notifications/progress", "Progress"),
    ("notifications/message", "LoggingMessage"),
    ("notifications/tools/list_changed", "ToolListChanged"),
    ("notifications/prompts/list_changed", "PromptListChanged"),
    (
        "notifications/resources/list_changed",
        "ResourceListChanged",
    ),
    ("notifications/resources/updated", "ResourceUpdated"),
    ("notifications/roots/list_changed", "RootsListChanged"),
    ("notifications/elicitation/complete", "ElicitationComplete"),
    (
        "notifications/subscriptions/acknowledged",
        "SubscriptionsAcknowledged",
    ),
];

/// Results that say nothing.
const EMPTY: &[&str] = &[
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
    "logging/setLevel",
];

fn find(table: &[(&str, &'static str)], method: &str) -> Option<&'static str> {
    let found = table.iter().find(|(name, _)| *name == method);
    found.map(|(_, definition)| *definition)
}

pub(crate) fn request(method: &str) -> Option<String> {
    find(REQUESTS, method).map(|name| format!("{name}Request"))
}

pub(crate) fn notification(method: &str) -> Option<String> {
    find(NOTIFICATIONS, method).map(|name| format!("{name}Notification"))
}

pub(crate) fn result(method: &str) -> Option<String> {
    if EMPTY.contains(&method) {
        return Some("EmptyResult".to_owned());
    }
    find(REQUESTS, method).map(|name| format!("{name}Result"))
}
