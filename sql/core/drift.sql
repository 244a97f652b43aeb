-- pgbell.drift() → one row per finding
--
-- What of the installed triggers is different from what pgbell.note_applied() recorded, or cannot be right whatever
-- was recorded. `kind` is one of a fixed set, `table` the table that it is about, `object` the trigger, function,
-- column or partition, `detail` what is the matter, `mend` what to do. All are faults but one: `trigger_unrecorded`
-- is a note about triggers that nobody recorded. Reads catalogues only, so it waits for no lock on a table.
create or replace function pgbell.drift()
returns table (kind text, "table" text, object text, detail text, mend text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with recursive live as materialized (
        select current.*, concat(quote_ident(schema_name), '.', quote_ident(table_name)) as table_label
          from pgbell.current_trigger as current
    ), recorded as materialized (
        select applied.*, concat(quote_ident(schema_name), '.', quote_ident(table_name)) as table_label
          from pgbell.applied_trigger as applied
    ),
    -- Where a recorded table is now. One with its name is it; else one with its id, unless that was given to another.
    place as materialized (
        select known.schema_name, known.table_name, known.table_id,
               concat(quote_ident(known.schema_name), '.', quote_ident(known.table_name)) as table_label,
               coalesce(named.oid, moved.oid) as id,
               case when named.oid is null and moved.oid is not null
                    then concat(quote_ident(moved.nspname), '.', quote_ident(moved.relname))
               end as moved_to
          from (select schema_name, table_name, table_id from pgbell.applied_column
                union
                select schema_name, table_name, table_id from pgbell.applied_trigger) as known
          left join lateral (
                select class.oid
                  from pg_class as class
                  join pg_namespace as space on space.oid = class.relnamespace
                 where (space.nspname, class.relname) = (known.schema_name, known.table_name)
          ) as named on true
          left join lateral (
                select class.oid, class.relname, space.nspname
                  from pg_class as class
                  join pg_namespace as space on space.oid = class.relnamespace
                 where class.oid = known.table_id
                   and exists (select from pgbell.applied_column as column_before
                                 join pg_attribute as attribute
                                   on attribute.attrelid = class.oid and attribute.attname = column_before.column_name
                                      and attribute.attnum = column_before.number
                                where (column_before.schema_name, column_before.table_name)
                                      = (known.schema_name, known.table_name))
          ) as moved on true
    ),
    -- Which functions have to do with a table: those of its triggers, and those that name it.
    concern as materialized (
        select distinct place.schema_name, place.table_name, live.function_name, live.function_text
          from place
          join live on live.table_id = place.id
                       or strpos(live.function_text, concat(place.schema_name, '.', place.table_name)) > 0
    ),
    -- Columns that are not as they were, and the functions that name them.
    changed as materialized (
        select place.table_label, before.column_name, before.type_name,
               format_type(now.atttypid, now.atttypmod) as type_now,
               renamed.attname as renamed_to,
               string_agg(concern.function_name, ', ' order by concern.function_name) as functions
          from pgbell.applied_column as before
          join place using (schema_name, table_name)
          left join pg_attribute as now
            on now.attrelid = place.id and now.attname = before.column_name and not now.attisdropped
          left join pg_attribute as renamed
            on now.attname is null and place.id = before.table_id and renamed.attrelid = place.id
               and renamed.attnum = before.number and not renamed.attisdropped
          join concern on (concern.schema_name, concern.table_name) = (before.schema_name, before.table_name)
         where place.id is not null
           and (now.attname is null or format_type(now.atttypid, now.atttypmod) <> before.type_name)
           and concern.function_text
               ~ concat('(^|\W)', regexp_replace(before.column_name, '(\W)', '\\\1', 'g'), '(\W|$)')
         group by place.table_label, before.column_name, before.type_name, now.atttypid, now.atttypmod, renamed.attname
    ),
    descendant (ancestor_id, id) as (
        select distinct live.table_id, inherits.inhrelid
          from live
          join pg_inherits as inherits on inherits.inhparent = live.table_id and not inherits.inhdetachpending
        union
        select descendant.ancestor_id, inherits.inhrelid
          from descendant
          join pg_inherits as inherits on inherits.inhparent = descendant.id and not inherits.inhdetachpending
    ),
    -- A function of several triggers is told of once.
    function_now as materialized (
        select distinct on (function_name) *
          from live
         order by function_name, table_label
    ), function_before as materialized (
        select distinct on (function_name) *
          from recorded
         order by function_name, table_label
    )

    select 'table_missing', table_label, table_label,
           'the table is gone',
           format('if it is meant to be gone: select pgbell.note_applied(%L)', table_label)
      from place
     where id is null
       -- Partitions come and go.
       and not exists (select from recorded where recorded.table_label = place.table_label and recorded.is_part)

    union all
    select 'table_renamed', table_label, moved_to,
           format('the table is now called %s', moved_to),
           format('if it is meant: name it so in the trigger files and functions, apply them, then select pgbell.note_applied(%L, %L)',
                  table_label, moved_to)
      from place
     where moved_to is not null

    union all
    select 'trigger_missing', recorded.table_label, recorded.trigger_name,
           case when place.id = recorded.table_id then 'the trigger is gone: its changes are told to nobody'
                else 'the table was made anew without the trigger: its changes are told to nobody' end,
           format('apply the trigger file again; if it is meant to be gone: select pgbell.note_applied(%L)', recorded.table_label)
      from recorded
      join place using (schema_name, table_name)
      left join live on live.table_id = place.id and live.trigger_name = recorded.trigger_name
     where place.id is not null and live.trigger_name is null

    union all
    select 'trigger_disabled', table_label, trigger_name,
           'the trigger is disabled: its changes are told to nobody',
           format('alter table %s enable trigger %I', table_label, trigger_name)
      from live
     where state = 'D'

    union all
    select 'trigger_state', live.table_label, live.trigger_name,
           format('the trigger fired %s and now fires %s', before.meaning, now.meaning),
           format('alter table %s enable %strigger %I', live.table_label,
                  case recorded.state when 'A' then 'always ' when 'R' then 'replica ' else '' end, live.trigger_name)
      from recorded
      join place using (schema_name, table_name)
      join live on live.table_id = place.id and live.trigger_name = recorded.trigger_name
      -- One that was disabled when it was recorded and fires again has been mended.
      join (values ('O'::"char", 'for ordinary writes'), ('R', 'only for replicated writes'), ('A', 'for all writes'))
           as before (state, meaning) on before.state = recorded.state
      join (values ('O'::"char", 'for ordinary writes'), ('R', 'only for replicated writes'), ('A', 'for all writes'))
           as now (state, meaning) on now.state = live.state
     where live.state <> recorded.state

    union all
    select 'trigger_edited', live.table_label, live.trigger_name,
           'the trigger is not as it was applied',
           format('look at it with pgbell triggers diff and apply the file again; if it is meant: select pgbell.note_applied(%L)',
                  live.table_label)
      from recorded
      join place using (schema_name, table_name)
      join live on live.table_id = place.id and live.trigger_name = recorded.trigger_name
     where live.definition <> recorded.definition

    union all
    select 'function_edited', now.table_label, now.function_name,
           'the function is not as it was applied',
           format('look at it with pgbell triggers diff and apply the file again; if it is meant: select pgbell.note_applied(%L)',
                  now.table_label)
      from function_now as now
      join function_before as before using (function_name)
     where now.function_source <> before.function_source

    union all
    select 'function_unsafe', now.table_label, now.function_name,
           case when before.function_definer and not now.function_definer
                then 'the function is no longer security definer: writers without rights on pgbell fail'
                when now.function_path is null
                then 'the function is security definer without a pinned search_path: whoever writes the table can run code as its owner'
                else format('the function pins another search_path than it was applied with: %s', now.function_path) end,
           format('alter function %s() %s', now.function_name,
                  case when before.function_definer and not now.function_definer then 'security definer'
                       else concat('set search_path = ', coalesce(before.function_path, 'pg_catalog, pg_temp')) end)
      from function_now as now
      left join function_before as before using (function_name)
     where before.function_definer and not now.function_definer
        or now.function_definer and now.function_path is null
        or before.function_path is distinct from now.function_path and before.function_path is not null

    union all
    select 'function_owner', now.table_label, now.function_name,
           format('the owner was %s and is now %s', before.function_owner, now.function_owner),
           format('alter function %s() owner to %I', now.function_name, before.function_owner)
      from function_now as now
      join function_before as before using (function_name)
     where now.function_owner <> before.function_owner

    union all
    select 'function_rights', now.table_label, now.function_name,
           format('it could be executed by %s, and now by %s',
                  coalesce(nullif(before.function_callers, ''), 'nobody'), coalesce(nullif(now.function_callers, ''), 'nobody')),
           format('revoke execute on function %s() from whoever should not make triggers with it; if it is meant: select pgbell.note_applied(%L)',
                  now.function_name, now.table_label)
      from function_now as now
      join function_before as before using (function_name)
     where now.function_callers <> before.function_callers
           -- A new owner is told of already.
       and now.function_owner = before.function_owner

    union all
    select 'column_missing', table_label, column_name,
           concat(case when renamed_to is null then 'the column is gone' else concat('the column is now called ', quote_ident(renamed_to)) end,
                  ', but is named by ', functions, ': writes may fail'),
           'edit the function and apply it'
      from changed
     where type_now is null

    union all
    select 'column_type', table_label, column_name,
           format('the type was %s and is now %s; the column is named by %s', type_name, type_now, functions),
           format('see whether the function still works; then select pgbell.note_applied(%L)', table_label)
      from changed
     where type_now is not null

    union all
    select 'partition_uncovered', max(live.table_label), child.label,
           format('writes to this part of the table directly are told to nobody: it lacks %s',
                  string_agg(quote_ident(live.trigger_name), ', ' order by live.trigger_name)),
           'apply the trigger file again'
      from descendant
      join live on live.table_id = descendant.ancestor_id
      join lateral (
            select concat(quote_ident(space.nspname), '.', quote_ident(class.relname)) as label
              from pg_class as class
              join pg_namespace as space on space.oid = class.relnamespace
             where class.oid = descendant.id and class.relkind in ('r', 'p') and class.relpersistence <> 't'
      ) as child on true
     where not exists (select from live as own
                        where own.table_id = descendant.id
                          and own.function_id = live.function_id and own.type = live.type)
     group by descendant.id, child.label

    union all
    select 'trigger_unrecorded', live.table_label, string_agg(quote_ident(live.trigger_name), ', ' order by live.trigger_name),
           'applied by hand: whether they change is not watched',
           format('select pgbell.note_applied(%L)', live.table_label)
      from live
     where not exists (select from recorded
                         join place using (schema_name, table_name)
                        where place.id = live.table_id and recorded.trigger_name = live.trigger_name)
     group by live.table_label
$$;

comment on function pgbell.drift() is 'What of the installed triggers is not as it was applied, or cannot be right.';

alter function pgbell.drift() owner to pgbell_owner;
revoke all on function pgbell.drift() from public;
grant execute on function pgbell.drift() to pgbell_daemon;
