-- What a change of public.stores tells browsers.
--
--   store:updated                                    name, or the store comes or goes (op insert, delete)
--   store:availability_changed                       status
--
-- Whoever sells in the store has a storefront that shows it: storefront rooms are those of its products' sellers.
-- Other column names? Change them in the select lists; a new event is a new line. set pgbell.enabled = off silences
-- the triggers. Why things are as they are stands in products.sql.

-- The owner of the functions may read just that.
grant select (id, seller_id, store_id) on public.products to pgbell_owner;

-- Who looks at a store. One with more products than anybody wants to count is shown in any storefront.
-- It has no search_path of its own, because every caller has pinned one.
create or replace function pgbell.store_rooms(store bigint)
returns text[]
language sql
stable
as $$
    select array['store:' || store, 'buyers']
               || case when count(*) > pgbell.bulk_limit() then array['storefront:*']
                       else array_agg(distinct 'storefront:' || seller_id) filter (where seller_id is not null)
                   end
      from (select seller_id from public.products where store_id = store limit pgbell.bulk_limit() + 1) as sold
$$;

create or replace function pgbell.stores_inserted()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('store', '*', 'insert', '{store:updated}', '{store:*,buyers,storefront:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'store', id, 'insert', '{store:updated}', pgbell.store_rooms(id),
           jsonb_build_object('name', name, 'status', status)
      from new_rows;
    return null;
end
$$;

create or replace function pgbell.stores_updated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'store', '*', 'update', '{store:updated}', '{store:*,buyers,storefront:*}'
          from old_rows as o full join new_rows as n using (id)
         where (o.name, o.status) is distinct from (n.name, n.status)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one store gone and another one come.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'store', id, change.op, array[event.name], change.rooms, event.old, event.new
      from old_rows as o full join new_rows as n using (id)
     cross join lateral (
        select case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
               pgbell.store_rooms(id)
         where (o.name, o.status) is distinct from (n.name, n.status)
        offset 0
     ) as change (op, rooms)
     cross join lateral (
        select 'store:updated', jsonb_build_object('name', o.name), jsonb_build_object('name', n.name)
         where change.op <> 'update' or o.name is distinct from n.name
        union all
        select 'store:availability_changed',
               jsonb_build_object('status', o.status), jsonb_build_object('status', n.status)
         where change.op = 'update' and o.status is distinct from n.status
     ) as event (name, old, new);
    return null;
end
$$;

create or replace function pgbell.stores_deleted()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    if exists (select from old_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('store', '*', 'delete', '{store:updated}', '{store:*,buyers,storefront:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'store', id, 'delete', '{store:updated}', pgbell.store_rooms(id)
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.stores_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('store', '*', 'delete', '{store:updated}', '{store:*,buyers,storefront:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.store_rooms(bigint) is 'Who looks at a store.';
comment on function pgbell.stores_inserted() is 'Logs stores that came.';
comment on function pgbell.stores_updated() is 'Logs stores that changed.';
comment on function pgbell.stores_deleted() is 'Logs stores that went.';
comment on function pgbell.stores_truncated() is 'Logs that all stores went.';

alter function pgbell.store_rooms(bigint) owner to pgbell_owner;
alter function pgbell.stores_inserted() owner to pgbell_owner;
alter function pgbell.stores_updated() owner to pgbell_owner;
alter function pgbell.stores_deleted() owner to pgbell_owner;
alter function pgbell.stores_truncated() owner to pgbell_owner;

revoke all on function pgbell.store_rooms(bigint), pgbell.stores_inserted(),
                       pgbell.stores_updated(), pgbell.stores_deleted(),
                       pgbell.stores_truncated() from public;

create or replace trigger pgbell_stores_insert
after insert on public.stores
referencing new table as new_rows
for each statement
execute function pgbell.stores_inserted();

create or replace trigger pgbell_stores_update
after update on public.stores
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.stores_updated();

create or replace trigger pgbell_stores_delete
after delete on public.stores
referencing old table as old_rows
for each statement
execute function pgbell.stores_deleted();

create or replace trigger pgbell_stores_truncate
after truncate on public.stores
for each statement
execute function pgbell.stores_truncated();
