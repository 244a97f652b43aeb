use super::{Error, ThrowawayPostgres, postgres::Options};

const NAME: &str = "shop";

/// Where the shop is.
#[derive(Debug)]
pub(super) enum Database {
    /// On a server that ends with the demo.
    Throwaway(Box<ThrowawayPostgres>),
    /// Somewhere that outlives the demo.
    Given(String),
}

impl Database {
    pub(super) async fn open(given: Option<String>) -> Result<Self, Error> {
        if let Some(url) = given {
            return Ok(Self::Given(url));
        }
        let server = ThrowawayPostgres::start(Options::default()).await?;
        server.create_database(NAME, None).await?;
        Ok(Self::Throwaway(Box::new(server)))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Throwaway(server) => server.url(NAME),
            Self::Given(url) => url.clone(),
        }
    }

    /// What to type to get a prompt on the shop; never shows a password.
    pub(super) fn psql(&self) -> String {
        match self {
            Self::Throwaway(server) => format!("psql '{}'", server.url(NAME)),
            Self::Given(_) => r#"psql "$DATABASE_URL""#.into(),
        }
    }

    pub(super) async fn close(self) -> Result<(), Error> {
        if let Self::Throwaway(server) = self {
            server.stop().await?;
            tracing::info!("the throw-away Postgres is gone");
        }
        Ok(())
    }
}
