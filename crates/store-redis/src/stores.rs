//! Every store trait that Redis keeps, over one connection.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_store::{
    Announcements, ConcurrencyStore, CounterStore, LeaseStore, OneTimeStore, SharedTokenStore,
};
use redis::{Client, TlsCertificates};

use crate::announcements::RedisAnnouncements;
use crate::concurrency::RedisConcurrency;
use crate::counters::RedisCounters;
use crate::leases::RedisLeases;
use crate::link::{Link, RedisDeps, RedisState};
use crate::one_time::RedisOneTimes;
use crate::settings::RedisSettings;
use crate::shared_tokens::RedisSharedTokens;
use crate::step::Keys;

/// Redis cannot be talked to as it is wished.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of certificates cannot be read.
    #[error("cannot read `{}`", path.display())]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
    /// There are authorities, and nothing that they could vouch for.
    #[error("certificates of authorities are for `rediss://` URLs")]
    CaWithoutTls,
    /// The certificates, or the URL, are none.
    #[error("Redis cannot be talked to like this")]
    Client(#[source] redis::RedisError),
}

/// What is kept in Redis.
#[derive(Clone, Debug)]
pub struct RedisStores {
    /// Values that are good once.
    pub one_time: Arc<dyn OneTimeStore>,
    /// Who of several replicas does something.
    pub leases: Arc<dyn LeaseStore>,
    /// Tokens that one replica fetched for all.
    pub shared_tokens: Arc<dyn SharedTokenStore>,
    /// How often something happened lately.
    pub counters: Arc<dyn CounterStore>,
    /// What goes on at this moment.
    pub concurrency: Arc<dyn ConcurrencyStore>,
    /// Who is told that something changed.
    pub announcements: Arc<dyn Announcements>,
    link: Arc<Link>,
    listener: Arc<RedisAnnouncements>,
}

impl RedisStores {
    /// Begins to connect, and goes on for as long as the process runs: a server that is away now is used
    /// when it comes.
    pub fn open(settings: &RedisSettings, deps: &RedisDeps) -> Result<Self, OpenError> {
        let client = client(settings)?;
        let keys = Keys::new(&settings.key_prefix);
        let entropy = Arc::clone(&deps.entropy);
        let link = Arc::new(Link::new(client.clone(), settings.timeout, entropy));
        link.keep(deps);
        let listener = Arc::new(RedisAnnouncements::new(&link, &keys));
        listener.listen(client, deps);
        Ok(Self {
            one_time: Arc::new(RedisOneTimes {
                link: Arc::clone(&link),
                keys: keys.clone(),
                clock: Arc::clone(&deps.clock),
            }),
            leases: Arc::new(RedisLeases {
                link: Arc::clone(&link),
                keys: keys.clone(),
            }),
            shared_tokens: Arc::new(RedisSharedTokens {
                link: Arc::clone(&link),
                keys: keys.clone(),
            }),
            counters: Arc::new(RedisCounters {
                link: Arc::clone(&link),
                keys: keys.clone(),
            }),
            concurrency: Arc::new(RedisConcurrency {
                link: Arc::clone(&link),
                keys,
            }),
            announcements: Arc::clone(&listener) as _,
            link,
            listener,
        })
    }

    /// Waits until Redis can be used and is listened to, but no longer than this.
    pub async fn wait(&self, patience: Duration) -> RedisState {
        let connected = async {
            self.link.connected().await;
            self.listener.listens().await;
        };
        // Late is what the state says.
        let _ = tokio::time::timeout(patience, connected).await;
        self.state()
    }

    /// Whether it can be used.
    pub fn state(&self) -> RedisState {
        self.link.state()
    }
}

fn client(settings: &RedisSettings) -> Result<Client, OpenError> {
    let info = settings.url.info.clone();
    if !settings.url.has_tls() {
        return match settings.ca_file {
            Some(_) => Err(OpenError::CaWithoutTls),
            None => Client::open(info).map_err(OpenError::Client),
        };
    }
    let root_cert = match &settings.ca_file {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|source| OpenError::CaFile {
            path: path.clone(),
            source,
        })?),
    };
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert,
    };
    Client::build_with_tls(info, certificates).map_err(OpenError::Client)
}
