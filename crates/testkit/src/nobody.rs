//! An address where nobody is.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A loopback port that is taken and where nobody listens: as long as this lives, no other story
/// gets the port, and whoever connects is refused.
#[derive(Debug)]
pub struct Nobody {
    socket: TcpSocket,
}

impl Nobody {
    /// Takes a port.
    ///
    /// # Panics
    /// When no loopback port can be had.
    pub fn there() -> Self {
        #[expect(clippy::unwrap_used, reason = "a story cannot go on without a port")]
        let socket = TcpSocket::new_v4().unwrap();
        #[expect(clippy::unwrap_used, reason = "a story cannot go on without a port")]
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { socket }
    }

    /// Where nobody is.
    ///
    /// # Panics
    /// Never: a bound socket has an address.
    pub fn address(&self) -> SocketAddr {
        #[expect(clippy::unwrap_used, reason = "a bound socket has an address")]
        self.socket.local_addr().unwrap()
    }

    /// An MCP endpoint there.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address())
    }
}
