//! A TCP proxy that breaks connections on demand.
//!
//! It forwards to a target until it is told otherwise. What it is told holds at once for open
//! connections and for new ones. A link that stalls keeps what it had read, and passes it on when
//! it is healed: nothing is reordered or invented.

use std::{io, net::SocketAddr, ops::Range, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

const BUFFER: usize = 16 * 1024;

/// What is wrong with one direction of every connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Each piece, of 16 KiB at most, is held this long.
    Delay(Duration),
    /// Connections stay open and nothing passes, not even their end: a half-open link.
    Stall,
    /// A stall once so many more bytes have passed, counted for each connection.
    StallAfter(u64),
    /// A reset once so many more bytes have passed, counted for each connection.
    CutAfter(u64),
    /// Pieces of so many bytes, with a pause behind each.
    Throttle { bytes: usize, pause: Duration },
    /// New connections are accepted and closed at once; open ones are left alone.
    Refuse,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
}

/// What every connection looks at.
#[derive(Clone, Debug)]
struct Orders {
    target: SocketAddr,
    faults: [Option<Fault>; 2],
    /// How often faults were set, so that a count of bytes begins anew.
    set: u64,
    cuts: u64,
    half_closes: [u64; 2],
}

/// Ends, with all its connections, when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    addr: SocketAddr,
    orders: watch::Sender<Orders>,
    acceptor: AbortHandle,
    /// The acceptor has a clone, and so has each open connection.
    open: Arc<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let orders = watch::Sender::new(Orders {
            target,
            faults: [None; 2],
            set: 0,
            cuts: 0,
            half_closes: [0; 2],
        });
        let open = Arc::new(());
        let acceptor = tokio::spawn(accept(listener, orders.clone(), open.clone()));
        Self {
            addr,
            orders,
            acceptor: acceptor.abort_handle(),
            open,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where new connections go.
    pub(crate) fn retarget(&self, target: SocketAddr) {
        self.orders.send_modify(|orders| orders.target = target);
    }

    /// A fault both ways.
    pub(crate) fn set(&self, fault: Fault) {
        self.change(|orders| orders.faults = [Some(fault); 2]);
    }

    /// A fault one way; the other way stays as it is.
    pub(crate) fn set_one_way(&self, way: Way, fault: Fault) {
        self.change(|orders| orders.faults[way as usize] = Some(fault));
    }

    /// Everything passes again, also what was held.
    pub(crate) fn heal(&self) {
        self.change(|orders| orders.faults = [None; 2]);
    }

    /// Resets all open connections, on both sides.
    pub(crate) fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// Ends one direction of all open connections; the other goes on.
    pub(crate) fn half_close(&self, way: Way) {
        self.change(|orders| orders.half_closes[way as usize] += 1);
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        Arc::strong_count(&self.open) - 2
    }

    fn change(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(|orders| {
            change(orders);
            orders.set += 1;
        });
    }
}

async fn accept(listener: TcpListener, orders: watch::Sender<Orders>, open: Arc<()>) {
    let mut connections = JoinSet::new();
    loop {
        // A client that is gone before it is accepted is no failure of the proxy.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if orders.borrow().faults.contains(&Some(Fault::Refuse)) {
            continue;
        }
        connections.spawn(forward(client, orders.subscribe(), open.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(mut client: TcpStream, mut orders: watch::Receiver<Orders>, _open: Arc<()>) {
    let seen = orders.borrow_and_update().clone();
    let mut cut = orders.clone();
    let cut = cut.wait_for(|orders| orders.cuts != seen.cuts);
    let passing = async {
        // Who stalls does not reach the server at all.
        let stalled = |orders: &Orders| orders.faults[0] == Some(Fault::Stall);
        let target = orders.wait_for(|orders| !stalled(orders)).await;
        let target = target.map_err(io::Error::other)?.target;
        let mut server = TcpStream::connect(target).await?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            // Whichever way a connection ends other than by passing on its end, it ends with a reset.
            SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        }
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let up = Pump::new(Way::ToServer, &seen, orders.clone());
        let down = Pump::new(Way::ToClient, &seen, orders);
        tokio::try_join!(
            up.run(from_client, to_server),
            down.run(from_server, to_client)
        )?;
        for stream in [&client, &server] {
            SockRef::from(stream).set_linger(None)?;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        _ = cut => {}
        _ = passing => {}
    }
}

/// One direction of one connection.
struct Pump {
    way: Way,
    orders: watch::Receiver<Orders>,
    half_closes: u64,
    /// Bytes passed since `set`.
    passed: u64,
    set: u64,
}

impl Pump {
    fn new(way: Way, seen: &Orders, orders: watch::Receiver<Orders>) -> Self {
        Self {
            way,
            orders,
            half_closes: seen.half_closes[way as usize],
            passed: 0,
            set: seen.set,
        }
    }

    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut held: Range<usize> = 0..0;
        loop {
            let fault = self.fault();
            if self.half_closes != self.orders.borrow().half_closes[self.way as usize] {
                return to.shutdown().await;
            }
            let most = self.allowance(fault)?;
            if most == 0 {
                self.orders.changed().await.map_err(io::Error::other)?;
            } else if held.is_empty() {
                tokio::select! {
                    read = from.read(&mut buffer) => match read? {
                        0 => return to.shutdown().await,
                        count => held = 0..count,
                    },
                    changed = self.orders.changed() => changed.map_err(io::Error::other)?,
                }
            } else {
                if let Some(Fault::Delay(delay)) = fault
                    && self.pause(delay).await == Pause::Cut
                {
                    continue;
                }
                let end = held.end.min(held.start + most);
                to.write_all(&buffer[held.start..end]).await?;
                self.passed += (end - held.start) as u64;
                held.start = end;
                if let Some(Fault::Throttle { pause, .. }) = fault {
                    self.pause(pause).await;
                }
            }
        }
    }

    /// The fault that holds now; a new one counts bytes from here.
    fn fault(&mut self) -> Option<Fault> {
        let orders = self.orders.borrow_and_update();
        if std::mem::replace(&mut self.set, orders.set) != orders.set {
            self.passed = 0;
        }
        orders.faults[self.way as usize]
    }

    /// How many bytes may pass now.
    fn allowance(&self, fault: Option<Fault>) -> io::Result<usize> {
        let left = |limit: u64| usize::try_from(limit.saturating_sub(self.passed));
        let left = |limit| left(limit).unwrap_or(BUFFER).min(BUFFER);
        match fault {
            None | Some(Fault::Refuse | Fault::Delay(_)) => Ok(BUFFER),
            Some(Fault::Stall) => Ok(0),
            Some(Fault::StallAfter(limit)) => Ok(left(limit)),
            Some(Fault::CutAfter(limit)) if left(limit) == 0 => Err(io::Error::other("cut")),
            Some(Fault::CutAfter(limit)) => Ok(left(limit)),
            Some(Fault::Throttle { bytes, .. }) => Ok(bytes.max(1)),
        }
    }

    /// Waits; new orders cut that short.
    async fn pause(&mut self, pause: Duration) -> Pause {
        tokio::select! {
            () = sleep(pause) => Pause::Over,
            _ = self.orders.changed() => Pause::Cut,
        }
    }
}

#[derive(Eq, PartialEq)]
enum Pause {
    Over,
    Cut,
}
