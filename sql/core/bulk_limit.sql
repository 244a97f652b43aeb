-- pgbell.bulk_limit() → int
--
-- How many changed rows of one statement are still listed one by one; beyond it a trigger writes a single
-- row with id '*'. Set it per session, role or database: set pgbell.bulk_limit = 50000. Garbage counts as unset,
-- because a typing error in a setting must not fail a business write.
-- A standard SQL body is bound when it is created, so it needs no search_path and can be inlined.
create or replace function pgbell.bulk_limit()
returns int
language sql
stable
return case when current_setting('pgbell.bulk_limit', true) ~ '^[0-9]{1,9}$'
            then current_setting('pgbell.bulk_limit', true)::int
            else 10000
       end;

comment on function pgbell.bulk_limit() is 'Changed rows that one statement may list one by one.';

alter function pgbell.bulk_limit() owner to pgbell_owner;
revoke all on function pgbell.bulk_limit() from public;
