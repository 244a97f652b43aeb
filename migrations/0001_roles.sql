-- Two roles, neither of which can log in, and the schema in which they meet.
--
--   pgbell_owner   owns everything pgbell puts into this database. Trigger functions run as this role,
--                  so a role that writes business tables needs no right on schema pgbell.
--   pgbell_daemon  may do what the daemon does, and nothing else: grant it to the daemon's login.

-- Roles belong to the cluster: another database may have made them before, or be making them right now.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['pgbell_owner', 'pgbell_daemon'] loop
        begin
            if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
                execute pg_catalog.format('create role %I nologin', role_name);
            end if;
        exception when duplicate_object or unique_violation then
            null; -- another installer was a moment faster
        end;
    end loop;

    -- Creating objects for a role, and replacing them in a later version, takes membership in it.
    if not pg_catalog.pg_has_role('pgbell_owner', 'usage') then
        grant pgbell_owner to current_user;
    end if;
exception when insufficient_privilege then
    raise exception 'role % may not create the roles of pgbell, or not join pgbell_owner', current_user
        using errcode = 'insufficient_privilege',
              hint = pg_catalog.format('An administrator must run once, leaving out the roles that exist: '
                  'create role pgbell_owner nologin; create role pgbell_daemon nologin; '
                  'grant pgbell_owner to %I;', current_user);
end
$$;

-- The installer's bookkeeping may have made the schema already.
create schema if not exists pgbell;
alter schema pgbell owner to pgbell_owner;

-- Everybody may look up names here, because any role may call pgbell.cursor(). Each object grants the rest.
revoke all on schema pgbell from public;
grant usage on schema pgbell to public;

comment on schema pgbell is 'Tells browsers which rows to fetch again: triggers log changes here, the pgbell daemon reads them.';
