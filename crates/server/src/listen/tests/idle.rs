//! Connections that are kept without being used, and answers that nobody reads.

use bytes::Bytes;
use futures_util::stream;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// SETTINGS with `INITIAL_WINDOW_SIZE` 0 (RFC 9113 §6.5.2): nothing of a body may come.
const NO_WINDOW: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
const DATA: u8 = 0;
const GOAWAY: u8 = 7;

/// HEADERS of `GET http://a/` that end the stream (RFC 7541 Appendix A: indexed 2, 6 and 4).
fn get_head(stream: u8) -> [u8; 15] {
    [
        0, 0, 6, 1, 0x05, 0, 0, 0, stream, 0x82, 0x86, 0x84, 0x41, 1, b'a',
    ]
}

async fn h2(address: SocketAddr, settings: &[u8]) -> TcpStream {
    send(address, &[PREFACE, settings, &get_head(1)].concat()).await
}

/// The next frame's type; `None` when the connection has ended.
async fn frame(stream: &mut TcpStream) -> Option<u8> {
    let next = async {
        let mut head = [0_u8; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut rest = vec![0_u8; usize::try_from(length).unwrap()];
        stream.read_exact(&mut rest).await.ok()?;
        Some(head[3])
    };
    let next = tokio::time::timeout(PATIENCE, next);
    next.await.expect("the server ends the connection")
}

async fn frames_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut types = Vec::new();
    while let Some(kind) = frame(stream).await {
        types.push(kind);
    }
    types
}

fn impatient() -> ListenSettings {
    ListenSettings {
        stall_timeout: Duration::from_millis(100),
        ..hasty()
    }
}

#[tokio::test]
async fn an_http2_connection_that_asks_nothing_more_is_told_goodbye() {
    let served = serve(hello(), impatient()).await;
    let mut stream = h2(served.address, &EMPTY_SETTINGS).await;
    let types = frames_to_the_end(&mut stream).await;
    let answered = types.iter().position(|kind| *kind == DATA);
    let goodbye = types.iter().position(|kind| *kind == GOAWAY);
    assert!(answered.is_some() && answered < goodbye, "{types:?}");
}

#[tokio::test]
async fn an_http2_connection_whose_request_takes_its_time_is_not_idle() {
    let mut slow = slow();
    let settings = ListenSettings {
        header_timeout: Duration::from_millis(10),
        ..ListenSettings::default()
    };
    let served = serve(slow.router, settings).await;
    let mut waiting = h2(served.address, &EMPTY_SETTINGS).await;
    slow.started.recv().await.unwrap();
    // Another one, opened later, is idle and goes first: so this one was looked at in the meantime.
    let mut idle = send(served.address, PREFACE).await;
    until_closed(&mut idle).await;

    slow.finish.notify_one();
    while frame(&mut waiting).await.expect("it is still served") != DATA {}
}

/// An answer without end, always ready with more.
fn flood() -> Router {
    let chunks = || {
        stream::repeat_with(|| Ok::<_, std::convert::Infallible>(Bytes::from_static(&[0; 4096])))
    };
    Router::new().route(
        "/",
        get(move || async move { axum::body::Body::from_stream(chunks()) }),
    )
}

#[tokio::test]
async fn a_peer_that_reads_nothing_of_its_answer_is_cut() {
    let settings = ListenSettings {
        stall_timeout: Duration::from_millis(100),
        drain: Duration::ZERO,
        max_connections: 1,
        ..ListenSettings::default()
    };
    let served = serve(flood(), settings).await;
    let greedy = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // The only place becomes free although the greedy one stays.
    let mut next = send(served.address, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut head = [0_u8; 15];
    let answered = tokio::time::timeout(PATIENCE, next.read_exact(&mut head));
    answered.await.expect("the place becomes free").unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    drop(greedy);
}

#[tokio::test]
async fn a_peer_that_reads_slowly_gets_all_of_a_long_answer() {
    const LENGTH: usize = 32 * 1024 * 1024;
    let body = Bytes::from(vec![b'a'; LENGTH]);
    let router = Router::new().route(
        "/",
        get(move || async move {
            let once = stream::once(async move { Ok::<_, std::convert::Infallible>(body) });
            axum::body::Body::from_stream(once)
        }),
    );
    let settings = ListenSettings {
        header_timeout: Duration::from_millis(500),
        stall_timeout: Duration::from_secs(1),
        ..ListenSettings::default()
    };
    let served = serve(router, settings).await;
    let mut slow = send(
        served.address,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    // Reads for longer than the server waits for somebody who does not read.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let (mut read, mut piece) = (0, vec![0_u8; 128 * 1024]);
    for _ in 0..100 {
        pace.tick().await;
        read += slow.read(&mut piece).await.unwrap();
    }
    let mut rest = Vec::new();
    read += slow.read_to_end(&mut rest).await.unwrap();
    assert!(read > LENGTH, "{read}");
}

#[tokio::test]
async fn an_http2_peer_that_opens_no_window_for_its_answers_is_cut() {
    let served = serve(flood(), impatient()).await;
    let mut stream = h2(served.address, &NO_WINDOW).await;
    stream.write_all(&get_head(3)).await.unwrap();
    let types = frames_to_the_end(&mut stream).await;
    assert!(!types.contains(&DATA), "{types:?}");
}

#[tokio::test]
async fn a_stream_of_events_without_news_is_not_a_peer_that_does_not_read() {
    let (news, told) = mpsc::unbounded_channel::<&'static str>();
    let told = Arc::new(tokio::sync::Mutex::new(told));
    let router = Router::new().route(
        "/",
        get(move || async move {
            let events = stream::unfold(told, |told| async move {
                let event = told.lock().await.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(event), told))
            });
            axum::body::Body::from_stream(events)
        }),
    );
    let settings = ListenSettings {
        header_timeout: Duration::from_millis(10),
        stall_timeout: Duration::from_millis(10),
        ..ListenSettings::default()
    };
    let served = serve(router, settings).await;
    let mut listening = h2(served.address, &EMPTY_SETTINGS).await;
    news.send("first").unwrap();
    while frame(&mut listening).await.expect("it is still served") != DATA {}
    let mut idle = send(served.address, PREFACE).await;
    until_closed(&mut idle).await;
    news.send("second").unwrap();
    while frame(&mut listening).await.expect("it is still served") != DATA {}
}

#[tokio::test]
async fn one_address_holds_only_so_many_connections() {
    let settings = ListenSettings {
        max_connections_per_address: Some(2),
        ..ListenSettings::default()
    };
    let served = serve(hello(), settings).await;
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut inside = Vec::new();
    for _ in 0..2 {
        let mut stream = send(served.address, ask).await;
        let mut head = [0_u8; 15];
        stream.read_exact(&mut head).await.unwrap();
        inside.push(stream);
    }
    let mut third = TcpStream::connect(served.address).await.unwrap();
    // It may be closed before it has spoken.
    let _ = third.write_all(ask).await;
    assert_eq!(until_closed(&mut third).await, "");

    // Whoever leaves makes room; how soon its leaving is noticed is not ours to say.
    drop(inside.pop());
    loop {
        let mut next = TcpStream::connect(served.address).await.unwrap();
        let last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let _ = next.write_all(last).await;
        if until_closed(&mut next).await.contains("200 OK") {
            break;
        }
    }
}
