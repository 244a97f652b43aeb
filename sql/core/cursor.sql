-- pgbell.cursor() → text, '<epoch>.<snapshot>'
--
-- The position of whatever the calling statement reads. Hand it out with the data, subscribe with it as `since`,
-- and nothing is missed between fetch and subscription. Call it before reading the data, in the statement that
-- reads it, or in the same repeatable read transaction. It is stable, so it sees the snapshot of its caller.
create or replace function pgbell.cursor()
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    epoch     text := pgbell.epoch();
    snapshot  pg_snapshot := pg_current_snapshot();
    full_form text := concat(epoch, '.', snapshot);
begin
    -- With very many transactions running, listing them costs more than replaying them. And a snapshot does not list
    -- all that are: not the caller's own, and on a standby not those that it knows of by their parents alone.
    if octet_length(full_form) > 512 or pg_is_in_recovery() or pg_current_xact_id_if_assigned() is not null then
        return format('%s.%s:%2$s:', epoch, pg_snapshot_xmin(snapshot));
    end if;
    return full_form;
end
$$;

comment on function pgbell.cursor() is 'How far the calling statement sees. Subscribing with it as "since" leaves no gap.';

alter function pgbell.cursor() owner to pgbell_owner;
revoke all on function pgbell.cursor() from public;
grant execute on function pgbell.cursor() to public;
