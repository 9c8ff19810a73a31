use serde_json::value::RawValue;

use super::*;
use crate::{ClientCapabilities, Method, PushPolicy, Revision};

const EVERYTHING: PushPolicy = PushPolicy {
    sampling: true,
    elicitation: true,
};
const ABLE: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap()
}

fn terms(declared: &str, push: PushPolicy) -> Terms {
    Terms {
        id: "\"mine\"".to_owned(),
        progress_token: Some("\"how-far\"".to_owned()),
        level: Some(LogLevel::Warning),
        declared: ClientCapabilities::narrowed(declared, EVERYTHING).unwrap(),
        push,
    }
}

fn calling(method: Method, declared: &str) -> Conversation {
    let server = Introduction::of(r#"{"serverInfo":{"name":"s","version":"1"}}"#);
    Conversation::new(
        method,
        "test://x".to_owned(),
        server,
        terms(declared, EVERYTHING),
    )
}

fn asks(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn told(heard: Heard) -> String {
    match heard {
        Heard::Answer(text, _) | Heard::Tell(text) | Heard::Respond(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_loses_what_only_its_own_era_knows_and_nothing_else() {
    for (modern, legacy) in [
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x","arguments":{"n":1e400},"inputResponses":{},"requestState":"s","task":{"ttl":1},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,"vendor/x":{"y": 1}}}}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"_meta":{"progressToken":7,"vendor/x":{"y": 1}},"name":"x","arguments":{"n":1e400}}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        ),
    ] {
        assert_eq!(request(modern).unwrap(), legacy);
    }
    assert_eq!(request("<html>"), None);
}

#[test]
fn a_session_is_opened_with_what_its_revision_knows_of_the_client() {
    let declared = r#"{"extensions":{"x":{}},"experimental":{},"elicitation":{"url":{"a":1}},"roots":{"listChanged":true},"sampling":{"tools":{},"y":1}}"#;
    let of = |raw: &str, push, revision| {
        capabilities(raw, push, revision)
            .unwrap()
            .as_json()
            .to_owned()
    };
    assert_eq!(
        of(declared, EVERYTHING, Revision::V2025_11_25),
        r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"url":{}}}"#
    );
    assert_eq!(
        of(declared, EVERYTHING, Revision::V2025_06_18),
        r#"{"roots":{},"sampling":{}}"#
    );
    assert_eq!(
        of(declared, PushPolicy::default(), Revision::V2025_11_25),
        r#"{"roots":{}}"#
    );
    let forms = r#"{"elicitation":{}}"#;
    assert_eq!(
        of(forms, EVERYTHING, Revision::V2025_11_25),
        r#"{"elicitation":{"form":{}}}"#
    );
    assert_eq!(of(forms, EVERYTHING, Revision::V2025_06_18), forms);
    assert_eq!(of(forms, EVERYTHING, Revision::V2025_03_26), "{}");
    assert!(capabilities("[]", EVERYTHING, Revision::V2025_11_25).is_err());
}

#[test]
fn what_a_server_said_at_its_handshake_is_what_is_discovered() {
    let initialized = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}},"resources":{"subscribe":true}},"serverInfo":{"name":"s","version":"1"},"instructions":"be \u0022kind\u0022"}"#;
    let discovered: serde_json::Value =
        serde_json::from_str(&Introduction::discover(initialized).unwrap()).unwrap();
    assert_eq!(discovered["resultType"], "complete");
    assert_eq!(discovered["supportedVersions"][0], "2026-07-28");
    assert_eq!(discovered["ttlMs"], 0);
    assert_eq!(discovered["cacheScope"], "private");
    assert_eq!(discovered["instructions"], "be \"kind\"");
    assert_eq!(
        discovered["capabilities"],
        serde_json::json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}})
    );
    assert_eq!(
        discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "s"
    );
    let known = Introduction::of(initialized);
    assert!(known.tools_change && known.subscribes);
    assert!(!known.logs && !known.resources_change && !known.prompts_change);
    assert_eq!(Introduction::discover("7"), None);
}

#[test]
fn a_result_says_what_a_stateless_client_must_be_told() {
    let mut call = calling(Method::ToolsCall, "{}");
    assert_eq!(
        told(call.hears(
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":1e400}}"#
        )),
        r#"{"jsonrpc":"2.0","id":"mine","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"content":[],"structuredContent":1e400}}"#
    );
    assert_eq!(
        told(call.hears(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)),
        r#"{"jsonrpc":"2.0","id":"mine","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}"#
    );
    let mut read = calling(Method::ResourcesRead, "{}");
    let text = told(read.hears(
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","ttlMs":"x","contents":[],"_meta":{"v":1,"io.modelcontextprotocol/serverInfo":0}}}"#,
    ));
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    let result = &result["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["ttlMs"], 0);
    assert_eq!(result["cacheScope"], "private");
    assert_eq!(result["_meta"]["v"], 1);
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "s"
    );
    assert_eq!(
        call.hears(r#"{"jsonrpc":"2.0","id":1,"result":[]}"#),
        Heard::Unreadable
    );
}

#[test]
fn tools_are_listed_without_what_they_say_of_tasks() {
    let mut call = calling(Method::ToolsList, "{}");
    let text = told(call.hears(
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b","execution":{"taskSupport":"optional"}},{"name":"c","execution":{"taskSupport":"required"}},{"name":"d","execution":{"x":1,"taskSupport":"forbidden"}}]}}"#,
    ));
    assert!(
        text.contains(r#""tools":[{"name":"a"},{"name":"b"},{"name":"d","execution":{"x":1}}]"#),
        "{text}"
    );
}

#[test]
fn errors_have_the_codes_of_the_clients_revision() {
    for (theirs, ours) in [
        (
            r#"{"code":-32002,"message":"gone"}"#,
            r#"{"data":{"uri":"test://x"},"code":-32602,"message":"gone"}"#,
        ),
        (
            r#"{"code":-32002,"message":"gone","data":{"uri":"y"}}"#,
            r#"{"code":-32602,"message":"gone","data":{"uri":"y"}}"#,
        ),
        (
            r#"{"code":-32002,"message":"gone","data":"y"}"#,
            r#"{"code":-32602,"message":"gone","data":{"uri":"test://x"}}"#,
        ),
        (
            r#"{"code":-32022,"message":"mine"}"#,
            r#"{"code":-32603,"message":"mine"}"#,
        ),
        (
            r#"{"code":-32021,"message":"no","data":{"requiredCapabilities":{"vendor":{}}}}"#,
            r#"{"code":-32021,"message":"no","data":{"requiredCapabilities":{"vendor":{}}}}"#,
        ),
        (
            r#"{"code":-32021,"message":"no","data":{"requiredCapabilities":{"sampling":{},"vendor":{}}}}"#,
            r#"{"code":-32603,"message":"no","data":{"requiredCapabilities":{"sampling":{},"vendor":{}}}}"#,
        ),
        (
            r#"{"code":-32042,"message":"of nothing"}"#,
            r#"{"code":-32603,"message":"of nothing"}"#,
        ),
        (
            r#"{"code":-32601,"message":"no"}"#,
            r#"{"code":-32601,"message":"no"}"#,
        ),
    ] {
        let mut call = calling(Method::ResourcesRead, ABLE);
        let heard = call.hears(&format!(r#"{{"jsonrpc":"2.0","id":1,"error":{theirs}}}"#));
        assert_eq!(
            told(heard),
            format!(r#"{{"jsonrpc":"2.0","id":"mine","error":{ours}}}"#)
        );
    }
    let mut call = calling(Method::ResourcesRead, ABLE);
    let broken = r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#;
    assert_eq!(call.hears(broken), Heard::Unreadable);
}

#[test]
fn only_what_belongs_to_the_request_is_told_and_logs_only_when_wanted() {
    let mut call = calling(Method::ToolsCall, ABLE);
    let log = |level: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","data":1}}}}"#
        )
    };
    for (level, heard) in [
        ("debug", false),
        ("notice", false),
        ("warning", true),
        ("emergency", true),
        ("loud", false),
    ] {
        let text = log(level);
        let expected = if heard {
            Heard::Tell(text.clone())
        } else {
            Heard::Nothing
        };
        assert_eq!(call.hears(&text), expected, "{level}");
    }
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":2}}"#;
    assert_eq!(
        told(call.hears(progress)),
        progress.replace(":1,", r#":"how-far","#)
    );
    for other in [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
        "notifications/elicitation/complete",
        "notifications/tasks/status",
        "vendor/x",
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"{other}","params":{{}}}}"#);
        assert_eq!(call.hears(&text), Heard::Nothing, "{other}");
    }
    call.goes_on(Terms {
        progress_token: None,
        level: None,
        ..terms(ABLE, EVERYTHING)
    });
    assert_eq!(call.hears(progress), Heard::Nothing);
    assert_eq!(call.hears(&log("emergency")), Heard::Nothing);
}

#[test]
fn questions_wait_under_names_of_their_own_until_they_are_answered() {
    let mut call = calling(Method::ToolsCall, ABLE);
    assert_eq!(
        call.hears(&asks(
            "\"e\"",
            "elicitation/create",
            r#"{"message":"?","requestedSchema":{"type":"object","properties":{}},"task":{},"_meta":{"progressToken":1}}"#
        )),
        Heard::Asked
    );
    assert_eq!(
        call.hears(&asks(
            "7",
            "sampling/createMessage",
            r#"{"messages":[],"maxTokens":1}"#
        )),
        Heard::Asked
    );
    assert_eq!(
        call.hears(r#"{"jsonrpc":"2.0","id":8,"method":"roots/list"}"#),
        Heard::Asked
    );
    assert_eq!(
        call.requests(),
        r#"{"question-1":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}},"question-2":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}},"question-3":{"method":"roots/list"}}"#
    );
    for malformed in [
        "[]",
        r#"{"question-1":{"action":"perhaps"}}"#,
        r#"{"question-1":{"action":"accept","content":1}}"#,
        r#"{"question-1":{"action":"accept"},"question-2":{"role":"x"}}"#,
        r#"{"question-3":{"roots":{}}}"#,
        r#"{"question-3":7}"#,
    ] {
        let error = call.answered(Some(raw(malformed))).unwrap_err();
        assert_eq!(error.code, -32602, "{malformed}");
    }
    let given = call
        .answered(Some(raw(
            r#"{"extra":1,"question-1":{"action":"accept","content":{"n": 1.0}}}"#,
        )))
        .unwrap();
    assert_eq!(
        given[0].response.as_deref().unwrap(),
        r#"{"jsonrpc":"2.0","id":"e","result":{"action":"accept","content":{"n": 1.0}}}"#
    );
    assert_eq!((given.len(), call.waits()), (1, true));
    assert_eq!(call.answered(None).unwrap(), []);
    // One is taken back, the other is given up.
    let taken_back =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert_eq!(call.hears(taken_back), Heard::Asked);
    assert_eq!(call.hears(taken_back), Heard::Nothing);
    let refusals = call.given_up();
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].contains(r#""id":8"#) && refusals[0].contains("error"));
    assert!(!call.waits());
    let state = input_required("1", "{}", "sealed");
    assert_eq!(
        state,
        r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{},"requestState":"sealed"}}"#
    );
}

#[test]
fn a_question_that_may_not_be_put_is_answered_at_once() {
    let form = r#"{"message":"?","requestedSchema":{}}"#;
    let url = r#"{"mode":"url","message":"?","elicitationId":"1","url":"https://a.example/"}"#;
    let mut call = calling(Method::ToolsCall, ABLE);
    let refused = |call: &mut Conversation, text: &str| match call.hears(text) {
        Heard::Respond(answer) => answer.contains("error"),
        _ => false,
    };
    assert!(told(call.hears(&asks("1", "ping", "{}"))).contains(r#""result":{}"#));
    assert!(refused(&mut call, &asks("1", "vendor/x", "{}")));
    let javascript = url.replace("https://a.example/", "javascript:x");
    assert!(refused(
        &mut call,
        &asks("1", "elicitation/create", &javascript)
    ));
    assert!(refused(
        &mut call,
        r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}"#
    ));
    let mut completing = calling(Method::Complete, ABLE);
    assert!(refused(
        &mut completing,
        &asks("1", "elicitation/create", form)
    ));
    let server = Introduction::default();
    let withheld = terms(ABLE, PushPolicy::default());
    let mut call = Conversation::new(Method::ToolsCall, String::new(), server, withheld);
    assert!(refused(&mut call, &asks("1", "elicitation/create", form)));
    assert!(!call.waits());

    for (declared, method, params, required) in [
        (
            "{}",
            "elicitation/create",
            form,
            r#"{"elicitation":{"form":{}}}"#,
        ),
        (
            r#"{"elicitation":{}}"#,
            "elicitation/create",
            url,
            r#"{"elicitation":{"url":{}}}"#,
        ),
        (
            r#"{"elicitation":{"url":{}}}"#,
            "elicitation/create",
            form,
            r#"{"elicitation":{"form":{}}}"#,
        ),
        ("{}", "sampling/createMessage", "{}", r#"{"sampling":{}}"#),
        ("{}", "roots/list", "{}", r#"{"roots":{}}"#),
    ] {
        let mut call = calling(Method::ToolsCall, declared);
        let Heard::Unable { respond, error } = call.hears(&asks("1", method, params)) else {
            panic!("{method}");
        };
        assert!(respond.unwrap().contains("error"));
        assert_eq!(error.code, -32021);
        assert_eq!(
            error.data.unwrap(),
            format!(r#"{{"requiredCapabilities":{required}}}"#)
        );
    }
}

#[test]
fn addresses_that_are_to_be_opened_first_are_a_question_without_a_waiting_server() {
    let error = |url: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":-32042,"message":"first","data":{{"elicitations":[{{"mode":"url","elicitationId":"e","url":"{url}","message":"go"}}]}}}}}}"#
        )
    };
    let mut call = calling(Method::ToolsCall, ABLE);
    assert_eq!(call.hears(&error("https://a.example/")), Heard::OpenFirst);
    assert_eq!(
        call.requests(),
        r#"{"question-1":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example/","message":"go"}}}"#
    );
    assert_eq!(call.given_up(), Vec::<String>::new());
    let mut call = calling(Method::ToolsCall, r#"{"elicitation":{}}"#);
    assert!(matches!(
        call.hears(&error("https://a.example/")),
        Heard::Unable { respond: None, .. }
    ));
    let mut call = calling(Method::ToolsCall, ABLE);
    assert!(matches!(
        call.hears(&error("http://a.example/")),
        Heard::Forbidden(_)
    ));
}

#[test]
fn a_server_that_only_asks_does_not_fill_the_house() {
    let mut call = calling(Method::ToolsCall, ABLE);
    let large = format!(r#"{{"messages":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    assert!(matches!(
        call.hears(&asks("0", "sampling/createMessage", &large)),
        Heard::Respond(_)
    ));
    let mut asked = 0;
    for id in 0..1000 {
        let heard = call.hears(&asks(&id.to_string(), "roots/list", "{}"));
        asked += usize::from(heard == Heard::Asked);
        if id % 16 == 15 {
            call.given_up();
        }
    }
    assert_eq!(asked, 128);
}

#[test]
fn a_subscription_hears_what_it_asked_for_and_the_server_can_tell() {
    let server = Introduction::of(
        r#"{"capabilities":{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true}}}"#,
    );
    let wanted = crate::Members::parse(
        r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":false,"resourceSubscriptions":["a","b","a"]}"#,
    )
    .unwrap();
    let subscription = Subscription::of(&wanted, &server);
    assert_eq!(
        serde_json::Value::from(subscription.honoured()),
        serde_json::json!({"toolsListChanged": true, "resourceSubscriptions": ["a", "b"]})
    );
    let tag = r#""io.modelcontextprotocol/subscriptionId":"l""#;
    let tools = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    for (text, heard) in [
        (
            tools.to_owned(),
            Some(format!(
                r#"{{"params":{{"_meta":{{{tag}}}}},"jsonrpc":"2.0","method":"notifications/tools/list_changed"}}"#
            )),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"b"}}"#
                .to_owned(),
            Some(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"_meta":{{{tag}}},"uri":"b"}}}}"#
            )),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a","_meta":{"v":1,"io.modelcontextprotocol/subscriptionId":"x"}}}"#
                .to_owned(),
            Some(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"a","_meta":{{{tag},"v":1}}}}}}"#
            )),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"c"}}"#
                .to_owned(),
            None,
        ),
        (tools.replace("tools", "prompts"), None),
        (tools.replace("tools", "resources"), None),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#.to_owned(),
            None,
        ),
        ("<html>".to_owned(), None),
    ] {
        assert_eq!(subscription.hears(&text, "\"l\""), heard, "{text}");
    }
    let deaf = Subscription::of(&wanted, &Introduction::default());
    assert_eq!(deaf, Subscription::default());
    assert_eq!(deaf.hears(tools, "1"), None);
}

#[test]
fn a_client_is_asked_in_no_mode_and_with_no_tools_that_it_did_not_declare() {
    let sampling = r#"{"messages":[],"maxTokens":1,"tools":[]}"#;
    for (declared, method, params, required) in [
        (
            r#"{"sampling":{}}"#,
            "sampling/createMessage",
            sampling,
            Some(r#"{"sampling":{"tools":{}}}"#),
        ),
        (
            r#"{"sampling":{"tools":{}}}"#,
            "sampling/createMessage",
            sampling,
            None,
        ),
        (
            r#"{"elicitation":{"form":{}}}"#,
            "elicitation/create",
            r#"{"mode":"url","url":"https://a.example","message":"?"}"#,
            Some(r#"{"elicitation":{"url":{}}}"#),
        ),
        (
            r#"{"elicitation":{"url":{}}}"#,
            "elicitation/create",
            r#"{"url":"https://a.example","message":"?"}"#,
            Some(r#"{"elicitation":{"form":{}}}"#),
        ),
    ] {
        let mut conversation = calling(Method::ToolsCall, declared);
        match (conversation.hears(&asks("7", method, params)), required) {
            (Heard::Asked, None) => {}
            (Heard::Unable { respond, error }, Some(required)) => {
                assert!(respond.unwrap().contains("did not declare"));
                let error = error.response(Some("1"));
                assert!(error.contains(required), "{error}");
            }
            (other, _) => panic!("{params}: {other:?}"),
        }
    }
    let mut conversation = calling(Method::ToolsCall, ABLE);
    let unknown = asks("8", "elicitation/create", r#"{"mode":"voice"}"#);
    assert!(told(conversation.hears(&unknown)).contains("-32602"));
    assert!(!conversation.waits());
}
