-- pgbell.again(due_at timestamptz, every interval, after timestamptz) → timestamptz
--
-- When a recurring moment comes next: the first one after `after`, past all that were missed. Days and months are
-- those of the calendar, in the time zone of the session. Null, which means never again, where `every` is null, not
-- positive or longer than a thousand years, or due_at is no date of our times: a moment is never an error.
create or replace function pgbell.again(due_at timestamptz, every interval, after timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    length  numeric := extract(epoch from every);
    elapsed numeric := extract(epoch from after) - extract(epoch from due_at);
begin
    if (length > 0 and length < 1000 * 366 * 86400.0 and due_at > '1000-01-01' and elapsed >= 0) is not true then
        return null;
    end if;

    if every >= '1 day' and extract(year from every) >= 0 and extract(month from every) >= 0
       and extract(day from every) >= 0 and length >= extract(epoch from date_trunc('day', every))
    then
        -- Months differ in length, by a tenth at most from what they count for here.
        return (select min(due_at + every * step)
                  from generate_series(floor(elapsed / length * 0.9)::int, ceil(elapsed / length * 1.1)::int + 2) as step
                 where due_at + every * step > after);
    end if;

    return due_at + make_interval(secs => ((floor(elapsed / length) + 1) * length)::float8);
end
$$;

comment on function pgbell.again(timestamptz, interval, timestamptz) is 'When a recurring moment comes next.';

alter function pgbell.again(timestamptz, interval, timestamptz) owner to pgbell_owner;
revoke all on function pgbell.again(timestamptz, interval, timestamptz) from public;
