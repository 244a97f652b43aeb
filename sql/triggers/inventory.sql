-- What a change of public.inventory tells browsers. Clients know stock as a part of the product or of its variant,
-- so a row without variant_id is entity product, and a row with one is entity variant.
--
--   product:stock_changed     what is available (quantity - reserved) changed
--   stock:low                 it fell to the row's low_stock_threshold (10 where there is none)
--   stock:out                 it fell to nothing
--   stock:restocked           there is something again
--
-- The last three fire on the crossing, not on every write beyond it.
-- set pgbell.enabled = off (session, role, database) silences the triggers; asking inside the function is cheaper
-- than a WHEN condition, which every statement has to parse.
-- jit is off where a session could keep a costly plan of a large first statement and compile it for every small one
-- after that. pgbell.inventory_updated() does without the setting, which every sale would pay for: its plans for
-- bulk_limit rows stay below jit_above_cost.
-- row_security is on because a session that has it off, like every script that pg_dump writes, would fail where
-- products is secured.
-- Other column names? Change them in the select lists; a new event is a new line.
-- Needed are id, product_id and quantity. For another column that your table lacks, write null wherever a trigger
-- function reads it; for reserved write 0.

-- Seller and store are the product's. The owner of the functions may read just that.
grant select (id, seller_id, store_id) on public.products to pgbell_owner;

-- Row-level security would hide all products from that role, and so sellers and shops from what they are told.
do $$
begin
    if (select relrowsecurity from pg_catalog.pg_class where oid = 'public.products'::regclass)
       and not exists (select from pg_catalog.pg_policy
                        where polrelid = 'public.products'::regclass and polname = 'pgbell_reads') then
        create policy pgbell_reads on public.products for select to pgbell_owner using (true);
    end if;
end
$$;

create or replace function pgbell.inventory_inserted()
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
        values ('product', '*', 'insert', '{product:stock_changed}', '{product:*,variant:*,seller:*,shop_*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select case when variant_id is null then 'product' else 'variant' end,
           coalesce(variant_id, product_id), 'insert', '{product:stock_changed}',
           array['product:' || product_id]
               || case when variant_id is not null then array['variant:' || variant_id] end
               || sold_by.rooms,
           jsonb_build_object('available', quantity - reserved)
      from new_rows
      left join lateral (
        select array['seller:' || seller_id, 'shop_' || store_id]
          from public.products where products.id = product_id limit 1
     ) as sold_by (rooms) on true;
    return null;
end
$$;

-- Who hears of stock that changed. It has no search_path of its own, so that it melts into the statements that use it;
-- their function has pinned one.
create or replace function pgbell.stock_rooms(product_id bigint, variant_id bigint, seller_id bigint, store_id bigint)
returns text[]
language sql
stable
as $$
    -- A room that is null is nobody's.
    select array['product:' || product_id, 'variant:' || variant_id, 'seller:' || seller_id, 'shop_' || store_id]
$$;

create or replace function pgbell.inventory_updated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    -- One thing that is sold and crosses no line by that is what happens most: its former self needs no looking for,
    -- and there is one event. LIMIT 1 keeps the look-up an index probe.
    if not exists (select from new_rows offset 1) then
        insert into pgbell.change (entity, id, op, events, rooms, old, new)
        select case when n.variant_id is null then 'product' else 'variant' end,
               coalesce(n.variant_id, n.product_id),
               'update',
               '{product:stock_changed}',
               pgbell.stock_rooms(n.product_id, n.variant_id, seller_id, store_id),
               jsonb_build_object('available', o.quantity - o.reserved),
               jsonb_build_object('available', n.quantity - n.reserved)
          from old_rows as o
         cross join new_rows as n
          left join lateral (
            select seller_id, store_id from public.products where products.id = n.product_id limit 1
         ) as sold_by on true
         where o.quantity - o.reserved <> n.quantity - n.reserved
           and o.product_id = n.product_id and o.variant_id is not distinct from n.variant_id
           and (o.quantity - o.reserved > 0) = (n.quantity - n.reserved > 0)
           and (o.quantity - o.reserved > coalesce(o.low_stock_threshold, 10))
             = (n.quantity - n.reserved > coalesce(n.low_stock_threshold, 10));

        if found then
            return null;
        end if;
    end if;

    -- A statement that touches very many rows may still have changed only a few: counting is worth it then.
    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'product', '*', 'update', '{product:stock_changed}',
               '{product:*,variant:*,seller:*,shop_*,admin:stock}'
          from old_rows as o full join new_rows as n using (id)
         where (o.product_id, o.variant_id, o.quantity - o.reserved, o.low_stock_threshold)
               is distinct from (n.product_id, n.variant_id, n.quantity - n.reserved, n.low_stock_threshold)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- Rows are paired by what they count, so a row that moves to another product is seen by both. FULL JOIN,
    -- because it can never become a nested loop over ten thousand rows.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select case variant when 0 then 'product' else 'variant' end,
           case variant when 0 then product_id else variant end,
           case when o.available is null then 'insert' when n.available is null then 'delete' else 'update' end,
           case when o.available > 0 and n.available <= 0 then '{product:stock_changed,stock:out}'::text[]
                when o.available <= 0 and n.available > 0 then '{product:stock_changed,stock:restocked}'
                else '{product:stock_changed}'
            end,
           pgbell.stock_rooms(product_id, nullif(variant, 0), seller_id, store_id),
           case when o.available is not null then jsonb_build_object('available', o.available) end,
           case when n.available is not null then jsonb_build_object('available', n.available) end
      from (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available from old_rows) as o
      full join
           (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available from new_rows) as n
     using (product_id, variant)
      left join lateral (
        select seller_id, store_id from public.products where products.id = product_id limit 1
     ) as sold_by on true
     where o.available is distinct from n.available;

    -- What the back office hears too, on the crossing.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select case variant when 0 then 'product' else 'variant' end,
           case variant when 0 then product_id else variant end,
           'update', array[alarm.name], alarm.rooms, alarm.old, alarm.new
      from (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available,
                   coalesce(low_stock_threshold, 10) as threshold
              from old_rows) as o
      full join
           (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available,
                   coalesce(low_stock_threshold, 10) as threshold
              from new_rows) as n using (product_id, variant)
      left join lateral (
        select seller_id, store_id from public.products where products.id = product_id limit 1
     ) as sold_by on true
     cross join lateral (
        select 'stock:low', array['seller:' || seller_id, 'shop_' || store_id, 'admin:stock'],
               jsonb_build_object('available', o.available, 'threshold', o.threshold),
               jsonb_build_object('available', n.available, 'threshold', n.threshold)
         where o.available > o.threshold and n.available <= n.threshold
        union all
        select 'stock:out', array['admin:stock'],
               jsonb_build_object('available', o.available), jsonb_build_object('available', n.available)
         where o.available > 0 and n.available <= 0
     ) as alarm (name, rooms, old, new);
    return null;
end
$$;

create or replace function pgbell.inventory_deleted()
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
        values ('product', '*', 'delete', '{product:stock_changed}', '{product:*,variant:*,seller:*,shop_*}');
        return null;
    end if;

    -- Where the product is gone too, its own product:deleted tells seller and shop.
    insert into pgbell.change (entity, id, op, events, rooms, old)
    select case when variant_id is null then 'product' else 'variant' end,
           coalesce(variant_id, product_id), 'delete', '{product:stock_changed}',
           array['product:' || product_id]
               || case when variant_id is not null then array['variant:' || variant_id] end
               || sold_by.rooms,
           jsonb_build_object('available', quantity - reserved)
      from old_rows
      left join lateral (
        select array['seller:' || seller_id, 'shop_' || store_id]
          from public.products where products.id = product_id limit 1
     ) as sold_by (rooms) on true;
    return null;
end
$$;

create or replace function pgbell.inventory_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('product', '*', 'delete', '{product:stock_changed}', '{product:*,variant:*,seller:*,shop_*}');
    end if;
    return null;
end
$$;

comment on function pgbell.stock_rooms(bigint, bigint, bigint, bigint) is 'Who hears of stock that changed.';
comment on function pgbell.inventory_inserted() is 'Logs stock that came.';
comment on function pgbell.inventory_updated() is 'Logs stock that changed.';
comment on function pgbell.inventory_deleted() is 'Logs stock that went.';
comment on function pgbell.inventory_truncated() is 'Logs that all stock went.';

alter function pgbell.stock_rooms(bigint, bigint, bigint, bigint) owner to pgbell_owner;
alter function pgbell.inventory_inserted() owner to pgbell_owner;
alter function pgbell.inventory_updated() owner to pgbell_owner;
alter function pgbell.inventory_deleted() owner to pgbell_owner;
alter function pgbell.inventory_truncated() owner to pgbell_owner;

revoke all on function pgbell.stock_rooms(bigint, bigint, bigint, bigint) from public;
revoke all on function pgbell.inventory_inserted(), pgbell.inventory_updated(),
                       pgbell.inventory_deleted(), pgbell.inventory_truncated() from public;

create or replace trigger pgbell_inventory_insert
after insert on public.inventory
referencing new table as new_rows
for each statement
execute function pgbell.inventory_inserted();

create or replace trigger pgbell_inventory_update
after update on public.inventory
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.inventory_updated();

create or replace trigger pgbell_inventory_delete
after delete on public.inventory
referencing old table as old_rows
for each statement
execute function pgbell.inventory_deleted();

create or replace trigger pgbell_inventory_truncate
after truncate on public.inventory
for each statement
execute function pgbell.inventory_truncated();
