-- pgbell.revoke(subject text, room text default null)
--
-- Sends somebody away, once the transaction has committed: without a room, every session of the user whose token has
-- this sub is closed, and tokens that were made until now are refused from then on. With a room, the user's sessions
-- are taken out of it; whether they may join it again is decided anew when they ask. It travels through the log as
-- changes do. Who was sent away stands in pgbell.revocation as well, which a daemon reads when it starts and when a
-- part of the log is gone. Call it from the application or a trigger, as part of what takes the right away: it waits
-- for nobody.
create or replace function pgbell.revoke(subject text, room text default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    moment timestamptz := clock_timestamp();
begin
    if octet_length(subject) between 1 and 256 is not true then
        raise exception 'pgbell.revoke: a subject has 1 to 256 bytes' using errcode = 'invalid_parameter_value';
    end if;
    if subject = '*' then
        raise exception 'pgbell.revoke: nobody is called *' using
            errcode = 'invalid_parameter_value',
            hint = 'To send everybody away, exchange the key that tokens are signed with.';
    end if;
    if room !~ '^[A-Za-z0-9_.:@/-]{1,128}$' then
        raise exception 'pgbell.revoke: % is no room', room using errcode = 'invalid_parameter_value';
    end if;

    if room is null then
        insert into pgbell.revocation (subject, at) values (subject, moment);
    end if;
    insert into pgbell.change (entity, id, op, events, rooms, new)
    values (case when room is null then 'access:revoke' else 'access:leave' end,
            concat_ws(' ', room, subject), 'delete', '{}', '{pgbell:access}',
            json_build_object('at', to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')));
end
$$;

comment on function pgbell.revoke(text, text) is 'Closes the sessions of a user, or takes them out of one room.';

alter function pgbell.revoke(text, text) owner to pgbell_owner;
revoke all on function pgbell.revoke(text, text) from public;
