-- pgbell.note_ddl(), event trigger
--
-- Moves pgbell.ddl after DDL that may concern a watched table, so that daemons look. It must not fail, hold up or
-- even notice anybody's DDL: whatever goes wrong here is swallowed, and no lock is waited for. Moving a sequence is
-- not transactional, takes no lock that conflicts with another one who moves it, and works in a transaction that is
-- to be prepared. Temporary objects concern nobody.
--
-- Creating event triggers takes a superuser, or what a hosted service has in its place. Without them there is no such
-- function, and daemons look more often. It belongs to whoever created them and not to pgbell_owner, because
-- whoever may replace it runs code in every superuser's DDL.
do $install$
begin
    if exists (select from pg_catalog.pg_proc
                where oid = pg_catalog.to_regprocedure('pgbell.note_ddl()')
                  and not pg_catalog.pg_has_role(proowner, 'usage')) then
        return;
    end if;

    create or replace function pgbell.note_ddl()
    returns event_trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '1ms'
    as $$
    begin
        if tg_event = 'sql_drop' then
            perform nextval('pgbell.ddl') where exists (
                select from pg_event_trigger_dropped_objects() where not is_temporary);
        else
            perform nextval('pgbell.ddl') where exists (
                select from pg_event_trigger_ddl_commands() where schema_name is distinct from 'pg_temp');
        end if;
    exception when others then
        null; -- daemons look by themselves now and then
    end
    $$;
    -- Replacing a function leaves it to its owner, who may be anybody that could create one here before.
    alter function pgbell.note_ddl() owner to current_user;
    comment on function pgbell.note_ddl() is 'Tells daemons that there was DDL, and never fails.';
    revoke all on function pgbell.note_ddl() from public;

    -- Those that are there are left as they are: somebody may have disabled them.
    if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgbell_drift') then
        create event trigger pgbell_drift on ddl_command_end
            when tag in ('ALTER FUNCTION', 'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER TABLE', 'ALTER TRIGGER', 'ALTER TYPE',
                         'CREATE FUNCTION', 'CREATE TABLE', 'CREATE TRIGGER', 'GRANT', 'REVOKE')
            execute function pgbell.note_ddl();
    end if;
    if not exists (select from pg_catalog.pg_event_trigger where evtname = 'pgbell_drift_drop') then
        create event trigger pgbell_drift_drop on sql_drop
            execute function pgbell.note_ddl();
    end if;
exception when insufficient_privilege then
    raise notice 'no event trigger: % may not create one, so daemons look at the triggers by the clock', current_user;
end
$install$;
