-- What people put on a table in place of pgbell, on every table that is measured.

-- The trigger most would write: it tells of each row at once.
create function naive() returns trigger language plpgsql as $$
begin
    perform pg_notify('naive', json_build_object('table', tg_table_name, 'id', new.id)::text);
    return null;
end
$$;

-- An audit trigger: each row before and after, as JSON, in one table.
create table audit (
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    table_name name,
    op         text,
    old        jsonb,
    new        jsonb
);

create function audit() returns trigger language plpgsql as $$
begin
    insert into audit (table_name, op, old, new) values (tg_table_name, tg_op, to_jsonb(old), to_jsonb(new));
    return null;
end
$$;

do $$
declare
    watched text;
begin
    foreach watched in array array['products', 'inventory', 'sales', 'orders'] loop
        execute format('create trigger naive after update on %I for each row execute function naive()', watched);
        execute format('create trigger audit after update on %I for each row execute function audit()', watched);
    end loop;
end
$$;
