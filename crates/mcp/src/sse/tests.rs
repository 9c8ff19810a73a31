use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

fn decode_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<SseItem>, SseError> {
    let mut decoder = SseDecoder::new(LIMIT);
    let mut items = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(item) = decoder.next_event()? {
            items.push(item);
        }
    }
    Ok(items)
}

fn decode(stream: &[u8]) -> Vec<SseItem> {
    decode_chunks([stream]).unwrap()
}

fn event(
    id: Option<&str>,
    event: Option<&str>,
    retry_ms: Option<u64>,
    data: Option<&str>,
) -> SseItem {
    SseItem::Event(SseEvent {
        id: id.map(str::to_owned),
        event: event.map(str::to_owned),
        retry_ms,
        data: data.map(|data| Bytes::copy_from_slice(data.as_bytes())),
    })
}

fn data(text: &str) -> SseItem {
    event(None, None, None, Some(text))
}

/// The examples of HTML §9.2.6 and one line for each rule of its parser.
fn table() -> Vec<(&'static str, &'static [u8], Vec<SseItem>)> {
    vec![
        ("several data lines join by LF", b"data: YHOO\ndata: +2\ndata: 10\n\n", vec![data("YHOO\n+2\n10")]),
        (
            "the four blocks of the standard's example",
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
            vec![
                SseItem::Comment,
                event(Some("1"), None, None, Some("first event")),
                event(Some(""), None, None, Some("second event")),
            ],
        ),
        ("empty data lines, and an open block at the end", b"data\n\ndata\ndata\n\ndata:", vec![data(""), data("\n")]),
        ("one space after the colon is dropped", b"data:test\n\ndata: test\n\n", vec![data("test"), data("test")]),
        ("only one space is dropped", b"data:  test\n\n", vec![data(" test")]),
        ("CR ends a line", b"data: a\rdata: b\r\r", vec![data("a\nb")]),
        ("CRLF ends one line, not two", b"data: a\r\ndata: b\r\n\r\n", vec![data("a\nb")]),
        ("line ends may be mixed", b"data: a\rdata: b\n\r\ndata: c\r\r\n", vec![data("a\nb"), data("c")]),
        ("a byte order mark at the start is dropped", b"\xef\xbb\xbfdata: a\n\n", vec![data("a")]),
        ("only one byte order mark is dropped", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", vec![]),
        ("a later byte order mark is content", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", vec![data("a")]),
        ("names are case-sensitive", b"Data: a\nDATA: b\n\n", vec![]),
        ("unknown fields are skipped", b"foo: bar\ndata: a\n\n", vec![data("a")]),
        ("a space before the colon makes another name", b"data : a\n\n", vec![]),
        ("a later colon is content", b"data: a:b: c\n\n", vec![data("a:b: c")]),
        ("the type is kept", b"event: endpoint\ndata: /m\n\n", vec![event(None, Some("endpoint"), None, Some("/m"))]),
        ("an empty type is no type", b"event: x\nevent:\ndata: a\n\n", vec![data("a")]),
        ("the last id wins", b"id: 1\nid: 2\ndata: a\n\n", vec![event(Some("2"), None, None, Some("a"))]),
        ("an id with NUL is ignored", b"id: 1\nid: 2\x003\ndata: a\n\n", vec![event(Some("1"), None, None, Some("a"))]),
        ("retry takes digits", b"retry: 500\n\n", vec![event(None, None, Some(500), None)]),
        (
            "retry takes nothing else",
            b"retry: 5\nretry: 5s\nretry: -1\nretry: +1\nretry:  1\nretry:\nretry: 99999999999999999999\ndata: a\n\n",
            vec![event(None, None, Some(5), Some("a"))],
        ),
        ("a priming event has an id and empty data", b"id: s-1\ndata: \n\n", vec![event(Some("s-1"), None, None, Some(""))]),
        ("an id alone is reported", b"id: s-1\n\n", vec![event(Some("s-1"), None, None, None)]),
        ("a comment inside a block does not end it", b"data: a\n: ping\ndata: b\n\n", vec![SseItem::Comment, data("a\nb")]),
        ("blank lines hold no events", b"\n\n\r\n\r\r", vec![]),
        ("an invalid id byte is replaced", b"id: \xff\n\n", vec![event(Some("\u{fffd}"), None, None, None)]),
        ("an unfinished block is no event", b"data: a\nid: 3\n", vec![]),
    ]
}

#[test]
fn streams_read_as_the_html_standard_says() {
    for (rule, stream, expected) in table() {
        assert_eq!(decode(stream), expected, "{rule}");
    }
}

#[test]
fn it_does_not_matter_where_a_stream_is_cut() {
    for (rule, stream, expected) in table() {
        assert_eq!(
            decode_chunks(stream.chunks(1)).unwrap(),
            expected,
            "{rule}: byte by byte"
        );
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(
                decode_chunks([head, b"", tail]).unwrap(),
                expected,
                "{rule}: cut at {cut}"
            );
        }
    }
}

#[test]
fn chunks_may_be_pushed_ahead_of_reading() {
    let mut decoder = SseDecoder::new(LIMIT);
    for chunk in [&b"da"[..], b"ta: a\r", b"\n\r", b"\ndata: b\n\n"] {
        decoder.push(Bytes::from_static(chunk));
    }
    assert_eq!(decoder.next_event(), Ok(Some(data("a"))));
    assert_eq!(decoder.next_event(), Ok(Some(data("b"))));
    assert_eq!(decoder.next_event(), Ok(None));
}

#[test]
fn an_event_is_reported_as_soon_as_its_blank_line_is_there() {
    let mut decoder = SseDecoder::new(LIMIT);
    decoder.push(Bytes::from_static(b"data: a\r\n\r"));
    assert_eq!(decoder.next_event(), Ok(Some(data("a"))));
}

#[test]
fn a_single_data_line_is_a_slice_of_its_chunk() {
    let chunk = Bytes::from_static(b"data: {\"jsonrpc\":\"2.0\"}\n\n");
    let within = chunk.as_ptr_range();
    let mut decoder = SseDecoder::new(LIMIT);
    decoder.push(chunk);
    let Ok(Some(SseItem::Event(SseEvent {
        data: Some(data), ..
    }))) = decoder.next_event()
    else {
        panic!("there is an event");
    };
    assert!(within.contains(&data.as_ptr()));
}

#[test]
fn invalid_utf8_in_data_is_left_for_the_json_parser_to_refuse() {
    let expected = SseItem::Event(SseEvent::message(&b"\"\xff\""[..]));
    assert_eq!(decode(b"data: \"\xff\"\n\n"), [expected]);
}

#[test]
fn an_upstream_cannot_make_the_gateway_hold_more_than_the_limit() {
    let floods: [(&str, &[u8]); 5] = [
        ("a line without end", b"xxxxxxxx"),
        ("a comment without end", b": xxxxxxxx"),
        ("data lines without a blank line", b"data: x\n"),
        ("empty data lines", b"data\n"),
        ("ignored fields", b"x: y\r\n"),
    ];
    for (flood, piece) in floods {
        let mut decoder = SseDecoder::new(64);
        let mut outcome = Ok(None);
        for _ in 0..64 {
            decoder.push(Bytes::from_static(piece));
            outcome = decoder.next_event();
            if outcome.is_err() {
                break;
            }
        }
        assert_eq!(outcome, Err(SseError::TooLarge { limit: 64 }), "{flood}");
        decoder.push(Bytes::from_static(b"\n\ndata: a\n\n"));
        assert_eq!(decoder.next_event(), outcome, "{flood}: the failure stays");
    }
}

#[test]
fn the_limit_is_per_event_and_exact() {
    let mut decoder = SseDecoder::new(11);
    decoder.push(Bytes::from_static(
        b"data: 1234\n\ndata: 5678\n\n:234567890\n:234567890\n",
    ));
    assert_eq!(decoder.next_event(), Ok(Some(data("1234"))));
    assert_eq!(decoder.next_event(), Ok(Some(data("5678"))));
    assert_eq!(decoder.next_event(), Ok(Some(SseItem::Comment)));
    assert_eq!(decoder.next_event(), Ok(Some(SseItem::Comment)));
    decoder.push(Bytes::from_static(b"data: 12345\n\n"));
    assert_eq!(decoder.next_event(), Err(SseError::TooLarge { limit: 11 }));
}

#[test]
fn a_keep_alive_is_seen_as_a_comment_and_nothing_else() {
    assert_eq!(decode(keep_alive()), [SseItem::Comment]);
}

#[test]
fn an_id_or_type_cannot_forge_fields() {
    let forged = SseEvent {
        id: Some("1\ndata: evil\r\n\0".to_owned()),
        event: Some("x\r\rdata: evil".to_owned()),
        ..SseEvent::message("good")
    };
    assert_eq!(
        decode(&forged.to_bytes()),
        [event(
            Some("1data: evil"),
            Some("xdata: evil"),
            None,
            Some("good")
        )]
    );
}

#[test]
fn data_cannot_forge_an_event_and_its_line_ends_read_as_lf() {
    let written = SseEvent::message("a\r\n\r\nid: 9\rdata: b\n").to_bytes();
    assert_eq!(decode(&written), [data("a\n\nid: 9\ndata: b\n")]);
}

#[test]
fn an_event_is_written_in_its_usual_order() {
    let event = SseEvent {
        id: Some("7".to_owned()),
        event: Some("message".to_owned()),
        retry_ms: Some(3000),
        data: Some(Bytes::from_static(b"a\nb")),
    };
    assert_eq!(
        event.to_bytes(),
        "id: 7\nevent: message\nretry: 3000\ndata: a\ndata: b\n\n"
    );
    assert_eq!(SseEvent::default().to_bytes(), "");
}

fn any_event() -> impl Strategy<Value = SseEvent> {
    let one_line = "[^\r\n\0]{0,12}";
    (
        proptest::option::of(one_line),
        proptest::option::of("[^\r\n\0]{1,12}"),
        proptest::option::of(any::<u64>()),
        proptest::option::of(proptest::collection::vec(
            prop_oneof![3 => any::<u8>(), 1 => Just(b'\n'), 1 => Just(b' '), 1 => Just(b':')]
                .prop_filter("CR reads as LF", |byte| *byte != b'\r'),
            0..80,
        )),
    )
        .prop_map(|(id, event, retry_ms, data)| SseEvent {
            id,
            event,
            retry_ms,
            data: data.map(Bytes::from),
        })
        .prop_filter("an empty event is not written", |event| !event.is_empty())
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_however_it_is_cut(
        events in proptest::collection::vec(any_event(), 0..6),
        sizes in proptest::collection::vec(1_usize..40, 1..20),
    ) {
        let mut stream = BytesMut::new();
        for event in &events {
            event.encode(&mut stream);
        }
        let mut rest = stream.as_ref();
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        let expected: Vec<_> = events.into_iter().map(SseItem::Event).collect();
        prop_assert_eq!(decode_chunks(chunks).unwrap(), expected);
    }

    #[test]
    fn any_bytes_read_the_same_in_one_chunk_and_in_many(
        stream in proptest::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"\r\n: dataidretryevent0\xef\xbb\xbf".to_vec())],
            0..200,
        ),
        size in 1_usize..9,
    ) {
        prop_assert_eq!(decode_chunks(stream.chunks(size)).unwrap(), decode(&stream));
    }
}
