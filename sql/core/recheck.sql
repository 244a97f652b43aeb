-- pgbell.recheck(room text)
--
-- Something has changed that decides who may be in a room: once the transaction has committed, its members are asked
-- about again, and those who may not be in it any more are taken out of it. For what rules with sql look at and no
-- event of the room tells of; where one does, access.rooms.recheck_on says so without any call.
create or replace function pgbell.recheck(room text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if room ~ '^[A-Za-z0-9_.:@/-]{1,128}$' is not true then
        raise exception 'pgbell.recheck: % is no room', coalesce(room, 'null') using errcode = 'invalid_parameter_value';
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    values ('access:recheck', room, 'update', '{}', '{pgbell:access}');
end
$$;

comment on function pgbell.recheck(text) is 'Asks again who may be in a room.';

alter function pgbell.recheck(text) owner to pgbell_owner;
revoke all on function pgbell.recheck(text) from public;
