-- What a change of public.wholesale_invitations and public.wholesale_orders tells browsers.
--
--   wholesale:invitation_sent                        an invitation comes, is changed (op update) or withdrawn (delete)
--   wholesale:invitation_accepted, wholesale:invitation_rejected
--                                                    its status becomes so
--   wholesale:order_placed                           an order comes
--   wholesale:order_updated                          status, total, tracking_number, note, seller or buyer; a payment
--                                                    is taken back; or the order is gone (op delete)
--   wholesale:deposit_paid, wholesale:balance_paid   deposit_paid_at, balance_paid_at is set
--   wholesale:order_shipped                          its status becomes so
--
-- Told to the seller and to the buyer, and where one of them changes, to the former one too: without values then.
-- Other column names? Change them in the select lists; a new event is a new line. set pgbell.enabled = off silences
-- the triggers. Why things are as they are stands in products.sql.

create or replace function pgbell.wholesale_invitations_inserted()
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
        values ('wholesale_invitation', '*', 'insert', '{wholesale:invitation_sent}', '{seller:*,user:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'wholesale_invitation', id, 'insert', '{wholesale:invitation_sent}',
           array['seller:' || seller_id, 'user:' || buyer_id], jsonb_build_object('status', status)
      from new_rows;
    return null;
end
$$;

create or replace function pgbell.wholesale_invitations_updated()
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
        select 'wholesale_invitation', '*', 'update', '{wholesale:invitation_sent}', '{seller:*,user:*}'
          from old_rows as o full join new_rows as n using (id)
         where (o.seller_id, o.buyer_id, o.status, o.message)
               is distinct from (n.seller_id, n.buyer_id, n.status, n.message)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one invitation gone and another one come.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'wholesale_invitation', id, change.op, array[event.name], change.people,
           case when not moved then jsonb_build_object('status', o.status) end,
           case when not moved then jsonb_build_object('status', n.status) end
      from old_rows as o full join new_rows as n using (id)
     cross join lateral (
        select case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
               array['seller:' || coalesce(n.seller_id, o.seller_id), 'user:' || coalesce(n.buyer_id, o.buyer_id)]
                   || case when o.seller_id <> n.seller_id then array['seller:' || o.seller_id] end
                   || case when o.buyer_id <> n.buyer_id then array['user:' || o.buyer_id] end,
               (o.seller_id, o.buyer_id) is distinct from (n.seller_id, n.buyer_id)
        offset 0
     ) as change (op, people, moved)
     cross join lateral (
        select 'wholesale:invitation_accepted'
         where change.op = 'update' and o.status is distinct from n.status and n.status = 'accepted'
        union all
        select 'wholesale:invitation_rejected'
         where change.op = 'update' and o.status is distinct from n.status and n.status = 'rejected'
        union all
        select 'wholesale:invitation_sent'
         where change.op <> 'update' or moved or o.message is distinct from n.message
            or o.status is distinct from n.status and coalesce(n.status, '') not in ('accepted', 'rejected')
     ) as event (name);
    return null;
end
$$;

create or replace function pgbell.wholesale_invitations_deleted()
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
        values ('wholesale_invitation', '*', 'delete', '{wholesale:invitation_sent}', '{seller:*,user:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'wholesale_invitation', id, 'delete', '{wholesale:invitation_sent}',
           array['seller:' || seller_id, 'user:' || buyer_id]
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.wholesale_invitations_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('wholesale_invitation', '*', 'delete', '{wholesale:invitation_sent}', '{seller:*,user:*}');
    end if;
    return null;
end
$$;

create or replace function pgbell.wholesale_orders_inserted()
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
        values ('wholesale_order', '*', 'insert', '{wholesale:order_placed}', '{seller:*,user:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'wholesale_order', id, 'insert', array[event.name],
           array['seller:' || seller_id, 'user:' || buyer_id], event.new
      from new_rows
     cross join lateral (
        select 'wholesale:order_placed', jsonb_build_object('status', status, 'total', total)
        union all
        select 'wholesale:deposit_paid', jsonb_build_object('deposit_paid_at', deposit_paid_at)
         where deposit_paid_at is not null
        union all
        select 'wholesale:balance_paid', jsonb_build_object('balance_paid_at', balance_paid_at)
         where balance_paid_at is not null
     ) as event (name, new);
    return null;
end
$$;

create or replace function pgbell.wholesale_orders_updated()
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
        select 'wholesale_order', '*', 'update', '{wholesale:order_updated}', '{seller:*,user:*}'
          from old_rows as o full join new_rows as n using (id)
         where (o.seller_id, o.buyer_id, o.status, o.total, o.tracking_number, o.note,
                o.deposit_paid_at, o.balance_paid_at)
               is distinct from
               (n.seller_id, n.buyer_id, n.status, n.total, n.tracking_number, n.note,
                n.deposit_paid_at, n.balance_paid_at)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one order gone and another one come.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'wholesale_order', id, change.op, array[event.name], change.people,
           case when not moved then event.old end, case when not moved then event.new end
      from old_rows as o full join new_rows as n using (id)
     cross join lateral (
        select case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
               array['seller:' || coalesce(n.seller_id, o.seller_id), 'user:' || coalesce(n.buyer_id, o.buyer_id)]
                   || case when o.seller_id <> n.seller_id then array['seller:' || o.seller_id] end
                   || case when o.buyer_id <> n.buyer_id then array['user:' || o.buyer_id] end,
               (o.seller_id, o.buyer_id) is distinct from (n.seller_id, n.buyer_id)
        offset 0
     ) as change (op, people, moved)
     cross join lateral (
        select 'wholesale:order_placed', null::jsonb, null::jsonb
         where change.op = 'insert'
        union all
        select 'wholesale:order_updated',
               jsonb_build_object('status', o.status, 'total', o.total),
               jsonb_build_object('status', n.status, 'total', n.total)
         where change.op = 'delete' or change.op = 'update'
           and ((o.seller_id, o.buyer_id, o.status, o.total, o.tracking_number, o.note)
                is distinct from (n.seller_id, n.buyer_id, n.status, n.total, n.tracking_number, n.note)
                or o.deposit_paid_at is not null and o.deposit_paid_at is distinct from n.deposit_paid_at
                or o.balance_paid_at is not null and o.balance_paid_at is distinct from n.balance_paid_at)
        union all
        select 'wholesale:deposit_paid', null, jsonb_build_object('deposit_paid_at', n.deposit_paid_at)
         where change.op = 'update' and o.deposit_paid_at is null and n.deposit_paid_at is not null
        union all
        select 'wholesale:balance_paid', null, jsonb_build_object('balance_paid_at', n.balance_paid_at)
         where change.op = 'update' and o.balance_paid_at is null and n.balance_paid_at is not null
        union all
        select 'wholesale:order_shipped', null, jsonb_build_object('tracking_number', n.tracking_number)
         where change.op = 'update' and o.status is distinct from n.status and n.status = 'shipped'
     ) as event (name, old, new);
    return null;
end
$$;

create or replace function pgbell.wholesale_orders_deleted()
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
        values ('wholesale_order', '*', 'delete', '{wholesale:order_updated}', '{seller:*,user:*}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'wholesale_order', id, 'delete', '{wholesale:order_updated}',
           array['seller:' || seller_id, 'user:' || buyer_id]
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.wholesale_orders_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('wholesale_order', '*', 'delete', '{wholesale:order_updated}', '{seller:*,user:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.wholesale_invitations_inserted() is 'Logs invitations that came.';
comment on function pgbell.wholesale_invitations_updated() is 'Logs invitations that changed.';
comment on function pgbell.wholesale_invitations_deleted() is 'Logs invitations that went.';
comment on function pgbell.wholesale_invitations_truncated() is 'Logs that all invitations went.';
comment on function pgbell.wholesale_orders_inserted() is 'Logs wholesale orders that came.';
comment on function pgbell.wholesale_orders_updated() is 'Logs wholesale orders that changed.';
comment on function pgbell.wholesale_orders_deleted() is 'Logs wholesale orders that went.';
comment on function pgbell.wholesale_orders_truncated() is 'Logs that all wholesale orders went.';

alter function pgbell.wholesale_invitations_inserted() owner to pgbell_owner;
alter function pgbell.wholesale_invitations_updated() owner to pgbell_owner;
alter function pgbell.wholesale_invitations_deleted() owner to pgbell_owner;
alter function pgbell.wholesale_invitations_truncated() owner to pgbell_owner;
alter function pgbell.wholesale_orders_inserted() owner to pgbell_owner;
alter function pgbell.wholesale_orders_updated() owner to pgbell_owner;
alter function pgbell.wholesale_orders_deleted() owner to pgbell_owner;
alter function pgbell.wholesale_orders_truncated() owner to pgbell_owner;

revoke all on function pgbell.wholesale_invitations_inserted(), pgbell.wholesale_invitations_updated(),
                       pgbell.wholesale_invitations_deleted(), pgbell.wholesale_invitations_truncated(),
                       pgbell.wholesale_orders_inserted(), pgbell.wholesale_orders_updated(),
                       pgbell.wholesale_orders_deleted(), pgbell.wholesale_orders_truncated() from public;

create or replace trigger pgbell_wholesale_invitations_insert
after insert on public.wholesale_invitations
referencing new table as new_rows
for each statement
execute function pgbell.wholesale_invitations_inserted();

create or replace trigger pgbell_wholesale_invitations_update
after update on public.wholesale_invitations
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.wholesale_invitations_updated();

create or replace trigger pgbell_wholesale_invitations_delete
after delete on public.wholesale_invitations
referencing old table as old_rows
for each statement
execute function pgbell.wholesale_invitations_deleted();

create or replace trigger pgbell_wholesale_invitations_truncate
after truncate on public.wholesale_invitations
for each statement
execute function pgbell.wholesale_invitations_truncated();

create or replace trigger pgbell_wholesale_orders_insert
after insert on public.wholesale_orders
referencing new table as new_rows
for each statement
execute function pgbell.wholesale_orders_inserted();

create or replace trigger pgbell_wholesale_orders_update
after update on public.wholesale_orders
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.wholesale_orders_updated();

create or replace trigger pgbell_wholesale_orders_delete
after delete on public.wholesale_orders
referencing old table as old_rows
for each statement
execute function pgbell.wholesale_orders_deleted();

create or replace trigger pgbell_wholesale_orders_truncate
after truncate on public.wholesale_orders
for each statement
execute function pgbell.wholesale_orders_truncated();
