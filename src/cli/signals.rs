use std::io;

use tokio::{
    select,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Runs `work` with a token that is cancelled by the first SIGINT or SIGTERM. A second one abandons
/// the work; then there is no outcome.
pub(super) async fn until_stopped<T>(
    work: impl AsyncFnOnce(CancellationToken) -> T,
) -> io::Result<Option<T>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async || {
        select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    };
    let stop = CancellationToken::new();
    let second = async {
        let signal = next().await;
        tracing::info!(signal, "stopping; a second signal stops at once");
        stop.cancel();
        next().await
    };
    select! {
        outcome = work(stop.clone()) => Ok(Some(outcome)),
        signal = second => {
            tracing::warn!(signal, "stopped at once");
            Ok(None)
        }
    }
}
