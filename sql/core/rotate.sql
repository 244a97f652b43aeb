-- pgbell.rotate(retention interval, max_bytes bigint, reader_grace interval) → text
--
-- Keeps the log between one and one and a half times `retention` and below about `max_bytes`, by emptying whole
-- leaves. Never deletes, never waits, and makes nobody wait. Call it every few seconds in a transaction of its own;
-- each call takes at most one step and says which:
--
--   idle     nothing to do (or another daemon is at it)
--   sealed   no open transaction has written to a closed leaf: what is there now, readers can see
--   cleared  a leaf is empty, and the horizon says up to where the log has forgotten
--   rotated  writers append to another leaf
--   blocked  a switch is due, but writers, readers or reader_grace hold every other leaf: the current one grows
--            meanwhile
--
-- Two closed leaves are kept beside the current one, not counting those that an open transaction has written to: it
-- holds these until it ends, and no others. Once it holds two, one closed leaf is kept; when it holds all, the
-- current one grows.
--
-- Switching replaces pgbell.slot(), a constant that plans have melted in. A transaction may use a plan of before even
-- after the leaf was sealed. So a leaf is looked at again before it is emptied, under the lock that emptying takes:
-- a row that the snapshot of the seal did not see seals it anew. In a leaf that is empty, or open again, such a row is
-- one like any other.
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
set enable_seqscan = off
set jit = off
as $$
declare
    current pgbell.rotation;
    oldest  pgbell.rotation;
    leaf    regclass;
    written oid[];
    spare   smallint;
    kept    integer;
    late    boolean;
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

    -- Whoever writes to a leaf keeps a lock on it until the transaction has ended.
    if exists (select from pgbell.rotation where slot <> current.slot and opened_at is not null and sealed is null) then
        select coalesce(array_agg(relation), '{}') into written
          from pg_locks
         where locktype = 'relation' and mode <> 'AccessShareLock'
           and database = (select oid from pg_database where datname = current_database());

        -- This snapshot is later than the look at the locks: writers that were gone then are finished in it, and
        -- in every snapshot with a higher xmax.
        update pgbell.rotation
           set sealed_at = clock_timestamp(), sealed = pg_current_snapshot()
         where slot <> current.slot and opened_at is not null and sealed is null
           and format('pgbell.change_%s', slot)::regclass <> all (written);
        if found then
            return 'sealed';
        end if;
    end if;

    leaf := format('pgbell.change_%s', current.slot);
    if pg_relation_size(leaf) = 0
       or (clock_timestamp() < current.opened_at + retention / 2 and pg_total_relation_size(leaf) <= max_bytes / 3) then
        return 'idle';
    end if;

    select min(slot) filter (where opened_at is null), count(sealed)
      into spare, kept
      from pgbell.rotation
     where slot <> current.slot;

    -- Live readers read every second; after the grace they have seen every row, and truncating costs nobody a resync.
    for oldest in
        select * from pgbell.rotation
         where sealed is not null and clock_timestamp() >= sealed_at + reader_grace and (kept >= 2 or spare is null)
         order by opened_at
    loop
        leaf := format('pgbell.change_%s', oldest.slot);
        begin
            execute format('lock table %s in access exclusive mode nowait', leaf);
        exception when lock_not_available then
            continue;
        end;

        -- Two looks into the index, whatever the size.
        execute format(
            'select exists (select from %1$s where xid >= pg_snapshot_xmax($1))
                 or exists (select from %1$s where xid = any (array(select pg_snapshot_xip($1))))', leaf)
           into late using oldest.sealed;
        if late then
            update pgbell.rotation set sealed_at = clock_timestamp(), sealed = pg_current_snapshot()
             where slot = oldest.slot;
            return 'sealed';
        end if;

        execute format('truncate %s', leaf);
        update pgbell.install set horizon = greatest(horizon, pg_snapshot_xmax(oldest.sealed));
        update pgbell.rotation set opened_at = null, sealed_at = null, sealed = null where slot = oldest.slot;
        return 'cleared';
    end loop;

    if spare is null then
        return 'blocked';
    end if;
    execute format('create or replace function pgbell.slot() returns smallint language sql immutable '
                   'as ''select %s::smallint''', spare);
    update pgbell.rotation set opened_at = clock_timestamp() where slot = spare;
    return 'rotated';
end
$$;

comment on function pgbell.rotate(interval, bigint, interval) is 'Takes one step of emptying the oldest part of the log. Never waits.';

alter function pgbell.rotate(interval, bigint, interval) owner to pgbell_owner;
revoke all on function pgbell.rotate(interval, bigint, interval) from public;
grant execute on function pgbell.rotate(interval, bigint, interval) to pgbell_daemon;
