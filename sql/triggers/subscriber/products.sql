-- What a change of public.products that logical replication applied here tells browsers: what products.sql tells of
-- writes made here. It needs that file, too.
--
-- Applied rows fire no statement triggers, so this one fires for each row. It is enabled for replicas only: applied rows
-- fire it, local writes do not. The rows of one transaction beyond pgbell.bulk_limit are told as one resync.

create or replace function pgbell.products_applied()
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

    -- What is scheduled for a product, such as the start of its sale, follows it to another seller.
    if tg_op = 'UPDATE' and old.seller_id <> new.seller_id then
        update pgbell.schedule
           set rooms = array_replace(array_replace(rooms, 'seller:' || old.seller_id, 'seller:' || new.seller_id),
                                     'storefront:' || old.seller_id, 'storefront:' || new.seller_id)
         where 'product:' || old.id = any (rooms);
    end if;

    if current_setting('pgbell.applied_product', true) = 'many' then
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'product', id, change.op, array[event.name], event.rooms, event.old, event.new
      from (select old.* where tg_op <> 'INSERT') as o
      full join (select new.* where tg_op <> 'DELETE') as n using (id)
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

    if found and pgbell.applied('product') then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('product', '*', 'update', '{product:updated}', '{product:*,seller:*,storefront:*,store:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.products_applied() is 'Logs products that logical replication changed.';

alter function pgbell.products_applied() owner to pgbell_owner;

revoke all on function pgbell.products_applied() from public;

create or replace trigger pgbell_products_applied
after insert or update or delete on public.products
for each row
execute function pgbell.products_applied();

create or replace trigger pgbell_products_applied_truncate
after truncate on public.products
for each statement
execute function pgbell.products_truncated();

alter table public.products
    enable replica trigger pgbell_products_applied,
    enable replica trigger pgbell_products_applied_truncate;
