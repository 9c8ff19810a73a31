//! One atomic step on the server, and its answer.

use std::sync::LazyLock;

use portcullis_core::hex;
use portcullis_store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};

use crate::failure::Failure;

/// A script, known to the server by its digest; one that forgot it is told the text again.
pub(crate) type Lua = LazyLock<Script>;

/// What every key begins with.
#[derive(Clone, Debug)]
pub(crate) struct Keys(String);

impl Keys {
    /// In braces: a hash tag, so that all keys are in one slot.
    pub(crate) fn new(prefix: &str) -> Self {
        Self(format!("{{{prefix}}}"))
    }

    pub(crate) fn key(&self, parts: &[&str]) -> String {
        let mut key = self.0.clone();
        for part in parts {
            key.push(':');
            key.push_str(part);
        }
        key
    }

    pub(crate) fn of_digest(&self, what: &str, digest: &[u8; 32]) -> String {
        self.key(&[what, &hex(digest)])
    }
}

/// A script with what it is run on.
pub(crate) struct Step<'s> {
    pub(crate) operation: &'static str,
    script: &'static Lua,
    keys: Vec<String>,
    arguments: Vec<std::borrow::Cow<'s, [u8]>>,
}

impl<'s> Step<'s> {
    pub(crate) fn new(operation: &'static str, script: &'static Lua) -> Self {
        Self {
            operation,
            script,
            keys: Vec::new(),
            arguments: Vec::new(),
        }
    }

    pub(crate) fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    pub(crate) fn bytes(mut self, bytes: &'s [u8]) -> Self {
        self.arguments.push(bytes.into());
        self
    }

    pub(crate) fn text(self, text: &'s str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn number(mut self, number: impl std::fmt::Display) -> Self {
        self.arguments.push(number.to_string().into_bytes().into());
        self
    }

    pub(crate) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Vec<Vec<u8>>> {
        let mut invocation = self.script.prepare_invoke();
        for key in &self.keys {
            invocation.key(key);
        }
        for argument in &self.arguments {
            invocation.arg(&**argument);
        }
        invocation.invoke_async(connection).await
    }
}

/// What a script answered: texts.
#[derive(Debug)]
pub(crate) struct Answer {
    operation: &'static str,
    parts: std::vec::IntoIter<Vec<u8>>,
}

impl Answer {
    pub(crate) fn new(parts: Vec<Vec<u8>>, operation: &'static str) -> Self {
        Self {
            operation,
            parts: parts.into_iter(),
        }
    }

    /// The next part, if there is one.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        self.parts.next()
    }

    /// The next part, which must be there.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.next().ok_or_else(|| self.foreign())
    }

    pub(crate) fn word(&mut self) -> Result<String, StoreError> {
        String::from_utf8(self.bytes()?).map_err(|_| self.foreign())
    }

    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        self.word()?.parse().map_err(|_| self.foreign())
    }

    /// It said what none of our scripts says.
    pub(crate) fn foreign(&self) -> StoreError {
        Failure::Foreign.of(self.operation)
    }
}
