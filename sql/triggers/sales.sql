-- What a change of public.sales tells browsers.
--
--   sale:created, sale:updated, sale:deleted         a sale comes, changes or goes
--   sale:discount_changed                            discount_percent
--   sale:started, sale:ended                         it becomes active or stops being so (starts_at <= now < ends_at)
--   sale:sold_out                                    sold_count reaches stock_limit
--
-- Time changes no row, so starts and ends that lie ahead go to pgbell.schedule; the daemon makes them happen.
-- set pgbell.enabled = off (session, role, database) silences the triggers; asking inside the function is cheaper
-- than a WHEN condition, which every statement has to parse.
-- jit is off because a session keeps the plan of its first statement: a large first one would have every small one
-- after it compiled.
-- Other column names? Change them in the select lists; a new event is a new line.
-- Needed are id, product_id, discount_percent and starts_at. For another column that your table lacks, write null
-- wherever a trigger function or the last statement reads it.

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

-- What one sale will do, and when, seen from now: nothing for moments that have passed.
-- No search_path of its own, so that it melts into the statement that uses it; every caller has pinned one.
create or replace function pgbell.sale_moments(sale_id bigint, product_id bigint, discount_percent numeric,
                                               starts_at timestamptz, ends_at timestamptz)
returns table (id text, what text, due_at timestamptz, events text[], rooms text[], new jsonb)
language sql
stable
as $$
    select sale_id::text, moment.*
      from (values (null)) as nothing
      left join lateral (
        select array['seller:' || seller_id, 'storefront:' || seller_id]
          from public.products where products.id = product_id limit 1
     ) as sold_by (rooms) on true
     cross join lateral (
        select 'start', starts_at, array['sale:started'],
               array['product:' || product_id, 'sale:' || sale_id] || sold_by.rooms,
               jsonb_build_object('discount_percent', discount_percent, 'ends_at', ends_at)
         where starts_at > statement_timestamp() and isfinite(starts_at) and (ends_at is null or ends_at > starts_at)
        union all
        select 'end', ends_at, array['sale:ended'],
               array['product:' || product_id, 'sale:' || sale_id] || sold_by.rooms, null
         where ends_at > statement_timestamp() and isfinite(ends_at) and ends_at > starts_at
     ) as moment (what, due_at, events, rooms, new)
$$;

create or replace function pgbell.sales_inserted()
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

    -- However many there are: what time will do to them cannot be found later. Nothing makes sure that an id is
    -- there once, in partitions for example, and no write may fail for that.
    insert into pgbell.schedule (entity, id, what, due_at, events, rooms, new)
    select distinct on (moment.id, moment.what) 'sale', moment.*
      from new_rows as n,
           pgbell.sale_moments(n.id, n.product_id, n.discount_percent, n.starts_at, n.ends_at) as moment
     order by moment.id, moment.what, moment.due_at
    on conflict (entity, id, what) do update
       set (due_at, events, rooms, old, new) = (excluded.due_at, excluded.events, excluded.rooms, null, excluded.new);

    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('sale', '*', 'insert', '{sale:created}', '{product:*,sale:*,seller:*,storefront:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'sale', n.id, 'insert', array[event.name],
           array['product:' || n.product_id, 'sale:' || n.id] || sold_by.rooms, event.new
      from new_rows as n
      left join lateral (
        select array['seller:' || seller_id, 'storefront:' || seller_id]
          from public.products where products.id = n.product_id limit 1
     ) as sold_by (rooms) on true
     cross join lateral (
        select 'sale:created', jsonb_build_object('discount_percent', n.discount_percent,
                                                  'starts_at', n.starts_at, 'ends_at', n.ends_at)
        union all
        select 'sale:started', jsonb_build_object('discount_percent', n.discount_percent, 'ends_at', n.ends_at)
         where n.starts_at <= statement_timestamp() and (n.ends_at is null or statement_timestamp() < n.ends_at)
     ) as event (name, new);
    return null;
end
$$;

create or replace function pgbell.sales_updated()
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

    -- Counting what is sold moves no moment, and is by far the most frequent update.
    if exists (select from old_rows as o full join new_rows as n using (id)
                where (o.product_id, o.discount_percent, o.starts_at, o.ends_at)
                      is distinct from (n.product_id, n.discount_percent, n.starts_at, n.ends_at)) then
        -- A moment that is due has really come: it stays until the daemon has announced it.
        -- The look-up by ctid is one index probe per sale, whatever the session's plan was made for. COALESCE keeps
        -- it off the index on due_at, and enable_seqscan = off keeps it off a table that was small then.
        delete from pgbell.schedule
         where ctid = any (array(
               select moment.ctid
                 from old_rows as o full join new_rows as n using (id)
                cross join lateral (
                   select ctid from pgbell.schedule
                    where entity = 'sale' and schedule.id = o.id::text and coalesce(due_at > statement_timestamp(), false)
                   offset 0
                ) as moment
                where (o.product_id, o.discount_percent, o.starts_at, o.ends_at)
                      is distinct from (n.product_id, n.discount_percent, n.starts_at, n.ends_at)));

        -- Where two foreign keys of a sale follow one statement, new_rows holds it twice, one step after the other.
        insert into pgbell.schedule (entity, id, what, due_at, events, rooms, new)
        select distinct on (moment.id, moment.what) 'sale', moment.*
          from old_rows as o full join (select *, row_number() over () as step from new_rows) as n using (id),
               pgbell.sale_moments(n.id, n.product_id, n.discount_percent, n.starts_at, n.ends_at) as moment
         where (o.product_id, o.discount_percent, o.starts_at, o.ends_at)
               is distinct from (n.product_id, n.discount_percent, n.starts_at, n.ends_at)
         order by moment.id, moment.what, n.step desc
        on conflict (entity, id, what) do update
           set (due_at, events, rooms, old, new) = (excluded.due_at, excluded.events, excluded.rooms, null, excluded.new);
    end if;

    -- A statement that touches very many rows may still have changed only a few: counting is worth it then.
    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'sale', '*', 'update', '{sale:updated}', '{product:*,sale:*,seller:*,storefront:*}'
          from old_rows as o full join new_rows as n using (id)
         where (o.product_id, o.discount_percent, o.starts_at, o.ends_at, o.stock_limit, o.sold_count)
               is distinct from (n.product_id, n.discount_percent, n.starts_at, n.ends_at, n.stock_limit, n.sold_count)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one sale gone and another one come, and because a plan
    -- that the session made for one row can then never become a nested loop over ten thousand.
    -- LIMIT 1 keeps the look-ups an index probe per row, for the same reason.
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
              from old_rows) as o
      full join
           (select *, jsonb_build_object('discount_percent', discount_percent,
                                         'starts_at', starts_at, 'ends_at', ends_at) as terms,
                   starts_at <= statement_timestamp()
                       and (ends_at is null or statement_timestamp() < ends_at) as active,
                   sold_count >= stock_limit and stock_limit is not null as sold_out
              from new_rows) as n using (id)
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
    return null;
end
$$;

create or replace function pgbell.sales_deleted()
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

    -- What is due the daemon may be taking right now, and to delete it too would fail a repeatable read transaction.
    delete from pgbell.schedule
     where ctid = any (array(
           select moment.ctid
             from old_rows as o
            cross join lateral (
               select ctid from pgbell.schedule
                where entity = 'sale' and schedule.id = o.id::text and coalesce(due_at > statement_timestamp(), false)
               offset 0
            ) as moment));

    if exists (select from old_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('sale', '*', 'delete', '{sale:deleted}', '{product:*,sale:*,seller:*,storefront:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, old)
    select 'sale', o.id, 'delete', array[event.name],
           array['product:' || o.product_id, 'sale:' || o.id] || sold_by.rooms, event.old
      from old_rows as o
      left join lateral (
        select array['seller:' || seller_id, 'storefront:' || seller_id]
          from public.products where products.id = o.product_id limit 1
     ) as sold_by (rooms) on true
     cross join lateral (
        select 'sale:deleted', jsonb_build_object('discount_percent', o.discount_percent,
                                                  'starts_at', o.starts_at, 'ends_at', o.ends_at)
        union all
        select 'sale:ended', null
         where o.starts_at <= statement_timestamp() and (o.ends_at is null or statement_timestamp() < o.ends_at)
     ) as event (name, old);
    return null;
end
$$;

create or replace function pgbell.sales_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        delete from pgbell.schedule where entity = 'sale' and due_at > statement_timestamp();
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('sale', '*', 'delete', '{sale:deleted}', '{product:*,sale:*,seller:*,storefront:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.sale_moments(bigint, bigint, numeric, timestamptz, timestamptz)
    is 'Starts and ends that lie ahead of one sale.';
comment on function pgbell.sales_inserted() is 'Logs sales that came.';
comment on function pgbell.sales_updated() is 'Logs sales that changed.';
comment on function pgbell.sales_deleted() is 'Logs sales that went.';
comment on function pgbell.sales_truncated() is 'Logs that all sales went.';

alter function pgbell.sale_moments(bigint, bigint, numeric, timestamptz, timestamptz) owner to pgbell_owner;
alter function pgbell.sales_inserted() owner to pgbell_owner;
alter function pgbell.sales_updated() owner to pgbell_owner;
alter function pgbell.sales_deleted() owner to pgbell_owner;
alter function pgbell.sales_truncated() owner to pgbell_owner;

revoke all on function pgbell.sale_moments(bigint, bigint, numeric, timestamptz, timestamptz) from public;
revoke all on function pgbell.sales_inserted(), pgbell.sales_updated(),
                       pgbell.sales_deleted(), pgbell.sales_truncated() from public;

create or replace trigger pgbell_sales_insert
after insert on public.sales
referencing new table as new_rows
for each statement
execute function pgbell.sales_inserted();

create or replace trigger pgbell_sales_update
after update on public.sales
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.sales_updated();

create or replace trigger pgbell_sales_delete
after delete on public.sales
referencing old table as old_rows
for each statement
execute function pgbell.sales_deleted();

create or replace trigger pgbell_sales_truncate
after truncate on public.sales
for each statement
execute function pgbell.sales_truncated();

-- Sales that were there before these triggers have moments ahead of them, too. Writers wait meanwhile if the triggers
-- are new, so what is over is passed over first.
insert into pgbell.schedule (entity, id, what, due_at, events, rooms, new)
select 'sale', moment.*
  from public.sales,
       pgbell.sale_moments(sales.id, sales.product_id, sales.discount_percent, sales.starts_at, sales.ends_at) as moment
 where greatest(sales.starts_at, sales.ends_at) > statement_timestamp()
    on conflict do nothing;
