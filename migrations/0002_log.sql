-- The log of changes: what triggers write and the daemon reads.

set local role pgbell_owner;

-- One row per installation. The id tells a restored or re-installed log from the one a cursor was made for;
-- the horizon tells how far the log has forgotten: a cursor proves completeness only if the xmax of its
-- snapshot lies above it.
create table pgbell.install (
    only_row   boolean primary key default true check (only_row),
    id         uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now(),
    horizon    xid8 not null default '0'
);

insert into pgbell.install default values;

comment on table pgbell.install is 'Identity of this installation, and how far its log has forgotten. Exactly one row.';

-- Must writers ring? is_called = false: armed, every commit rings. is_called = true: muted, the daemon polls.
-- A sequence, because writers must see the flag without snapshots, locks or catalog changes: a table row would
-- be stale under REPEATABLE READ. Read it with pg_sequence_last_value(): null means armed.
create sequence pgbell.doorbell;

comment on sequence pgbell.doorbell is 'Whether writers must NOTIFY: not called = armed, called = muted.';

-- The leaf that writers append to. A constant, so that it melts into every plan that writes here and costs nothing;
-- pgbell.rotate() replaces it, which is transactional and makes sessions plan anew.
create function pgbell.slot() returns smallint language sql immutable as 'select 0::smallint';

comment on function pgbell.slot() is 'Which of the three leaves of pgbell.change writers append to.';

-- Neither tells anything about the data, and whoever may insert into the log must be able to read both.
grant select on sequence pgbell.doorbell to public;
grant execute on function pgbell.slot() to public;

-- Authors fill entity, id, op, events, rooms and, if they like, old, new, origin; pgbell fills the rest.
-- Nothing an author fills is checked: a wrong trigger must never fail a business write. The daemon degrades.
--
-- The default of rang asks for the xid first: a writer that finds the bell muted had its xid before the bell was
-- armed. The daemon relies on it.
--
-- Writers ring by the default of rang, and not by a trigger: the condition of a trigger costs every statement more
-- than a whole default costs a row, and a default is evaluated only for rows that are really there. NOTIFY keeps one
-- of many equal notifications of a transaction. set pgbell.ring = off (session, role, database) skips the ring,
-- which PREPARE TRANSACTION needs: such changes are found by the daemon's next safety read.
--
-- To let an application write here by hand, grant it what an author fills, and no more:
--   grant insert (entity, id, op, events, rooms, old, new, origin) on pgbell.change to …;
create table pgbell.change (
    xid    xid8 default pg_current_xact_id(),
    slot   smallint default pgbell.slot(),
    at     timestamptz default statement_timestamp(),
    entity text,
    id     text,
    op     text,
    events text[],
    rooms  text[],
    old    jsonb,
    new    jsonb,
    origin text default nullif(current_setting('pgbell.origin', true), ''),
    rang   boolean default case
               when pg_current_xact_id() is null then null
               when pg_sequence_last_value('pgbell.doorbell') is not null then null
               when lower(coalesce(current_setting('pgbell.ring', true), '')) in ('off', 'false', 'no', '0') then null
               else pg_notify('pgbell', '') is not null
           end
) partition by list (slot);

comment on table pgbell.change is 'The log. One INSERT here is the whole contract of a trigger.';
comment on column pgbell.change.xid is 'Top-level transaction, by which readers find what has become visible.';
comment on column pgbell.change.slot is 'Leaf the row lives in; leaves are emptied in turn by pgbell.rotate().';
comment on column pgbell.change.at is 'Start of the statement: the rows of one statement share it.';
comment on column pgbell.change.entity is 'Kind of the thing that changed, as clients know it: product.';
comment on column pgbell.change.id is 'Its id, or * for more things than anybody wants to list.';
comment on column pgbell.change.op is 'insert, update or delete.';
comment on column pgbell.change.events is 'What happened, as module:action: {product:price_changed}.';
comment on column pgbell.change.rooms is 'Who is told: {product:42,seller:3}. Only where id is *, product:* means every room of that prefix.';
comment on column pgbell.change.old is 'Values before, only such as every member of the rooms may see.';
comment on column pgbell.change.new is 'Values after, only such as every member of the rooms may see.';
comment on column pgbell.change.origin is 'Who wrote, from the setting pgbell.origin, so that a client knows its own write.';
comment on column pgbell.change.rang is 'Whether this row rang the doorbell; null while it is muted.';

-- Leaves are only ever appended to and truncated, so there is nothing to vacuum and no room to leave in a page.
create table pgbell.change_0 partition of pgbell.change for values in (0)
    with (fillfactor = 100, autovacuum_enabled = off, toast.autovacuum_enabled = off);
create table pgbell.change_1 partition of pgbell.change for values in (1)
    with (fillfactor = 100, autovacuum_enabled = off, toast.autovacuum_enabled = off);
create table pgbell.change_2 partition of pgbell.change for values in (2)
    with (fillfactor = 100, autovacuum_enabled = off, toast.autovacuum_enabled = off);

create index change_xid on pgbell.change (xid);

-- The life of each leaf, kept by pgbell.rotate():
-- empty (opened_at is null) → open (writers is null) → closed → sealed (sealed_at is not null) → empty.
create table pgbell.rotation (
    slot        smallint primary key,
    opened_at   timestamptz,
    writers     text[],
    sealed_at   timestamptz,
    sealed_xmax xid8
);

insert into pgbell.rotation (slot, opened_at) values (0, now()), (1, null), (2, null);

comment on table pgbell.rotation is 'Where each leaf of the log is in its life. Only pgbell.rotate() writes here.';
comment on column pgbell.rotation.opened_at is 'Since when writers append to this leaf. Null: it is empty.';
comment on column pgbell.rotation.writers is 'The transactions that may still append to a leaf that was closed.';
comment on column pgbell.rotation.sealed_at is 'Since when nobody can append here any more.';
comment on column pgbell.rotation.sealed_xmax is 'A snapshot with a higher xmax sees every row that is here.';

grant select on pgbell.change, pgbell.install, pgbell.rotation to pgbell_daemon;

reset role;
