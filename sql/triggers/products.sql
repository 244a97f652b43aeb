-- What a change of public.products tells browsers.
--
--   product:created, product:deleted                 a product comes or goes
--   product:updated                                  name, description, images, category, seller or store
--   product:price_changed                            price
--   product:availability_changed                     status
--   product:attributes_changed                       attributes, options, pack sizes
--
-- Each line below that starts with an event name says which rooms hear it, with which values, and when.
-- set pgbell.enabled = off (session, role, database) silences the triggers; asking inside the function is cheaper
-- than a WHEN condition, which every statement has to parse.
-- jit is off because a session keeps the plan of its first statement: a large first one would have every small one
-- after it compiled.
-- Other column names? Change them in the select lists; a new event is a new line. Only values that everybody in
-- the rooms may see belong into the last two columns. Editing a function never locks the table.
-- Needed are id, seller_id and store_id. For another column that your table lacks, write null wherever a function
-- reads it, or delete the event.

create or replace function pgbell.products_inserted()
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
        values ('product', '*', 'insert', '{product:created}', '{seller:*,storefront:*,store:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'product', id, 'insert', '{product:created}',
           array['seller:' || seller_id, 'storefront:' || seller_id, 'store:' || store_id],
           jsonb_build_object('name', name, 'price', price, 'status', status)
      from new_rows;
    return null;
end
$$;

create or replace function pgbell.products_updated()
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

    -- A statement that touches very many rows may still have changed only a few: counting is worth it then.
    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'product', '*', 'update', '{product:updated}', '{product:*,seller:*,storefront:*,store:*}'
          from old_rows as o full join new_rows as n using (id)
         where (o.name, o.description, o.images, o.category_id, o.seller_id, o.store_id,
                o.price, o.status, o.attributes, o.options, o.pack_sizes)
               is distinct from
               (n.name, n.description, n.images, n.category_id, n.seller_id, n.store_id,
                n.price, n.status, n.attributes, n.options, n.pack_sizes)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- What is scheduled for a product, such as the start of its sale, follows it to another seller.
    if exists (select from old_rows as o full join new_rows as n using (id) where o.seller_id <> n.seller_id) then
        update pgbell.schedule
           set rooms = array_replace(array_replace(rooms, 'seller:' || moved.old_seller, 'seller:' || moved.new_seller),
                                     'storefront:' || moved.old_seller, 'storefront:' || moved.new_seller)
          from (select 'product:' || id as room, o.seller_id as old_seller, n.seller_id as new_seller
                  from old_rows as o full join new_rows as n using (id)
                 where o.seller_id <> n.seller_id) as moved
         where moved.room = any (schedule.rooms);
    end if;

    -- FULL JOIN, because a changed primary key is one product gone and another one come, and because a plan
    -- that the session made for one row can then never become a nested loop over ten thousand.
    -- OFFSET 0 has the rooms put together once per row, and not once per event.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'product', id, change.op, array[event.name], event.rooms, event.old, event.new
      from old_rows as o full join new_rows as n using (id)
     cross join lateral (
        select case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
               array['product:' || id] as product,
               array['seller:' || n.seller_id, 'storefront:' || n.seller_id, 'store:' || n.store_id] as sold_now,
               -- Who sold it before hears that it has moved away.
               case when (o.seller_id, o.store_id) is distinct from (n.seller_id, n.store_id)
                    then array['seller:' || o.seller_id, 'storefront:' || o.seller_id, 'store:' || o.store_id]
               end as sold_before
        offset 0
     ) as change (op, product, sold_now, sold_before)
     cross join lateral (
        select 'product:created', sold_now,
               null::jsonb, jsonb_build_object('name', n.name, 'price', n.price, 'status', n.status)
         where change.op = 'insert'
        union all
        select 'product:deleted', product || sold_before,
               null, null
         where change.op = 'delete'
        union all
        select 'product:updated', product || sold_now || sold_before,
               nullif(case when o.name is distinct from n.name
                           then jsonb_build_object('name', o.name) else '{}' end
                   || case when o.category_id is distinct from n.category_id
                           then jsonb_build_object('category_id', o.category_id) else '{}' end, '{}'),
               nullif(case when o.name is distinct from n.name
                           then jsonb_build_object('name', n.name) else '{}' end
                   || case when o.category_id is distinct from n.category_id
                           then jsonb_build_object('category_id', n.category_id) else '{}' end, '{}')
         where change.op = 'update'
           and (o.name, o.description, o.images, o.category_id, o.seller_id, o.store_id)
               is distinct from (n.name, n.description, n.images, n.category_id, n.seller_id, n.store_id)
        union all
        select 'product:price_changed', product || sold_now || sold_before,
               jsonb_build_object('price', o.price), jsonb_build_object('price', n.price)
         where change.op = 'update' and o.price is distinct from n.price
        union all
        select 'product:availability_changed', product || sold_now || sold_before,
               jsonb_build_object('status', o.status), jsonb_build_object('status', n.status)
         where change.op = 'update' and o.status is distinct from n.status
        union all
        select 'product:attributes_changed', product || array['storefront:' || n.seller_id],
               null, null
         where change.op = 'update'
           and (o.attributes, o.options, o.pack_sizes) is distinct from (n.attributes, n.options, n.pack_sizes)
     ) as event (name, rooms, old, new);
    return null;
end
$$;

create or replace function pgbell.products_deleted()
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

    if exists (select from old_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('product', '*', 'delete', '{product:deleted}', '{product:*,seller:*,storefront:*,store:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'product', id, 'delete', '{product:deleted}',
           array['product:' || id, 'seller:' || seller_id, 'storefront:' || seller_id, 'store:' || store_id]
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.products_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('product', '*', 'delete', '{product:deleted}', '{product:*,seller:*,storefront:*,store:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.products_inserted() is 'Logs products that came.';
comment on function pgbell.products_updated() is 'Logs products that changed.';
comment on function pgbell.products_deleted() is 'Logs products that went.';
comment on function pgbell.products_truncated() is 'Logs that all products went.';

alter function pgbell.products_inserted() owner to pgbell_owner;
alter function pgbell.products_updated() owner to pgbell_owner;
alter function pgbell.products_deleted() owner to pgbell_owner;
alter function pgbell.products_truncated() owner to pgbell_owner;

revoke all on function pgbell.products_inserted(), pgbell.products_updated(),
                       pgbell.products_deleted(), pgbell.products_truncated() from public;

create or replace trigger pgbell_products_insert
after insert on public.products
referencing new table as new_rows
for each statement
execute function pgbell.products_inserted();

create or replace trigger pgbell_products_update
after update on public.products
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.products_updated();

create or replace trigger pgbell_products_delete
after delete on public.products
referencing old table as old_rows
for each statement
execute function pgbell.products_deleted();

create or replace trigger pgbell_products_truncate
after truncate on public.products
for each statement
execute function pgbell.products_truncated();
