-- What a change of public.quotations tells browsers.
--
--   quotation:created                                one comes
--   quotation:sent                                   it is sent: sent_at is set and status is not draft
--   quotation:viewed                                 viewed_at is set
--   quotation:accepted, quotation:rejected           its status becomes so
--   quotation:expired                                its status becomes so, or expires_at has come while it was open
--   quotation:updated                                total, note, expires_at, seller, buyer or any other status; or it
--                                                    is gone (op delete)
--
-- The seller hears all of it, the buyer only of what was sent: a draft is nobody else's business, and its values are
-- shown to nobody. Where seller or buyer change, the former one hears of it, and no values are shown either.
-- Time changes no row, so an end that lies ahead goes to pgbell.schedule; the daemon makes it happen.
-- Other column names or words for a status? Change them here and in the select lists. set pgbell.enabled = off
-- silences the triggers. Why things are as they are stands in products.sql and sales.sql.

-- Whether the buyer knows of it.
-- These have no search_path of their own, so that they melt into the statements that use them; every caller has
-- pinned one.
create or replace function pgbell.quotation_is_sent(status text, sent_at timestamptz)
returns boolean
language sql
immutable
as $$
    select sent_at is not null and status <> 'draft'
$$;

create or replace function pgbell.quotation_is_expired(status text, sent_at timestamptz, expires_at timestamptz)
returns boolean
language sql
stable
as $$
    select sent_at is not null
           and (status = 'expired'
                or status in ('sent', 'viewed') and coalesce(expires_at <= statement_timestamp(), false))
$$;

create or replace function pgbell.quotation_rooms(seller_id bigint, buyer_id bigint, is_sent boolean)
returns text[]
language sql
immutable
as $$
    select array['seller:' || seller_id] || case when is_sent then array['user:' || buyer_id] end
$$;

-- When one quotation will expire by itself, seen from now: nothing where it is not open, or that has passed.
create or replace function pgbell.quotation_moments(quotation_id bigint, seller_id bigint, buyer_id bigint, status text,
                                                    sent_at timestamptz, expires_at timestamptz)
returns table (entity text, id text, what text, due_at timestamptz, events text[], rooms text[])
language sql
stable
as $$
    select 'quotation', quotation_id::text, 'expire', expires_at, '{quotation:expired}'::text[],
           pgbell.quotation_rooms(seller_id, buyer_id, true)
     where sent_at is not null and status in ('sent', 'viewed')
       and expires_at > statement_timestamp() and isfinite(expires_at)
$$;

create or replace function pgbell.quotations_inserted()
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

    -- However many there are: what time will do to them cannot be found later.
    insert into pgbell.schedule (entity, id, what, due_at, events, rooms)
    select moment.*
      from new_rows as n,
           pgbell.quotation_moments(n.id, n.seller_id, n.buyer_id, n.status, n.sent_at, n.expires_at) as moment
    on conflict (entity, id, what) do update
       set (due_at, events, rooms, old, new) = (excluded.due_at, excluded.events, excluded.rooms, null, null);

    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'quotation', '*', 'insert', '{quotation:created}',
               case when bool_or(pgbell.quotation_is_sent(status, sent_at))
                    then '{seller:*,user:*}'::text[] else '{seller:*}' end
          from new_rows;
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms, new)
    select 'quotation', n.id, 'insert', array[event.name],
           pgbell.quotation_rooms(n.seller_id, n.buyer_id, change.is_sent),
           case when change.is_sent
                then jsonb_build_object('status', n.status, 'total', n.total, 'expires_at', n.expires_at) end
      from new_rows as n
     cross join lateral (
        select pgbell.quotation_is_sent(n.status, n.sent_at)
        offset 0
     ) as change (is_sent)
     cross join lateral (
        select 'quotation:created'
        union all
        select 'quotation:sent'
         where change.is_sent
        union all
        select 'quotation:expired'
         where pgbell.quotation_is_expired(n.status, n.sent_at, n.expires_at)
     ) as event (name);
    return null;
end
$$;

create or replace function pgbell.quotations_updated()
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

    if exists (select from old_rows as o full join new_rows as n using (id)
                where (o.seller_id, o.buyer_id, o.status, o.sent_at, o.expires_at)
                      is distinct from (n.seller_id, n.buyer_id, n.status, n.sent_at, n.expires_at)) then
        -- A moment that is due has really come: it stays until the daemon has announced it.
        -- The look-up by ctid is one index probe per quotation, whatever the session's plan was made for. COALESCE
        -- keeps it off the index on due_at, and enable_seqscan = off keeps it off a table that was small then.
        delete from pgbell.schedule
         where ctid = any (array(
               select moment.ctid
                 from old_rows as o full join new_rows as n using (id)
                cross join lateral (
                   select ctid from pgbell.schedule
                    where entity = 'quotation' and schedule.id = o.id::text
                      and coalesce(due_at > statement_timestamp(), false)
                   offset 0
                ) as moment
                where (o.seller_id, o.buyer_id, o.status, o.sent_at, o.expires_at)
                      is distinct from (n.seller_id, n.buyer_id, n.status, n.sent_at, n.expires_at)));

        insert into pgbell.schedule (entity, id, what, due_at, events, rooms)
        select moment.*
          from old_rows as o full join new_rows as n using (id),
               pgbell.quotation_moments(n.id, n.seller_id, n.buyer_id, n.status, n.sent_at, n.expires_at) as moment
         where (o.seller_id, o.buyer_id, o.status, o.sent_at, o.expires_at)
               is distinct from (n.seller_id, n.buyer_id, n.status, n.sent_at, n.expires_at)
        on conflict (entity, id, what) do update
           set (due_at, events, rooms, old, new) = (excluded.due_at, excluded.events, excluded.rooms, null, null);
    end if;

    -- A statement that touches very many rows may still have changed only a few: counting is worth it then.
    if exists (select from new_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'quotation', '*', 'update', '{quotation:updated}',
               case when bool_or(pgbell.quotation_is_sent(o.status, o.sent_at)
                                 or pgbell.quotation_is_sent(n.status, n.sent_at))
                    then '{seller:*,user:*}'::text[] else '{seller:*}' end
          from old_rows as o full join new_rows as n using (id)
         where (o.seller_id, o.buyer_id, o.status, o.total, o.note, o.sent_at, o.viewed_at, o.expires_at)
               is distinct from (n.seller_id, n.buyer_id, n.status, n.total, n.note, n.sent_at, n.viewed_at, n.expires_at)
        having count(*) > pgbell.bulk_limit();

        if found then
            return null;
        end if;
    end if;

    -- FULL JOIN, because a changed primary key is one quotation gone and another one come.
    insert into pgbell.change (entity, id, op, events, rooms, old, new)
    select 'quotation', id, change.op, array[event.name], change.people,
           case when not change.moved then o.terms end, case when not change.moved then n.terms end
      from (select *, pgbell.quotation_is_sent(status, sent_at) as is_sent,
                   pgbell.quotation_is_expired(status, sent_at, expires_at) as is_expired,
                   case when pgbell.quotation_is_sent(status, sent_at)
                        then jsonb_build_object('status', status, 'total', total, 'expires_at', expires_at)
                    end as terms
              from old_rows) as o
      full join
           (select *, pgbell.quotation_is_sent(status, sent_at) as is_sent,
                   pgbell.quotation_is_expired(status, sent_at, expires_at) as is_expired,
                   case when pgbell.quotation_is_sent(status, sent_at)
                        then jsonb_build_object('status', status, 'total', total, 'expires_at', expires_at)
                    end as terms
              from new_rows) as n using (id)
     cross join lateral (
        select case when o.id is null then 'insert' when n.id is null then 'delete' else 'update' end,
               (o.seller_id, o.buyer_id) is distinct from (n.seller_id, n.buyer_id),
               case when n.id is not null then pgbell.quotation_rooms(n.seller_id, n.buyer_id, n.is_sent) end
                   -- Who had it before hears that it is gone; so does a buyer from whom it is taken back as a draft.
                   || case when (o.seller_id, o.buyer_id, o.is_sent) is distinct from (n.seller_id, n.buyer_id, n.is_sent)
                            and o.id is not null
                           then pgbell.quotation_rooms(o.seller_id, o.buyer_id, o.is_sent) end,
               (n.is_sent and o.is_sent is not true) is true,
               (n.is_sent and o.id is not null and o.viewed_at is null and n.viewed_at is not null) is true,
               case when o.status is distinct from n.status and o.id is not null and n.status in ('accepted', 'rejected')
                    then n.status end,
               (n.is_expired and o.is_expired is not true) is true
        offset 0
     ) as change (op, moved, people, is_sent, is_viewed, decided, is_expired)
     cross join lateral (
        select 'quotation:created'
         where change.op = 'insert'
        union all
        select 'quotation:sent'
         where change.is_sent
        union all
        select 'quotation:viewed'
         where change.is_viewed
        union all
        select 'quotation:' || change.decided
         where change.decided is not null
        union all
        select 'quotation:expired'
         where change.is_expired
        union all
        select 'quotation:updated'
         where change.op = 'delete' or change.op = 'update'
           and (change.moved or o.is_sent and n.is_sent is not true
                or (o.total, o.note, o.expires_at) is distinct from (n.total, n.note, n.expires_at)
                or (o.status, o.sent_at, o.viewed_at) is distinct from (n.status, n.sent_at, n.viewed_at)
                   and not (change.is_sent or change.is_viewed or change.decided is not null or change.is_expired))
     ) as event (name);
    return null;
end
$$;

create or replace function pgbell.quotations_deleted()
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

    -- What is due the daemon may be taking right now, and to delete it too would fail a repeatable read transaction.
    delete from pgbell.schedule
     where ctid = any (array(
           select moment.ctid
             from old_rows as o
            cross join lateral (
               select ctid from pgbell.schedule
                where entity = 'quotation' and schedule.id = o.id::text and coalesce(due_at > statement_timestamp(), false)
               offset 0
            ) as moment));

    if exists (select from old_rows offset pgbell.bulk_limit()) then
        insert into pgbell.change (entity, id, op, events, rooms)
        select 'quotation', '*', 'delete', '{quotation:updated}',
               case when bool_or(pgbell.quotation_is_sent(status, sent_at))
                    then '{seller:*,user:*}'::text[] else '{seller:*}' end
          from old_rows;
        return null;
    end if;

    insert into pgbell.change (entity, id, op, events, rooms)
    select 'quotation', id, 'delete', '{quotation:updated}',
           pgbell.quotation_rooms(seller_id, buyer_id, pgbell.quotation_is_sent(status, sent_at))
      from old_rows;
    return null;
end
$$;

create or replace function pgbell.quotations_truncated()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
begin
    if current_setting('pgbell.enabled', true) is distinct from 'off' then
        delete from pgbell.schedule where entity = 'quotation' and due_at > statement_timestamp();
        insert into pgbell.change (entity, id, op, events, rooms)
        values ('quotation', '*', 'delete', '{quotation:updated}', '{seller:*,user:*}');
    end if;
    return null;
end
$$;

comment on function pgbell.quotation_is_sent(text, timestamptz) is 'Whether the buyer knows of a quotation.';
comment on function pgbell.quotation_is_expired(text, timestamptz, timestamptz) is 'Whether a quotation has expired.';
comment on function pgbell.quotation_rooms(bigint, bigint, boolean) is 'Who hears of a quotation.';
comment on function pgbell.quotation_moments(bigint, bigint, bigint, text, timestamptz, timestamptz)
    is 'When a quotation will expire.';
comment on function pgbell.quotations_inserted() is 'Logs quotations that came.';
comment on function pgbell.quotations_updated() is 'Logs quotations that changed.';
comment on function pgbell.quotations_deleted() is 'Logs quotations that went.';
comment on function pgbell.quotations_truncated() is 'Logs that all quotations went.';

alter function pgbell.quotation_is_sent(text, timestamptz) owner to pgbell_owner;
alter function pgbell.quotation_is_expired(text, timestamptz, timestamptz) owner to pgbell_owner;
alter function pgbell.quotation_rooms(bigint, bigint, boolean) owner to pgbell_owner;
alter function pgbell.quotation_moments(bigint, bigint, bigint, text, timestamptz, timestamptz) owner to pgbell_owner;
alter function pgbell.quotations_inserted() owner to pgbell_owner;
alter function pgbell.quotations_updated() owner to pgbell_owner;
alter function pgbell.quotations_deleted() owner to pgbell_owner;
alter function pgbell.quotations_truncated() owner to pgbell_owner;

revoke all on function pgbell.quotation_is_sent(text, timestamptz),
                       pgbell.quotation_is_expired(text, timestamptz, timestamptz),
                       pgbell.quotation_rooms(bigint, bigint, boolean),
                       pgbell.quotation_moments(bigint, bigint, bigint, text, timestamptz, timestamptz),
                       pgbell.quotations_inserted(), pgbell.quotations_updated(),
                       pgbell.quotations_deleted(), pgbell.quotations_truncated() from public;

create or replace trigger pgbell_quotations_insert
after insert on public.quotations
referencing new table as new_rows
for each statement
execute function pgbell.quotations_inserted();

create or replace trigger pgbell_quotations_update
after update on public.quotations
referencing old table as old_rows new table as new_rows
for each statement
execute function pgbell.quotations_updated();

create or replace trigger pgbell_quotations_delete
after delete on public.quotations
referencing old table as old_rows
for each statement
execute function pgbell.quotations_deleted();

create or replace trigger pgbell_quotations_truncate
after truncate on public.quotations
for each statement
execute function pgbell.quotations_truncated();

-- Quotations that were there before these triggers have moments ahead of them, too.
insert into pgbell.schedule (entity, id, what, due_at, events, rooms)
select moment.*
  from public.quotations as n,
       pgbell.quotation_moments(n.id, n.seller_id, n.buyer_id, n.status, n.sent_at, n.expires_at) as moment
    on conflict do nothing;
