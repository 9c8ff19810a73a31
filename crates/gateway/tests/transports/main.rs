//! How servers are reached: transports other than Streamable HTTP on real sockets and by real child
//! processes, and servers that change or close their streams under way.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod signed;
#[cfg(test)]
mod sse;
#[cfg(test)]
mod stdio;
#[cfg(test)]
mod support;
