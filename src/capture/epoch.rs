//! Whether a position can still be trusted.

use crate::{
    change::ResyncReason,
    cursor::{Cursor, Snapshot},
};

/// Judges `position` by what the database says now: `epoch`, a `snapshot` taken now, and the
/// `horizon` of the log, below which changes were dropped.
///
/// Positions of another epoch count other transactions. A position from the future belongs to a
/// history that was lost, even if nothing else betrays it. And a position not above the horizon may
/// have missed changes that are no longer there.
pub(super) fn judge(
    position: &Cursor,
    epoch: &str,
    snapshot: &Snapshot,
    horizon: u64,
) -> Result<(), ResyncReason> {
    if *position.epoch != *epoch || position.snapshot.xmax > snapshot.xmax {
        Err(ResyncReason::Epoch)
    } else if position.snapshot.xmax <= horizon {
        Err(ResyncReason::Truncated)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_trusted_only_within_its_history_and_above_the_horizon() {
        let now: Snapshot = "90:100:90".parse().unwrap();
        let judge = |cursor: &str, horizon| judge(&cursor.parse().unwrap(), "aa", &now, horizon);
        assert_eq!(judge("aa.80:95:80", 94), Ok(()));
        assert_eq!(judge("aa.90:100:90", 0), Ok(()));
        assert_eq!(judge("bb.80:95:80", 0), Err(ResyncReason::Epoch));
        assert_eq!(judge("aa.90:101:90", 0), Err(ResyncReason::Epoch));
        assert_eq!(judge("aa.80:95:80", 95), Err(ResyncReason::Truncated));
    }
}
