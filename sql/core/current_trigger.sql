-- pgbell.current_trigger and pgbell.current_column, views
--
-- Every trigger that has to do with pgbell, because its function lives in schema pgbell or names it, as it is now.
-- Reads catalogues only: what would deparse a WHEN condition locks the table.
create or replace view pgbell.current_trigger as
    select space.nspname::text as schema_name,
           class.relname::text as table_name,
           applied.tgname::text as trigger_name,
           class.oid as table_id,
           exists (select from pg_catalog.pg_inherits as inherits
                     join pg_catalog.pg_trigger as parents on parents.tgrelid = inherits.inhparent
                    where inherits.inhrelid = class.oid and parents.tgfoid = applied.tgfoid) as is_part,
           md5(concat_ws(' ', applied.tgtype, home.nspname, called.proname, encode(applied.tgargs, 'hex'),
                         applied.tgoldtable, applied.tgnewtable, applied.tgdeferrable, applied.tginitdeferred,
                         -- Where in the statement each part stood is part of a node tree.
                         regexp_replace(applied.tgqual::text, ':location -?\d+', '', 'g'),
                         array(select attribute.attname
                                 from pg_catalog.pg_attribute as attribute
                                where attribute.attrelid = class.oid and attribute.attnum = any (applied.tgattr)
                                order by 1))) as definition,
           applied.tgenabled as state,
           concat(quote_ident(home.nspname), '.', quote_ident(called.proname)) as function_name,
           md5(concat_ws(' ', language.lanname, called.provolatile, called.proisstrict, called.proleakproof,
                         called.proparallel, called.probin, called.prosrc,
                         array(select setting from unnest(called.proconfig) as setting
                                where setting not like 'search_path=%' order by 1))) as function_source,
           called.prosecdef as function_definer,
           (select substr(setting, length('search_path=') + 1)
              from unnest(called.proconfig) as setting
             where setting like 'search_path=%') as function_path,
           pg_get_userbyid(called.proowner)::text as function_owner,
           (select coalesce(string_agg(distinct coalesce(grantee.rolname, 'PUBLIC')::text, ', '), '')
              from aclexplode(coalesce(called.proacl, acldefault('f', called.proowner))) as entry
              left join pg_catalog.pg_roles as grantee on grantee.oid = entry.grantee) as function_callers,
           applied.tgtype as type,
           called.oid as function_id,
           called.prosrc as function_text
      from pg_catalog.pg_trigger as applied
      join pg_catalog.pg_proc as called on called.oid = applied.tgfoid
      join pg_catalog.pg_language as language on language.oid = called.prolang
      join pg_catalog.pg_namespace as home on home.oid = called.pronamespace
      join pg_catalog.pg_class as class on class.oid = applied.tgrelid
      join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
     where not applied.tgisinternal
       and class.relpersistence <> 't'
       and space.nspname <> 'pgbell'
       and (home.nspname = 'pgbell' or called.prosrc ~ '\mpgbell\.');

comment on view pgbell.current_trigger is 'The triggers that have to do with pgbell, as they are now.';

alter view pgbell.current_trigger owner to pgbell_owner;

-- The columns of these tables, and of those that the functions name, in the shape of pgbell.applied_column.
create or replace view pgbell.current_column as
    with watched as (
        select table_id
          from pgbell.current_trigger
        union
        select named.oid
          from pgbell.current_trigger as applied
         cross join lateral regexp_matches(applied.function_text, '\m([a-z_][a-z0-9_$]*)\.([a-z_][a-z0-9_$]*)\M', 'g') as name
          join pg_catalog.pg_namespace as space on space.nspname = name[1]
          join pg_catalog.pg_class as named on named.relnamespace = space.oid and named.relname = name[2]
         where name[1] <> 'pgbell' and named.relkind in ('r', 'p', 'f', 'v', 'm')
    )
    select space.nspname::text as schema_name,
           class.relname::text as table_name,
           attribute.attname::text as column_name,
           class.oid as table_id,
           attribute.attnum as number,
           format_type(attribute.atttypid, attribute.atttypmod) as type_name
      from watched
      join pg_catalog.pg_class as class on class.oid = watched.table_id
      join pg_catalog.pg_namespace as space on space.oid = class.relnamespace
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid
     where attribute.attnum > 0 and not attribute.attisdropped;

comment on view pgbell.current_column is 'The columns that trigger functions have to do with, as they are now.';

alter view pgbell.current_column owner to pgbell_owner;
