//! A client with whims: joins, leaves, sleeps, hangs up, and comes back, now and then elsewhere.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_postgres::NoTls;
use tokio_tungstenite::{WebSocketStream, client_async};
use tungstenite::{Message, client::IntoClientRequest, http::HeaderValue};

use super::{
    journal::{Note, Room, SharedJournal},
    shop,
    subscriber::Subscriber,
    workload::millis,
};

type Socket = WebSocketStream<TcpStream>;

/// After so long a silence the daemon is asked for a sign of life, and given the same again. Its
/// heartbeats come every second.
const SILENCE: Duration = Duration::from_millis(2_000);
const CONNECT: Duration = Duration::from_secs(2);
/// Ceiling of the wait before a reconnection.
const LONGEST_BACKOFF: u64 = 1_000;

/// What clients share.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// Where the daemons are reached.
    pub(crate) daemons: Vec<SocketAddr>,
    pub(crate) database: String,
    /// Mean milliseconds between whims; 0 for none.
    pub(crate) whims: u64,
    /// Most rooms a client joins at first.
    pub(crate) rooms: usize,
    /// Once it is set there are no more whims: everybody is there and reads.
    pub(crate) calm: watch::Receiver<bool>,
}

pub(crate) struct Client {
    crowd: Arc<Crowd>,
    rng: Rng,
    me: Subscriber,
    journal: SharedJournal,
    /// Whether it is connected and has joined all its rooms.
    present: watch::Sender<bool>,
}

/// How a connection came to its end.
enum End {
    /// Wait as long as the daemon said.
    Goodbye(u64),
    Lost(String),
}

impl Client {
    pub(crate) fn new(crowd: Arc<Crowd>, journal: SharedJournal, seed: u64) -> Self {
        Self {
            crowd,
            rng: Rng::with_seed(seed),
            me: Subscriber::default(),
            journal,
            present: watch::Sender::new(false),
        }
    }

    pub(crate) fn present(&self) -> watch::Receiver<bool> {
        self.present.subscribe()
    }

    /// Lives until it is aborted.
    pub(crate) async fn live(mut self) {
        for _ in 0..self.rng.usize(1..=self.crowd.rooms) {
            self.want();
        }
        let mut ceiling = 50;
        loop {
            let daemon = self.rng.usize(..self.crowd.daemons.len());
            let Some(mut socket) = connect(self.crowd.daemons[daemon]).await else {
                sleep(millis(&mut self.rng, 0..ceiling)).await;
                ceiling = (ceiling * 2).min(LONGEST_BACKOFF);
                continue;
            };
            self.journal.note(Note::Connected(daemon));
            let end = self.converse(&mut socket).await;
            drop(socket);
            if self.present.send_replace(false) {
                ceiling = 50;
            }
            self.me.cut();
            let wait = match end {
                End::Goodbye(wait) => wait,
                End::Lost(_) => self.rng.u64(0..ceiling),
            };
            self.journal.note(Note::Cut(match end {
                End::Goodbye(wait) => format!("goodbye for {wait} ms"),
                End::Lost(why) => why,
            }));
            ceiling = (ceiling * 2).min(LONGEST_BACKOFF);
            sleep(Duration::from_millis(wait)).await;
        }
    }

    async fn converse(&mut self, socket: &mut Socket) -> End {
        let mut calm = self.crowd.calm.clone();
        if let Err(end) = self.ask(socket).await {
            return end;
        }
        let mut whim = self.next_whim();
        let mut heard = Instant::now();
        let mut doubts = false;
        loop {
            tokio::select! {
                message = socket.next() => {
                    (heard, doubts) = (Instant::now(), false);
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            if let Some(end) = self.hear(&text) {
                                return end;
                            }
                        }
                        Some(Ok(Message::Close(frame))) => return self.closed(frame),
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return End::Lost(error.to_string()),
                        None => return End::Lost("ended".into()),
                    }
                }
                () = sleep_until(whim), if !*calm.borrow() => {
                    if let Err(end) = self.follow_whim(socket).await {
                        return end;
                    }
                    whim = self.next_whim();
                }
                _ = calm.changed() => {
                    if let Err(end) = self.ask(socket).await {
                        return end;
                    }
                }
                () = sleep_until(heard + SILENCE) => {
                    if doubts {
                        return End::Lost("silence".into());
                    }
                    (heard, doubts) = (Instant::now(), true);
                    if let Err(end) = say(socket, json!({"type": "ping"})).await {
                        return end;
                    }
                }
            }
        }
    }

    fn hear(&mut self, text: &str) -> Option<End> {
        let message: Value = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => {
                self.journal.note(Note::Odd(format!("{error}: {text}")));
                return None;
            }
        };
        let wait = message["retry_after_ms"].as_u64();
        for note in self.me.hear(&message) {
            self.journal.note(note);
        }
        let present = self.me.is_all_joined();
        self.present
            .send_if_modified(|was| std::mem::replace(was, present) != present);
        wait.map(End::Goodbye)
    }

    fn closed(&self, frame: Option<tungstenite::protocol::CloseFrame>) -> End {
        let Some(frame) = frame else {
            return End::Lost("closed without a reason".into());
        };
        let code = u16::from(frame.code);
        let why = format!("closed with {code} {}", frame.reason);
        // Codes that say the client has a bug, or must stop.
        if matches!(code, 1002 | 1003 | 1007 | 1009 | 4000..4100) {
            self.journal.note(Note::Odd(why.clone()));
        }
        End::Lost(why)
    }

    fn next_whim(&mut self) -> Instant {
        Instant::now() + millis(&mut self.rng, 0..self.crowd.whims.max(1) * 2)
    }

    async fn follow_whim(&mut self, socket: &mut Socket) -> Result<(), End> {
        match self.rng.u8(..20) {
            0..6 => self.want(),
            6..9 => self.want_since().await,
            9..11 => return self.leave(socket).await,
            11..14 => {
                self.journal.note(Note::Saw("sleeps".into()));
                sleep(millis(&mut self.rng, 100..1500)).await;
            }
            14..16 => {
                if let Some(sync) = self.me.sync() {
                    return say(socket, sync).await;
                }
            }
            16..18 => return Err(End::Lost("hung up".into())),
            18 => {
                // Whatever comes of it, the next connection is a new one.
                let _ = timeout(CONNECT, socket.close(None)).await;
                return Err(End::Lost("closed".into()));
            }
            _ => {}
        }
        self.ask(socket).await
    }

    /// Asks for all rooms that are wanted and not yet asked for.
    async fn ask(&mut self, socket: &mut Socket) -> Result<(), End> {
        let (messages, notes) = self.me.ask();
        notes.into_iter().for_each(|note| self.journal.note(note));
        for message in messages {
            say(socket, message).await?;
        }
        Ok(())
    }

    fn want(&mut self) {
        if let Some(room) = self.free_room() {
            self.me.want(room, None);
        }
    }

    /// Wants a room from a cursor that came with a page, as an API would hand it out.
    async fn want_since(&mut self) {
        let Some(room) = self.free_room() else {
            return;
        };
        let cursor = timeout(CONNECT, cursor(&self.crowd.database)).await;
        if let Ok(Ok(cursor)) = cursor {
            self.journal.note(Note::Holds(room.clone()));
            self.me.want(room, Some(cursor));
            sleep(millis(&mut self.rng, 0..400)).await;
        }
    }

    fn free_room(&mut self) -> Option<Room> {
        let room = self.rng.choice(shop::rooms())?;
        self.me.is_free(&room).then_some(room)
    }

    async fn leave(&mut self, socket: &mut Socket) -> Result<(), End> {
        let joined: Vec<_> = self.me.rooms().cloned().collect();
        // One room stays, so that everybody is told something.
        if joined.len() < 2 {
            return Ok(());
        }
        let room = &joined[self.rng.usize(..joined.len())];
        self.journal.note(Note::Leaves(room.clone()));
        let message = self.me.leave(room);
        say(socket, message).await
    }
}

async fn connect(daemon: SocketAddr) -> Option<Socket> {
    let connecting = async {
        let stream = TcpStream::connect(daemon).await.ok()?;
        let url = format!("ws://{daemon}/ws");
        let mut request = url.into_client_request().expect("a URL");
        let protocol = HeaderValue::from_static("pgbell.v1");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Some(client_async(request, stream).await.ok()?.0)
    };
    timeout(CONNECT, connecting).await.ok().flatten()
}

async fn say(socket: &mut Socket, message: Value) -> Result<(), End> {
    let sent = socket.send(Message::text(message.to_string()));
    match timeout(CONNECT, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(error.to_string())),
        Err(_) => Err(End::Lost("it takes nothing".into())),
    }
}

async fn cursor(database: &str) -> Result<String, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    let driver = tokio::spawn(connection);
    let row = client.query_one("select pgbell.cursor()", &[]).await;
    driver.abort();
    row?.try_get(0)
}
