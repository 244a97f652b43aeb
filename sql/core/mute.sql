-- pgbell.mute()
--
-- Tells writers that they need not ring: the caller polls from now on. The flag changes first and is not
-- transactional; the notification follows with the commit, so a daemon that sleeps because it relies on rings
-- wakes up and polls as well. Where changes travel inside notifications nobody polls, and the flag is 2: moments
-- that are written to pgbell.schedule still ring.
create or replace function pgbell.mute()
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select setval('pgbell.doorbell', 1 + count(*), true)
      from pg_trigger
     where tgrelid = 'pgbell.change'::regclass and tgname = 'carry' and tgenabled <> 'D';
    select pg_notify('pgbell', 'muted');
$$;

comment on function pgbell.mute() is 'Writers stop ringing; whoever calls this must poll.';

alter function pgbell.mute() owner to pgbell_owner;
revoke all on function pgbell.mute() from public;
grant execute on function pgbell.mute() to pgbell_daemon;
