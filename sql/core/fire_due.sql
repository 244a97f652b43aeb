-- pgbell.fire_due(batch int) → int
--
-- Moves scheduled changes whose time has come into the log, at most `batch` of them, and says how many. One that
-- recurs stays, with its next time: what was missed meanwhile is one change, not many.
-- Once, however many daemons call it: what one of them is moving, the others skip.
create or replace function pgbell.fire_due(batch int default 1000)
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- A clock that is read once is a bound for the index; one that is read for each row is not.
    with due as (
        select entity, id, what, due_at,
               case when every is not null then pgbell.again(due_at, every, clock_timestamp()) end as next
          from pgbell.schedule
         where due_at <= (select clock_timestamp())
         order by due_at
         limit batch
           for update skip locked
    ), moved as (
        update pgbell.schedule
           set due_at = due.next
          from due
         where (schedule.entity, schedule.id, schedule.what) = (due.entity, due.id, due.what) and due.next is not null
        returning schedule.*, due.due_at as came
    ), taken as (
        delete from pgbell.schedule
         using due
         where (schedule.entity, schedule.id, schedule.what) = (due.entity, due.id, due.what) and due.next is null
        returning schedule.*, due.due_at as came
    ), logged as (
        insert into pgbell.change (entity, id, op, events, rooms, old, new)
        select entity, id, 'update', events, rooms, old, new
          from (select * from moved union all select * from taken) as fired
         order by came
        returning 1
    )
    select count(*)::int from logged
$$;

comment on function pgbell.fire_due(int) is 'Moves scheduled changes that are due into the log.';

alter function pgbell.fire_due(int) owner to pgbell_owner;
revoke all on function pgbell.fire_due(int) from public;
grant execute on function pgbell.fire_due(int) to pgbell_daemon;
