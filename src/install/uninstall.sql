-- Takes pgbell out of this database: its schema, its triggers on other tables, its rights, its settings, and its
-- roles unless another database of the cluster needs them. Harmless to run where there is no pgbell.

-- A trigger function that lives elsewhere would fail every business write once the log is gone.
do $$
declare
    strays text;
begin
    select pg_catalog.string_agg(distinct stray.oid::pg_catalog.regprocedure::text, ', ')
      into strays
      from pg_catalog.pg_proc as stray
      join pg_catalog.pg_trigger as used on used.tgfoid = stray.oid
     where stray.pronamespace::pg_catalog.regnamespace::text <> 'pgbell'
       and stray.prosrc like '%pgbell.%';
    if strays is not null then
        raise exception 'trigger functions outside of schema pgbell use it: %', strays
            using hint = 'Drop them or their triggers first, or writes to their tables will fail.';
    end if;
end
$$;

-- The functions take their triggers on other tables with them.
drop schema if exists pgbell cascade;

-- Settings such as pgbell.ring that were made for this database, or for a role in it.
do $$
declare
    kept record;
begin
    for kept in
        select role.rolname, pg_catalog.split_part(setting, '=', 1) as name
          from pg_catalog.pg_db_role_setting as stored
          join pg_catalog.pg_database as here on here.oid = stored.setdatabase
          left join pg_catalog.pg_roles as role on role.oid = stored.setrole,
               unnest(stored.setconfig) as setting
         where here.datname = pg_catalog.current_database()
           and setting like 'pgbell.%'
    loop
        begin
            execute case when kept.rolname is null
                         then pg_catalog.format('alter database %I reset %s',
                                                pg_catalog.current_database(), kept.name)
                         else pg_catalog.format('alter role %I in database %I reset %s',
                                                kept.rolname, pg_catalog.current_database(), kept.name)
                    end;
        exception when insufficient_privilege then
            raise warning 'setting % stays: %', kept.name, sqlerrm;
        end;
    end loop;
end
$$;

-- The roles that `pgbell install --roles` made. What they may do in another database keeps them.
do $$
declare
    made record;
begin
    for made in
        select rolname, rolcanlogin from pg_catalog.pg_roles
         where pg_catalog.shobj_description(oid, 'pg_authid') like '%, made by pgbell install.'
    loop
        begin
            if made.rolcanlogin then
                -- Not what it owns or may do otherwise: whoever gave it that should know.
                execute pg_catalog.format('revoke connect on database %I from %I',
                                          pg_catalog.current_database(), made.rolname);
            else
                if not pg_catalog.pg_has_role(made.rolname, 'usage') then
                    execute pg_catalog.format('grant %I to current_user', made.rolname);
                end if;
                execute pg_catalog.format('drop owned by %I cascade', made.rolname);
            end if;
        exception when insufficient_privilege then
            raise warning 'rights of role % stay: %', made.rolname, sqlerrm;
        end;

        begin
            execute pg_catalog.format('drop role %I', made.rolname);
        exception when dependent_objects_still_exist or insufficient_privilege then
            raise warning 'role % stays: %', made.rolname, sqlerrm;
        end;
    end loop;
end
$$;

-- Rights first, which belong to this database; then the roles, which belong to the cluster.
do $$
declare
    role_name text;
    joined    boolean;
begin
    foreach role_name in array array['pgbell_daemon', 'pgbell_owner'] loop
        continue when not exists (select from pg_catalog.pg_roles where rolname = role_name);

        joined := not pg_catalog.pg_has_role(role_name, 'usage');
        begin
            if joined then
                execute pg_catalog.format('grant %I to current_user', role_name);
            end if;
            execute pg_catalog.format('drop owned by %I cascade', role_name);
        exception when insufficient_privilege then
            joined := false;
            raise warning 'rights of role % stay: %', role_name, sqlerrm;
        end;

        begin
            execute pg_catalog.format('drop role %I', role_name);
        exception when dependent_objects_still_exist or insufficient_privilege then
            raise warning 'role % stays: %', role_name, sqlerrm;
            if joined then
                execute pg_catalog.format('revoke %I from current_user', role_name);
            end if;
        end;
    end loop;
end
$$;
