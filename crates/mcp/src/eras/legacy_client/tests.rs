use super::*;
use crate::capabilities::{ClientCapabilities, PushPolicy};
use crate::message::Envelope;
use crate::method::Method;
use crate::revision::Revision;

fn capabilities(text: &str) -> ClientCapabilities {
    let everything = PushPolicy {
        sampling: true,
        elicitation: true,
    };
    ClientCapabilities::narrowed(text, everything).unwrap()
}

fn asked(input: &str) -> Asked {
    let text =
        format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{"resultType":"input_required",{input}}}}}"#);
    match read(Method::ToolsCall, &text, "1") {
        Ok(Reading::Asks(asked)) => asked,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_declares_what_its_own_revision_has() {
    let all = capabilities(
        r#"{"roots":{"listChanged":true},"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}},"tasks":{},"experimental":{"x":{}},"extensions":{"y":{}},"vendor":{}}"#,
    );
    for (revision, stateless) in [
        (
            Revision::V2025_11_25,
            r#"{"roots":{},"sampling":{"tools":{},"context":{}},"elicitation":{"form":{},"url":{}},"experimental":{"x":{}}}"#,
        ),
        (
            Revision::V2025_06_18,
            r#"{"roots":{},"sampling":{},"elicitation":{},"experimental":{"x":{}}}"#,
        ),
        (
            Revision::V2024_11_05,
            r#"{"roots":{},"sampling":{},"experimental":{"x":{}}}"#,
        ),
    ] {
        assert_eq!(declared(&all, revision).as_json(), stateless, "{revision}");
    }
    let odd = capabilities(r#"{"roots":null,"sampling":true,"elicitation":[]}"#);
    assert_eq!(declared(&odd, Revision::V2025_11_25).as_json(), "{}");
}

#[test]
fn a_retry_says_what_was_answered_and_the_very_state_or_nothing() {
    let text = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"t","arguments":{"n":1e400},"inputResponses":{"forged":1},"requestState":"forged"}}"#;
    let envelope = Envelope::parse(text.as_bytes()).unwrap();
    let stamp = Stamp {
        id: 8,
        capabilities: &ClientCapabilities::none(),
        client_info: "{}",
        level: None,
    };
    let sent = |retry: &Retry| request(Method::ToolsCall, &envelope, &stamp, retry);
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{}}"#;
    let with = |more: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{{"name":"t","arguments":{{"n":1e400}},{meta}{more}}}}}"#
        )
    };
    assert_eq!(sent(&Retry::default()), with(""));
    let retry = asked(r#""requestState":"\u0061""#).retry(&[]);
    assert_eq!(sent(&retry), with(r#","requestState":"\u0061""#));
    let retry = asked(r#""inputRequests":{"k":{"method":"roots/list"}}"#)
        .retry(&[r#"{"roots":[]}"#.to_owned()]);
    assert_eq!(
        sent(&retry),
        with(r#","inputResponses":{"k":{"roots":[]}}"#)
    );
}

#[test]
fn who_can_be_asked_for_what() {
    let form = r#"{"method":"elicitation/create","params":{"mode":"form","message":"?"}}"#;
    let url =
        r#"{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example/"}}"#;
    let sampling = r#"{"method":"sampling/createMessage","params":{"messages":[]}}"#;
    let tools = r#"{"method":"sampling/createMessage","params":{"messages":[],"tools":[]}}"#;
    let roots = r#"{"method":"roots/list"}"#;
    let newest = Revision::V2025_11_25;
    for (input, client, revision, may) in [
        (form, r#"{"elicitation":{}}"#, Revision::V2025_06_18, true),
        (
            form,
            r#"{"elicitation":{"form":{},"url":{}}}"#,
            newest,
            true,
        ),
        (form, r#"{"elicitation":{"url":{}}}"#, newest, false),
        (form, r#"{"sampling":{}}"#, newest, false),
        (url, r#"{"elicitation":{"url":{}}}"#, newest, true),
        (url, r#"{"elicitation":{}}"#, newest, false),
        (
            url,
            r#"{"elicitation":{"url":{}}}"#,
            Revision::V2025_06_18,
            false,
        ),
        (sampling, r#"{"sampling":{}}"#, newest, true),
        (sampling, r#"{"roots":{}}"#, newest, false),
        (tools, r#"{"sampling":{"tools":{}}}"#, newest, true),
        (tools, r#"{"sampling":{}}"#, newest, false),
        (roots, r#"{"roots":{}}"#, newest, true),
        (roots, "{}", newest, false),
    ] {
        let asked = asked(&format!(r#""inputRequests":{{"k":{input}}}"#));
        let declared = capabilities(client);
        let found = asked.questions[0].askable(&declared, revision);
        assert_eq!(found.is_ok(), may, "{input} {client} {revision}: {found:?}");
    }
    let bad =
        asked(r#""inputRequests":{"k":{"method":"elicitation/create","params":{"mode":"url"}}}"#);
    let able = capabilities(r#"{"elicitation":{"url":{}}}"#);
    assert_eq!(
        bad.questions[0].askable(&able, newest),
        Err(Unaskable::NotPresentable)
    );
}

#[test]
fn a_question_is_a_request_of_the_clients_revision() {
    let input = r#""inputRequests":{"f":{"method":"elicitation/create","params":{"mode":"form","message":"?","_meta":{"io.modelcontextprotocol/x":1}}},"u":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example/","elicitationId":"forged"}}}"#;
    let asked = asked(input);
    let [form, url] = asked.questions.as_slice() else {
        panic!("{asked:?}");
    };
    let older = Revision::V2025_06_18;
    assert_eq!(
        form.request("\"q\"", older, "e"),
        r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?"}}"#
    );
    let newest = Revision::V2025_11_25;
    assert_eq!(
        form.request("\"q\"", newest, "e"),
        r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"mode":"form","message":"?"}}"#
    );
    assert_eq!(
        url.request("\"q\"", newest, "e"),
        r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"elicitationId":"e","mode":"url","url":"https://a.example/"}}"#
    );
}

#[test]
fn what_is_not_of_the_revision_is_not_read() {
    let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    let many: Vec<String> = (0..=MOST_QUESTIONS)
        .map(|number| format!(r#""{number}":{{"method":"roots/list"}}"#))
        .collect();
    let many = format!(
        r#"{{"resultType":"input_required","inputRequests":{{{}}}}}"#,
        many.join(",")
    );
    for text in [
        result("[]"),
        result(r#"{"resultType":"later"}"#),
        result(r#"{"resultType":null}"#),
        result(r#"{"resultType":"input_required"}"#),
        result(r#"{"resultType":"input_required","requestState":{}}"#),
        result(r#"{"resultType":"input_required","inputRequests":[]}"#),
        result(r#"{"resultType":"input_required","inputRequests":{"k":1}}"#),
        result(r#"{"resultType":"input_required","inputRequests":{"k":{"method":"tools/call"}}}"#),
        result(
            r#"{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list","params":1}}}"#,
        ),
        result(&many),
        r#"{"jsonrpc":"2.0","id":1,"error":{"message":"?"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":"-1","message":"?"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","method":"x"}"#.to_owned(),
        String::new(),
    ] {
        let read = read(Method::ToolsCall, &text, "1");
        assert!(read.is_err(), "{text}: {read:?}");
    }
}

#[test]
fn results_lose_what_only_the_other_revision_knows() {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","structuredContent":{"ttlMs":1, "n":1e400},"_meta":{"io.modelcontextprotocol/serverInfo":{}}}}"#;
    match read(Method::ToolsCall, text, r#""c""#) {
        Ok(Reading::Answer(answer)) => assert_eq!(
            answer,
            r#"{"jsonrpc":"2.0","id":"c","result":{"structuredContent":{"ttlMs":1, "n":1e400}}}"#
        ),
        other => panic!("{other:?}"),
    }
    let text =
        r#"{"id":7,"jsonrpc":"2.0","error":{"code":-32602,"message":"m","data":{"uri":"x"}}}"#;
    for (method, code) in [(Method::ResourcesRead, -32002), (Method::ToolsCall, -32602)] {
        match read(method, text, "1") {
            Ok(Reading::Answer(answer)) => assert_eq!(
                answer,
                format!(
                    r#"{{"id":1,"jsonrpc":"2.0","error":{{"code":{code},"message":"m","data":{{"uri":"x"}}}}}}"#
                )
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn news_are_those_that_were_acknowledged() {
    let listened = acknowledged(
        r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["x://a"]}}}"#,
    )
    .unwrap();
    for (text, told) in [
        (
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#,
            false,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x://a"}}"#,
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x://b"}}"#,
            false,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated"}"#,
            false,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#,
            false,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#, false),
    ] {
        assert_eq!(news(text, &listened).is_some(), told, "{text}");
    }
    assert_eq!(changes(&listened).len(), 2);
    assert!(
        acknowledged(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#).is_err()
    );
}
