//! The edge: what the daemon asks of whoever comes before it listens, and how much it listens to.
//!
//! Everything here is decided without waiting, by plain values: `origins` by the page that asks,
//! `forwarded` and `network` by the address, `shares`, `rates` and `visitors` by how many there are
//! already, `pace` by how much one has said, `operator` by what it knows. `headers` is what browsers
//! are told.

mod bucket;
mod forwarded;
mod headers;
mod network;
mod operator;
mod origins;
mod pace;
mod rates;
mod shares;
mod visitors;

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::http::HeaderMap;

pub use forwarded::ForwardedHeader;
#[cfg(feature = "sabotage")]
pub use forwarded::client_behind_proxies;
pub use operator::AdminConfig;

pub(super) use bucket::Rate;
pub(super) use headers::{pages_that_may, protect};
pub(super) use network::{Holder, Network};
pub(super) use operator::{Operator, is_operators, operator_only};
pub(super) use origins::{Caller, Origins, is_origin};
pub(super) use pace::{Pace, Paces, Pacing};
pub(super) use shares::{Share, Shares};
pub(super) use visitors::{Visitor, Visitors};

use super::Config;
use crate::protocol::CloseReason;
use rates::Rates;

/// More addresses than this are not told apart by how often they come.
const MOST_ADDRESSES: usize = 65_536;

/// The other end of a connection: the client, or a proxy. Goes with every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// What is asked of whoever comes.
#[derive(Debug)]
pub struct Edge {
    pub(super) origins: Origins,
    pub(super) operator: Operator,
    pub(super) paces: Paces,
    pub(super) visitors: Visitors,
    trusted: Vec<Network>,
    unlimited: Vec<Network>,
    header: ForwardedHeader,
    sessions: Shares<Holder>,
    users: Shares<Arc<str>>,
    arrivals: Rates<Holder>,
}

/// The place of a session among those of its address; none is counted for an address without limits.
pub(super) type Place = Option<Share<Holder>>;

/// The place of a session among those of its user.
pub(super) type UsersPlace = Share<Arc<str>>;

impl Edge {
    /// What `config` asks. With `open`, pages of all origins may connect where none are listed, and
    /// the operator's paths are for everybody.
    pub fn new(config: &Config, open: bool) -> Self {
        Self {
            origins: Origins::new(&config.origins, open),
            operator: Operator::new(&config.admin, open),
            paces: Paces {
                messages: Rate::new(config.message_rate, config.message_burst),
                rooms: Rate::new(config.subscribe_rate, config.subscribe_burst),
                unfinished: usize::try_from(config.max_message_size.as_u64().saturating_mul(2))
                    .unwrap_or(usize::MAX),
            },
            visitors: Visitors::new(config.max_http_connections_per_address),
            trusted: networks(&config.trusted_proxies),
            unlimited: networks(&config.unlimited_addresses),
            header: config.forwarded_header,
            sessions: Shares::new(config.max_connections_per_address),
            users: Shares::new(config.max_connections_per_user),
            arrivals: Rates::new(
                Rate::new(config.connection_rate, config.connection_burst),
                MOST_ADDRESSES,
            ),
        }
    }

    /// The address that a request comes from.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        forwarded::client(peer, headers, self.header, &self.trusted)
    }

    /// Whether a connection is taken, and its place among those of its address. A proxy's are its
    /// clients', who are counted when their requests tell who they are.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(super) fn enter(&self, peer: IpAddr, now: Instant) -> Result<Visitor, &'static str> {
        let is_proxy = self.is_proxy(peer);
        let limited = self.holder(peer).filter(|_| !is_proxy);
        if limited.is_some_and(|holder| self.arrivals.take(holder, now).is_err()) {
            return Err("connection_rate");
        }
        let holder = (!is_proxy).then(|| Holder::of(peer));
        let visitor = self.visitors.enter(holder, limited.is_some(), now);
        visitor.ok_or("max_http_connections_per_address")
    }

    /// Whether a request may become a session, and its place among those of its address.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn admit(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Place, CloseReason> {
        if self.origins.caller(headers) == Caller::Stranger {
            return Err(CloseReason::OriginForbidden);
        }
        let client = self.client(peer, headers);
        let Some(holder) = self.holder(client) else {
            return Ok(None);
        };
        if self.is_proxy(peer) && self.arrivals.take(holder, now).is_err() {
            return Err(CloseReason::RateLimited);
        }
        let place = self.sessions.take(holder);
        place.map(Some).ok_or(CloseReason::ConnectionLimit)
    }

    /// The place of a session among those of its user, if there is one.
    pub(super) fn place_of(&self, user: &Arc<str>) -> Option<UsersPlace> {
        self.users.take(user.clone())
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// As whom an address is counted, if it is.
    fn holder(&self, address: IpAddr) -> Option<Holder> {
        let unlimited = self.unlimited.iter();
        let is_unlimited = unlimited.clone().any(|network| network.contains(address));
        (!is_unlimited).then(|| Holder::of(address))
    }
}

/// What is none was refused with the configuration.
fn networks(texts: &[String]) -> Vec<Network> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
