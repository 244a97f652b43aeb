-- pgbell.current_timeline() → int
--
-- The timeline that this server writes. Right after a promotion the control file still names the old one; a WAL file
-- name does not. During recovery there is no insert position, and the control file is all there is.
create or replace function pgbell.current_timeline()
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select case when pg_is_in_recovery()
                then (select timeline_id from pg_control_checkpoint())
                else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
           end
$$;

comment on function pgbell.current_timeline() is 'The timeline that this server writes.';

alter function pgbell.current_timeline() owner to pgbell_owner;
revoke all on function pgbell.current_timeline() from public;
