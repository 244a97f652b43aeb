-- What a seller's dashboard hears besides orders, from public.product_views, public.inventory and time itself.
--
--   analytics:product_viewed                         a product was looked at; one change per product and statement
--   analytics:inventory_alert                        stock falls to its low_stock_threshold (10 where there is none),
--                                                    or to nothing
--   analytics:metrics_updated                        every minute for each row of public.sellers
--
-- Each view writes a row of the log and each seller one a minute, though the daemon passes over those of rooms nobody
-- is in. Views that are deleted or changed tell nothing: nobody waits for the past to be tidied up.
-- Another pace of metrics? It stands in pgbell.metrics_moment(), for sellers that come; for those that are there:
--   update pgbell.schedule set every = '5 minutes' where entity = 'analytics' and what = 'metrics';
-- Other column names? Change them in the select lists. set pgbell.enabled = off silences the triggers. Why things are
-- as they are stands in products.sql.

-- Seller and store are the product's. The owner of the functions may read just that.
grant select (id, seller_id, store_id) on public.products to pgbell_owner;
grant select (id) on public.sellers to pgbell_owner;

create or replace function pgbell.product_views_inserted()
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
        values ('product', '*', 'update', '{analytics:product_viewed}', '{analytics:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'product', product_id, 'update', '{analytics:product_viewed}', array['analytics:' || sold_by.seller_id]
      from (select distinct product_id from new_rows) as viewed
     cross join lateral (
        select seller_id from public.products where products.id = product_id limit 1
     ) as sold_by;
    return null;
end
$$;

create or replace function pgbell.inventory_alerted()
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

    -- What is above its threshold gives no alarm, and that is nearly everything.
    if not exists (select from new_rows
                    where quantity - reserved <= greatest(coalesce(low_stock_threshold, 10), 0)) then
        return null;
    end if;

    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'product', '*', 'update', '{analytics:inventory_alert}', '{analytics:*,admin:metrics}'
          from (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available,
                       coalesce(low_stock_threshold, 10) as threshold
                  from old_rows) as o
          full join
               (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available,
                       coalesce(low_stock_threshold, 10) as threshold
                  from new_rows) as n
         using (product_id, variant)
         where o.available > o.threshold and n.available <= n.threshold
            or o.available > 0 and n.available <= 0
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- Rows are paired by what they count, so a row that moves to another product is seen by both. FULL JOIN, because
    -- it can never become a nested loop over ten thousand rows.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select case variant when 0 then 'product' else 'variant' end,
           case variant when 0 then product_id else variant end,
           'update', '{analytics:inventory_alert}', array['analytics:' || sold_by.seller_id, 'admin:metrics'],
           jsonb_build_object('available', o.available, 'threshold', o.threshold),
           jsonb_build_object('available', n.available, 'threshold', n.threshold)
      from (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available,
                   coalesce(low_stock_threshold, 10) as threshold
              from old_rows) as o
      full join
           (select product_id, coalesce(variant_id, 0) as variant, quantity - reserved as available,
                   coalesce(low_stock_threshold, 10) as threshold
              from new_rows) as n
     using (product_id, variant)
      left join lateral (
        select seller_id from public.products where products.id = product_id limit 1
     ) as sold_by on true
     where o.available > o.threshold and n.available <= n.threshold
        or o.available > 0 and n.available <= 0;
    return null;
end
$$;

-- When the metrics of a seller are looked at next. They are spread over the minute, so that not all come at once.
create or replace function pgbell.metrics_moment(seller_id bigint)
returns table (entity text, id text, what text, due_at timestamptz, every interval, events text[], rooms text[])
language sql
volatile
as $$
    select 'analytics', seller_id::text, 'metrics', now() + random() * interval '1 minute', interval '1 minute',
           '{analytics:metrics_updated}'::text[], array['analytics:' || seller_id, 'admin:metrics']
$$;

create or replace function pgbell.sellers_inserted()
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

    insert into pgbell.schedule (entity, id, what, due_at, every, events, rooms)
    select moment.* from new_rows, pgbell.metrics_moment(new_rows.id) as moment
    on conflict do nothing;
    return null;
end
$$;

create or replace function pgbell.sellers_updated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    -- Only a changed primary key matters: one seller gone and another one come.
    delete from pgbell.schedule
     where ctid = any (array(
           select moment.ctid
             from old_rows as o full join new_rows as n using (id)
            cross join lateral (
               select ctid from pgbell.schedule
                where entity = 'analytics' and schedule.id = o.id::text and what = 'metrics'
               offset 0
            ) as moment
            where n.id is null));

    insert into pgbell.schedule (entity, id, what, due_at, every, events, rooms)
    select moment.*
      from old_rows as o full join new_rows as n using (id), pgbell.metrics_moment(n.id) as moment
     where o.id is null
    on conflict do nothing;
    return null;
end
$$;

create or replace function pgbell.sellers_deleted()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set enable_seqscan = off
as $$
begin
    if current_setting('pgbell.enabled', true) = 'off' then
        return null;
    end if;

    delete from pgbell.schedule
     where ctid = any (array(
           select moment.ctid
             from old_rows as o
            cross join lateral (
               select ctid from pgbell.schedule
                where entity = 'analytics' and schedule.id = o.id::text and what = 'metrics'
               offset 0
            ) as moment));
    return null;
end
$$;

create or replace function pgbell.sellers_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        delete from pgbell.schedule where entity = 'analytics' and what = 'metrics';
    end if;
    return null;
end
$$;

comment on function pgbell.metrics_moment(bigint) is 'When the metrics of a seller are looked at next.';
comment on function pgbell.product_views_inserted() is 'Logs products that were looked at.';
comment on function pgbell.inventory_alerted() is 'Logs stock that ran low or out.';
comment on function pgbell.sellers_inserted() is 'Schedules the metrics of sellers that came.';
comment on function pgbell.sellers_updated() is 'Schedules the metrics of sellers whose key changed.';
comment on function pgbell.sellers_deleted() is 'Forgets the metrics of sellers that went.';
comment on function pgbell.sellers_truncated() is 'Forgets the metrics of all sellers.';

alter function pgbell.metrics_moment(bigint) owner to pgbell_owner;
alter function pgbell.product_views_inserted() owner to pgbell_owner;
alter function pgbell.inventory_alerted() owner to pgbell_owner;
alter function pgbell.sellers_inserted() owner to pgbell_owner;
alter function pgbell.sellers_updated() owner to pgbell_owner;
alter function pgbell.sellers_deleted() owner to pgbell_owner;
alter function pgbell.sellers_truncated() owner to pgbell_owner;

revoke all on function pgbell.metrics_moment(bigint), pgbell.product_views_inserted(),
                       pgbell.inventory_alerted(), pgbell.sellers_inserted(),
                       pgbell.sellers_updated(), pgbell.sellers_deleted(),
                       pgbell.sellers_truncated() from public;

create or replace trigger pgbell_product_views_insert
after insert on public.product_views
referencing new table as new_rows
for each statement
execute function pgbell.product_views_inserted();

create or replace trigger pgbell_analytics_update
after update on public.inventory
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.inventory_alerted();

create or replace trigger pgbell_sellers_insert
after insert on public.sellers
referencing new table as new_rows
for each statement
execute function pgbell.sellers_inserted();

create or replace trigger pgbell_sellers_update
after update on public.sellers
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.sellers_updated();

create or replace trigger pgbell_sellers_delete
after delete on public.sellers
referencing old table as old_rows
for each statement
execute function pgbell.sellers_deleted();

create or replace trigger pgbell_sellers_truncate
after truncate on public.sellers
for each statement
execute function pgbell.sellers_truncated();

-- Sellers that were there before these triggers have metrics, too.
insert into pgbell.schedule (entity, id, what, due_at, every, events, rooms)
select moment.* from public.sellers, pgbell.metrics_moment(sellers.id) as moment
    on conflict do nothing;
