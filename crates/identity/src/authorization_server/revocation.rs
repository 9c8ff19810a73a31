//! Clients that give tokens back (RFC 7009): with one token goes the whole grant.

use portcullis_oauth::authorization_server::OAuthFault;

use super::{AuthorizationServer, ClientCredentials, TokenRefusal};

impl AuthorizationServer {
    /// Ends the grant that a token belongs to, if it is this client's. A token that is nobody's is
    /// revoked already (RFC 7009 §2.2). Returns the client's id, and that of the grant that ended.
    pub async fn revoke(
        &self,
        credentials: &ClientCredentials<'_>,
    ) -> Result<(String, Option<String>), TokenRefusal> {
        let client = self.authenticated(credentials).await?;
        let token = credentials.form.get("token");
        let token = token.ok_or(OAuthFault::request("token is missing"))?;
        let grants = &self.deps.grants;
        let id = match self.kept_token(token).await? {
            Some((_, found)) => Some(found.record.grant),
            None => self.session_of(token),
        };
        let Some(id) = id else {
            return Ok((client.id, None));
        };
        let read = grants.get(&id).await?;
        if read.is_none_or(|read| read.grant.client != client.id) {
            return Ok((client.id, None));
        }
        grants.end(&id, "its client gave it back").await?;
        Ok((client.id, Some(id)))
    }
}
