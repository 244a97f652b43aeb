//! Looks at what decides whether triggers have logged anything.

use sqlx::PgConnection;

use super::silence::{Table, Trigger, Watch};
use crate::install::{query::query_as, triggers::script::Fires};

/// The tables that this transaction has written to. Whoever writes to a partition through its parent
/// fires the triggers of the parent.
const TABLES: &str = "
    with locked as (
        select relation, bool_or(mode = 'AccessExclusiveLock') as is_emptied
          from pg_locks
         where locktype = 'relation' and pid = pg_backend_pid() and granted
           and mode in ('RowExclusiveLock', 'AccessExclusiveLock')
         group by relation
    )
    select written.relation::int8, written.relation::regclass::text, bool_or(is_emptied),
           coalesce(sum(n_tup_ins), 0)::int8, coalesce(sum(n_tup_upd), 0)::int8, coalesce(sum(n_tup_del), 0)::int8
      from locked
     cross join lateral (
        select coalesce((select root.relation from locked as root
                          where root.relation = pg_partition_root(locked.relation)), locked.relation)
     ) as written (relation)
      join pg_class on pg_class.oid = locked.relation and relkind in ('r', 'p') and relpersistence <> 't'
      join pg_namespace on pg_namespace.oid = relnamespace
           and nspname not in ('pgbell', 'pg_catalog', 'information_schema')
      left join pg_stat_xact_all_tables on relid = locked.relation
     group by written.relation
     order by 2";

const TRIGGERS: &str = "
    select tgrelid::int8, tgname::text, tgtype::int4, tgenabled::text
      from pg_trigger
      join pg_proc on pg_proc.oid = tgfoid
     where not tgisinternal
       and (pronamespace = 'pgbell'::regnamespace or prosrc like '%pgbell.change%')
     order by 1, 2";

const SETTINGS: &str = "
    select coalesce(current_setting('pgbell.enabled', true) = 'off', false),
           current_setting('session_replication_role') = 'replica',
           current_setting('track_counts') = 'on'";

/// Looks at what this transaction has done so far.
pub(super) async fn watch(connection: &mut PgConnection) -> Result<Watch, sqlx::Error> {
    let (is_disabled, is_replica, counts) = query_as(SETTINGS).fetch_one(&mut *connection).await?;
    let tables: Vec<(i64, String, bool, i64, i64, i64)> =
        query_as(TABLES).fetch_all(&mut *connection).await?;
    let triggers: Vec<(i64, String, i32, String)> =
        query_as(TRIGGERS).fetch_all(connection).await?;
    let of = |table: i64| {
        let own = triggers.iter().filter(move |trigger| trigger.0 == table);
        own.map(|(_, name, kind, enabled)| Trigger {
            name: name.clone(),
            kind: *kind,
            fires: Fires::of(enabled),
        })
    };
    let tables =
        tables.into_iter().map(
            |(oid, name, is_emptied, inserted, updated, deleted)| Table {
                name,
                is_emptied,
                inserted,
                updated,
                deleted,
                triggers: of(oid).collect(),
            },
        );
    Ok(Watch {
        is_disabled,
        is_replica,
        counts,
        tables: tables.collect(),
    })
}
