//! What the server does, whatever it speaks.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    core::Change,
    lists::{self, COMPLETED, NOTE, NOTE_TEXT},
    turn::{Stop, Turn},
};
use crate::{feature::Feature, revision::Revision};

/// Longer than any gateway takes to pass a cancellation on.
const PATIENCE: Duration = Duration::from_secs(8);

/// Answers one request of any kind that all revisions share.
pub(crate) async fn answer(turn: &Turn, method: &str, params: &Value) -> Result<Value, Stop> {
    match method {
        "tools/list" => Ok(lists::tools(turn.core.revision, turn.core.tool_lists())),
        "tools/call" => call(turn, params).await,
        "resources/list" => Ok(lists::resources()),
        "resources/templates/list" => Ok(lists::templates()),
        "resources/read" => read(turn, params),
        "prompts/list" => Ok(lists::prompts()),
        "prompts/get" => prompt(params),
        "completion/complete" => Ok(complete(params)),
        other => Err(Stop::Error {
            code: -32601,
            message: format!("no method {other}"),
            data: None,
        }),
    }
}

fn text(words: impl Into<String>) -> Value {
    json!({"content": [{"type": "text", "text": words.into()}]})
}

fn read(turn: &Turn, params: &Value) -> Result<Value, Stop> {
    let uri = params
        .get("uri")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if uri == NOTE {
        return Ok(
            json!({"contents": [{"uri": NOTE, "mimeType": "text/plain", "text": NOTE_TEXT}]}),
        );
    }
    let code = if turn.core.revision.is_modern() {
        -32602
    } else {
        -32002
    };
    Err(Stop::Error {
        code,
        message: "Resource not found".to_owned(),
        data: Some(json!({"uri": uri})),
    })
}

fn prompt(params: &Value) -> Result<Value, Stop> {
    if params.get("name").and_then(Value::as_str) != Some("greet") {
        return Err(Stop::invalid("no such prompt"));
    }
    let city = params
        .pointer("/arguments/city")
        .and_then(Value::as_str)
        .unwrap_or("nowhere");
    Ok(json!({"messages": [{"role": "user",
        "content": {"type": "text", "text": format!("Greetings from {city}")}}]}))
}

fn complete(params: &Value) -> Value {
    let begun = params
        .pointer("/argument/value")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let values: Vec<_> = COMPLETED
        .iter()
        .filter(|value| value.starts_with(begun))
        .collect();
    json!({"completion": {"values": values, "total": values.len(), "hasMore": false}})
}

async fn call(turn: &Turn, params: &Value) -> Result<Value, Stop> {
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let known = lists::TOOLS
        .iter()
        .find(|(tool, feature)| *tool == name && feature.is_in(turn.core.revision));
    let argument = |name: &str| params.pointer(&format!("/arguments/{name}"));
    let label = || {
        argument("label")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    match known.map(|(tool, _)| *tool) {
        Some("echo") => Ok(text(
            argument("text").and_then(Value::as_str).unwrap_or_default(),
        )),
        Some("sum") => Ok(sum(turn.core.revision, argument("numbers"))),
        Some("count") => {
            for done in 1..=3 {
                turn.progress(done, 3);
            }
            Ok(text("counted"))
        }
        Some("chat") => {
            turn.log("debug", "not to be heard");
            turn.log("warning", "to be heard");
            Ok(text("chatted"))
        }
        Some("think") => {
            let question = json!({"maxTokens": 10, "messages": [
                {"role": "user", "content": {"type": "text", "text": "What do you think?"}}]});
            let answer = turn
                .ask("thought", "/sampling", "sampling/createMessage", question)
                .await?;
            Ok(text(
                answer
                    .pointer("/content/text")
                    .and_then(Value::as_str)
                    .unwrap_or("nothing"),
            ))
        }
        Some("choose") => {
            let question = json!({"message": "What would you like?", "requestedSchema": {
                "type": "object", "properties": {"drink": {"type": "string"}}, "required": ["drink"]}});
            let answer = turn
                .ask("choice", "/elicitation", "elicitation/create", question)
                .await?;
            let drink = answer.pointer("/content/drink").and_then(Value::as_str);
            Ok(text(drink.unwrap_or("nothing")))
        }
        Some("visit") => {
            let mut question = json!({"mode": "url", "message": "Look at this",
                "url": "https://example.com/look"});
            if !turn.core.revision.is_modern() {
                question["elicitationId"] = json!("look-1");
            }
            let answer = turn
                .ask("visit", "/elicitation/url", "elicitation/create", question)
                .await?;
            Ok(text(
                answer
                    .get("action")
                    .and_then(Value::as_str)
                    .unwrap_or("nothing"),
            ))
        }
        Some("touch") => {
            let _ = turn.core.changes.send(Change::Resource(NOTE.to_owned()));
            Ok(text("touched"))
        }
        Some("change") => {
            turn.core.change_tools();
            Ok(text("changed"))
        }
        Some("wait") => {
            let label = label();
            turn.progress(1, 2);
            let given_up = tokio::time::timeout(PATIENCE, turn.given_up.cancelled()).await;
            if given_up.is_err() {
                return Ok(text("nobody gave up"));
            }
            turn.core.given_up.send_modify(|labels| {
                labels.insert(label);
            });
            Err(Stop::GivenUp)
        }
        Some("given-up") => {
            let label = label();
            let mut labels = turn.core.given_up.subscribe();
            let heard = labels.wait_for(|labels| labels.contains(&label));
            let heard = tokio::time::timeout(PATIENCE, heard).await.is_ok();
            Ok(text(if heard { "yes" } else { "no" }))
        }
        Some("complaints") => Ok(text(json!(turn.core.complaints()).to_string())),
        _ => Err(Stop::invalid(format!("no tool {name}"))),
    }
}

fn sum(revision: Revision, numbers: Option<&Value>) -> Value {
    let numbers = numbers.and_then(Value::as_array).into_iter().flatten();
    let sum: i64 = numbers.filter_map(Value::as_i64).sum();
    let mut result = text(sum.to_string());
    if Feature::StructuredResult.is_in(revision) {
        result["structuredContent"] = json!({"sum": sum});
    }
    result
}
