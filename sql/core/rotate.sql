-- pgbell.rotate(retention interval, max_bytes bigint, reader_grace interval) → text
--
-- Keeps the log between one and one and a half times `retention` and below about `max_bytes`, by emptying whole
-- leaves in turn. Never deletes, never waits, and makes nobody wait. Call it every few seconds in a transaction
-- of its own; each call takes at most one step and says which:
--
--   idle     nothing to do (or another daemon is at it)
--   sealed   a closed leaf has got its last row: its sealed_xmax is known
--   cleared  the next leaf is empty, and the horizon says up to where the log has forgotten
--   rotated  writers append to the next leaf
--   blocked  a switch is due, but a writer, a reader or reader_grace still holds the next leaf:
--            the current one grows meanwhile
--
-- The sequence pgbell.slot is the truth and changes outside of transactions. So switching does nothing else, and
-- pgbell.rotation catches up in a later call: a crash between any two steps repeats one or leaves one out,
-- and the next call finds either way where it is.
create or replace function pgbell.rotate(
    retention    interval,
    max_bytes    bigint,
    reader_grace interval default '60 seconds'
)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    outcome        text := 'idle';
    current_slot   smallint;
    next_slot      smallint;
    current_leaf   regclass;
    opened         timestamptz;
    next_leaf      pgbell.rotation;
    oldest_writer  xid8;
begin
    -- The xid taken below must be younger than the last switch, and each statement needs a snapshot of its own.
    if pg_current_xact_id_if_assigned() is not null
       or current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'pgbell.rotate() needs a read committed transaction of its own'
            using errcode = 'active_sql_transaction';
    end if;

    if not pg_try_advisory_xact_lock(hashtextextended('pgbell.rotate', 0)) then
        return 'idle';
    end if;

    current_slot := coalesce(pg_sequence_last_value('pgbell.slot'), 0);
    next_slot := (current_slot + 1) % 3;
    current_leaf := format('pgbell.change_%s', current_slot)::regclass;

    -- Catch up with the sequence. A writer has its xid before it looks for a leaf, so whoever found another leaf
    -- than the current one has a lower xid than the one this update takes now.
    update pgbell.rotation set opened_at = clock_timestamp()
     where slot = current_slot and opened_at is null;
    update pgbell.rotation set closed_by = pg_current_xact_id()
     where slot <> current_slot and opened_at is not null and closed_by is null;

    -- Seal. A transaction that found a leaf keeps its lock on pgbell.change to its end, so the running ones that
    -- hold none are no writers: a long report or a load in another database does not stop the rotation.
    if exists (select from pgbell.rotation where closed_by is not null and sealed_at is null) then
        select running.xid into oldest_writer
          from pg_snapshot_xip(pg_current_snapshot()) as running (xid)
          join pg_locks as own on own.locktype = 'transactionid' and own.transactionid = running.xid::xid and own.granted
          join pg_locks as log on log.virtualtransaction = own.virtualtransaction
         where log.locktype = 'relation'
           and log.database = (select oid from pg_database where datname = current_database())
           and log.relation = 'pgbell.change'::regclass
         order by running.xid -- there is no min(xid8) in Postgres 14
         limit 1;

        -- This snapshot is later than the look at the locks: writers that were gone then are finished in it, and
        -- in every snapshot with a higher xmax.
        update pgbell.rotation
           set sealed_at = clock_timestamp(), sealed_xmax = pg_snapshot_xmax(pg_current_snapshot())
         where closed_by < coalesce(oldest_writer, pg_current_xact_id()) and sealed_at is null;
        if found then
            outcome := 'sealed';
        end if;
    end if;

    select opened_at into opened from pgbell.rotation where slot = current_slot;
    if pg_relation_size(current_leaf) = 0
       or (clock_timestamp() < opened + retention / 2 and pg_total_relation_size(current_leaf) <= max_bytes / 3) then
        return outcome;
    end if;

    select * into next_leaf from pgbell.rotation where slot = next_slot;

    if next_leaf.opened_at is null then
        perform setval('pgbell.slot', next_slot, true);
        return 'rotated';
    end if;

    -- Live readers read every second; after the grace they have seen every row, and truncating costs nobody a resync.
    if next_leaf.sealed_at is null or clock_timestamp() < next_leaf.sealed_at + reader_grace then
        return 'blocked';
    end if;

    begin
        execute format('lock table pgbell.change_%s in access exclusive mode nowait', next_slot);
    exception when lock_not_available then
        return 'blocked';
    end;

    execute format('truncate pgbell.change_%s', next_slot);
    update pgbell.install set horizon = greatest(horizon, next_leaf.sealed_xmax);
    update pgbell.rotation
       set opened_at = null, closed_by = null, sealed_at = null, sealed_xmax = null
     where slot = next_slot;
    return 'cleared';
end
$$;

comment on function pgbell.rotate(interval, bigint, interval) is 'Takes one step of emptying the oldest part of the log. Never waits.';

alter function pgbell.rotate(interval, bigint, interval) owner to pgbell_owner;
revoke all on function pgbell.rotate(interval, bigint, interval) from public;
grant execute on function pgbell.rotate(interval, bigint, interval) to pgbell_daemon;
