-- What a change of public.orders that logical replication applied here tells browsers: what orders.sql tells of
-- writes made here. It needs that file, too.
--
-- Applied rows fire no statement triggers, so this one fires for each row. It is enabled for replicas only: applied rows
-- fire it, local writes do not. The rows of one transaction beyond pgbell.bulk_limit are told as one resync.

create or replace function pgbell.orders_applied()
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

    if current_setting('pgbell.applied_order', true) = 'many' then
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select event.entity, event.id, case event.entity when 'order' then change.op else 'update' end,
           array[event.name], event.rooms, event.old, event.new
      from (select old.* where tg_op <> 'INSERT') as o
      full join (select new.* where tg_op <> 'DELETE') as n using (id)
     cross join lateral (
        select case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
               array['order:' || id, 'user:' || coalesce(n.user_id, o.user_id), 'seller:' || coalesce(n.seller_id, o.seller_id)]
                   -- Whose it was before hears that it has moved away.
                   || case when o.user_id <> n.user_id then array['user:' || o.user_id] end
                   || case when o.seller_id <> n.seller_id then array['seller:' || o.seller_id] end as people,
               array['shop_' || n.store_id]
                   || case when o.store_id <> n.store_id or n.store_id is null then array['shop_' || o.store_id] end as shop,
               array['analytics:' || n.seller_id, 'admin:metrics'] as metrics,
               jsonb_build_object('status', o.status, 'tracking_number', o.tracking_number) as old_status,
               jsonb_build_object('status', n.status, 'tracking_number', n.tracking_number) as new_status
        offset 0
     ) as change (op, people, shop, metrics, old_status, new_status)
     cross join lateral (
        select 'order', id, 'order:created', people || shop || array['admin:orders'],
               null::jsonb, jsonb_build_object('order_number', n.order_number, 'status', n.status, 'total', n.total)
         where change.op = 'insert'
        union all
        select 'order', id, 'order:status_changed', people || shop || array['admin:orders'], old_status, new_status
         where change.op = 'update' and o.status is distinct from n.status
        union all
        select 'order', id, 'order:' || n.status, people || shop || array['admin:orders'], old_status, new_status
         where change.op = 'update' and o.status is distinct from n.status
           and n.status in ('completed', 'cancelled', 'shipped', 'refunded')
        union all
        select 'order', id, 'order:payment_changed', people || array['admin:orders'],
               jsonb_build_object('payment_status', o.payment_status),
               jsonb_build_object('payment_status', n.payment_status)
         where change.op = 'update' and o.payment_status is distinct from n.payment_status
        union all
        select 'order', id, 'order:updated',
               people
                   || case when o.store_id is distinct from n.store_id or change.op = 'delete' then shop end
                   || case when change.op = 'delete' then array['admin:orders'] end,
               null, null
         where change.op = 'delete'
            or change.op = 'update'
               and (o.order_number, o.user_id, o.seller_id, o.store_id, o.total, o.tracking_number, o.note)
                   is distinct from (n.order_number, n.user_id, n.seller_id, n.store_id, n.total, n.tracking_number, n.note)
        union all
        select 'analytics', n.seller_id, 'analytics:sale_completed', metrics,
               null, jsonb_build_object('total', n.total)
         where (change.op = 'update' or tg_op = 'INSERT')
           and (n.status = 'completed' and o.status is distinct from n.status
                or n.payment_status = 'paid' and o.payment_status is distinct from n.payment_status)
        union all
        select 'analytics', n.seller_id, 'analytics:revenue_updated', metrics,
               null, jsonb_build_object('total', n.total)
         where (change.op = 'update' or tg_op = 'INSERT')
           and (n.status = 'completed' and o.status is distinct from n.status
                or n.payment_status = 'paid' and o.payment_status is distinct from n.payment_status)
     ) as event (entity, id, name, rooms, old, new);

    if found and pgbell.applied('order') then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('order', '*', 'update', '{order:updated}',
                '{order:*,user:*,seller:*,shop_*,analytics:*,admin:orders,admin:metrics}');
    end if;
    return null;
end
$$;

comment on function pgbell.orders_applied() is 'Logs orders that logical replication changed.';

alter function pgbell.orders_applied() owner to pgbell_owner;

revoke all on function pgbell.orders_applied() from public;

create or replace trigger pgbell_orders_applied
after insert or update or delete on public.orders
for each row
execute function pgbell.orders_applied();

create or replace trigger pgbell_orders_applied_truncate
after truncate on public.orders
for each statement
execute function pgbell.orders_truncated();

alter table public.orders
    enable replica trigger pgbell_orders_applied,
    enable replica trigger pgbell_orders_applied_truncate;
