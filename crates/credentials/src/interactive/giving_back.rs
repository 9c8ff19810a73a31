//! Tokens that nobody will use any more are given back to whoever issued them (RFC 7009). Each is asked
//! for once and beside what anybody waits for: what is not ended then ends by itself.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{AccessToken, RefreshToken, ServerId};
use portcullis_egress::{Destination, is_loopback};
use portcullis_oauth::TokenRequest;
use tokio::task::JoinHandle;

use super::client::Source;
use super::connections::Inner;
use super::row::Row;
use super::scopes::is_of_google;
use super::terms::AuthorizationCode;
use crate::token_endpoint::Endpoint;

/// Longest for one connection's tokens, however many requests they take.
const LONGEST: Duration = Duration::from_secs(15);
/// Most connections whose tokens are given back at a time. What comes beyond is left to end by itself.
pub(super) const AT_A_TIME: usize = 32;

impl Row {
    /// Whether ending its tokens would end those of its successor, too: some authorization servers give
    /// out the same ones again, and Google ends everything that a person granted a client, whichever
    /// token is named.
    pub(super) fn ends_with(&self, successor: &Self) -> bool {
        let endpoint = self.revocation_endpoint.as_ref();
        let refresh = |row: &Self| row.refresh.as_ref().map(RefreshToken::fingerprint);
        let shares = AccessToken::fingerprint(&self.access)
            == AccessToken::fingerprint(&successor.access)
            || self.refresh.is_some() && refresh(self) == refresh(successor);
        let same_client = self.issuer == successor.issuer && self.client.id == successor.client.id;
        shares || same_client && is_of_google(endpoint.and_then(|url| url.host_str()))
    }
}

impl Inner {
    /// Has the tokens of a row ended, as far as its authorization server lets us. Whoever wants to know
    /// whether it said that it did may wait. `why` is for the log.
    pub(super) fn give_back(
        self: &Arc<Self>,
        terms: &Arc<AuthorizationCode>,
        server: &ServerId,
        row: Row,
        why: &'static str,
    ) -> Option<JoinHandle<bool>> {
        self.give_back_by(Some(Arc::clone(terms)), server, row, why)
    }

    /// The same; without `terms`, the server is not in the file any more.
    pub(super) fn give_back_by(
        self: &Arc<Self>,
        terms: Option<Arc<AuthorizationCode>>,
        server: &ServerId,
        row: Row,
        why: &'static str,
    ) -> Option<JoinHandle<bool>> {
        let Ok(turn) = Arc::clone(&self.giving_back).try_acquire_owned() else {
            tracing::warn!(mcp.server.id = %server, why, "too many tokens are given back at this moment: these end by themselves");
            return None;
        };
        let (inner, server) = (Arc::clone(self), server.clone());
        Some(self.tasks.spawn(async move {
            let _turn = turn;
            let revoking = inner.revoke(terms.as_deref(), &row);
            let revoked = tokio::time::timeout(LONGEST, revoking).await;
            let revoked = revoked.unwrap_or(false);
            tracing::info!(mcp.server.id = %server, why, revoked, "tokens that nobody uses any more were given back");
            revoked
        }))
    }

    /// A client of the file proves itself with the file's secret of now, which is not for an
    /// authorization server of before.
    ///
    /// The refresh token first: with it goes the whole grant (RFC 7009 §2.1).
    async fn revoke(&self, terms: Option<&AuthorizationCode>, row: &Row) -> bool {
        let client = row
            .client
            .able_by(terms.and_then(|terms| terms.client.as_ref()));
        let (Some(url), Some(client)) = (&row.revocation_endpoint, client) else {
            return false;
        };
        let of_file = matches!(row.client.source, Source::File(_));
        if of_file && terms.is_none_or(|terms| row.terms != terms.fingerprint()) {
            return false;
        }
        let endpoint = Endpoint {
            url: url.clone(),
            issuer: row.named_issuer.clone(),
            destination: match terms {
                Some(terms) => terms.trust().destination(url),
                // Nobody trusts it by name any more.
                None => Destination::Untrusted {
                    allow_loopback: is_loopback(&row.token_endpoint),
                },
            },
        };
        let refresh = row
            .refresh
            .as_ref()
            .map(|token| (token.expose(), "refresh_token"));
        let access = (row.access.expose(), "access_token");
        let mut revoked = false;
        for (number, (token, hint)) in refresh.into_iter().chain([access]).enumerate() {
            let (clock, entropy) = (&*self.door.clock, &*self.door.entropy);
            let form = client.authenticate(&endpoint, clock, entropy, |client| {
                TokenRequest::revocation(client, token, hint)
            });
            let answer = match form {
                Ok(form) => self.door.posted(form, &endpoint).await,
                Err(failure) => Err(failure),
            };
            let done = answer.is_ok_and(|answer| answer.status.is_success());
            if number == 0 {
                revoked = done;
            }
        }
        revoked
    }
}
