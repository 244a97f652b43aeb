//! What customers, sellers and warehouses of the shop do all day.

mod deed;

use std::{convert::Infallible, future, time::Duration};

use tokio::time::sleep;

use super::Error;
use crate::{backoff::Backoff, install};
use deed::Deed;

/// How busy the shop is.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Statements per second on average; none at 0 or below.
    pub rate: f64,
    /// Shops with the same seed do the same.
    pub seed: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { rate: 8.0, seed: 1 }
    }
}

impl Traffic {
    /// Keeps the shop busy for as long as it is polled, through any failure of the database.
    pub async fn run(self, url: &str) -> Infallible {
        if self.rate <= 0.0 {
            return future::pending().await;
        }
        let mut chance = fastrand::Rng::with_seed(self.seed);
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
        loop {
            let Err(error) = self.trade(url, &mut chance, &mut backoff).await;
            tracing::warn!(%error, "the shop is closed for a moment");
            sleep(backoff.next(chance.f64())).await;
        }
    }

    async fn trade(
        self,
        url: &str,
        chance: &mut fastrand::Rng,
        backoff: &mut Backoff,
    ) -> Result<Infallible, Error> {
        let mut connection = install::connect(url).await?;
        loop {
            // Uniform between nothing and twice the mean, so that nothing beats in step with it.
            sleep(Duration::from_secs_f64(2.0 * chance.f64() / self.rate)).await;
            let done = Deed::any(chance).perform(&mut connection, chance).await;
            done.map_err(Error::Unreachable)?;
            backoff.reset();
        }
    }
}
