-- pgbell.arm()
--
-- Tells writers to ring again. Writers that found the bell muted may still be running: keep polling until a read
-- whose own snapshot has its xmin above an xid taken after this call.
create or replace function pgbell.arm()
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select setval('pgbell.doorbell', 1, false);
$$;

comment on function pgbell.arm() is 'Writers ring again; poll until those that found the bell muted are gone.';

alter function pgbell.arm() owner to pgbell_owner;
revoke all on function pgbell.arm() from public;
grant execute on function pgbell.arm() to pgbell_daemon;
