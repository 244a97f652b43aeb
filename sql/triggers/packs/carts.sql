-- What a change of public.carts and public.cart_items tells browsers: the other devices of the same user.
--
--   cart:updated                                     an item comes, changes or goes; the cart comes, goes or
--                                                    is handed to another user
--
-- One change per cart and statement, however many items it touches. A cart that belongs to nobody yet tells nobody.
-- Other column names? Change them in the select lists. set pgbell.enabled = off silences the triggers. Why things are
-- as they are stands in products.sql.

-- The owner of the functions may read just that.
grant select (id, user_id) on public.carts to pgbell_owner;

create or replace function pgbell.carts_inserted()
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
        values ('cart', '*', 'insert', '{cart:updated}', '{cart:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'cart', id, 'insert', '{cart:updated}', array['cart:' || user_id]
      from new_rows
     where user_id is not null;
    return null;
end
$$;

create or replace function pgbell.carts_updated()
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
        select 'cart', '*', 'update', '{cart:updated}', '{cart:*}'
          from old_rows as o full join new_rows as n using (id)
         where o.user_id is distinct from n.user_id
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'cart', id,
           case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
           '{cart:updated}', array_remove(array['cart:' || o.user_id, 'cart:' || n.user_id], null)
      from old_rows as o full join new_rows as n using (id)
     where o.user_id is distinct from n.user_id;
    return null;
end
$$;

-- A cart that is deleted takes its items along; they cannot find its user any more, so this tells for them.
create or replace function pgbell.carts_deleted()
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
        values ('cart', '*', 'delete', '{cart:updated}', '{cart:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'cart', id, 'delete', '{cart:updated}', array['cart:' || user_id]
      from old_rows
     where user_id is not null;
    return null;
end
$$;

-- For both tables.
create or replace function pgbell.carts_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('cart', '*', 'delete', '{cart:updated}', '{cart:*}');
    end if;
    return null;
end
$$;

create or replace function pgbell.cart_items_inserted()
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
        values ('cart', '*', 'update', '{cart:updated}', '{cart:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'cart', touched.cart_id, 'update', '{cart:updated}', array['cart:' || owner.user_id]
      from (select distinct cart_id from new_rows) as touched
     cross join lateral (
        select user_id from public.carts where carts.id = touched.cart_id limit 1
     ) as owner
     where owner.user_id is not null;
    return null;
end
$$;

create or replace function pgbell.cart_items_updated()
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
        select 'cart', '*', 'update', '{cart:updated}', '{cart:*}'
          from old_rows as o full join new_rows as n using (id)
         where (o.cart_id, o.product_id, o.variant_id, o.quantity)
               is distinct from (n.cart_id, n.product_id, n.variant_id, n.quantity)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- An item that moves to another cart changes both.
    insert into pgbell.change (entity, id, op, events, rooms)
    select 'cart', touched.cart_id, 'update', '{cart:updated}', array['cart:' || owner.user_id]
      from (select distinct cart.cart_id
              from old_rows as o full join new_rows as n using (id)
             cross join lateral (values (o.cart_id), (n.cart_id)) as cart (cart_id)
             where (o.cart_id, o.product_id, o.variant_id, o.quantity)
                   is distinct from (n.cart_id, n.product_id, n.variant_id, n.quantity)) as touched
     cross join lateral (
        select user_id from public.carts where carts.id = touched.cart_id limit 1
     ) as owner
     where owner.user_id is not null;
    return null;
end
$$;

create or replace function pgbell.cart_items_deleted()
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
        values ('cart', '*', 'update', '{cart:updated}', '{cart:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'cart', touched.cart_id, 'update', '{cart:updated}', array['cart:' || owner.user_id]
      from (select distinct cart_id from old_rows) as touched
     cross join lateral (
        select user_id from public.carts where carts.id = touched.cart_id limit 1
     ) as owner
     where owner.user_id is not null;
    return null;
end
$$;
comment on function pgbell.carts_inserted() is 'Logs carts that came.';
comment on function pgbell.carts_updated() is 'Logs carts that got another user.';
comment on function pgbell.carts_deleted() is 'Logs carts that went.';
comment on function pgbell.carts_truncated() is 'Logs that all carts went, or all items.';
comment on function pgbell.cart_items_inserted() is 'Logs carts that got items.';
comment on function pgbell.cart_items_updated() is 'Logs carts whose items changed.';
comment on function pgbell.cart_items_deleted() is 'Logs carts that lost items.';

alter function pgbell.carts_inserted() owner to pgbell_owner;
alter function pgbell.carts_updated() owner to pgbell_owner;
alter function pgbell.carts_deleted() owner to pgbell_owner;
alter function pgbell.carts_truncated() owner to pgbell_owner;
alter function pgbell.cart_items_inserted() owner to pgbell_owner;
alter function pgbell.cart_items_updated() owner to pgbell_owner;
alter function pgbell.cart_items_deleted() owner to pgbell_owner;

revoke all on function pgbell.carts_inserted(), pgbell.carts_updated(),
                       pgbell.carts_deleted(), pgbell.carts_truncated(),
                       pgbell.cart_items_inserted(), pgbell.cart_items_updated(),
                       pgbell.cart_items_deleted() from public;

create or replace trigger pgbell_carts_insert
after insert on public.carts
referencing new table as new_rows
for each statement
execute function pgbell.carts_inserted();

create or replace trigger pgbell_carts_update
after update on public.carts
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.carts_updated();

create or replace trigger pgbell_carts_delete
after delete on public.carts
referencing old table as old_rows
for each statement
execute function pgbell.carts_deleted();

create or replace trigger pgbell_carts_truncate
after truncate on public.carts
for each statement
execute function pgbell.carts_truncated();

create or replace trigger pgbell_cart_items_insert
after insert on public.cart_items
referencing new table as new_rows
for each statement
execute function pgbell.cart_items_inserted();

create or replace trigger pgbell_cart_items_update
after update on public.cart_items
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.cart_items_updated();

create or replace trigger pgbell_cart_items_delete
after delete on public.cart_items
referencing old table as old_rows
for each statement
execute function pgbell.cart_items_deleted();

create or replace trigger pgbell_cart_items_truncate
after truncate on public.cart_items
for each statement
execute function pgbell.carts_truncated();
