-- pgbell.ring_for_moment(), row trigger on pgbell.schedule
--
-- A moment that is moved to an earlier time makes itself known, as a new one does by the default of its column rang.
-- One that is moved to a later time need not: whoever comes at the old time finds nothing and looks again.
create or replace function pgbell.ring_for_moment()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_current_xact_id() is not null
       and pg_sequence_last_value('pgbell.doorbell') is distinct from 1
       and lower(coalesce(current_setting('pgbell.ring', true), '')) not in ('off', 'false', 'no', '0')
    then
        perform pg_notify('pgbell', '');
    end if;
    return null;
end
$$;

comment on function pgbell.ring_for_moment() is 'Rings for a moment that was moved to an earlier time.';

alter function pgbell.ring_for_moment() owner to pgbell_owner;
revoke all on function pgbell.ring_for_moment() from public;

-- Created once and not replaced, because replacing locks the table.
do $$
begin
    if not exists (select from pg_catalog.pg_trigger
                    where tgrelid = 'pgbell.schedule'::regclass and tgname = 'ring') then
        create trigger ring
        after update of due_at on pgbell.schedule
        for each row
        when (new.due_at < old.due_at or old.due_at is null)
        execute function pgbell.ring_for_moment();
    end if;
end
$$;
