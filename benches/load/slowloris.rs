//! Two thousand sockets that say what they want byte by byte, and never to its end, beside clients that
//! come, join a room and leave.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use socket2::{Domain, Socket, Type};

use crate::{
    crowd::Target,
    daemon::{Daemon, Door},
    memory::steady,
    report::{self, Knocks},
    shop::Shop,
};

/// On the command line, for this alone.
pub(crate) const ARGUMENT: &str = "--slowloris";

const SOCKETS: usize = 2000;
/// Each socket says one byte in this time, or comes back if it was cut off.
const DRIP: Duration = Duration::from_millis(500);
/// Parts of that: in each, as many sockets have their turn.
const TURNS: usize = 50;
/// From the first connection of an attack until others are measured beside it.
const RAMP: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_millis(2500);
const ROUNDS: usize = 3;
/// Who comes and goes, each from an address of its own.
const CALLERS: u8 = 2;
const CALL_EVERY: Duration = Duration::from_millis(40);
/// A frame with a message of 60,000 bytes and the mask of zeros, of which the bytes come one by one.
const FRAME: &[u8] = &[0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
const HEAD: &[u8] = b"GET /ws HTTP/1.1\r\nHost: pgbell\r\nX-Drip: ";

/// What drips, and from how many addresses.
#[derive(Clone, Copy)]
struct Attack {
    name: &'static str,
    /// The first three numbers of the addresses.
    network: [u8; 3],
    addresses: u8,
    /// The sockets are sessions already.
    in_frames: bool,
}

const PEACE: &str = "in peace";
const LIMITED: [u8; 3] = [127, 0, 2];
const UNLIMITED: [u8; 3] = [127, 0, 3];
const ATTACKS: [Attack; 4] = [
    Attack {
        name: "heads, 1 address",
        network: LIMITED,
        addresses: 1,
        in_frames: false,
    },
    Attack {
        name: "heads, 100 addresses",
        network: LIMITED,
        addresses: 100,
        in_frames: false,
    },
    Attack {
        name: "heads, no limits",
        network: UNLIMITED,
        addresses: 1,
        in_frames: false,
    },
    Attack {
        name: "frames, 100 addresses",
        network: LIMITED,
        addresses: 100,
        in_frames: true,
    },
];

/// Peace and each attack in turns.
pub(crate) fn withstand(program: &Path, shop: &Shop) -> io::Result<()> {
    println!("{SOCKETS} sockets that drip a byte each {DRIP:?}, beside clients that connect");
    let limits = ("PGBELL_GATEWAY__UNLIMITED_ADDRESSES", "[\"127.0.3.0/24\"]");
    let daemon = Daemon::start_with(program, shop, &[limits])?;
    let mut peace = Knocks::new(PEACE);
    let mut beside = ATTACKS.map(|attack| Knocks::new(attack.name));
    call(daemon.door(), Duration::from_secs(1))?;
    let before = steady(daemon.process())?;
    for _ in 0..ROUNDS {
        peace.add(call(daemon.door(), ROUND)?, daemon.process().resident()?);
        for (attack, knocks) in ATTACKS.iter().zip(&mut beside) {
            knocks.cut_before(&daemon.page("/metrics")?);
            let (calls, resident) = suffer(&daemon, attack)?;
            daemon.wait("/health", |page| page.contains(r#""connections":0,"#))?;
            knocks.cut_after(&daemon.page("/metrics")?);
            knocks.add(calls, resident);
        }
    }
    report::knocks(&peace, &beside, before, steady(daemon.process())?);
    Ok(())
}

/// What others see while an attack goes on, and how much memory the daemon has in the end.
fn suffer(daemon: &Daemon, attack: &Attack) -> io::Result<(Vec<Duration>, u64)> {
    let door = daemon.door();
    let mut drips = (0..SOCKETS)
        .map(|number| Drip::new(door, attack, number))
        .collect::<io::Result<Vec<_>>>()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in (0..TURNS).cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let due = Instant::now() + DRIP / TURNS as u32;
                for drip in drips.iter_mut().skip(turn).step_by(TURNS) {
                    drip.say_more();
                }
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        thread::sleep(RAMP);
        let calls = call(door, ROUND);
        let resident = daemon.process().resident();
        is_over.store(true, Ordering::Relaxed);
        Ok((calls?, resident?))
    })
}

/// How long clients take from the first packet to the answer about their room.
fn call(door: Door, lasting: Duration) -> io::Result<Vec<Duration>> {
    let caller = |number: u8| {
        let until = Instant::now() + lasting;
        let mut took = Vec::new();
        while Instant::now() < until {
            let begun = Instant::now();
            let socket = from([127, 0, 1, number].into())?;
            socket.connect(&door.addr().into())?;
            drop(door.join(socket.into(), &["product:1"])?);
            took.push(begun.elapsed());
            thread::sleep(CALL_EVERY.saturating_sub(begun.elapsed()));
        }
        Ok::<_, io::Error>(took)
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (1..=CALLERS)
            .map(|number| scope.spawn(move || caller(number)))
            .collect();
        let calls = callers
            .into_iter()
            .map(|caller| caller.join().expect("callers do not panic"));
        Ok(calls.collect::<io::Result<Vec<_>>>()?.concat())
    })
}

/// A socket of the attack.
struct Drip {
    to: SocketAddr,
    from: Ipv4Addr,
    stream: Option<TcpStream>,
    said: usize,
    in_frames: bool,
}

impl Drip {
    fn new(door: Door, attack: &Attack, number: usize) -> io::Result<Self> {
        let [a, b, c] = attack.network;
        let d = 1 + (number % usize::from(attack.addresses)) as u8;
        let mut drip = Self {
            to: door.addr(),
            from: [a, b, c, d].into(),
            stream: None,
            said: 0,
            in_frames: attack.in_frames,
        };
        if attack.in_frames {
            let socket = from(drip.from)?;
            socket.connect(&drip.to.into())?;
            let stream = door.join(socket.into(), &["product:1"])?;
            stream.set_nonblocking(true)?;
            drip.stream = Some(stream);
        }
        Ok(drip)
    }

    fn say_more(&mut self) {
        if self.stream.is_none() && !self.in_frames {
            // Where the system has no port left, it is tried again at its next turn.
            (self.stream, self.said) = (self.knock().ok(), 0);
        }
        let head = if self.in_frames { FRAME } else { HEAD };
        let next = head.get(self.said).copied().unwrap_or(b'x');
        let Some(stream) = &mut self.stream else {
            return;
        };
        match stream.write(&[next]) {
            Ok(_) => self.said += 1,
            Err(error) if is_early(&error) => {}
            Err(_) => self.stream = None,
        }
        let heard = self
            .stream
            .as_mut()
            .map(|stream| stream.read(&mut [0; 512]));
        match heard {
            Some(Ok(0)) => self.stream = None,
            Some(Err(error)) if !is_early(&error) => self.stream = None,
            _ => {}
        }
    }

    fn knock(&self) -> io::Result<TcpStream> {
        let socket = from(self.from)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.to.into()) {
            // It goes on by itself.
            Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(error),
            _ => Ok(socket.into()),
        }
    }
}

/// Not connected yet, or nothing to read.
fn is_early(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}

/// A socket with this address.
fn from(address: Ipv4Addr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::V4(address), 0).into())?;
    Ok(socket)
}
