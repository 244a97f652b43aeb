-- pgbell.forget_revocations(portion integer) → integer
--
-- Takes away revocations that count no longer, at most `portion` of them, and returns how many that were: those that
-- were followed by a later one of the same user, and those of more than 31 days ago, which is longer than any daemon
-- refuses tokens for. Call it in a transaction of its own. Nobody waits for it, because nobody else changes a row, and
-- it waits for nobody.
create or replace function pgbell.forget_revocations(portion integer)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    forgotten integer;
begin
    delete from pgbell.revocation
     where ctid = any (array(
        select known.ctid
          from pgbell.revocation as known
         where known.at < clock_timestamp() - interval '31 days'
            or exists (select from pgbell.revocation as later
                        where later.subject = known.subject and later.at > known.at)
         limit portion
           for update of known skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;

comment on function pgbell.forget_revocations(integer) is 'Takes away a portion of the revocations that count no longer. Never waits.';

alter function pgbell.forget_revocations(integer) owner to pgbell_owner;
revoke all on function pgbell.forget_revocations(integer) from public;
grant execute on function pgbell.forget_revocations(integer) to pgbell_daemon;
