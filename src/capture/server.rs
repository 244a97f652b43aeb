//! Which server: the one host of the URL that can be written to.
//!
//! All connections of a session go to the address that was found first. Each asking the URL anew
//! could listen to one server and read from another, and would pay for a dead first host each time.

use super::{DatabaseConfig, Error, connect::Session, probe};
use crate::database::{Address, Exposure, Place};

/// Most addresses that are tried for one session.
const MOST_ADDRESSES: usize = 16;

/// Whether the URL can be used at all; nothing is connected to. Tells what somebody on the network in
/// between could do, if there is one.
///
/// # Errors
/// When it is malformed, names an unknown parameter or no host, or promises what it does not hold.
pub fn check_url(config: &DatabaseConfig) -> Result<Option<Exposure>, Error> {
    Ok(Address::parse(config.url.reveal())?.exposure())
}

/// A server that can be written to, by its address.
#[derive(Debug)]
pub(super) struct Server {
    config: DatabaseConfig,
    address: Address,
    place: Place,
    /// Tells it from another server that answers at the same address later.
    started: String,
}

impl Server {
    /// Goes through the addresses of the URL in their order, and returns the first server that can
    /// be written to together with the connection that showed it.
    pub(super) async fn find(config: &DatabaseConfig) -> Result<(Self, Session), Error> {
        let address = Address::parse(config.url.reveal())?;
        let mut refused = Vec::new();
        let mut tried = 0;
        for host in address.hosts() {
            let places = match host.places(config.connect_timeout).await {
                Ok(places) => places,
                Err(error) => {
                    refused.push((host.name.clone(), error.into()));
                    continue;
                }
            };
            for place in places.into_iter().take(MOST_ADDRESSES - tried) {
                tried += 1;
                match try_one(config, &address, place).await {
                    Ok(found) => return Ok(found),
                    // It can be written to: no other host is the primary.
                    Err(error @ (Error::NotInstalled | Error::Outdated)) => return Err(error),
                    Err(error) => refused.push((host.name.clone(), error)),
                }
            }
        }
        Err(Error::none_of(refused))
    }

    /// One more connection to the same server.
    pub(super) async fn session(&self) -> Result<Session, Error> {
        self.listener(|_| {}).await
    }

    /// One more connection to the same server, which hears notifications.
    pub(super) async fn listener(
        &self,
        hear: impl FnMut(Option<&str>) + Send + 'static,
    ) -> Result<Session, Error> {
        let session = Session::open(&self.config, &self.address, &self.place, hear).await?;
        if probe::primary(&session).await? == self.started {
            Ok(session)
        } else {
            Err(Error::Elsewhere)
        }
    }
}

async fn try_one(
    config: &DatabaseConfig,
    address: &Address,
    place: Place,
) -> Result<(Server, Session), Error> {
    let session = Session::open(config, address, &place, |_| {}).await?;
    let started = probe::primary(&session).await?;
    let server = Server {
        config: config.clone(),
        address: address.clone(),
        place,
        started,
    };
    Ok((server, session))
}
