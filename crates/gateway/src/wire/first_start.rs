//! A gateway where there was none: a file, a store, a key ring, and one key to begin with.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use portcullis_config::CommandLine;
use portcullis_core::{ApiKey, Role, ScopeSet, ServerGrants};
use portcullis_identity::{KeyAdmin, MasterKey, NewKey};
use url::Url;

use super::rooms::{Rooms, Storage, Vaults};
use super::{FirstKey, files};
use crate::cli::exit::CommandError;

/// Makes store and key ring for a configuration that was just written, and the first admin key.
pub async fn init(file: &Path) -> Result<FirstKey, CommandError> {
    let config = files::load(file, CommandLine::default())?.config;
    let vaults = Vaults::open(&Storage::of(&config)).await?;
    let (_, admin) = vaults.keys().await?;
    let key = admin_key(&admin).await?;
    let listen = &config.server.listen;
    let scheme = if config.server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let host = if listen.host == "127.0.0.1" {
        "localhost"
    } else {
        &listen.host
    };
    let url =
        Url::parse(&format!("{scheme}://{host}:{}/", listen.port)).context("server.listen")?;
    Ok(FirstKey { key, url })
}

/// Shows the first key, once, to whoever started the gateway in an empty folder.
pub(super) async fn greet(rooms: &Rooms, url: &Url) -> Result<(), CommandError> {
    let key = admin_key(&rooms.keys).await?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "Portcullis is ready at {url}\n\n  \
         configuration   portcullis.yaml (changes take effect when you save it)\n  \
         admin key       {}\n                  shown this once: keep it\n\n  \
         curl {url}mcp-rest/tools/list -H \"Authorization: Bearer {}\"\n",
        key.expose(),
        key.expose(),
    )
    .context("cannot write to the terminal")?;
    Ok(())
}

async fn admin_key(admin: &KeyAdmin) -> Result<ApiKey, CommandError> {
    let wish = NewKey {
        alias: None,
        user_id: None,
        team: None,
        org: None,
        role: Role::Admin,
        grants: ServerGrants {
            all: true,
            ..ServerGrants::default()
        },
        scopes: ScopeSet::default(),
        expires_in: None,
        metadata: serde_json::Map::new(),
    };
    let created = admin
        .create(wish, &MasterKey::principal())
        .await
        .context("the first key could not be made")?;
    Ok(created.key)
}
