-- What a change of public.orders tells browsers.
--
--   order:created                                    an order comes
--   order:status_changed                             status, and with it order:completed, order:cancelled,
--                                                    order:shipped, order:refunded where that is the new one
--   order:payment_changed                            payment_status
--   order:updated                                    any other column, of which shops hear only where an order moves;
--                                                    or the order is gone (op delete), of which all of them hear
--   analytics:sale_completed, analytics:revenue_updated
--                                                    status becomes completed, or payment_status paid
--
-- Analytics is about the seller: entity analytics, id the seller's.
-- set pgbell.enabled = off (session, role, database) silences the triggers; asking inside the function is cheaper
-- than a WHEN condition, which every statement has to parse.
-- jit is off because a session keeps the plan of its first statement: a large first one would have every small one
-- after it compiled.
-- Other column names? Change them in the select lists; a new event is a new line.
-- Needed are id, user_id, seller_id, store_id and status. For another column that your table lacks, write null wherever
-- a function reads it, or delete the event.

create or replace function pgbell.orders_inserted()
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
        values ('order', '*', 'insert', '{order:created}',
                '{order:*,user:*,seller:*,shop_*,analytics:*,admin:orders,admin:metrics}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select event.entity, event.id, event.op, array[event.name], event.rooms, event.new
      from new_rows as n
     cross join lateral (
        select 'order', n.id, 'insert', 'order:created',
               array['order:' || n.id, 'user:' || n.user_id, 'seller:' || n.seller_id, 'shop_' || n.store_id, 'admin:orders'],
               jsonb_build_object('order_number', n.order_number, 'status', n.status, 'total', n.total)
        union all
        select 'analytics', n.seller_id, 'update', 'analytics:sale_completed',
               array['analytics:' || n.seller_id, 'admin:metrics'], jsonb_build_object('total', n.total)
         where n.status = 'completed' or n.payment_status = 'paid'
        union all
        select 'analytics', n.seller_id, 'update', 'analytics:revenue_updated',
               array['analytics:' || n.seller_id, 'admin:metrics'], jsonb_build_object('total', n.total)
         where n.status = 'completed' or n.payment_status = 'paid'
     ) as event (entity, id, op, name, rooms, new);
    return null;
end
$$;

create or replace function pgbell.orders_updated()
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
        select 'order', '*', 'update', '{order:updated}',
               '{order:*,user:*,seller:*,shop_*,analytics:*,admin:orders,admin:metrics}'
          from old_rows as o full join new_rows as n using (id)
         where (o.status, o.payment_status, o.order_number, o.user_id, o.seller_id, o.store_id,
                o.total, o.tracking_number, o.note)
               is distinct from
               (n.status, n.payment_status, n.order_number, n.user_id, n.seller_id, n.store_id,
                n.total, n.tracking_number, n.note)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one order gone and another one come, and because a plan
    -- that the session made for one row can then never become a nested loop over ten thousand.
    -- OFFSET 0 has the rooms put together once per row, and not once per event.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select event.entity, event.id, case event.entity when 'order' then change.op else 'update' end,
           array[event.name], event.rooms, event.old, event.new
      from old_rows as o full join new_rows as n using (id)
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
         where change.op = 'update'
           and (n.status = 'completed' and o.status is distinct from n.status
                or n.payment_status = 'paid' and o.payment_status is distinct from n.payment_status)
        union all
        select 'analytics', n.seller_id, 'analytics:revenue_updated', metrics,
               null, jsonb_build_object('total', n.total)
         where change.op = 'update'
           and (n.status = 'completed' and o.status is distinct from n.status
                or n.payment_status = 'paid' and o.payment_status is distinct from n.payment_status)
     ) as event (entity, id, name, rooms, old, new);
    return null;
end
$$;

create or replace function pgbell.orders_deleted()
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
        values ('order', '*', 'delete', '{order:updated}', '{order:*,user:*,seller:*,shop_*,admin:orders}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'order', id, 'delete', '{order:updated}',
           array['order:' || id, 'user:' || user_id, 'seller:' || seller_id, 'shop_' || store_id, 'admin:orders']
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.orders_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('order', '*', 'delete', '{order:updated}',
                '{order:*,user:*,seller:*,shop_*,analytics:*,admin:orders,admin:metrics}');
    end if;
    return null;
end
$$;

comment on function pgbell.orders_inserted() is 'Logs orders that came.';
comment on function pgbell.orders_updated() is 'Logs orders that changed.';
comment on function pgbell.orders_deleted() is 'Logs orders that went.';
comment on function pgbell.orders_truncated() is 'Logs that all orders went.';

alter function pgbell.orders_inserted() owner to pgbell_owner;
alter function pgbell.orders_updated() owner to pgbell_owner;
alter function pgbell.orders_deleted() owner to pgbell_owner;
alter function pgbell.orders_truncated() owner to pgbell_owner;

revoke all on function pgbell.orders_inserted(), pgbell.orders_updated(),
                       pgbell.orders_deleted(), pgbell.orders_truncated() from public;

create or replace trigger pgbell_orders_insert
after insert on public.orders
referencing new table as new_rows
for each statement
execute function pgbell.orders_inserted();

create or replace trigger pgbell_orders_update
after update on public.orders
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.orders_updated();

create or replace trigger pgbell_orders_delete
after delete on public.orders
referencing old table as old_rows
for each statement
execute function pgbell.orders_deleted();

create or replace trigger pgbell_orders_truncate
after truncate on public.orders
for each statement
execute function pgbell.orders_truncated();
