-- pgbell.carry(), row trigger on pgbell.change, disabled unless the transport is `payload`
--
-- Sends the change inside the notification instead of storing it. A payload has a hard limit, past which NOTIFY
-- would fail the business write, so what is too long is first sent without old and new, then as "any thing of these
-- kinds of rooms", and in the end as "anything". Where pgbell.ring is off the change is stored as usual, and found
-- by the daemon's safety read; where pgbell.tracing is on, what would have been sent is stored for the one who traces.
--
-- Any role may notify, so the change is signed with a key that only the owner and the daemon can read. Two hashes, one
-- in the other: the hash of a text alone would be the beginning of the hash of a longer one.
create or replace function pgbell.carry()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    longest constant int := 7999 - 32;
    payload text;
    key     bytea;
begin
    if lower(coalesce(current_setting('pgbell.ring', true), '')) in ('off', 'false', 'no', '0') then
        return new;
    end if;

    for attempt in 1..4 loop
        if attempt = 2 then
            new.old := null;
            new.new := null;
        elsif attempt = 3 then
            new.id := '*';
            -- product:42 becomes product:*, shop_5 becomes shop_*; admin:stock stays what it is.
            new.rooms := array(select distinct regexp_replace(room, '([:_])[^:_]*\d[^:_]*$', '\1*')
                                 from unnest(new.rooms) as room);
        elsif attempt = 4 then
            new.entity := left(new.entity, 100);
            new.op := left(new.op, 100);
            new.origin := null;
            new.events := null;
            new.rooms := '{*}';
        end if;

        payload := json_build_object(
            'xid', new.xid,
            'at', to_char(new.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'entity', new.entity, 'id', new.id, 'op', new.op, 'events', new.events, 'rooms', new.rooms,
            'old', new.old, 'new', new.new, 'origin', new.origin);
        exit when octet_length(payload) <= longest;
    end loop;

    if current_setting('pgbell.tracing', true) = 'on' then
        return new;
    end if;

    select payload_key into key from pgbell.install;
    perform pg_notify('pgbell',
                      left(encode(sha256(key || sha256(key || convert_to(payload, 'UTF8'))), 'hex'), 32) || payload);
    return null;
end
$$;

comment on function pgbell.carry() is 'Sends a change inside NOTIFY instead of storing it (transport "payload").';

alter function pgbell.carry() owner to pgbell_owner;
revoke all on function pgbell.carry() from public;

-- Created once and not replaced, because replacing would enable it.
do $$
begin
    if not exists (select from pg_catalog.pg_trigger
                    where tgrelid = 'pgbell.change'::regclass and tgname = 'carry') then
        create trigger carry
        before insert on pgbell.change
        for each row
        execute function pgbell.carry();
        alter table pgbell.change disable trigger carry;
    end if;
end
$$;
