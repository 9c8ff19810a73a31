//! Models' formats: whatever callers and providers say, every other format has an answer in JSON.

use portcullis_llm::{
    AnswerHead, CallerError, ChatEvent, Format, Passthrough, Relay, StreamDecoder, StreamEncoder,
    Target, ToolNames, decode_request, decode_response, encode_request, encode_response,
    read_error, usage_of,
};

/// Small enough that the limit itself is met.
const EVENT_LIMIT: usize = 1024;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("what we wrote is not JSON")
}

fn head() -> AnswerHead {
    AnswerHead {
        id: "id".to_owned(),
        model: "m".to_owned(),
        created_secs: 0,
        with_usage: true,
    }
}

/// A request that is read in a format is refused or written in every other.
pub fn llm_request(input: &[u8]) {
    for from in Format::ALL {
        let Ok(request) = decode_request(from, input) else {
            continue;
        };
        for to in Format::ALL {
            let Ok(sent) = encode_request(&request, &Target::new(to, "model")) else {
                continue;
            };
            json(&sent.body);
            if from == to && from != Format::GenerateContent {
                decode_request(from, sent.body.as_bytes()).expect("we do not read what we wrote");
            }
        }
    }
}

/// An answer, or a refusal, that is read in a format is written in every other.
pub fn llm_response(input: &[u8]) {
    for from in Format::ALL {
        usage_of(from, input);
        let Ok(answer) = decode_response(from, input, &ToolNames::default()) else {
            continue;
        };
        for to in Format::ALL {
            let told = encode_response(to, &answer, &head());
            json(&told.body);
            decode_response(to, told.body.as_bytes(), &ToolNames::default())
                .expect("we do not read what we wrote");
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let error = CallerError::of_provider(&read_error(Some(400), text), "r");
        for to in Format::ALL {
            json(&error.body(to));
        }
    }
}

/// A stream says the same however it is cut, ends exactly once, and is written in frames of JSON.
///
/// The first byte is the size of the pieces.
pub fn llm_stream(input: &[u8]) {
    let Some((size, stream)) = input.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    for from in Format::ALL {
        let whole = events(from, std::iter::once(stream));
        let pieces = events(from, stream.chunks(size));
        assert_eq!(whole, pieces, "the network's cuts must not show");
        let Some(said) = whole else {
            continue;
        };
        let ends = |event: &&ChatEvent| matches!(event, ChatEvent::Ended | ChatEvent::Failed(_));
        assert_eq!(said.iter().filter(ends).count(), 1, "it must end once");
        assert!(
            said.last().as_ref().is_some_and(ends),
            "nothing follows the end"
        );
        for to in Format::ALL {
            let mut encoder = StreamEncoder::new(to, head());
            let mut out = String::new();
            for event in &said {
                encoder.push(event, &mut out);
            }
            for line in out.lines().filter_map(|line| line.strip_prefix("data: ")) {
                if line != "[DONE]" {
                    json(line);
                }
            }
        }
    }
}

fn events<'a>(format: Format, pieces: impl Iterator<Item = &'a [u8]>) -> Option<Vec<ChatEvent>> {
    let mut decoder = StreamDecoder::new(format, ToolNames::default(), EVENT_LIMIT);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events).ok()?;
    }
    decoder.end(&mut events);
    Some(events)
}

/// What is passed on is the same JSON but for the model's name, and a stream is a head of itself.
///
/// The first byte is the size of the pieces.
pub fn llm_passthrough(input: &[u8]) {
    let Some((size, body)) = input.split_first() else {
        return;
    };
    for format in Format::ALL {
        if let Ok(request) = Passthrough::parse(format, body) {
            let sent = request.body("another", false);
            let (Ok(mut before), Ok(mut after)) = (
                serde_json::from_slice::<serde_json::Value>(body),
                serde_json::from_str::<serde_json::Value>(&sent),
            ) else {
                continue;
            };
            for value in [&mut before, &mut after] {
                value.as_object_mut().expect("an object").remove("model");
            }
            assert_eq!(before, after, "more than the name was changed");
            request.body("another", true);
        }
        let mut relay = Relay::new(format, false, EVENT_LIMIT);
        let mut out = Vec::new();
        for piece in body.chunks(usize::from(*size).max(1)) {
            if relay.push(piece, &mut out).is_err() {
                break;
            }
        }
        relay.end(&mut out);
        assert!(body.starts_with(&out), "something was added to the stream");
    }
}
