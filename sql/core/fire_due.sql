-- pgbell.fire_due(batch int) → int
--
-- Moves scheduled changes whose time has come into the log, at most `batch` of them, and says how many.
-- Once, however many daemons call it: what one of them is moving, the others skip.
create or replace function pgbell.fire_due(batch int default 1000)
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    with due as (
        select entity, id, what
          from pgbell.schedule
         where due_at <= clock_timestamp()
         order by due_at
         limit batch
           for update skip locked
    ), taken as (
        delete from pgbell.schedule
         using due
         where (schedule.entity, schedule.id, schedule.what) = (due.entity, due.id, due.what)
        returning schedule.*
    ), logged as (
        insert into pgbell.change (entity, id, op, events, rooms, old, new)
        select entity, id, 'update', events, rooms, old, new
          from taken
        returning 1
    )
    select count(*)::int from logged
$$;

comment on function pgbell.fire_due(int) is 'Moves scheduled changes that are due into the log.';

alter function pgbell.fire_due(int) owner to pgbell_owner;
revoke all on function pgbell.fire_due(int) from public;
grant execute on function pgbell.fire_due(int) to pgbell_daemon;
