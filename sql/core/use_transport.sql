-- pgbell.use_transport(transport text)
--
-- Chooses how changes reach the daemon: `doorbell` and `poll` store them, `payload` sends them inside NOTIFY.
-- Switching locks the log for a moment and gives up after two seconds; where nothing changes, nothing is locked.
create or replace function pgbell.use_transport(transport text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
    carries boolean;
begin
    if transport is null or transport not in ('doorbell', 'payload', 'poll') then
        raise exception 'unknown transport %', coalesce(quote_literal(transport), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Use doorbell, payload or poll.';
    end if;

    select tgenabled <> 'D' into carries
      from pg_trigger
     where tgrelid = 'pgbell.change'::regclass and tgname = 'carry';

    if transport = 'payload' and not carries then
        alter table pgbell.change enable trigger carry;
    elsif transport <> 'payload' and carries then
        alter table pgbell.change disable trigger carry;
    end if;

    -- Nobody rings where nobody listens for rings, and where the change itself is the notification.
    -- The doorbell is the daemon's to arm again.
    if transport <> 'doorbell'
       and pg_sequence_last_value('pgbell.doorbell') is distinct from (case transport when 'payload' then 2 else 1 end)
    then
        perform pgbell.mute();
    end if;
end
$$;

comment on function pgbell.use_transport(text) is 'Chooses how changes reach the daemon: doorbell, payload or poll.';

alter function pgbell.use_transport(text) owner to pgbell_owner;
revoke all on function pgbell.use_transport(text) from public;
grant execute on function pgbell.use_transport(text) to pgbell_daemon;
