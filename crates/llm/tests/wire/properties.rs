//! What holds whatever is said.

use std::borrow::Cow;

use portcullis_llm::{Format, Passthrough, Relay, decode_request, encode_request};
use proptest::prelude::*;

use crate::support::{LIMIT, events, fold, stream, to};

fn fixture(kind: &str, format: Format, ending: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/fixtures");
    std::fs::read(format!("{folder}/{kind}/{format}.{ending}")).unwrap()
}

#[test]
fn a_stream_says_the_same_however_it_is_cut() {
    for format in Format::ALL {
        let body = fixture("streams", format, "sse");
        let whole = events(format, std::iter::once(body.as_slice()));
        assert_eq!(
            events(format, body.chunks(1)),
            whole,
            "{format} byte by byte"
        );
        for cut in 0..body.len() {
            let (head, tail) = body.split_at(cut);
            assert_eq!(
                events(format, [head, tail].into_iter()),
                whole,
                "{format} cut at {cut}"
            );
        }
        let text = String::from_utf8(body).unwrap();
        for line_end in ["\r\n", "\r"] {
            let other = text.replace('\n', line_end);
            assert_eq!(
                events(format, other.as_bytes().chunks(1)),
                whole,
                "{format} {line_end:?}"
            );
        }
    }
}

#[test]
fn what_is_written_for_a_caller_reads_as_what_was_said() {
    for from in Format::ALL {
        let said = events(
            from,
            std::iter::once(fixture("streams", from, "sse").as_slice()),
        );
        let answer = fold(said.clone());
        for caller in Format::ALL {
            let heard = fold(events(
                caller,
                std::iter::once(stream(caller, &said).as_bytes()),
            ));
            let texts = |response: &portcullis_llm::ChatResponse| -> String {
                response
                    .parts
                    .iter()
                    .filter_map(|part| match &part.content {
                        portcullis_llm::Content::Text(text) => Some(text.clone()),
                        portcullis_llm::Content::ToolCall(call) => {
                            let arguments = call.arguments.replacen("{}", "", 1);
                            Some(format!("<{} {arguments}>", call.name))
                        }
                        _ => None,
                    })
                    .collect()
            };
            assert_eq!(texts(&heard), texts(&answer), "{from} to {caller}");
            assert_eq!(heard.stop.reason, answer.stop.reason, "{from} to {caller}");
            let (heard, said) = (heard.usage.unwrap(), answer.usage.unwrap());
            assert_eq!(
                (heard.input, heard.output),
                (said.input, said.output),
                "{from} to {caller}"
            );
            assert_eq!(heard.cache_read, said.cache_read, "{from} to {caller}");
        }
    }
}

#[test]
fn a_request_that_is_written_in_its_own_format_says_the_same_again() {
    for format in Format::ALL {
        let body = fixture("requests", format, "json");
        let first = decode_request(format, &body).unwrap();
        let mut target = to(format);
        // What would leave things out on purpose.
        target.quirks.developer_role = true;
        let written = encode_request(&first, &target).unwrap();
        let second = decode_request(format, written.body.as_bytes()).unwrap();
        let again = encode_request(&second, &target).unwrap();
        assert_eq!(written.body, again.body, "{format}");
    }
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1e400".to_owned()),
        "-?[1-9][0-9]{0,30}(\\.[0-9]{1,5})?"
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        number(),
        Just("null".to_owned()),
        Just(" true ".to_owned()),
        "[ -~äß🦀]{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just(r#""\u0041\/\ud83e\udd80""#.to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|all| format!("[ {} ]", all.join(" , "))),
            prop::collection::btree_map("[a-z_]{1,6}", inner, 0..4).prop_map(|all| {
                let members: Vec<String> =
                    all.iter().map(|(k, v)| format!("\"{k}\" :{v}")).collect();
                format!("{{{}}}", members.join(",\n"))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn passthrough_changes_the_models_name_and_nothing_else(
        before in prop::collection::btree_map("x_[a-z]{1,6}", value(), 0..4),
        after in prop::collection::btree_map("y_[a-z]{1,6}", value(), 0..4),
        name in "[a-z0-9/.-]{1,12}",
    ) {
        let members = |all: &std::collections::BTreeMap<String, String>| -> Vec<String> {
            all.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect()
        };
        let with = |model: &str| {
            let mut all = members(&before);
            all.push(format!("\"model\" : \"{model}\""));
            all.extend(members(&after));
            format!(" {{ {} }}\n", all.join(" ,\t"))
        };
        let body = with("alias");
        let parsed = Passthrough::parse(Format::ChatCompletions, body.as_bytes()).unwrap();
        prop_assert_eq!(parsed.body(&name, true), with(&name));
        let same = parsed.body("alias", true);
        prop_assert!(matches!(same, Cow::Borrowed(text) if text == body));
    }

    #[test]
    fn a_stream_that_is_passed_on_is_the_same_bytes(
        format in prop::sample::select(Format::ALL.to_vec()),
        size in 1_usize..200,
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let body = String::from_utf8(fixture("streams", format, "sse")).unwrap().replace('\n', line_end);
        let mut relay = Relay::new(format, false, LIMIT);
        let mut out = Vec::new();
        for piece in body.as_bytes().chunks(size) {
            relay.push(piece, &mut out).unwrap();
        }
        relay.end(&mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), body);
        prop_assert_eq!(relay.failed(), None);
        prop_assert_eq!(relay.usage().unwrap().input, 100);
    }
}
