-- pgbell.note_applied(), pgbell.note_applied('public.products', …)
--
-- Records the triggers of pgbell, their functions and the columns that these have to do with: as they are now is how
-- they are meant. pgbell.drift() tells what is different later. Without an argument the record is made anew; with
-- names of tables, each with its schema, what is recorded of others than these, their partitions and their children
-- stays. Locks no table.
create or replace function pgbell.note_applied(variadic tables text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    given text;
    named text[];
begin
    foreach given in array coalesce(tables, '{}') loop
        if cardinality(parse_ident(given)) <> 2 then
            raise exception '% names no schema', quote_literal(given)
                using errcode = 'invalid_parameter_value', hint = 'Write public.products.';
        end if;
        named := named || concat_ws('.', variadic array(select quote_ident(part) from unnest(parse_ident(given)) as part));
    end loop;

    named := named || array(
        with recursive part (id) as (
            -- Not to_regclass(), which wants a right on the schema.
            select class.oid
              from pg_class as class
              join pg_namespace as space on space.oid = class.relnamespace
             where concat_ws('.', quote_ident(space.nspname), quote_ident(class.relname)) = any (named)
            union
            select inherits.inhrelid
              from part
              join pg_inherits as inherits on inherits.inhparent = part.id
        )
        select concat_ws('.', quote_ident(space.nspname), quote_ident(class.relname))
          from part
          join pg_class as class on class.oid = part.id
          join pg_namespace as space on space.oid = class.relnamespace
         where named is not null
    );
    named := nullif(named, '{}');

    delete from pgbell.applied_trigger
     where named is null or concat_ws('.', quote_ident(schema_name), quote_ident(table_name)) = any (named);
    delete from pgbell.applied_column
     where named is null or concat_ws('.', quote_ident(schema_name), quote_ident(table_name)) = any (named);

    insert into pgbell.applied_trigger
        (schema_name, table_name, trigger_name, table_id, is_part, definition, state, function_name, function_source,
         function_definer, function_path, function_owner, function_callers)
    select schema_name, table_name, trigger_name, table_id, is_part, definition, state, function_name, function_source,
           function_definer, function_path, function_owner, function_callers
      from pgbell.current_trigger
     where named is null or concat_ws('.', quote_ident(schema_name), quote_ident(table_name)) = any (named);

    -- Tables that a function looks into are recorded with the first function that does.
    insert into pgbell.applied_column (schema_name, table_name, column_name, table_id, number, type_name)
    select schema_name, table_name, column_name, table_id, number, type_name
      from pgbell.current_column as current
     where named is null
        or concat_ws('.', quote_ident(schema_name), quote_ident(table_name)) = any (named)
        or not exists (select from pgbell.applied_column as known
                        where (known.schema_name, known.table_name) = (current.schema_name, current.table_name));
end
$$;

comment on function pgbell.note_applied(text[]) is 'Records how triggers of these tables are meant: as they are now.';

alter function pgbell.note_applied(text[]) owner to pgbell_owner;
revoke all on function pgbell.note_applied(text[]) from public;

create or replace function pgbell.note_applied()
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    select pgbell.note_applied(variadic '{}'::text[])
$$;

comment on function pgbell.note_applied() is 'Records how the triggers of pgbell are meant: as they are now.';

alter function pgbell.note_applied() owner to pgbell_owner;
revoke all on function pgbell.note_applied() from public;
