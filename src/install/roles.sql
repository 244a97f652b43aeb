-- The role that the daemon logs in as and, if it is wanted, the role that room rules run as. Harmless to repeat:
-- a role that is there keeps its settings, its connection limit and, unless there is a new one, its password.
do $$
declare
    daemon     constant text := '{daemon}';
    rules      constant text := nullif('{rules}', '');
    verifier   constant text := nullif('{verifier}', '');
    attributes constant text := 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls';
    found      record;
begin
    for found in
        select rolname from pg_catalog.pg_roles
         where rolname in (daemon, rules)
           and (rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls
                or rolcanlogin and rolname = rules)
    loop
        raise exception 'role % is there already and may do more than it should', found.rolname
            using errcode = 'invalid_role_specification',
                  hint = 'Name another one with --daemon-role or --rules-role.';
    end loop;

    if not exists (select from pg_catalog.pg_roles where rolname = daemon) then
        -- Three or four for each daemon, and as many again while one takes the place of another.
        execute pg_catalog.format('create role %I login inherit %s connection limit 20', daemon, attributes);
        -- The daemon bounds its own statements; these are for whoever else has the password.
        execute pg_catalog.format('alter role %I set statement_timeout = ''60s''', daemon);
        execute pg_catalog.format('alter role %I set idle_in_transaction_session_timeout = ''30s''', daemon);
        execute pg_catalog.format('comment on role %I is ''Login of the pgbell daemon, made by pgbell install.''', daemon);
    else
        if not (select rolcanlogin and rolinherit from pg_catalog.pg_roles where rolname = daemon) then
            execute pg_catalog.format('alter role %I login inherit', daemon);
        end if;
    end if;
    -- Not the password, but what proves to the server that somebody knows it.
    if verifier is not null then
        execute pg_catalog.format('alter role %I password %L', daemon, verifier);
    end if;
    execute pg_catalog.format('grant pgbell_daemon to %I', daemon);
    execute pg_catalog.format('grant connect on database %I to %I', pg_catalog.current_database(), daemon);
    -- Everybody has it. Said of this role, it keeps the role when pgbell is taken out of another database.
    execute pg_catalog.format('grant usage on schema pgbell to %I', daemon);

    if rules is not null then
        if not exists (select from pg_catalog.pg_roles where rolname = rules) then
            execute pg_catalog.format('create role %I nologin noinherit %s', rules, attributes);
            execute pg_catalog.format('comment on role %I is ''Room rules of pgbell run as it, made by pgbell install.''', rules);
        end if;
        -- The daemon may become this role, but what this role may do is not the daemon's. Before release 16 a role
        -- either inherits from all that it is in or from none.
        if pg_catalog.current_setting('server_version_num')::int >= 160000 then
            execute pg_catalog.format('grant %I to %I with inherit false, set true', rules, daemon);
        else
            execute pg_catalog.format('grant %I to %I', rules, daemon);
        end if;
        execute pg_catalog.format('grant usage on schema pgbell to %I', rules);
    end if;

    for found in
        select pg_catalog.string_agg(role.rolname, ', ' order by role.rolname) as others
          from pg_catalog.pg_auth_members as joined
          join pg_catalog.pg_roles as member on member.oid = joined.member
          join pg_catalog.pg_roles as role on role.oid = joined.roleid
         where member.rolname = daemon and role.rolname not in ('pgbell_daemon', coalesce(rules, 'pgbell_daemon'))
    loop
        if found.others is not null then
            raise warning 'role % is also a member of %', daemon, found.others;
        end if;
    end loop;
end
$$;
