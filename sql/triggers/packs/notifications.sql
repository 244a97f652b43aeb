-- What a change of public.notifications tells browsers.
--
--   notification:order, notification:payment, notification:shipping, notification:wholesale, notification:quotation
--                                                    one of that kind comes, or is changed (op update)
--   notification:system                              the same for every other kind
--   notification:read                                read_at
--   notification:deleted                             it is gone
--
-- One without user_id is for everybody: it is told in the rooms buyers and sellers. Nothing of a row is shown, not
-- even its title; clients fetch it with their own rights.
-- Other column names? Change them in the select lists; a new kind is a new word in pgbell.notification_event().
-- set pgbell.enabled = off silences the triggers. Why things are as they are stands in products.sql.

create or replace function pgbell.notification_event(kind text)
returns text
language sql
immutable
as $$
    select case when kind in ('order', 'payment', 'shipping', 'wholesale', 'quotation') then 'notification:' || kind
                else 'notification:system'
            end
$$;

create or replace function pgbell.notification_rooms(user_id bigint)
returns text[]
language sql
immutable
as $$
    select case when user_id is null then '{buyers,sellers}' else array['user:' || user_id] end
$$;

create or replace function pgbell.notifications_inserted()
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
        values ('notification', '*', 'insert', '{notification:system}', '{user:*,buyers,sellers}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'notification', id, 'insert', array[pgbell.notification_event(kind)], pgbell.notification_rooms(user_id)
      from new_rows;
    return null;
end
$$;

create or replace function pgbell.notifications_updated()
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
        select 'notification', '*', 'update', '{notification:system}', '{user:*,buyers,sellers}'
          from old_rows as o full join new_rows as n using (id)
         where (o.user_id, o.kind, o.title, o.body, o.read_at)
               is distinct from (n.user_id, n.kind, n.title, n.body, n.read_at)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one notification gone and another one come. So is one that is
    -- handed to another user.
    insert into pgbell.change (entity, id, op, events, rooms)
    select 'notification', id, event.op, array[event.name], event.rooms
      from old_rows as o full join new_rows as n using (id)
     cross join lateral (
        select o.id is null or n.id is null or o.user_id is distinct from n.user_id
        offset 0
     ) as change (moved)
     cross join lateral (
        select 'insert', pgbell.notification_event(n.kind), pgbell.notification_rooms(n.user_id)
         where moved and n.id is not null
        union all
        select 'delete', 'notification:deleted', pgbell.notification_rooms(o.user_id)
         where moved and o.id is not null
        union all
        select 'update', pgbell.notification_event(n.kind), pgbell.notification_rooms(n.user_id)
         where not moved and (o.kind, o.title, o.body) is distinct from (n.kind, n.title, n.body)
        union all
        select 'update', 'notification:read', pgbell.notification_rooms(n.user_id)
         where not moved and o.read_at is distinct from n.read_at
     ) as event (op, name, rooms);
    return null;
end
$$;

create or replace function pgbell.notifications_deleted()
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
        values ('notification', '*', 'delete', '{notification:deleted}', '{user:*,buyers,sellers}');
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'notification', id, 'delete', '{notification:deleted}', pgbell.notification_rooms(user_id)
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.notifications_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('notification', '*', 'delete', '{notification:deleted}', '{user:*,buyers,sellers}');
    end if;
    return null;
end
$$;

comment on function pgbell.notification_event(text) is 'What a notification of a kind is called.';
comment on function pgbell.notification_rooms(bigint) is 'Who hears of a notification.';
comment on function pgbell.notifications_inserted() is 'Logs notifications that came.';
comment on function pgbell.notifications_updated() is 'Logs notifications that changed.';
comment on function pgbell.notifications_deleted() is 'Logs notifications that went.';
comment on function pgbell.notifications_truncated() is 'Logs that all notifications went.';

alter function pgbell.notification_event(text) owner to pgbell_owner;
alter function pgbell.notification_rooms(bigint) owner to pgbell_owner;
alter function pgbell.notifications_inserted() owner to pgbell_owner;
alter function pgbell.notifications_updated() owner to pgbell_owner;
alter function pgbell.notifications_deleted() owner to pgbell_owner;
alter function pgbell.notifications_truncated() owner to pgbell_owner;

revoke all on function pgbell.notification_event(text), pgbell.notification_rooms(bigint),
                       pgbell.notifications_inserted(), pgbell.notifications_updated(),
                       pgbell.notifications_deleted(), pgbell.notifications_truncated() from public;

create or replace trigger pgbell_notifications_insert
after insert on public.notifications
referencing new table as new_rows
for each statement
execute function pgbell.notifications_inserted();

create or replace trigger pgbell_notifications_update
after update on public.notifications
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.notifications_updated();

create or replace trigger pgbell_notifications_delete
after delete on public.notifications
referencing old table as old_rows
for each statement
execute function pgbell.notifications_deleted();

create or replace trigger pgbell_notifications_truncate
after truncate on public.notifications
for each statement
execute function pgbell.notifications_truncated();
