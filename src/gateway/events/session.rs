//! One client of server-sent events: asks for its rooms, once, and drains its outbox when the hub could
//! not.

use std::{
    io::ErrorKind,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Asked, Opening};
use crate::{
    access::Identity,
    gateway::{Gateway, connection::Connection, stream::Stream},
    hub::Form,
    protocol::CloseReason,
};

/// A browser whose connection breaks comes back after a time between these, unless it is told another.
const RETURN_MS: std::ops::Range<u32> = 1_000..5_000;
/// A client that has acknowledged nothing for this long, or for the write deadline, is gone.
#[cfg(target_os = "linux")]
const ACKNOWLEDGE: Duration = Duration::from_secs(10);

/// Serves a client until one side closes.
pub(super) async fn run(
    gateway: Gateway,
    stream: Arc<Stream>,
    opening: Opening,
    refusal: Option<CloseReason>,
) {
    let streams = gateway.metrics.event_streams.clone();
    streams.inc();
    watch_acknowledgements(&stream, gateway.config.write_deadline);
    let mut connection = Connection::new(gateway, stream, Form::Events);
    let begin = format!("retry: {}\n\n", fastrand::u32(RETURN_MS));
    let begin = [&opening.head[..], begin.as_bytes()].concat();
    connection.outbox.send_raw(begin.into(), Instant::now());
    let reason = match refusal {
        Some(reason) => connection.refuse(reason),
        None => serve(&mut connection, opening.identity, opening.asked).await,
    };
    Box::pin(connection.end(reason, refusal.is_some())).await;
    drop(opening.admission);
    streams.dec();
}

async fn serve(
    connection: &mut Connection,
    identity: Option<Identity>,
    asked: Asked,
) -> CloseReason {
    let mut turn = begin(connection, identity, asked).await;
    while turn.is_continue() {
        turn = take_turn(connection).await;
    }
    turn.break_value().unwrap_or(CloseReason::Normal)
}

async fn begin(
    connection: &mut Connection,
    identity: Option<Identity>,
    asked: Asked,
) -> ControlFlow<CloseReason> {
    if let Some(identity) = identity {
        connection.identify(identity)?;
    }
    connection.join().await?;
    let Asked { rooms, since, .. } = asked;
    Box::pin(connection.subscribe(None, rooms, since)).await
}

async fn take_turn(connection: &mut Connection) -> ControlFlow<CloseReason> {
    if !connection.turn().await? {
        return ControlFlow::Continue(());
    }
    match connection.discard() {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            ControlFlow::Break(CloseReason::NoPong)
        }
        Err(_) => ControlFlow::Break(CloseReason::Normal),
    }
}

/// A client of events says nothing, so its system has to show that it is there: by acknowledging
/// heartbeats. Without this, one that has vanished is found after a quarter of an hour.
fn watch_acknowledgements(stream: &Stream, write_deadline: Duration) {
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream.socket());
        let patience = write_deadline.max(ACKNOWLEDGE);
        if let Err(error) = socket.set_tcp_user_timeout(Some(patience)) {
            tracing::debug!(%error, "a client that vanishes will be found late");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, write_deadline);
}
