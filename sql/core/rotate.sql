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
-- Switching replaces pgbell.slot(), a constant that plans have melted in. A statement locks pgbell.change before it
-- looks whether its plan still holds. So whoever still writes to the old leaf held that lock when the switch was
-- committed: those transactions are noted by the first call after it, and when the last of them has ended, the
-- leaf has got its last row.
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
    current   pgbell.rotation;
    next_leaf pgbell.rotation;
    leaf      regclass;
    holders   text[];
begin
    -- Each statement needs a snapshot of its own.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'pgbell.rotate() needs a read committed transaction'
            using errcode = 'active_sql_transaction';
    end if;

    if not pg_try_advisory_xact_lock(hashtextextended('pgbell.rotate', 0)) then
        return 'idle';
    end if;

    select * into current from pgbell.rotation where opened_at is not null order by opened_at desc limit 1;
    select * into next_leaf from pgbell.rotation where slot = (current.slot + 1) % 3;
    leaf := format('pgbell.change_%s', current.slot);

    -- Note the writers of the leaf of the last switch; seal a leaf that has no writer left.
    if exists (select from pgbell.rotation where slot <> current.slot and opened_at is not null and sealed_at is null) then
        select coalesce(array_agg(distinct virtualtransaction), '{}') into holders
          from pg_locks
         where locktype = 'relation' and relation = 'pgbell.change'::regclass and mode <> 'AccessShareLock'
           and database = (select oid from pg_database where datname = current_database());

        update pgbell.rotation set writers = holders
         where slot <> current.slot and opened_at is not null and writers is null;

        -- This snapshot is later than the look at the locks: writers that were gone then are finished in it, and
        -- in every snapshot with a higher xmax.
        update pgbell.rotation
           set sealed_at = clock_timestamp(), sealed_xmax = pg_snapshot_xmax(pg_current_snapshot())
         where slot <> current.slot and sealed_at is null and not writers && holders;
        if found then
            return 'sealed';
        end if;
    end if;

    if pg_relation_size(leaf) = 0
       or (clock_timestamp() < current.opened_at + retention / 2 and pg_total_relation_size(leaf) <= max_bytes / 3) then
        return 'idle';
    end if;

    if next_leaf.opened_at is null then
        execute format('create or replace function pgbell.slot() returns smallint language sql immutable '
                       'as ''select %s::smallint''', next_leaf.slot);
        update pgbell.rotation set opened_at = clock_timestamp() where slot = next_leaf.slot;
        return 'rotated';
    end if;

    -- Live readers read every second; after the grace they have seen every row, and truncating costs nobody a resync.
    if next_leaf.sealed_at is null or clock_timestamp() < next_leaf.sealed_at + reader_grace then
        return 'blocked';
    end if;

    begin
        execute format('lock table pgbell.change_%s in access exclusive mode nowait', next_leaf.slot);
    exception when lock_not_available then
        return 'blocked';
    end;

    execute format('truncate pgbell.change_%s', next_leaf.slot);
    update pgbell.install set horizon = greatest(horizon, next_leaf.sealed_xmax);
    update pgbell.rotation
       set opened_at = null, writers = null, sealed_at = null, sealed_xmax = null
     where slot = next_leaf.slot;
    return 'cleared';
end
$$;

comment on function pgbell.rotate(interval, bigint, interval) is 'Takes one step of emptying the oldest part of the log. Never waits.';

alter function pgbell.rotate(interval, bigint, interval) owner to pgbell_owner;
revoke all on function pgbell.rotate(interval, bigint, interval) from public;
grant execute on function pgbell.rotate(interval, bigint, interval) to pgbell_daemon;
