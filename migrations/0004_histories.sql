-- A fourth leaf, so that others still go round while a transaction that stays open pins one; seals that are snapshots;
-- and the timeline that the id of the installation was made on.

set local role pgbell_owner;

alter table pgbell.install add column timeline int;

comment on column pgbell.install.timeline is 'The timeline that the id was made on: a promoted server gets a new id.';

create table pgbell.change_3 partition of pgbell.change for values in (3)
    with (fillfactor = 100, autovacuum_enabled = off, toast.autovacuum_enabled = off);

comment on function pgbell.slot() is 'Which of the four leaves of pgbell.change writers append to.';

-- The life of each leaf, kept by pgbell.rotate():
-- empty (opened_at is null) → open (the latest opened_at) → closed → sealed (sealed is not null) → empty.
-- Leaves that were sealed without a snapshot are sealed anew.
alter table pgbell.rotation
    drop column writers,
    drop column sealed_xmax,
    add column sealed pg_snapshot;

update pgbell.rotation set sealed_at = null;

insert into pgbell.rotation (slot) values (3);

comment on column pgbell.rotation.sealed_at is 'When no open transaction had written to this leaf, after it was closed.';
comment on column pgbell.rotation.sealed is 'A snapshot that sees every row that was here at that time.';

reset role;
