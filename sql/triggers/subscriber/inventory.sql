-- What a change of public.inventory that logical replication applied here tells browsers: what inventory.sql tells of
-- writes made here. It needs that file, too.
--
-- Applied rows fire no statement triggers, so this one fires for each row. It is enabled for replicas only: applied rows
-- fire it, local writes do not. The rows of one transaction beyond pgbell.bulk_limit are told as one resync.

create or replace function pgbell.inventory_applied()
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

    if current_setting('pgbell.applied_stock', true) = 'many' then
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select case variant when 0 then 'product' else 'variant' end,
           case variant when 0 then product_id else variant end,
           case when o.available is null then 'insert' when n.available is null then 'delete' else 'update' end,
           event.names, event.rooms, event.old, event.new
      from (select old.product_id, coalesce(old.variant_id, 0) as variant, old.quantity - old.reserved as available,
                   coalesce(old.low_stock_threshold, 10) as threshold
             where tg_op <> 'INSERT') as o
      full join
           (select new.product_id, coalesce(new.variant_id, 0) as variant, new.quantity - new.reserved as available,
                   coalesce(new.low_stock_threshold, 10) as threshold
             where tg_op <> 'DELETE') as n using (product_id, variant)
      left join lateral (
        select seller_id, store_id from public.products where products.id = product_id limit 1
     ) as sold_by on true
     cross join lateral (
        select case when o.available > 0 and n.available <= 0 then '{product:stock_changed,stock:out}'::text[]
                    when o.available <= 0 and n.available > 0 then '{product:stock_changed,stock:restocked}'
                    else '{product:stock_changed}'
                end,
               pgbell.stock_rooms(product_id, nullif(variant, 0), seller_id, store_id),
               case when o.available is not null then jsonb_build_object('available', o.available) end,
               case when n.available is not null then jsonb_build_object('available', n.available) end
         where o.available is distinct from n.available
        union all
        select '{stock:low}', array['seller:' || seller_id, 'shop_' || store_id, 'admin:stock'],
               jsonb_build_object('available', o.available, 'threshold', o.threshold),
               jsonb_build_object('available', n.available, 'threshold', n.threshold)
         where o.available > o.threshold and n.available <= n.threshold
        union all
        select '{stock:out}', array['admin:stock'],
               jsonb_build_object('available', o.available), jsonb_build_object('available', n.available)
         where o.available > 0 and n.available <= 0
     ) as event (names, rooms, old, new);

    if found and pgbell.applied('stock') then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('product', '*', 'update', '{product:stock_changed}',
                '{product:*,variant:*,seller:*,shop_*,admin:stock}');
    end if;
    return null;
end
$$;

comment on function pgbell.inventory_applied() is 'Logs inventory that logical replication changed.';

alter function pgbell.inventory_applied() owner to pgbell_owner;

revoke all on function pgbell.inventory_applied() from public;

create or replace trigger pgbell_inventory_applied
after insert or update or delete on public.inventory
for each row
execute function pgbell.inventory_applied();

create or replace trigger pgbell_inventory_applied_truncate
after truncate on public.inventory
for each statement
execute function pgbell.inventory_truncated();

alter table public.inventory
    enable replica trigger pgbell_inventory_applied,
    enable replica trigger pgbell_inventory_applied_truncate;
