use http::HeaderMap;
use serde_json::{Value, json};

use super::*;

mod annotations;
mod arguments;

fn tool(properties: &Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn region() -> ParamHeaders {
    ParamHeaders::from_schema(&tool(
        &json!({"region": {"type": "string", "x-mcp-header": "Region"}}),
    ))
    .unwrap()
}

fn priority() -> ParamHeaders {
    ParamHeaders::from_schema(&tool(
        &json!({"priority": {"type": "integer", "x-mcp-header": "Priority"}}),
    ))
    .unwrap()
}

fn sent(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn written(params: &ParamHeaders, arguments: &Value) -> Vec<(String, String)> {
    params
        .headers_for(Some(&raw(arguments)))
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn refusal(schema: &Value) -> InvalidAnnotation {
    ParamHeaders::from_schema(schema).expect_err(&schema.to_string())
}
