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
    select left(encode(sha256(convert_to(concat_ws(':', system_identifier, pgbell.current_timeline(), install.id), 'UTF8')),
                       'hex'), 16)
      from pgbell.install, pg_control_system()
$$;

comment on function pgbell.epoch() is 'Names the history that cursors belong to: cluster, timeline, installation.';

alter function pgbell.epoch() owner to pgbell_owner;
revoke all on function pgbell.epoch() from public;
grant execute on function pgbell.epoch() to pgbell_daemon;
