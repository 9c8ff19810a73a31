//! NET-10: HTTP/2 frames as no client would send them, at the real listener.

#[cfg(test)]
mod floods {
    use portcullis_server::listen::ListenSettings;
    use portcullis_testkit::gateway::TestGateway;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
    use tokio_util::task::TaskTracker;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    const CONTINUATION: u8 = 9;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;

    /// `GET http://localhost/healthz` (RFC 7541: indexed fields, then literals without indexing).
    const GET: &[u8] = b"\x82\x86\x04\x08/healthz\x01\x09localhost";

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The streams that a client opens, in order.
    fn streams() -> impl Iterator<Item = u32> {
        (1..).step_by(2)
    }

    struct Attacker {
        read: OwnedReadHalf,
        write: OwnedWriteHalf,
    }

    impl Attacker {
        async fn connect(gateway: &TestGateway, settings: &[u8]) -> Self {
            let stream = TcpStream::connect(gateway.address()).await.unwrap();
            let (read, mut write) = stream.into_split();
            let hello = [
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
                &frame(SETTINGS, 0, 0, settings),
            ];
            write.write_all(&hello.concat()).await.unwrap();
            Self { read, write }
        }

        /// Writes for as long as the gateway listens, and tells which frames came back until the
        /// connection was closed.
        async fn flood(self, frames: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Vec<u8> {
            let Self {
                mut read,
                mut write,
            } = self;
            TaskTracker::new().spawn(async move {
                for frame in frames {
                    if write.write_all(&frame).await.is_err() {
                        break;
                    }
                }
                write
            });
            let mut kinds = Vec::new();
            let mut head = [0_u8; 9];
            while read.read_exact(&mut head).await.is_ok() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(length).unwrap()];
                if read.read_exact(&mut payload).await.is_err() {
                    break;
                }
                kinds.push(head[3]);
            }
            kinds
        }
    }

    fn opened(stream: u32) -> Vec<u8> {
        frame(HEADERS, END_STREAM | END_HEADERS, stream, GET)
    }

    async fn is_cut_off(
        gateway: &TestGateway,
        frames: impl Iterator<Item = Vec<u8>> + Send + 'static,
    ) -> Vec<u8> {
        let attacker = Attacker::connect(gateway, b"").await;
        let kinds = attacker.flood(frames).await;
        gateway.stands().await;
        kinds
    }

    #[tokio::test]
    async fn streams_that_are_opened_and_reset_without_end_end_the_connection() {
        let gateway = TestGateway::with_support().await;
        let reset = |stream| [opened(stream), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat();
        let kinds = is_cut_off(&gateway, streams().map(reset)).await;
        assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    }

    #[tokio::test]
    async fn streams_that_we_are_made_to_reset_without_end_end_the_connection() {
        // CVE-2025-8671: a window of nothing more is an error of the stream (RFC 9113 §6.9).
        let gateway = TestGateway::with_support().await;
        let provoke = |stream| [opened(stream), frame(8, 0, stream, &[0; 4])].concat();
        let kinds = is_cut_off(&gateway, streams().map(provoke)).await;
        assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    }

    #[tokio::test]
    async fn a_head_that_goes_on_in_continuations_without_end_ends_the_connection() {
        let gateway = TestGateway::with_support().await;
        let field = [b"\x00\x01x\x7f\x81\x07".as_slice(), &[b'a'; 262]].concat();
        let begun = frame(HEADERS, END_STREAM, 1, GET);
        let more = std::iter::repeat_with(move || frame(CONTINUATION, 0, 1, &field));
        let kinds = is_cut_off(&gateway, std::iter::once(begun).chain(more)).await;
        assert!(!kinds.contains(&DATA), "{kinds:?}");
    }

    #[tokio::test]
    async fn a_small_head_that_unpacks_to_a_large_one_is_refused() {
        let gateway = TestGateway::with_support().await;
        // One field of 4,000 bytes goes into the dynamic table (RFC 7541 §6.2.1), and is then named
        // by one byte at a time.
        let mut head = GET.to_vec();
        head.extend(b"\x40\x01x\x7f\xa1\x1e");
        head.extend([b'a'; 4000]);
        head.extend([0xbe; 10_000]);
        let bomb = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head);
        let attacker = Attacker::connect(&gateway, b"").await;
        let end = frame(GOAWAY, 0, 0, &[0; 8]);
        let kinds = attacker.flood([bomb, end].into_iter()).await;
        assert!(!kinds.contains(&DATA), "{kinds:?}");
        gateway.stands().await;
    }

    #[tokio::test]
    async fn pings_settings_and_empty_frames_cost_others_nothing() {
        let settings = ListenSettings {
            header_timeout: Duration::from_secs(1),
            ..ListenSettings::default()
        };
        let gateway = TestGateway::with_support_listening(settings).await;
        let post = [0x83, 0x86, 0x84, 0x01, 9];
        let body = [post.as_slice(), b"localhost"].concat();
        let floods: [Box<dyn Iterator<Item = Vec<u8>> + Send>; 3] = [
            Box::new(std::iter::repeat_with(|| frame(PING, 0, 0, &[7; 8]))),
            Box::new(std::iter::repeat_with(|| frame(SETTINGS, 0, 0, b""))),
            Box::new(
                std::iter::once(frame(HEADERS, END_HEADERS, 1, &body))
                    .chain(std::iter::repeat_with(|| frame(DATA, 0, 1, b""))),
            ),
        ];
        let tasks = TaskTracker::new();
        for flood in floods {
            let attacker = Attacker::connect(&gateway, b"").await;
            tasks.spawn(attacker.flood(flood.take(20_000).chain([frame(GOAWAY, 0, 0, &[0; 8])])));
        }
        gateway.stands().await;
        tasks.close();
        tasks.wait().await;
        gateway.stands().await;
    }

    #[tokio::test]
    async fn a_hundred_thousand_streams_without_a_window_hold_nothing_for_ever() {
        let settings = ListenSettings {
            stall_timeout: Duration::from_millis(200),
            ..ListenSettings::default()
        };
        let gateway = TestGateway::with_support_listening(settings).await;
        // INITIAL_WINDOW_SIZE 0: not one byte of an answer may be sent.
        let attacker = Attacker::connect(&gateway, &[0, 4, 0, 0, 0, 0]).await;
        let kinds = attacker.flood(streams().take(100_000).map(opened)).await;
        assert!(!kinds.contains(&DATA), "{kinds:?}");
        gateway.stands().await;
    }
}
