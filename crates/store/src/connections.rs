//! What people granted us at upstream servers, and the clients that we registered for it.

use async_trait::async_trait;
use portcullis_core::{PrincipalId, ServerId};

use crate::{Page, PageRequest, StoreError};

/// One person's connection to one server, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Whose.
    pub principal: PrincipalId,
    /// To which server.
    pub server: ServerId,
    /// Everything about it, sealed for this place: moved to another one, it does not open.
    pub sealed: Vec<u8>,
    /// Which state of it this is: random, so that none is ever the same as an earlier one, whatever
    /// was removed in between. At most 63 bits.
    pub version: u64,
}

/// Where a connection is, and in which state it was seen there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionPlace {
    /// Whose.
    pub principal: PrincipalId,
    /// To which server.
    pub server: ServerId,
    /// In which state.
    pub version: u64,
}

impl ConnectionPlace {
    /// Where it stands in a listing. The length keeps names apart that end where others begin.
    pub fn position(&self) -> String {
        let (principal, server) = (self.principal.as_str(), self.server.as_str());
        format!("{} {principal}{server}", principal.len())
    }

    /// The person and server of a position; `None`: it is none.
    pub fn of_position(text: &str) -> Option<(&str, &str)> {
        let (length, names) = text.split_once(' ')?;
        names.split_at_checked(length.parse().ok()?)
    }
}

/// Connections, each at the place of its person and server.
#[async_trait]
pub trait ConnectionStore: Send + Sync + std::fmt::Debug {
    /// The connection at a place.
    async fn get(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError>;

    /// Which state is there, without reading it.
    async fn version(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<u64>, StoreError>;

    /// Puts a connection at its place, whatever was there: its person has just made it. What was
    /// there is returned, to exactly one caller: nobody else will give its tokens back.
    async fn put(&self, record: &ConnectionRecord) -> Result<Option<ConnectionRecord>, StoreError>;

    /// Puts the next state of a connection in place of `follows`, and says whether it did: of
    /// several concurrent callers with the same `follows` exactly one does, and none does where the
    /// connection was removed or made anew.
    async fn replace(&self, record: &ConnectionRecord, follows: u64) -> Result<bool, StoreError>;

    /// Where there are connections, in order of their people and servers.
    async fn places(&self, page: &PageRequest) -> Result<Page<ConnectionPlace>, StoreError>;

    /// Removes a connection in this state, and returns it, to exactly one caller. One that was changed
    /// or made anew stays.
    async fn remove_state(
        &self,
        place: &ConnectionPlace,
    ) -> Result<Option<ConnectionRecord>, StoreError>;

    /// Removes a connection, and returns what was there, to exactly one caller.
    async fn remove(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError>;
}

/// A client of ours at an authorization server, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamClientRecord {
    /// At which authorization server. It is never shown to another one.
    pub issuer: String,
    /// Where people come back to: what it was registered for.
    pub redirect_uri: String,
    /// Its id and secret, sealed for this place.
    pub sealed: Vec<u8>,
    /// Which registration this is: random, at most 63 bits.
    pub version: u64,
}

/// Clients that were registered dynamically (RFC 7591).
#[async_trait]
pub trait UpstreamClientStore: Send + Sync + std::fmt::Debug {
    /// The client at a place.
    async fn get(
        &self,
        issuer: &str,
        redirect_uri: &str,
    ) -> Result<Option<UpstreamClientRecord>, StoreError>;

    /// Keeps a client where there is none, and returns the one that is there: of several concurrent
    /// callers all get the same.
    async fn put_if_absent(
        &self,
        record: &UpstreamClientRecord,
    ) -> Result<UpstreamClientRecord, StoreError>;

    /// Forgets this registration; a later one stays.
    async fn remove(
        &self,
        issuer: &str,
        redirect_uri: &str,
        version: u64,
    ) -> Result<(), StoreError>;
}
