//! A full house: whoever wants nothing makes room for whoever does.

use super::*;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn room_for(connections: usize) -> ListenSettings {
    ListenSettings {
        max_connections: connections,
        ..ListenSettings::default()
    }
}

/// Reads one whole answer and leaves the connection open.
async fn answered(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let mut byte = [0_u8; 1];
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut byte));
        read.await.expect("an answer").unwrap();
        answer.extend(byte);
    }
}

#[tokio::test]
async fn the_connection_that_has_been_idle_longest_makes_room() {
    let served = serve(hello(), room_for(3)).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut stream = send(served.address, ASK).await;
        answered(&mut stream).await;
        inside.push(stream);
    }
    // The first is no longer the oldest.
    inside[0].write_all(ASK).await.unwrap();
    answered(&mut inside[0]).await;

    let mut newcomer = send(served.address, ASK).await;
    answered(&mut newcomer).await;
    assert_eq!(until_closed(&mut inside[1]).await, "");
    for stream in [0, 2] {
        inside[stream].write_all(ASK).await.unwrap();
        answered(&mut inside[stream]).await;
    }
}

#[tokio::test]
async fn a_connection_that_waits_for_an_answer_or_has_not_asked_yet_keeps_its_place() {
    let mut slow = slow();
    let served = serve(slow.router, room_for(2)).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    let mut busy = send(served.address, ASK).await;
    slow.started.recv().await.unwrap();
    let mut newcomer = send(served.address, ASK).await;
    let mut byte = [0_u8; 1];
    for stream in [&mut silent, &mut busy, &mut newcomer] {
        let early = tokio::time::timeout(Duration::from_millis(250), stream.read(&mut byte));
        assert!(early.await.is_err(), "somebody was answered or sent away");
    }
    // Answered, the busy one is idle, and goes.
    slow.finish.notify_one();
    assert!(until_closed(&mut busy).await.contains("finished"));
    slow.started.recv().await.unwrap();
    slow.finish.notify_one();
    newcomer.read_exact(&mut byte).await.unwrap();
    drop(silent);
}
