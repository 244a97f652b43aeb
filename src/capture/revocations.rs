//! Who was revoked, as the database knows it: read whole where the log alone cannot tell.

use std::{pin::pin, sync::Arc};

use futures_util::TryStreamExt;
use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::{Error, connect::Session};
use crate::{
    access::{Guard, MOST_REVOKED},
    change::Change,
    room::{Room, Target},
};

/// Newest first. One more than are remembered, which then stands for all that are not.
const READ: &str = "
    select subject, max(at)
      from pgbell.revocation
     where at >= clock_timestamp() - make_interval(secs => $1)
     group by subject
     order by max(at) desc
     limit $2";

/// Tells `guard` who was revoked by now. What is committed after this read is in the log after every
/// position that was taken before it.
pub(super) async fn load(session: &Session, guard: &Guard) -> Result<(), Error> {
    let known = session
        .ask("read who was revoked", read(session, guard))
        .await?;
    guard.know_revoked(known);
    Ok(())
}

async fn read(
    session: &Session,
    guard: &Guard,
) -> Result<Vec<(Arc<str>, Timestamp)>, tokio_postgres::Error> {
    let (seconds, most) = (guard.revoke_for().as_secs_f64(), MOST_REVOKED as i64 + 1);
    let params: [&(dyn ToSql + Sync); 2] = [&seconds, &most];
    let params = params.into_iter().zip([Type::FLOAT8, Type::INT8]);
    let rows = session.client.query_typed_raw(READ, params).await?;
    let mut rows = pin!(rows);
    let mut known = Vec::new();
    while let Some(row) = rows.try_next().await? {
        known.push((row.try_get::<_, &str>(0)?.into(), row.try_get(1)?));
    }
    Ok(known)
}

/// Whether a change may stand for a revocation without naming it: it resyncs the room where daemons are
/// told of those.
pub(super) fn may_hide_one(change: &Change) -> bool {
    let control = Room::of_access();
    let mut covering = change
        .targets
        .iter()
        .filter(|target| target.covers(&control));
    covering.any(|target| change.is_bulk() || matches!(target, Target::Prefix(_)))
}
