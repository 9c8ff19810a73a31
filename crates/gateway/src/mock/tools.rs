//! The tools: `echo`, and the four of a customer support desk.

use portcullis_core::{hex, sha256};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Mock;
use super::customers::{CUSTOMERS, find};
use super::envelope::{RpcError, code};

/// Every scope that exists here.
pub(super) const SCOPES: [&str; 3] = ["customer:read", "ticket:create", "account:calculate"];

pub(super) const INSTRUCTIONS: &str =
    "A customer support desk with made-up customers. Look customers up by their id.";

/// More than this many dollars of purchases make a premium customer.
const PREMIUM_ABOVE: f64 = 500.0;

pub(super) fn server_info() -> Value {
    json!({
        "name": "portcullis-mock",
        "title": "Customer support (mock)",
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// Why a call has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// The token lacks this scope.
    Scope(&'static str),
    Rpc(RpcError),
}

struct Tool {
    name: &'static str,
    scope: Option<&'static str>,
    description: &'static str,
    input: fn() -> Value,
    run: fn(&Mock, Value) -> Result<Value, String>,
}

const TOOLS: [Tool; 5] = [
    Tool {
        name: "echo",
        scope: None,
        description: "Returns the message it is given.",
        input: || object(json!({ "message": { "type": "string" } }), &["message"]),
        run: echo,
    },
    Tool {
        name: "get_customer_info",
        scope: Some("customer:read"),
        description: "Looks up one customer: contact, account status and tier.",
        input: || object(json!({ "customer_id": customer_id() }), &["customer_id"]),
        run: get_customer_info,
    },
    Tool {
        name: "create_support_ticket",
        scope: Some("ticket:create"),
        description: "Opens a support ticket for a customer.",
        input: || {
            object(
                json!({
                    "customer_id": customer_id(),
                    "subject": { "type": "string", "minLength": 1, "maxLength": 200 },
                    "description": { "type": "string", "minLength": 1 },
                    "priority": { "type": "string", "enum": ["low", "normal", "high", "urgent"], "default": "normal" },
                }),
                &["customer_id", "subject", "description"],
            )
        },
        run: create_support_ticket,
    },
    Tool {
        name: "calculate_account_value",
        scope: Some("account:calculate"),
        description: "Adds up a customer's purchases in dollars and says whether they make a premium account (more than $500).",
        input: || {
            object(
                json!({
                    "customer_id": customer_id(),
                    "purchases": { "type": "array", "items": { "type": "number", "minimum": 0 }, "minItems": 1, "maxItems": 1000 },
                }),
                &["customer_id", "purchases"],
            )
        },
        run: calculate_account_value,
    },
    Tool {
        name: "get_recent_customers",
        scope: Some("customer:read"),
        description: "Lists the customers who were active most recently.",
        input: || {
            object(
                json!({ "limit": { "type": "integer", "minimum": 1, "maximum": 20, "default": 5 } }),
                &[],
            )
        },
        run: get_recent_customers,
    },
];

fn customer_id() -> Value {
    json!({ "type": "string", "description": "For example CUST67890", "minLength": 1 })
}

fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({ "type": "object", "additionalProperties": false });
    if let Some(members) = schema.as_object_mut() {
        members.insert("properties".to_owned(), properties);
        if !required.is_empty() {
            members.insert("required".to_owned(), json!(required));
        }
    }
    schema
}

pub(super) fn list(params: &Map<String, Value>) -> Result<Value, RpcError> {
    // There is one page, so no cursor can be ours.
    if params.contains_key("cursor") {
        return Err(RpcError::new(code::INVALID_PARAMS, "unknown cursor"));
    }
    let tools: Vec<Value> = TOOLS
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": (tool.input)(),
                "outputSchema": { "type": "object" },
                "annotations": {
                    "readOnlyHint": tool.name != "create_support_ticket",
                    "openWorldHint": false,
                },
            })
        })
        .collect();
    Ok(json!({ "tools": tools }))
}

pub(super) fn call(
    mock: &Mock,
    params: &Map<String, Value>,
    holds: impl Fn(&str) -> bool,
) -> Result<Value, CallError> {
    let invalid = |what: &str| CallError::Rpc(RpcError::new(code::INVALID_PARAMS, what));
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .ok_or_else(|| invalid("name is missing"))?;
    let tool = TOOLS
        .iter()
        .find(|tool| tool.name == name)
        .ok_or_else(|| invalid("unknown tool"))?;
    if let Some(scope) = tool.scope.filter(|scope| !holds(scope)) {
        return Err(CallError::Scope(scope));
    }
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => json!({}),
        Some(arguments @ Value::Object(_)) => arguments.clone(),
        Some(_) => return Err(invalid("arguments is not an object")),
    };
    mock.counters.calls.count();
    Ok(match (tool.run)(mock, arguments) {
        Ok(structured) => {
            // A text-only client gets the echo as it is, everything else as JSON text.
            let text = match structured.get("message").and_then(Value::as_str) {
                Some(message) if tool.name == "echo" => message.to_owned(),
                _ => structured.to_string(),
            };
            json!({
                "content": [{ "type": "text", "text": text }],
                "structuredContent": structured,
                "isError": false,
            })
        }
        Err(what) => json!({ "content": [{ "type": "text", "text": what }], "isError": true }),
    })
}

fn arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, String> {
    serde_json::from_value(arguments).map_err(|error| format!("invalid arguments: {error}"))
}

fn known(customer_id: &str) -> Result<&'static super::customers::Customer, String> {
    find(customer_id).ok_or_else(|| format!("no customer has the id {customer_id:?}"))
}

fn echo(_: &Mock, given: Value) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        message: String,
    }
    let input: Input = arguments(given)?;
    Ok(json!({ "message": input.message }))
}

fn get_customer_info(_: &Mock, given: Value) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        customer_id: String,
    }
    let input: Input = arguments(given)?;
    Ok(json!(known(&input.customer_id)?))
}

fn create_support_ticket(mock: &Mock, given: Value) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Priority {
        Low,
        Normal,
        High,
        Urgent,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        customer_id: String,
        subject: String,
        description: String,
        priority: Option<Priority>,
    }
    let input: Input = arguments(given)?;
    let customer = known(&input.customer_id)?;
    if input.subject.trim().is_empty() || input.description.trim().is_empty() {
        return Err("invalid arguments: subject and description must not be empty".to_owned());
    }
    let (priority, answer_within_hours) = match input.priority.unwrap_or(Priority::Normal) {
        Priority::Low => ("low", 72),
        Priority::Normal => ("normal", 24),
        Priority::High => ("high", 8),
        Priority::Urgent => ("urgent", 1),
    };
    // The same ticket gets the same number, so that answers can be compared between runs.
    let content = [customer.id, &input.subject, &input.description, priority].join("\n");
    let number: String = hex(&sha256(content.as_bytes())).chars().take(8).collect();
    Ok(json!({
        "ticket_id": format!("TKT-{}", number.to_uppercase()),
        "customer_id": customer.id,
        "subject": input.subject,
        "priority": priority,
        "status": "open",
        "answer_within_hours": answer_within_hours,
        "created_at": mock.settings.clock.now().to_string(),
    }))
}

fn calculate_account_value(_: &Mock, given: Value) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        customer_id: String,
        purchases: Vec<f64>,
    }
    let input: Input = arguments(given)?;
    let customer = known(&input.customer_id)?;
    if input.purchases.is_empty() || input.purchases.len() > 1000 {
        return Err("invalid arguments: give 1 to 1000 purchases".to_owned());
    }
    if input.purchases.iter().any(|amount| *amount < 0.0) {
        return Err("invalid arguments: a purchase cannot be negative".to_owned());
    }
    let total = cents(input.purchases.iter().sum());
    let count = u16::try_from(input.purchases.len()).unwrap_or(u16::MAX);
    Ok(json!({
        "customer_id": customer.id,
        "purchase_count": count,
        "total": total,
        "average": cents(total / f64::from(count)),
        "largest": input.purchases.iter().copied().fold(0.0, f64::max),
        "currency": "USD",
        "premium_threshold": PREMIUM_ABOVE,
        "qualifies_for_premium": total > PREMIUM_ABOVE,
    }))
}

/// Rounded to whole cents.
fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

fn get_recent_customers(_: &Mock, given: Value) -> Result<Value, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Input {
        limit: Option<usize>,
    }
    let input: Input = arguments(given)?;
    let limit = input.limit.unwrap_or(5);
    if !(1..=20).contains(&limit) {
        return Err("invalid arguments: limit must be 1 to 20".to_owned());
    }
    let customers: Vec<_> = CUSTOMERS.iter().take(limit).collect();
    Ok(json!({ "count": customers.len(), "customers": customers }))
}
