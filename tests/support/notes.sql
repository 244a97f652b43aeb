-- Notes, for tests that spoil this file.

create or replace function pgbell.notes_inserted()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('note', '*', 'insert', '{note:created}', '{note:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'note', n.id, 'insert', '{note:created}',
           array['note:' || n.id],
           jsonb_build_object('title', n.title)
      from new_rows as n;
    return null;
end
$$;

create or replace function pgbell.notes_updated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'note', id, 'update', '{note:updated}', array['note:' || id], jsonb_build_object('title', n.title)
      from old_rows as o full join new_rows as n using (id)
     where (o.title, o.price) is distinct from (n.title, n.price);
    return null;
end
$$;

create or replace function pgbell.notes_deleted()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    insert into pgbell.change (entity, id, op, events, rooms)
    select 'note', o.id, 'delete', '{note:deleted}', array['note:' || o.id]
      from old_rows as o;
    return null;
end
$$;

create or replace function pgbell.notes_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    insert into pgbell.change (entity, id, op, events, rooms)
    values ('note', '*', 'delete', '{note:deleted}', '{note:*}');
    return null;
end
$$;

alter function pgbell.notes_inserted() owner to pgbell_owner;
alter function pgbell.notes_updated() owner to pgbell_owner;
alter function pgbell.notes_deleted() owner to pgbell_owner;
alter function pgbell.notes_truncated() owner to pgbell_owner;

revoke all on function pgbell.notes_inserted(), pgbell.notes_updated(),
                       pgbell.notes_deleted(), pgbell.notes_truncated() from public;

create or replace trigger pgbell_notes_insert
after insert on public.notes
referencing new table as new_rows
for each statement
execute function pgbell.notes_inserted();

create or replace trigger pgbell_notes_update
after update on public.notes
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.notes_updated();

create or replace trigger pgbell_notes_delete
after delete on public.notes
referencing old table as old_rows
for each statement
execute function pgbell.notes_deleted();

create or replace trigger pgbell_notes_truncate
after truncate on public.notes
for each statement
execute function pgbell.notes_truncated();
-- end
