//! `pgbell serve` as a child process.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tungstenite::{
    Message, WebSocket, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
};

use crate::{
    crowd::Target,
    process::Process,
    shop::{Shop, Writer},
};

/// The daemon must be ready within this time, and answer within it.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Daemon {
    process: Process,
    addr: SocketAddr,
    writer: Writer,
}

impl Daemon {
    /// Done when the daemon is ready. It has no window, and signs of life are so far apart that
    /// none falls into a measurement.
    pub(crate) fn start(program: &Path, shop: &Shop) -> io::Result<Self> {
        Self::start_with(program, shop, &[])
    }

    /// The same with these settings besides.
    pub(crate) fn start_with(
        program: &Path,
        shop: &Shop,
        settings: &[(&str, &str)],
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", shop.url())
            .env("PGBELL_COALESCE__WINDOW", "0ms")
            .env("PGBELL_ACCESS__OPEN", "true")
            .env("PGBELL_GATEWAY__HEARTBEAT", "10m")
            .env("PGBELL_GATEWAY__MAX_CONNECTIONS", "12000")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command)?;
        let addr = process.word_after("listening on http://")?;
        let daemon = Self {
            process,
            addr: addr.parse().map_err(io::Error::other)?,
            writer: shop.writer()?,
        };
        daemon.wait("/readyz", |page| page.ends_with("ok\n"))?;
        Ok(daemon)
    }

    /// Waits until a page is as wished.
    pub(crate) fn wait(&self, path: &str, wish: impl Fn(&str) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !wish(&self.page(path)?) {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(crate) fn page(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.addr)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: pgbell\r\nConnection: close\r\n\r\n"
        )?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    }

    /// Many changes of what nobody but clients in room `deaf` is told of.
    pub(crate) fn flood(&mut self) -> io::Result<()> {
        self.writer.flood()
    }

    /// A socket in the room of a product, and in room `deaf`, whose system holds little for it.
    pub(crate) fn connect_deaf(&self, room: usize) -> io::Result<TcpStream> {
        const RECEIVE_BUFFER: usize = 4096;
        let socket = Socket::new(Domain::for_address(self.addr), Type::STREAM, None)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.connect(&self.addr.into())?;
        let rooms = [&*format!("product:{}", Shop::product(room)), "deaf"];
        self.door().join(socket.into(), &rooms)
    }

    /// How others get in.
    pub(crate) fn door(&self) -> Door {
        Door { addr: self.addr }
    }
}

/// Where clients come in.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    addr: SocketAddr,
}

impl Door {
    /// A socket of a client that comes back with a position, and the answer.
    pub(crate) fn come_back(self, rooms: &[&str], since: &str) -> io::Result<(TcpStream, Value)> {
        let stream = TcpStream::connect(self.addr)?;
        let joined = self.subscribe(stream, rooms, Some(since));
        joined.map_err(io::Error::other)
    }

    pub(crate) fn addr(self) -> SocketAddr {
        self.addr
    }

    /// The socket of a client that has joined rooms.
    pub(crate) fn join(self, stream: TcpStream, rooms: &[&str]) -> io::Result<TcpStream> {
        let joined = self.subscribe(stream, rooms, None);
        Ok(joined.map_err(io::Error::other)?.0)
    }

    fn subscribe(
        self,
        stream: TcpStream,
        rooms: &[&str],
        since: Option<&str>,
    ) -> Result<(TcpStream, Value), tungstenite::Error> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = format!("ws://{}/ws", self.addr).into_client_request()?;
        let protocol = HeaderValue::from_static("pgbell.v1");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let small = WebSocketConfig::default().read_buffer_size(1024);
        let (mut socket, _) = tungstenite::client::client_with_config(request, stream, Some(small))
            .map_err(|error| io::Error::other(error.to_string()))?;
        let subscribe = json!({"type": "subscribe", "id": 1, "rooms": rooms, "since": since});
        socket.send(Message::text(subscribe.to_string()))?;
        let answer = until(&mut socket, |message| message["type"] == "subscribed")?;
        // Nobody changes anything while sockets of a crowd connect: nothing is left in the buffer.
        Ok((socket.get_ref().try_clone()?, answer))
    }
}

impl Target for Daemon {
    fn process(&self) -> &Process {
        &self.process
    }

    fn opening(&self) -> &'static [u8] {
        br#"{"type":"invalidate""#
    }

    fn connect(&self, room: usize) -> io::Result<TcpStream> {
        let room = format!("product:{}", Shop::product(room));
        let stream = TcpStream::connect(self.addr)?;
        self.door().join(stream, &[&room])
    }

    fn change(&mut self, room: usize) -> io::Result<()> {
        self.writer.restock(Shop::product(room))
    }
}

fn until(
    socket: &mut WebSocket<TcpStream>,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value, tungstenite::Error> {
    loop {
        let message = socket.read()?.into_text()?;
        let message = serde_json::from_str(&message).map_err(io::Error::from)?;
        if wanted(&message) {
            return Ok(message);
        }
    }
}
