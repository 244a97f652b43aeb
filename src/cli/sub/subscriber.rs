use std::{io, time::Duration};

use tokio_rustls::TlsConnector;

use super::{
    Sub, Token,
    clock::Clock,
    connection::{Connection, End},
    message::{Change, Message, Request},
    print,
    totals::Totals,
};
use crate::cli::output;

/// What outlives a connection: above all the cursor from which the next one resumes.
pub(super) struct Subscriber {
    /// For `wss://`.
    tls: TlsConnector,
    pub(super) url: String,
    pub(super) totals: Totals,
    /// When the daemon asked to be called again.
    pub(super) retry_after: Option<Duration>,
    /// Whether the daemon has answered on this connection.
    pub(super) is_welcome: bool,
    /// Whether the rooms are joined on this connection.
    is_subscribed: bool,
    rooms: Vec<String>,
    token: Option<Token>,
    json: bool,
    most: u64,
    cursor: Option<String>,
    clock: Clock,
}

/// Why a connection is no longer used.
pub(super) enum Stop {
    /// Everything that was asked for has been printed.
    Enough,
    /// It ended.
    Ended(End),
    /// Nothing can be printed any more.
    Output(io::Error),
}

impl Subscriber {
    pub(super) fn new(args: Sub, tls: TlsConnector) -> Self {
        Self {
            tls,
            url: args.url,
            totals: Totals::default(),
            retry_after: None,
            is_welcome: false,
            is_subscribed: false,
            rooms: args.rooms.iter().map(ToString::to_string).collect(),
            token: args.token,
            json: args.json,
            most: args.count.unwrap_or(u64::MAX),
            cursor: args.since,
            clock: Clock::default(),
        }
    }

    /// Connects, joins the rooms and prints until the connection is of no more use.
    pub(super) async fn connect(&mut self) -> Stop {
        let Err(stop) = self.converse().await;
        stop
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, Stop> {
        let mut connection = Connection::open(&self.url, &self.tls, self.token.as_ref()).await?;
        self.clock.reset();
        let join = Request::Subscribe {
            id: 1,
            rooms: &self.rooms,
            since: self.cursor.as_deref(),
        };
        connection.send(&join).await?;
        loop {
            let (text, message) = connection.next().await?;
            if matches!(message, Message::Welcome { .. } | Message::Heartbeat { .. }) {
                self.clock.ask();
                connection.send(&Request::Ping { id: 2 }).await?;
            }
            self.show(&text, &message)?;
            self.take(message);
            if self.totals.received >= self.most {
                connection.close().await;
                return Err(Stop::Enough);
            }
        }
    }

    fn show(&mut self, text: &str, message: &Message) -> io::Result<()> {
        if let Message::Invalidate {
            room,
            changes,
            replayed,
            ..
        } = message
        {
            return self.show_changes(room, changes, *replayed);
        }
        match print::notice(message) {
            Some(_) if self.json => output::line(text),
            Some(line) if print::is_routine(message) => {
                eprintln!("{line}");
                Ok(())
            }
            Some(line) => output::line(&line),
            None => Ok(()),
        }
    }

    fn show_changes(&mut self, room: &str, changes: &[Change], replayed: bool) -> io::Result<()> {
        for change in changes {
            let latency = (!replayed).then(|| self.clock.since(change.at));
            output::line(&if self.json {
                print::change_json(room, change, latency)
            } else {
                print::change_line(room, change, latency)
            })?;
            self.totals.count(latency);
            if self.totals.received >= self.most {
                break;
            }
        }
        Ok(())
    }

    /// Remembers what later messages and connections need.
    fn take(&mut self, message: Message) {
        match message {
            Message::Welcome { .. } => {
                self.is_welcome = true;
                self.is_subscribed = false;
            }
            Message::Pong { server_time } => self.clock.answer(server_time),
            Message::Subscribed { cursor, .. } => {
                self.is_subscribed = true;
                self.cursor = Some(cursor);
            }
            // Until the rooms have been answered, a newer position would leave out what they missed.
            Message::Invalidate { cursor, .. }
            | Message::Resync { cursor, .. }
            | Message::Heartbeat { cursor, .. }
            | Message::Fresh { cursor }
                if self.is_subscribed =>
            {
                self.cursor = Some(cursor);
            }
            Message::Goodbye { retry_after_ms, .. } => {
                self.retry_after = Some(Duration::from_millis(retry_after_ms));
            }
            _ => {}
        }
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::Ended(end)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
