//! The ways in which translations between these formats have gone wrong elsewhere, one by one.

use portcullis_llm::{
    CallerError, ChatEvent, Content, Effort, ErrorClass, Fold, Format, Passthrough, Relay, Seal,
    StopReason, StreamEncoder, ToolNames, decode_request, decode_response, encode_request,
    encode_response, read_error,
};

use crate::support::{LIMIT, chunks, events, fold, head, stream, to, translate};

use Format::{ChatCompletions, GenerateContent, Messages, Responses};

fn ask(parts: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}]{parts}}}"#)
}

fn chat(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":[{messages}]}}"#)
}

fn dropped(from: Format, body: &str, target: Format) -> Vec<String> {
    let request = translate(from, body, &to(target)).unwrap();
    request
        .dropped
        .into_iter()
        .map(|dropped| dropped.path)
        .collect()
}

fn refusal(from: Format, body: &str, target: Format) -> String {
    translate(from, body, &to(target)).unwrap_err().to_string()
}

fn one(format: Format, body: &str) -> Vec<ChatEvent> {
    events(format, std::iter::once(body.as_bytes()))
}

fn calls(events: Vec<ChatEvent>) -> Vec<(String, String, String)> {
    let parts = fold(events).parts.into_iter();
    parts
        .filter_map(|part| match part.content {
            Content::ToolCall(call) => Some((call.id, call.name, call.arguments)),
            _ => None,
        })
        .collect()
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn pitfall_01_parallel_calls_stay_apart_whatever_their_numbers() {
    let interleaved = chunks(&[
        r#"{"index":0,"delta":{"content":"Hm."}}"#,
        r#"{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{\"n\":"}}]}}"#,
        r#"{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"y","arguments":"{"}}]}}"#,
        r#"{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"function":{"arguments":"}"}}]}}"#,
        r#"{"index":0,"delta":{},"finish_reason":"tool_calls"}"#,
    ]);
    let expected = [call("a", "x", r#"{"n":1}"#), call("b", "y", "{}")];
    assert_eq!(calls(one(ChatCompletions, &interleaved)), expected);
    // Blocks of Messages do not overlap, and their numbers count the text too.
    let told = stream(Messages, &one(ChatCompletions, &interleaved));
    assert_eq!(calls(one(Messages, &told)), expected);
    let second = told.find(r#""index":2,"content_block":{"type":"tool_use","id":"b""#);
    assert!(
        second > told.find(r#"{"type":"content_block_stop","index":1}"#),
        "{told}"
    );

    let all_alike = chunks(&[
        r#"{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{}"}}]}}"#,
        r#"{"index":0,"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"y","arguments":"{}"}}]}}"#,
        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
    ]);
    assert_eq!(
        calls(one(ChatCompletions, &all_alike)),
        [call("a", "x", "{}"), call("b", "y", "{}")]
    );
}

#[test]
fn pitfall_02_no_arguments_are_an_object_and_bad_ones_are_not_made_good() {
    let history = chat(
        r#"{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"x","arguments":""}},{"id":"b","type":"function","function":{"name":"x","arguments":"{oops"}}]},{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"}"#,
    );
    let sent = translate(ChatCompletions, &history, &to(Messages)).unwrap();
    assert!(
        sent.body.contains(r#""id":"a","name":"x","input":{}"#),
        "{}",
        sent.body
    );
    assert!(
        sent.body
            .contains(r#""input":{"_malformed_arguments":"{oops"}"#),
        "{}",
        sent.body
    );
    assert_eq!(sent.dropped[0].path, "messages[0].tool_calls[1]");

    let silent = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"x\",\"input\":{}}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    for caller in [ChatCompletions, Responses] {
        let told = stream(caller, &one(Messages, silent));
        assert_eq!(calls(one(caller, &told)), [call("t", "x", "{}")], "{told}");
    }
}

#[test]
fn pitfall_03_a_call_that_runs_out_of_tokens_is_ended_all_the_same() {
    let cut = "data: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"x\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let said = one(Messages, cut);
    assert!(said.contains(&ChatEvent::BlockEnded { block: 0 }));
    let told = stream(Responses, &said);
    assert!(told.contains("event: response.incomplete\n"), "{told}");
    assert!(told.contains(r#""arguments":"{\"a""#), "{told}");
}

#[test]
fn pitfall_04_results_of_a_turn_come_first_and_together() {
    let history = chat(
        r#"{"role":"user","content":"Go"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"x","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"x","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"},{"role":"user","content":"wait"},{"role":"tool","tool_call_id":"b","content":"2"}"#,
    );
    let sent = translate(ChatCompletions, &history, &to(Messages)).unwrap();
    let last = r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"tool_result","tool_use_id":"b","content":"2"},{"type":"text","text":"wait"}]}"#;
    assert!(sent.body.contains(last), "{}", sent.body);
}

#[test]
fn pitfall_05_choices_of_tools_mean_the_same_in_every_format() {
    let tools = r#","tools":[{"type":"function","function":{"name":"x"}},{"type":"function","function":{"name":"y"}}],"tool_choice":"#;
    let table = [
        (r#""auto""#, Messages, r#""tool_choice":{"type":"auto"}"#),
        (r#""none""#, Messages, r#""tool_choice":{"type":"none"}"#),
        (r#""required""#, Messages, r#""tool_choice":{"type":"any"}"#),
        (
            r#"{"type":"function","function":{"name":"x"}}"#,
            Messages,
            r#""tool_choice":{"type":"tool","name":"x"}"#,
        ),
        (r#""required""#, GenerateContent, r#"{"mode":"ANY"}"#),
        (
            r#"{"type":"function","function":{"name":"x"}}"#,
            GenerateContent,
            r#"{"mode":"ANY","allowedFunctionNames":["x"]}"#,
        ),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"y"}}]}}"#,
            Responses,
            r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"y"}]}"#,
        ),
    ];
    for (choice, target, expected) in table {
        let sent = translate(
            ChatCompletions,
            &ask(&format!("{tools}{choice}")),
            &to(target),
        )
        .unwrap();
        assert!(sent.body.contains(expected), "{choice}: {}", sent.body);
    }
    // What is not allowed is not listed where there is no other way to say so.
    let allowed = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"y"}}]}}"#;
    let sent = translate(
        ChatCompletions,
        &ask(&format!("{tools}{allowed}")),
        &to(Messages),
    )
    .unwrap();
    assert!(!sent.body.contains(r#""name":"x""#), "{}", sent.body);

    let one_at_a_time = format!("{tools}\"auto\",\"parallel_tool_calls\":false");
    let sent = translate(ChatCompletions, &ask(&one_at_a_time), &to(Messages)).unwrap();
    assert!(
        sent.body
            .contains(r#"{"type":"auto","disable_parallel_tool_use":true}"#)
    );

    let thinking = format!("{tools}\"required\",\"reasoning_effort\":\"low\"");
    let sent = translate(ChatCompletions, &ask(&thinking), &to(Messages)).unwrap();
    assert!(
        sent.body.contains(r#""tool_choice":{"type":"auto"}"#),
        "{}",
        sent.body
    );
    assert!(
        sent.dropped
            .iter()
            .any(|dropped| dropped.path == "tool_choice")
    );
}

#[test]
fn pitfall_06_names_that_a_provider_refuses_are_changed_and_changed_back() {
    let long = "mcp.server/".repeat(12);
    let body = ask(&format!(
        r#","tools":[{{"type":"function","function":{{"name":"{long}"}}}},{{"type":"function","function":{{"name":"plain_1"}}}}]"#
    ));
    let sent = translate(ChatCompletions, &body, &to(Messages)).unwrap();
    let again = translate(ChatCompletions, &body, &to(Messages)).unwrap();
    assert_eq!(sent.body, again.body, "the name is the same in every turn");
    let told = sent.body.split(r#""tools":[{"name":""#).nth(1).unwrap();
    let told = told.split('"').next().unwrap();
    assert_eq!(told.len(), 64);
    assert!(sent.body.contains(r#""name":"plain_1""#));
    let answer = format!(
        r#"{{"content":[{{"type":"tool_use","id":"t","name":"{told}","input":{{}}}}],"stop_reason":"tool_use"}}"#
    );
    let heard = decode_response(Messages, answer.as_bytes(), &sent.names).unwrap();
    let told = encode_response(ChatCompletions, &heard, &head());
    assert!(
        told.body.contains(&format!(r#""name":"{long}""#)),
        "{}",
        told.body
    );
}

#[test]
fn pitfall_07_schemas_pass_untouched() {
    let schema = r##"{"type":"object", "properties":{"z":{"$ref":"#/$defs/n"},"a":{"enum":["nullable"],"const":1e2}},"$defs":{"n":{"anyOf":[{"type":"null"}]}},"additionalProperties":false}"##;
    let body = ask(&format!(
        r#","tools":[{{"type":"function","function":{{"name":"x","parameters":{schema}}}}}]"#
    ));
    for target in Format::ALL {
        let sent = translate(ChatCompletions, &body, &to(target)).unwrap();
        assert!(sent.body.contains(schema), "{target}: {}", sent.body);
    }
}

#[test]
fn pitfall_08_tools_of_one_provider_are_refused_elsewhere_and_said_which() {
    let custom = ask(
        r#","tools":[{"type":"function","function":{"name":"x"}},{"type":"custom","custom":{"name":"g"}}]"#,
    );
    assert!(refusal(ChatCompletions, &custom, Messages).starts_with("tools[1] cannot be served"));
    assert!(
        translate(ChatCompletions, &custom, &to(ChatCompletions))
            .unwrap()
            .body
            .contains(r#"{"type":"custom""#)
    );
    let search = r#"{"model":"m","max_tokens":9,"messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#;
    assert!(refusal(Messages, search, GenerateContent).starts_with("tools[0]"));
}

#[test]
fn pitfall_09_pictures_in_results_reach_the_model() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"shot","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","is_error":false,"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ=="}}]}]}]}"#;
    let sent = translate(Messages, body, &to(ChatCompletions)).unwrap();
    let expected = r#"{"role":"tool","tool_call_id":"t","content":"(in the next message)"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}"#;
    assert!(sent.body.contains(expected), "{}", sent.body);
    let sent = translate(Messages, body, &to(Responses)).unwrap();
    assert!(
        sent.body.contains(r#""output":[{"type":"input_image""#),
        "{}",
        sent.body
    );
    let sent = translate(Messages, body, &to(GenerateContent)).unwrap();
    assert!(
        sent.body.contains(r#""parts":[{"inlineData""#),
        "{}",
        sent.body
    );
}

#[test]
fn pitfall_10_an_instruction_between_turns_is_not_moved() {
    let body = chat(
        r#"{"role":"system","content":"A"},{"role":"developer","content":"B"},{"role":"user","content":"C"},{"role":"system","content":"D"}"#,
    );
    assert!(refusal(ChatCompletions, &body, Messages).starts_with("messages[3] cannot be served"));
    assert!(refusal(ChatCompletions, &body, GenerateContent).starts_with("messages[3]"));
    let mut target = to(Messages);
    target.traits.system_in_between = true;
    let sent = translate(ChatCompletions, &body, &target).unwrap();
    assert!(
        sent.body
            .contains(r#""system":[{"type":"text","text":"A"},{"type":"text","text":"B"}]"#)
    );
    assert!(
        sent.body
            .contains(r#"{"role":"system","content":[{"type":"text","text":"D"}]}"#)
    );
}

#[test]
fn pitfall_11_blank_texts_are_left_out_where_they_are_refused() {
    let body = chat(
        r#"{"role":"user","content":[{"type":"text","text":" \n"},{"type":"text","text":"Hi"}]},{"role":"assistant","content":""},{"role":"user","content":"?"}"#,
    );
    let sent = translate(ChatCompletions, &body, &to(Messages)).unwrap();
    assert!(
        !sent.body.contains(r#""text":"""#) && !sent.body.contains(r#"" \n""#),
        "{}",
        sent.body
    );
    assert!(!sent.body.contains("assistant"), "{}", sent.body);
}

#[test]
fn pitfall_12_pictures_and_files_keep_their_bytes_and_nothing_is_fetched() {
    let part = |part: &str| chat(&format!(r#"{{"role":"user","content":[{part}]}}"#));
    let table = [
        (
            r#"{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,QQ=="}}"#,
            Messages,
            r#"{"type":"base64","media_type":"image/jpeg","data":"QQ=="}"#,
        ),
        (
            r#"{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}"#,
            Messages,
            r#"{"type":"url","url":"https://a.example/b.png"}"#,
        ),
        (
            r#"{"type":"image_url","image_url":{"url":"https://a.example/b.png?c=1"}}"#,
            GenerateContent,
            r#"{"mimeType":"image/png","fileUri":"https://a.example/b.png?c=1"}"#,
        ),
        (
            r#"{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}"#,
            GenerateContent,
            r#"{"mimeType":"audio/wav","data":"QQ=="}"#,
        ),
        (
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QQ=="}}"#,
            Messages,
            r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"QQ=="},"title":"a.pdf"}"#,
        ),
        (
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QQ=="}}"#,
            Responses,
            r#""file_data":"data:application/pdf;base64,QQ==","filename":"a.pdf"}"#,
        ),
    ];
    for (given, target, expected) in table {
        let sent = translate(ChatCompletions, &part(given), &to(target)).unwrap();
        assert!(sent.body.contains(expected), "{given}: {}", sent.body);
    }
    let sound = part(r#"{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}"#);
    assert!(refusal(ChatCompletions, &sound, Messages).starts_with("messages[0].content[0]"));
    let unknown = part(r#"{"type":"hologram","x":1}"#);
    assert!(refusal(ChatCompletions, &unknown, Messages).starts_with("messages[0].content[0]"));
    let detailed =
        part(r#"{"type":"image_url","image_url":{"url":"https://a.example/b","detail":"high"}}"#);
    assert_eq!(
        dropped(ChatCompletions, &detailed, Messages),
        ["messages[0].content[0].image_url.detail"]
    );
}

#[test]
fn pitfall_13_the_bound_on_tokens_has_the_name_and_the_number_that_the_provider_wants() {
    let mut target = to(Messages);
    let unbounded = ask("");
    assert!(
        translate(ChatCompletions, &unbounded, &target)
            .unwrap()
            .body
            .contains(r#""max_tokens":4096"#)
    );
    target.traits.max_output_tokens = Some(64_000);
    assert!(
        translate(ChatCompletions, &unbounded, &target)
            .unwrap()
            .body
            .contains(r#""max_tokens":64000"#)
    );

    let bounded = ask(r#","max_tokens":5"#);
    let mut target = to(ChatCompletions);
    assert!(
        translate(ChatCompletions, &bounded, &target)
            .unwrap()
            .body
            .contains(r#""max_completion_tokens":5"#)
    );
    target.quirks.max_tokens = true;
    assert!(
        translate(ChatCompletions, &bounded, &target)
            .unwrap()
            .body
            .contains(r#""max_tokens":5"#)
    );
    let monstrous = ask(r#","max_tokens":99999999999999999999"#);
    assert!(refusal(ChatCompletions, &monstrous, Messages).starts_with("max_tokens must be"));
}

#[test]
fn pitfall_14_what_a_model_refuses_is_left_out_and_said() {
    let mut target = to(Messages);
    target.traits.no_sampling = true;
    let sent = translate(
        ChatCompletions,
        &ask(r#","temperature":0.1,"top_p":1"#),
        &target,
    )
    .unwrap();
    assert!(!sent.body.contains("temperature"));
    assert_eq!(sent.dropped.len(), 2);

    let hot = translate(
        ChatCompletions,
        &ask(r#","temperature":1.7"#),
        &to(Messages),
    )
    .unwrap();
    assert!(hot.body.contains(r#""temperature":1"#), "{}", hot.body);
    assert_eq!(hot.dropped[0].path, "temperature");

    let one = translate(ChatCompletions, &ask(r#","stop":"END""#), &to(Messages)).unwrap();
    assert!(one.body.contains(r#""stop_sequences":["END"]"#));
    assert_eq!(
        dropped(ChatCompletions, &ask(r#","stop":[" ","END"]"#), Messages),
        ["stop"]
    );
    assert!(
        refusal(ChatCompletions, &ask(r#","n":1000000"#), Messages)
            .starts_with("n cannot be served")
    );
}

#[test]
fn pitfall_15_thoughts_go_back_to_their_maker_with_their_seal_and_to_nobody_else() {
    // Sealed without words, and withheld ones, first in the turn.
    let answer = br#"{"content":[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"redacted_thinking","data":"b3A="},{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}"#;
    let heard = decode_response(Messages, answer, &ToolNames::default()).unwrap();
    let told = encode_response(ChatCompletions, &heard, &head()).body;
    let message = told.split(r#""message":"#).nth(1).unwrap();
    let message = message.split(r#","logprobs""#).next().unwrap();
    let history = chat(&format!(
        r#"{{"role":"user","content":"?"}},{message},{{"role":"user","content":"!"}}"#
    ));
    let sent = translate(ChatCompletions, &history, &to(Messages)).unwrap();
    let expected = r#"{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"redacted_thinking","data":"b3A="},{"type":"text","text":"Hi"}]}"#;
    assert!(sent.body.contains(expected), "{}", sent.body);
    for other in [ChatCompletions, Responses, GenerateContent] {
        let sent = translate(ChatCompletions, &history, &to(other)).unwrap();
        assert!(
            !sent.body.contains("c2ln") && !sent.body.contains("b3A="),
            "{}",
            sent.body
        );
        assert!(!sent.dropped.is_empty(), "{other}");
    }
}

#[test]
fn pitfall_15_sealed_thoughts_of_responses_survive_clients_of_other_formats() {
    let answer = br#"{"id":"r","status":"completed","output":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"ZW5j"},{"type":"function_call","call_id":"c","name":"x","arguments":"{}"}]}"#;
    let heard = decode_response(Responses, answer, &ToolNames::default()).unwrap();
    let told = encode_response(Messages, &heard, &head()).body;
    let content = told.split(r#""content":"#).nth(1).unwrap();
    let content = content.split(r#","stop_reason""#).next().unwrap();
    let history = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"assistant","content":{content}}}]}}"#
    );
    let back = translate(Messages, &history, &to(Responses)).unwrap();
    let item = r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"ZW5j"}"#;
    assert!(back.body.contains(item), "{}", back.body);
    let elsewhere = translate(Messages, &history, &to(Messages)).unwrap();
    assert!(!elsewhere.body.contains("ZW5j"), "{}", elsewhere.body);

    let told = encode_response(ChatCompletions, &heard, &head()).body;
    assert!(
        told.contains(r#""reasoning_items":[{"type":"reasoning","id":"rs_1""#),
        "{told}"
    );
}

#[test]
fn pitfall_15_sealed_thoughts_of_messages_survive_clients_of_responses() {
    let answer = br#"{"content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"b3A="},{"type":"tool_use","id":"t","name":"x","input":{}}],"stop_reason":"tool_use"}"#;
    let heard = decode_response(Messages, answer, &ToolNames::default()).unwrap();
    let told = encode_response(Responses, &heard, &head()).body;
    let output = told.split(r#""output":"#).nth(1).unwrap();
    let output = output.split(r#","parallel_tool_calls""#).next().unwrap();
    let history = format!(r#"{{"model":"m","input":{output}}}"#);
    let back = translate(Responses, &history, &to(Messages)).unwrap();
    let expected = r#"{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"b3A="},{"type":"tool_use","id":"t","name":"x","input":{}}]}"#;
    assert!(back.body.contains(expected), "{}", back.body);
    let elsewhere = translate(Responses, &history, &to(Responses)).unwrap();
    assert!(
        !elsewhere.body.contains("c2ln") && !elsewhere.body.contains("b3A="),
        "{}",
        elsewhere.body
    );
}

#[test]
fn pitfall_15_what_we_put_into_another_formats_answer_is_not_passed_through() {
    let answer = br#"{"status":"completed","output":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"ZW5j"},{"type":"message","content":[]}]}"#;
    let heard = decode_response(Responses, answer, &ToolNames::default()).unwrap();
    let told = encode_response(Messages, &heard, &head()).body;
    let content = told.split(r#""content":"#).nth(1).unwrap();
    let content = content.split(r#","stop_reason""#).next().unwrap();
    let history = format!(
        r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"assistant","content":{content}}}]}}"#
    );
    let holds = |format: Format, body: &str| {
        Passthrough::parse(format, body.as_bytes())
            .unwrap()
            .holds_marks()
    };
    assert!(holds(Messages, &history), "{history}");
    let sent = translate(Messages, &history, &to(Messages)).unwrap();
    assert!(!holds(Messages, &sent.body), "{}", sent.body);

    let of_gemini = chat(r#"{"role":"tool","tool_call_id":"call_1__thought__dGhv","content":"1"}"#);
    assert!(holds(ChatCompletions, &of_gemini));
    assert!(holds(
        ChatCompletions,
        &chat(r#"{"role":"assistant","content":"a","thinking_blocks":[]}"#)
    ));
    assert!(!holds(
        ChatCompletions,
        &chat(r#"{"role":"user","content":"a"}"#)
    ));
}

#[test]
fn pitfall_16_geminis_signatures_come_back_with_the_call_from_any_client() {
    let answer = br#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"x","args":{}},"thoughtSignature":"dGhv+/="}]},"finishReason":"STOP"}],"responseId":"r"}"#;
    let heard = decode_response(GenerateContent, answer, &ToolNames::default()).unwrap();
    let told = encode_response(ChatCompletions, &heard, &head()).body;
    assert!(
        told.contains(r#""extra_content":{"google":{"thought_signature":"dGhv+/="}}"#),
        "{told}"
    );
    // A plain client gives back what it knows: the id.
    let id = told
        .split(r#""id":"call_"#)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let history = chat(&format!(
        r#"{{"role":"user","content":"?"}},{{"role":"assistant","tool_calls":[{{"id":"call_{id}","type":"function","function":{{"name":"x","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"call_{id}","content":"1"}}"#
    ));
    let sent = translate(ChatCompletions, &history, &to(GenerateContent)).unwrap();
    assert!(
        sent.body.contains(r#""thoughtSignature":"dGhv+/=""#),
        "{}",
        sent.body
    );
    assert!(!sent.body.contains("__thought__"), "{}", sent.body);
    for elsewhere in [ChatCompletions, Responses, Messages] {
        let other = translate(ChatCompletions, &history, &to(elsewhere)).unwrap();
        assert!(!other.body.contains("dGhv"), "{}", other.body);
        assert!(!other.dropped.is_empty(), "{elsewhere}");
    }

    // A call that another model made has none; the model is told so instead of refusing the turn.
    let foreign = history.replace("__thought__dGhv+/=", "");
    let mut target = to(GenerateContent);
    target.traits.thinks_by_effort = true;
    let sent = translate(ChatCompletions, &foreign, &target).unwrap();
    assert!(
        sent.body.contains("skip_thought_signature_validator"),
        "{}",
        sent.body
    );
}

#[test]
fn pitfall_17_effort_and_budgets_are_told_in_each_ones_words() {
    let effort = |word: &str| ask(&format!(r#","reasoning_effort":"{word}""#));
    let mut adaptive = to(Messages);
    adaptive.traits.thinks_by_effort = true;
    let mut levels = to(GenerateContent);
    levels.traits.thinks_by_effort = true;
    let table = [
        (
            effort("high"),
            to(Messages),
            r#""thinking":{"type":"enabled","budget_tokens":4096}"#,
        ),
        (
            effort("none"),
            to(Messages),
            r#""thinking":{"type":"disabled"}"#,
        ),
        (
            effort("high"),
            adaptive.clone(),
            r#""thinking":{"type":"adaptive"},"output_config":{"effort":"high"}"#,
        ),
        (
            effort("high"),
            to(Responses),
            r#""reasoning":{"effort":"high"}"#,
        ),
        (
            effort("low"),
            to(GenerateContent),
            r#""thinkingConfig":{"thinkingBudget":1024,"includeThoughts":true}"#,
        ),
        (effort("max"), levels, r#""thinkingLevel":"high""#),
    ];
    for (body, target, expected) in table {
        let sent = translate(ChatCompletions, &body, &target).unwrap();
        assert!(sent.body.contains(expected), "{body}: {}", sent.body);
    }
    // A budget must leave room for an answer.
    let sent = translate(
        ChatCompletions,
        &ask(r#","reasoning_effort":"high","max_tokens":100"#),
        &to(Messages),
    )
    .unwrap();
    assert!(sent.body.contains(r#""max_tokens":4196"#), "{}", sent.body);
    assert!(!sent.dropped.is_empty());
    let budget = r#"{"model":"m","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":5000},"messages":[{"role":"user","content":"?"}]}"#;
    let sent = translate(Messages, budget, &to(ChatCompletions)).unwrap();
    assert!(
        sent.body.contains(r#""reasoning_effort":"xhigh""#),
        "{}",
        sent.body
    );
    assert_eq!(Effort::read("minimal"), Some(Effort::Minimal));
    assert!(
        refusal(ChatCompletions, &effort("much"), Messages).starts_with("reasoning_effort must be")
    );
}

#[test]
fn pitfall_17_a_turn_whose_thoughts_were_lost_goes_on_without_thinking() {
    let turn = |thoughts: &str| {
        format!(
            r#"{{"model":"m","reasoning_effort":"low","messages":[{{"role":"user","content":"?"}},{{"role":"assistant",{thoughts}"tool_calls":[{{"id":"a","type":"function","function":{{"name":"x","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"a","content":"1"}}]}}"#
        )
    };
    let lost = translate(ChatCompletions, &turn(""), &to(Messages)).unwrap();
    assert!(!lost.body.contains("budget_tokens"), "{}", lost.body);
    assert_eq!(lost.dropped[0].path, "reasoning_effort");
    let kept = r#""thinking_blocks":[{"type":"thinking","thinking":"a","signature":"b"}],"#;
    let kept = translate(ChatCompletions, &turn(kept), &to(Messages)).unwrap();
    assert!(kept.body.contains("budget_tokens"), "{}", kept.body);
}

#[test]
fn pitfall_18_tags_of_thought_in_a_text_stay_text() {
    let body =
        chunks(&[r#"{"index":0,"delta":{"content":"<think>a</think>b"},"finish_reason":"stop"}"#]);
    let told = stream(Messages, &one(ChatCompletions, &body));
    assert!(told.contains(r#""text":"<think>a</think>b""#), "{told}");
}

#[test]
fn pitfall_19_usage_is_asked_for_and_hidden_again_unless_the_caller_asked() {
    let table = [
        (
            r#"{"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":null}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"x":1}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":false}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        ),
    ];
    for (given, expected) in table {
        let request = Passthrough::parse(ChatCompletions, given.as_bytes()).unwrap();
        assert!(request.hides_usage());
        assert_eq!(request.body("m", true), expected);
        assert_eq!(request.body("m", false), given);
    }
    let asked = br#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    assert!(
        !Passthrough::parse(ChatCompletions, asked)
            .unwrap()
            .hides_usage()
    );
    assert!(
        !Passthrough::parse(ChatCompletions, br#"{"model":"m"}"#)
            .unwrap()
            .hides_usage()
    );

    let answer = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"usage\\\"\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
    for (hidden, chunks) in [(true, 2), (false, 3)] {
        let mut relay = Relay::new(ChatCompletions, hidden, LIMIT);
        let mut out = Vec::new();
        relay.push(answer.as_bytes(), &mut out).unwrap();
        relay.end(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap().matches("data: ").count(),
            chunks
        );
        assert_eq!(relay.usage().unwrap().total(), 5);
    }
    let said = one(ChatCompletions, answer);
    let mut quiet = head();
    quiet.with_usage = false;
    let mut encoder = StreamEncoder::new(ChatCompletions, quiet);
    let mut out = String::new();
    for event in &said {
        encoder.push(event, &mut out);
    }
    assert!(!out.contains(r#""choices":[]"#), "{out}");
}

#[test]
fn pitfall_20_usage_has_one_convention_and_snapshots_are_not_added_up() {
    let answer = br#"{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":5}}"#;
    let usage = decode_response(Messages, answer, &ToolNames::default())
        .unwrap()
        .usage
        .unwrap();
    assert_eq!(
        (usage.input, usage.input_uncached(), usage.cache_read),
        (60, 10, 20)
    );
    assert_eq!((usage.cache_write, usage.cache_write_hour), (10, 20));
    let heard = decode_response(Messages, answer, &ToolNames::default()).unwrap();
    let told = encode_response(ChatCompletions, &heard, &head()).body;
    assert!(told.contains(r#""prompt_tokens":60,"completion_tokens":5,"total_tokens":65,"prompt_tokens_details":{"cached_tokens":20}"#), "{told}");

    let counted = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":4}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":9,\"output_tokens\":7}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let usage = fold(one(Messages, counted)).usage.unwrap();
    assert_eq!((usage.input, usage.output), (9, 7));
}

#[test]
fn pitfall_21_each_format_has_its_own_frames() {
    let body = chunks(&[r#"{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}"#]);
    let said = one(ChatCompletions, &body);
    for caller in [Messages, Responses] {
        let told = stream(caller, &said);
        for frame in told.split("\n\n").filter(|frame| !frame.is_empty()) {
            let event = frame
                .strip_prefix("event: ")
                .unwrap()
                .split('\n')
                .next()
                .unwrap();
            assert!(
                frame.contains(&format!(r#"data: {{"type":"{event}""#)),
                "{frame}"
            );
        }
        assert!(!told.contains("[DONE]"));
    }
    let told = stream(Responses, &said);
    let numbers = told.matches(r#""sequence_number":"#).count();
    assert!(
        told.contains(&format!(r#""sequence_number":{}"#, numbers - 1)),
        "{told}"
    );
    assert!(stream(ChatCompletions, &said).ends_with("data: [DONE]\n\n"));
}

#[test]
fn pitfall_22_a_failure_in_the_middle_ends_the_stream_in_the_callers_words() {
    let failing = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"error\":{\"message\":\"key sk-canary\",\"code\":\"server_error\"}}\n\ndata: [DONE]\n\n";
    let said = one(ChatCompletions, failing);
    let Some(ChatEvent::Failed(error)) = said.last() else {
        panic!("{said:?}");
    };
    let told_of = CallerError::of_provider(error, "req-1");
    let expected = [
        (
            ChatCompletions,
            "data: {\"error\":{\"message\":\"the provider failed (request req-1)\",\"type\":\"api_error\"",
        ),
        (
            Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"",
        ),
        (
            Responses,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":",
        ),
        (GenerateContent, "data: {\"error\":{\"code\":502"),
    ];
    for (caller, last) in expected {
        let mut encoder = StreamEncoder::new(caller, head());
        let mut out = String::new();
        for event in &said {
            encoder.push(event, &mut out);
        }
        encoder.fail(&told_of, &mut out);
        assert!(out.contains(last), "{out}");
        assert!(
            !out.contains("[DONE]") && !out.contains("sk-canary"),
            "{out}"
        );
    }
    let mut relay = Relay::new(ChatCompletions, true, LIMIT);
    let mut out = Vec::new();
    relay.push(failing.as_bytes(), &mut out).unwrap();
    relay.end(&mut out);
    assert_eq!(
        relay.failed().map(|error| error.class),
        Some(ErrorClass::Server)
    );
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("Hi") && !out.contains("sk-canary") && !out.contains("[DONE]"),
        "{out}"
    );
}

#[test]
fn pitfall_22_a_stream_that_breaks_off_is_no_answer() {
    let cut = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let said = one(ChatCompletions, cut);
    assert!(
        matches!(said.last(), Some(ChatEvent::Failed(error)) if error.class == ErrorClass::CutOff)
    );
    for format in Format::ALL {
        assert!(
            matches!(one(format, "").last(), Some(ChatEvent::Failed(_))),
            "{format}"
        );
        assert!(
            matches!(
                one(format, "data: <html>\n\n").last(),
                Some(ChatEvent::Failed(_))
            ),
            "{format}"
        );
        let mut relay = Relay::new(format, false, LIMIT);
        relay.end(&mut Vec::new());
        assert!(relay.failed().is_some());
    }
}

#[test]
fn pitfall_23_chunks_agree_on_who_they_are_and_only_the_last_says_why() {
    let body = chunks(&[
        r#"{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}"#,
        r#"{"index":0,"delta":{"content":"b"},"finish_reason":"length"}"#,
    ]);
    let told = stream(ChatCompletions, &one(ChatCompletions, &body));
    let all: Vec<&str> = told
        .split("\n\n")
        .filter(|chunk| chunk.contains("\"delta\""))
        .collect();
    for chunk in &all {
        assert!(chunk.contains(
            r#""id":"id-1","object":"chat.completion.chunk","created":1700000000,"model":"fast""#
        ));
    }
    assert_eq!(told.matches(r#""role":"assistant""#).count(), 1);
    assert_eq!(
        told.matches(r#""finish_reason":null"#).count(),
        all.len() - 1
    );
    assert!(all.last().unwrap().contains(r#""finish_reason":"length""#));
}

#[test]
fn pitfall_24_what_was_used_is_known_when_the_caller_leaves_in_the_middle() {
    let begun = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
    let mut decoder = portcullis_llm::StreamDecoder::new(Messages, ToolNames::default(), LIMIT);
    let mut events = Vec::new();
    decoder.push(begun.as_bytes(), &mut events).unwrap();
    let mut fold = Fold::default();
    for event in events {
        fold.push(event).unwrap();
    }
    assert_eq!(fold.usage().unwrap().input, 9);
    let mut relay = Relay::new(Messages, false, LIMIT);
    relay.push(begun.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(relay.usage().unwrap().input, 9);
}

#[test]
fn pitfall_25_reasons_are_of_a_closed_list_with_the_providers_own_beside() {
    let of_messages = [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ];
    for (native, expected) in of_messages {
        let answer = format!(r#"{{"content":[],"stop_reason":"{native}","stop_sequence":"x"}}"#);
        let heard = decode_response(Messages, answer.as_bytes(), &ToolNames::default()).unwrap();
        let told = encode_response(ChatCompletions, &heard, &head()).body;
        let words = format!(r#""finish_reason":"{expected}","native_finish_reason":"{native}""#);
        assert!(told.contains(&words), "{told}");
    }
    let of_gemini = [
        ("STOP", StopReason::EndTurn),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("SAFETY", StopReason::ContentFilter),
        ("RECITATION", StopReason::ContentFilter),
        ("IMAGE_SAFETY", StopReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", StopReason::Malformed),
        ("MISSING_THOUGHT_SIGNATURE", StopReason::Malformed),
    ];
    for (native, expected) in of_gemini {
        let answer =
            format!(r#"{{"candidates":[{{"content":{{"parts":[]}},"finishReason":"{native}"}}]}}"#);
        let heard =
            decode_response(GenerateContent, answer.as_bytes(), &ToolNames::default()).unwrap();
        assert_eq!(heard.stop.reason, expected, "{native}");
    }
    let calls = br#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"x"}}]},"finishReason":"STOP"}]}"#;
    let heard = decode_response(GenerateContent, calls, &ToolNames::default()).unwrap();
    assert_eq!(heard.stop.reason, StopReason::ToolCalls);
    let blocked = br#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}"#;
    let heard = decode_response(GenerateContent, blocked, &ToolNames::default()).unwrap();
    assert_eq!(heard.stop.reason, StopReason::ContentFilter);
}

#[test]
fn pitfall_26_marks_of_the_cache_stay_where_they_mean_something_and_order_is_kept() {
    let body = chat(
        r#"{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}]}"#,
    );
    let sent = translate(ChatCompletions, &body, &to(Messages)).unwrap();
    assert!(sent.body.contains(r#"{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}"#));
    assert_eq!(sent.dropped, []);
    assert_eq!(
        dropped(ChatCompletions, &body, GenerateContent),
        ["messages[0].content[0].cache_control"]
    );
}

#[test]
fn pitfall_27_errors_are_classified_and_told_in_the_callers_form() {
    let table = [
        (
            400,
            r#"{"error":{"code":"context_length_exceeded"}}"#,
            ErrorClass::ContextWindow,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 2 tokens > 1 maximum"}}"#,
            ErrorClass::ContextWindow,
        ),
        (
            400,
            r#"{"error":{"status":"INVALID_ARGUMENT","message":"The input token count (3) exceeds the maximum number of tokens allowed (2)."}}"#,
            ErrorClass::ContextWindow,
        ),
        (
            400,
            r#"{"error":{"code":"content_filter","message":"x"}}"#,
            ErrorClass::ContentPolicy,
        ),
        (
            429,
            r#"{"error":{"type":"insufficient_quota"}}"#,
            ErrorClass::Quota,
        ),
        (
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"API key not valid. Please pass a valid API key."}}"#,
            ErrorClass::Authentication,
        ),
        (429, "slow down", ErrorClass::RateLimited),
        (
            401,
            r#"{"error":{"message":"bad key sk-1"}}"#,
            ErrorClass::Authentication,
        ),
        (403, "", ErrorClass::Permission),
        (404, r#"{"error":"no such model"}"#, ErrorClass::NotFound),
        (413, "", ErrorClass::TooLarge),
        (422, r#"{"message":"x"}"#, ErrorClass::Invalid),
        (500, "maximum context length", ErrorClass::Server),
        (503, "", ErrorClass::Overloaded),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error"}}"#,
            ErrorClass::Overloaded,
        ),
    ];
    for (status, body, expected) in table {
        assert_eq!(
            read_error(Some(status), body).class,
            expected,
            "{status} {body}"
        );
    }
    // Only registered words and plain paths get through.
    let prose = r#"{"error":{"code":"call me at sk-1","type":"Bearer sk-1","param":"https://a.example","message":"sk-1"}}"#;
    let error = read_error(Some(400), prose);
    assert_eq!((error.code, error.param), (None, None));

    let limited = CallerError::of_provider(&read_error(Some(429), ""), "r");
    assert_eq!((limited.status(), limited.should_retry()), (429, true));
    let denied = CallerError::new(portcullis_core::ErrorKind::Forbidden, "no", "r");
    assert_eq!((denied.status(), denied.should_retry()), (403, false));
}

#[test]
fn pitfall_29_what_only_a_provider_with_a_memory_can_serve_is_refused_or_seen() {
    for member in [
        r#""previous_response_id":"resp_1""#,
        r#""conversation":"c""#,
        r#""background":true"#,
    ] {
        let body = format!(r#"{{"model":"m","input":"Hi",{member}}}"#);
        assert!(
            refusal(Responses, &body, Messages).contains("nothing is kept"),
            "{member}"
        );
    }
    let keeps = |body: &str| {
        Passthrough::parse(Responses, body.as_bytes())
            .unwrap()
            .keeps()
    };
    assert!(keeps(r#"{"model":"m","input":"Hi"}"#));
    assert!(keeps(
        r#"{"model":"m","input":"Hi","store":false,"previous_response_id":"r"}"#
    ));
    assert!(!keeps(
        r#"{"model":"m","input":"Hi","store":false,"previous_response_id":null}"#
    ));
}

#[test]
fn pitfall_30_an_answer_has_the_callers_name_of_the_model_and_the_real_one_is_known() {
    let answer = br#"{"model":"claude-opus-5","content":[],"stop_reason":"end_turn"}"#;
    let heard = decode_response(Messages, answer, &ToolNames::default()).unwrap();
    assert_eq!(heard.model.as_deref(), Some("claude-opus-5"));
    for caller in Format::ALL {
        let told = encode_response(caller, &heard, &head()).body;
        assert!(
            told.contains(r#":"fast""#) && !told.contains("claude"),
            "{told}"
        );
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_wherever_it_is_read() {
    let bodies = [
        r#"{"model":"a","model":"b","messages":[]}"#,
        r#"{"model":"a","messages":[],"m\u006fdel":"b"}"#,
    ];
    for body in bodies {
        assert!(decode_request(ChatCompletions, body.as_bytes()).is_err());
        assert!(Passthrough::parse(ChatCompletions, body.as_bytes()).is_err());
    }
    let inner = chat(r#"{"role":"user","role":"system","content":"x"}"#);
    let error = decode_request(ChatCompletions, inner.as_bytes()).unwrap_err();
    assert_eq!(error.param(), Some("messages[0]"));
}

#[test]
fn an_event_larger_than_allowed_ends_the_stream_and_holds_no_memory() {
    let mut decoder = portcullis_llm::StreamDecoder::new(Messages, ToolNames::default(), 64);
    let mut events = Vec::new();
    assert!(decoder.push(&[b'a'; 65], &mut events).is_err());
    assert!(decoder.push(b"data: {}\n\n", &mut events).is_ok());
    assert_eq!(events, []);
}

#[test]
fn a_long_number_of_a_caller_is_not_rounded() {
    let body = ask(
        r#","temperature":0.30000000000000000000000000000001,"seed":123456789012345678901234567890"#,
    );
    let request = decode_request(ChatCompletions, body.as_bytes()).unwrap();
    let sent = encode_request(&request, &to(ChatCompletions)).unwrap();
    assert!(sent.body.contains("0.30000000000000000000000000000001"));
    assert!(sent.body.contains("123456789012345678901234567890"));
}

#[test]
fn a_refusal_of_the_model_is_told_as_one_where_there_is_a_word_for_it() {
    let answer = br#"{"choices":[{"message":{"content":null,"refusal":"I will not."},"finish_reason":"stop"}]}"#;
    let heard = decode_response(ChatCompletions, answer, &ToolNames::default()).unwrap();
    assert!(
        encode_response(Responses, &heard, &head())
            .body
            .contains(r#"{"type":"refusal","refusal":"I will not."}"#)
    );
    assert!(
        encode_response(Messages, &heard, &head())
            .body
            .contains(r#"{"type":"text","text":"I will not."}"#)
    );
}

#[test]
fn thoughts_of_an_imitator_go_back_to_imitators() {
    let history = chat(
        r#"{"role":"user","content":"?"},{"role":"assistant","content":"a","reasoning_content":"b"}"#,
    );
    let sent = translate(ChatCompletions, &history, &to(ChatCompletions)).unwrap();
    assert!(
        sent.body.contains(r#""reasoning_content":"b""#),
        "{}",
        sent.body
    );
    let request = decode_request(ChatCompletions, history.as_bytes()).unwrap();
    let Content::Thinking(thinking) = &request.messages[1].parts[0].content else {
        panic!("no thought");
    };
    assert_eq!(thinking.seal, Seal::None);
}

#[test]
fn router_words_are_litellms() {
    use portcullis_llm::router::Strategy;
    assert_eq!(
        Strategy::read("simple-shuffle"),
        Some(Strategy::SimpleShuffle)
    );
    assert_eq!(
        Strategy::read("usage-based-routing-v2"),
        Some(Strategy::Usage)
    );
    assert_eq!(Strategy::read("fastest"), None);
}
