//! Keeps one published set of keys: waits and fetches as `jwks` decides.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    select,
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    Algorithm, Invalid,
    config::JwksConfig,
    fetch::{self, Source},
    jwks::{self, Answer, BadSet, Cache},
    keys::{Key, is_shared},
};

/// Longest wait for a fetch: a little more than one may take.
const MAX_WAIT: Duration = fetch::TIMEOUT.saturating_add(Duration::from_secs(1));

/// One published set of keys.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) url: String,
    pub(super) algorithms: Vec<Algorithm>,
    source: Source,
    cache: Mutex<Cache>,
    /// Rung when a fetch is wanted earlier.
    wanted: Notify,
    /// Counts the fetches that have ended.
    fetched: watch::Sender<u64>,
}

impl KeySet {
    pub(super) fn new(place: usize, config: &JwksConfig) -> Result<Self, Invalid> {
        let invalid = |name: &str, reason: String| {
            Invalid::new(format!("access.tokens.jwks.{place}.{name}"), reason)
        };
        if config.algorithms.is_empty() {
            return Err(invalid("algorithms", "lists none".into()));
        }
        if let Some(shared) = config
            .algorithms
            .iter()
            .find(|algorithm| is_shared(**algorithm))
        {
            let reason = format!("lists {shared:?}: a secret that is published is none");
            return Err(invalid("algorithms", reason));
        }
        let source = Source::new(&config.url, config.ca_file.as_deref())
            .map_err(|(name, reason)| invalid(name, reason))?;
        Ok(Self {
            url: config.url.clone(),
            algorithms: config.algorithms.clone(),
            source,
            cache: Mutex::default(),
            wanted: Notify::new(),
            fetched: watch::Sender::new(0),
        })
    }

    /// The keys, if there are any that may be used.
    pub(super) fn keys(&self) -> Option<Arc<[Key]>> {
        self.cache(|cache| cache.keys(Instant::now()))
    }

    /// Waits for keys that are newer than what [`keys`](Self::keys) said. False if there will be none
    /// soon.
    pub(super) async fn newer(&self) -> bool {
        let mut fetched = self.fetched.subscribe();
        match self.cache(|cache| cache.ask(Instant::now())) {
            Answer::Refuse => false,
            Answer::Wait => {
                self.wanted.notify_one();
                matches!(timeout(MAX_WAIT, fetched.changed()).await, Ok(Ok(())))
            }
        }
    }

    /// Fetches whenever it is time, until dropped.
    pub(super) async fn keep(&self) -> ! {
        loop {
            let wait = self.cache(|cache| cache.wait(Instant::now()));
            if wait.is_zero() {
                self.fetch().await;
            } else {
                select! {
                    () = sleep(wait) => {}
                    () = self.wanted.notified() => {}
                }
            }
        }
    }

    /// Fetches once, now.
    pub(super) async fn fetch(&self) {
        self.cache(|cache| cache.begin(Instant::now()));
        let url = &self.url;
        let json = match self.source.fetch().await {
            Ok(json) => json,
            Err(problem) => {
                warn!(url, %problem, "cannot fetch keys");
                self.cache(|cache| cache.end(Instant::now(), None));
                return self.has_fetched();
            }
        };
        match jwks::read(url, &json, &self.algorithms) {
            Ok(set) => {
                let passed_over = set.passed_over.join("; ");
                info!(url, keys = set.keys.len(), passed_over, "fetched keys");
                self.cache(|cache| cache.end(Instant::now(), Some(set.keys)));
            }
            Err(problem @ BadSet::NoKey(_)) => {
                warn!(
                    url,
                    "the set of keys {problem}: no token of theirs is accepted"
                );
                self.cache(Cache::withdraw);
            }
            Err(problem) => {
                warn!(url, "cannot fetch keys: what was answered {problem}");
                self.cache(|cache| cache.end(Instant::now(), None));
            }
        }
        self.has_fetched();
    }

    fn has_fetched(&self) {
        self.fetched.send_modify(|count| *count += 1);
    }

    fn cache<T>(&self, use_it: impl FnOnce(&mut Cache) -> T) -> T {
        use_it(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
