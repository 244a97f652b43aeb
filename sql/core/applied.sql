-- pgbell.applied(kind text) → boolean
--
-- Counts a row that was told by a row trigger, and says once in a transaction, for each kind, that they have become
-- more than pgbell.bulk_limit(). The trigger then tells that very much has changed, and nothing more in this
-- transaction: the setting pgbell.applied_<kind> is 'many' from now on. Savepoints that are taken back are not counted.
create or replace function pgbell.applied(kind text)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    counter constant text := 'pgbell.applied_' || kind;
    counted constant text := current_setting(counter, true);
    number  constant int := case when counted ~ '^[0-9]{1,9}$' then counted::int else 0 end + 1;
begin
    if number <= pgbell.bulk_limit() then
        perform set_config(counter, number::text, true);
        return false;
    end if;
    perform set_config(counter, 'many', true);
    return true;
end
$$;

comment on function pgbell.applied(text) is 'Counts rows that row triggers tell, and says when they become too many.';

alter function pgbell.applied(text) owner to pgbell_owner;
revoke all on function pgbell.applied(text) from public;
