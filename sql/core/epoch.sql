-- pgbell.epoch() → text
--
-- Names the history that snapshots and xids belong to: cluster, timeline, installation. A cursor of another epoch
-- proves nothing here. Sixteen hex digits, stable across restarts, different after a failover or a restore.
create or replace function pgbell.epoch()
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    select left(encode(sha256(convert_to(concat_ws(':', cluster.system_identifier, history.timeline, install.id), 'UTF8')),
                       'hex'), 16)
      from pgbell.install,
           pg_control_system() as cluster,
           -- Right after a promotion the control file still names the old timeline; a WAL file name does not.
           -- During recovery there is no insert position, and the control file is all there is.
           lateral (select case when pg_is_in_recovery()
                                then (select timeline_id from pg_control_checkpoint())
                                else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
                           end) as history (timeline)
$$;

comment on function pgbell.epoch() is 'Names the history that cursors belong to: cluster, timeline, installation.';

alter function pgbell.epoch() owner to pgbell_owner;
revoke all on function pgbell.epoch() from public;
grant execute on function pgbell.epoch() to pgbell_daemon;
