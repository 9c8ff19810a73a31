//! Something between us and the server that falls silent when it is told to, and stays so: as a machine that
//! lost its power, and whose address another one has taken over. What is connected anew passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// A proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
    _tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    /// How many more answers pass, of all connections together.
    left: AtomicI64,
    /// Whether connections fall silent when none is left.
    falls: AtomicBool,
    /// How often they were told to. Those that were made after a silence began are met by the next one only.
    falling: AtomicI64,
}

impl Proxy {
    /// In front of the server at this port.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tasks, state) = (TaskTracker::new(), Arc::new(State::default()));
        let (spawner, told) = (tasks.clone(), Arc::clone(&state));
        tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                // What comes after the silence comes to whoever took over.
                let silent =
                    told.falls.load(Ordering::SeqCst) && told.left.load(Ordering::SeqCst) <= 0;
                let met_by = told.falling.load(Ordering::SeqCst) + i64::from(silent);
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                spawner.spawn(passed(from_client, to_server));
                spawner.spawn(answers(from_server, to_client, Arc::clone(&told), met_by));
            }
        });
        Self {
            port,
            state,
            _tasks: tasks,
        }
    }

    /// After so many more answers nobody who is connected hears anything any more.
    pub(crate) fn falls_silent_after(&self, answers: i64) {
        self.state.falling.fetch_add(1, Ordering::SeqCst);
        self.state.left.store(answers, Ordering::SeqCst);
        self.state.falls.store(true, Ordering::SeqCst);
    }

    /// Everything passes that is connected from now on.
    pub(crate) fn is_well(&self) {
        self.state.falls.store(false, Ordering::SeqCst);
    }

    /// Whether it fell silent.
    pub(crate) fn is_silent(&self) -> bool {
        self.state.falls.load(Ordering::SeqCst) && self.state.left.load(Ordering::SeqCst) <= 0
    }
}

async fn passed(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<State>, met_by: i64) {
    let mut buffer = vec![0; 64 * 1024];
    // Once silent, always silent: the other end is not told of it.
    let mut silent = false;
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            if silent {
                // The connection stays open, as far as its client can tell.
                std::future::pending::<()>().await;
            }
            return;
        };
        let meets = met_by <= state.falling.load(Ordering::SeqCst);
        if meets && state.falls.load(Ordering::SeqCst) {
            silent |= state.left.fetch_sub(1, Ordering::SeqCst) <= 0;
        }
        if !silent && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
