-- What a change of public.sales that logical replication applied here tells browsers: what sales.sql tells of
-- writes made here. It needs that file, too.
--
-- Applied rows fire no statement triggers, so this one fires for each row. It is enabled for replicas only: applied rows
-- fire it, local writes do not. The rows of one transaction beyond pgbell.bulk_limit are told as one resync.

create or replace function pgbell.sales_applied()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = on
set jit = off
set enable_seqscan = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    -- A moment that is due has really come: it stays until the daemon has announced it.
    if (old.id, old.product_id, old.discount_percent, old.starts_at, old.ends_at)
       is distinct from (new.id, new.product_id, new.discount_percent, new.starts_at, new.ends_at) then
        delete from pgbell.schedule
         where entity = 'sale' and id = old.id::text and (tg_op = 'DELETE' or due_at > statement_timestamp());

        insert into pgbell.schedule (entity, id, what, due_at, events, rooms, new)
        select 'sale', moment.*
          from pgbell.sale_moments(new.id, new.product_id, new.discount_percent, new.starts_at, new.ends_at) as moment
        on conflict (entity, id, what) do update
           set (due_at, events, rooms, old, new) = (excluded.due_at, excluded.events, excluded.rooms, null, excluded.new);
    end if;

    if current_setting('pgbell.applied_sale', true) = 'many' then
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'sale', id,
           case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
           array[event.name],
           array['product:' || coalesce(n.product_id, o.product_id), 'sale:' || id] || sold_by.rooms
               || case when o.product_id <> n.product_id then array['product:' || o.product_id] end || sold_before.rooms,
           event.old, event.new
      from (select *, jsonb_build_object('discount_percent', discount_percent,
                                         'starts_at', starts_at, 'ends_at', ends_at) as terms,
                   starts_at <= statement_timestamp()
                       and (ends_at is null or statement_timestamp() < ends_at) as active,
                   sold_count >= stock_limit and stock_limit is not null as sold_out
              from (select old.*) as applied
             where tg_op <> 'INSERT') as o
      full join
           (select *, jsonb_build_object('discount_percent', discount_percent,
                                         'starts_at', starts_at, 'ends_at', ends_at) as terms,
                   starts_at <= statement_timestamp()
                       and (ends_at is null or statement_timestamp() < ends_at) as active,
                   sold_count >= stock_limit and stock_limit is not null as sold_out
              from (select new.*) as applied
             where tg_op <> 'DELETE') as n using (id)
      left join lateral (
        select array['seller:' || seller_id, 'storefront:' || seller_id]
          from public.products where products.id = coalesce(n.product_id, o.product_id) limit 1
     ) as sold_by (rooms) on true
      left join lateral (
        select array['seller:' || seller_id, 'storefront:' || seller_id]
          from public.products where products.id = o.product_id and o.product_id <> n.product_id limit 1
     ) as sold_before (rooms) on true
     cross join lateral (
        select 'sale:created', null::jsonb, n.terms
         where o.id is null
        union all
        select 'sale:deleted', o.terms, null
         where n.id is null
        union all
        select 'sale:updated', o.terms, n.terms
         where o.id is not null and n.id is not null
           and (o.product_id, o.discount_percent, o.starts_at, o.ends_at, o.stock_limit, o.sold_count)
               is distinct from (n.product_id, n.discount_percent, n.starts_at, n.ends_at, n.stock_limit, n.sold_count)
        union all
        select 'sale:discount_changed', jsonb_build_object('discount_percent', o.discount_percent),
               jsonb_build_object('discount_percent', n.discount_percent)
         where o.discount_percent <> n.discount_percent
        union all
        select 'sale:started', null, jsonb_build_object('discount_percent', n.discount_percent, 'ends_at', n.ends_at)
         where n.active and o.active is not true
        union all
        select 'sale:ended', null, null
         where o.active and n.active is not true
        union all
        select 'sale:sold_out', null, null
         where n.sold_out and not o.sold_out
     ) as event (name, old, new);

    if found and pgbell.applied('sale') then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('sale', '*', 'update', '{sale:updated}', '{product:*,sale:*,seller:*,storefront:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.sales_applied() is 'Logs sales that logical replication changed.';

alter function pgbell.sales_applied() owner to pgbell_owner;

revoke all on function pgbell.sales_applied() from public;

create or replace trigger pgbell_sales_applied
after insert or update or delete on public.sales
for each row
execute function pgbell.sales_applied();

create or replace trigger pgbell_sales_applied_truncate
after truncate on public.sales
for each statement
execute function pgbell.sales_truncated();

alter table public.sales
    enable replica trigger pgbell_sales_applied,
    enable replica trigger pgbell_sales_applied_truncate;
