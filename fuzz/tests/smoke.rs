//! A bounded run of every target on the stable compiler: mutations of good inputs and pure noise.

use proptest::{collection::vec, prelude::*, sample::Index};

const CASES: u32 = 20_000;

const STREAMS: &[&[u8]] = &[
    b"\x03id: 1\nevent: message\ndata: {\"jsonrpc\":\"2.0\"}\n\nretry: 500\n: ping\n\n",
    b"\x01data: a\r\ndata: b\r\rdata\n\n\xef\xbb\xbfdata: c\n\n",
];
const MESSAGES: &[&[u8]] = &[
    br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1}}}"#,
    br#"{"jsonrpc":"2.0","id":"x","result":{"content":[]}}"#,
    br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}"#,
    br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#,
];
const CLAIMS: &[&[u8]] = &[
    portcullis_fuzz::TOKENS[0].as_bytes(),
    portcullis_fuzz::TOKENS[1].as_bytes(),
    br#"{"active":true,"sub":"alice","aud":["gw"],"exp":1800000300,"scope":"a b"}"#,
    br#"{"active":true,"sub":"a","aud":"gw","cnf":{"x5t#S256":"CQ"},"a":{"b":["c"]}}"#,
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
];
const CONFIGURATIONS: &[&[u8]] = &[
    b"general_settings:\n  master_key: ${KEY:-sk-1234}\nmcp_servers:\n  a:\n    url: https://a.example/mcp\n    auth_type: oauth2\n    token_url: https://a.example/token\n",
    br#"{"mcp_servers": {"a": {"url": "http://127.0.0.1:1/mcp", "allowed_tools": ["x"]}}}"#,
];

/// Bodies of models' formats, both ways.
const CHATS: &[&[u8]] = &[
    include_bytes!("../../crates/llm/tests/wire/fixtures/requests/chat_completions.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/requests/responses.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/requests/messages.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/requests/generate_content.json"),
];
const ANSWERS: &[&[u8]] = &[
    include_bytes!("../../crates/llm/tests/wire/fixtures/responses/chat_completions.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/responses/responses.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/responses/messages.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/responses/generate_content.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/errors/chat_completions.json"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/errors/generate_content.json"),
];
const ANSWER_STREAMS: &[&[u8]] = &[
    include_bytes!("../../crates/llm/tests/wire/fixtures/streams/chat_completions.sse"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/streams/responses.sse"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/streams/messages.sse"),
    include_bytes!("../../crates/llm/tests/wire/fixtures/streams/generate_content.sse"),
];

/// Calls of a stateless client over a session: the client, then frames of both sides.
const MODERN_CLIENTS: &[&[u8]] = &[
    br#"warning
>{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":7,"progress":1}}
>{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}
>{"jsonrpc":"2.0","id":"b","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}
<{"question-1":{"action":"accept","content":{}},"question-2":{"role":"assistant","model":"m","content":{"type":"text","text":"x"}}}
>{"jsonrpc":"2.0","id":3,"result":{"content":[]}}"#,
    br#"debug forbidden
>{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}
>{"jsonrpc":"2.0","id":1,"method":"roots/list"}
>{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}
!
>{"jsonrpc":"2.0","id":3,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a.example","message":"m"}]}}}
?info
<{"question-2":{"action":"decline"}}"#,
    br#"silent
{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x","inputResponses":{},"requestState":"s","_meta":{"io.modelcontextprotocol/logLevel":"info","progressToken":1}}}
{"protocolVersion":"2025-11-25","capabilities":{"tasks":{},"tools":{"listChanged":true}},"serverInfo":{"name":"s","version":"1"}}"#,
];

/// Calls of a client with a session to a stateless server: the client, then frames of both sides.
const LEGACY_CLIENTS: &[&[u8]] = &[
    br#"call
<{"jsonrpc":"2.0","id":77,"result":{"action":"accept","content":{"a":1}}}
>{"jsonrpc":"2.0","id":41,"result":{"resultType":"input_required","requestState":"s","inputRequests":{"k":{"method":"elicitation/create","params":{"message":"?","mode":"url","url":"https://a.example"}},"l":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}}}
>{"jsonrpc":"2.0","id":41,"result":{"resultType":"complete","content":[],"ttlMs":5,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}"#,
    br#"a resource unable
>{"jsonrpc":"2.0","id":41,"error":{"code":-32602,"message":"m","data":{"uri":"u"}}}
>{"jsonrpc":"2.0","id":41,"error":{"code":-32021,"message":"m","data":{"requiredCapabilities":{"sampling":{}}}}}
~{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["u"]},"_meta":{"io.modelcontextprotocol/subscriptionId":41}}}
~{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"u","_meta":{"io.modelcontextprotocol/subscriptionId":41}}}
~{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
    br#"some other
{"jsonrpc":"2.0","id":41,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":{}},"instructions":"i","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}
{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1,"_meta":{"io.modelcontextprotocol/x":1}}}
{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"x","task":{},"inputResponses":{},"_meta":{"progressToken":"p"}}}"#,
];

/// A good input with a few bytes overwritten, cut out or doubled.
fn mutated(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), any::<u8>(), 0..4_u8);
    (any::<Index>(), vec(edit, 0..6)).prop_map(move |(seed, edits)| {
        let mut input = seed.get(seeds).to_vec();
        for (place, byte, kind) in edits {
            let place = place.index(input.len().max(1));
            match kind {
                0 if place < input.len() => input[place] = byte,
                1 => input.insert(place.min(input.len()), byte),
                2 if place < input.len() => drop(input.remove(place)),
                _ => input.extend_from_within(place.min(input.len())..),
            }
        }
        input
    })
}

/// The same with frames left out, repeated and put into another order, each perhaps damaged.
fn conversation(seeds: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let frames: Vec<&'static [u8]> = seeds
        .iter()
        .flat_map(|seed| seed.split(|byte| *byte == b'\n'))
        .collect();
    let damage = prop_oneof![3 => Just(None), 1 => (any::<Index>(), any::<u8>()).prop_map(Some)];
    vec((any::<Index>(), damage), 1..24).prop_map(move |chosen| {
        let mut input = Vec::new();
        for (frame, damage) in chosen {
            let mut frame = frame.get(&frames).to_vec();
            if let (Some((place, byte)), false) = (damage, frame.is_empty()) {
                let place = place.index(frame.len());
                frame[place] = byte;
            }
            input.extend(frame);
            input.push(b'\n');
        }
        input
    })
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..512)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_stream_is_read_alike_in_any_pieces(input in prop_oneof![mutated(STREAMS), noise()]) {
        portcullis_fuzz::sse_decoder(&input);
    }

    #[test]
    fn a_stateless_client_over_a_session_hears_what_is_its_own(input in conversation(MODERN_CLIENTS)) {
        portcullis_fuzz::modern_client(&input);
    }

    #[test]
    fn a_client_with_a_session_hears_of_a_stateless_server_what_is_its_own(input in conversation(LEGACY_CLIENTS)) {
        portcullis_fuzz::legacy_client(&input);
    }

    #[test]
    fn no_token_is_believed_that_nobody_signed(input in prop_oneof![mutated(CLAIMS), noise()]) {
        portcullis_fuzz::token(&input);
    }

    #[test]
    fn any_message_is_refused_or_is_json(input in prop_oneof![mutated(MESSAGES), noise()]) {
        portcullis_fuzz::jsonrpc_envelope(&input);
    }
}

proptest! {
    // Each case reads a whole file.
    #![proptest_config(ProptestConfig { cases: CASES / 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_to_a_model_is_refused_or_can_be_written(input in prop_oneof![4 => mutated(CHATS), 1 => noise()]) {
        portcullis_fuzz::llm_request(&input);
    }

    #[test]
    fn any_answer_of_a_model_is_refused_or_can_be_written(input in prop_oneof![4 => mutated(ANSWERS), 1 => noise()]) {
        portcullis_fuzz::llm_response(&input);
    }

    #[test]
    fn any_stream_of_a_model_is_read_alike_in_any_pieces_and_ends_once(
        input in prop_oneof![2 => mutated(ANSWER_STREAMS), 4 => conversation(ANSWER_STREAMS), 1 => noise()],
    ) {
        portcullis_fuzz::llm_stream(&input);
    }

    #[test]
    fn what_is_passed_on_is_what_came(input in prop_oneof![mutated(CHATS), mutated(ANSWER_STREAMS), noise()]) {
        let mut input = input;
        input.insert(0, 7);
        portcullis_fuzz::llm_passthrough(&input);
    }

    #[test]
    fn any_configuration_is_loaded_or_explained(input in prop_oneof![mutated(CONFIGURATIONS), noise()]) {
        portcullis_fuzz::config(&input);
    }
}

/// The target's own seeds reach what it is about: else it would hold for a reader that refuses all.
#[test]
fn the_signed_tokens_are_believed() {
    assert_eq!(
        portcullis_fuzz::TOKENS.map(portcullis_fuzz::believed),
        [true, true]
    );
}
