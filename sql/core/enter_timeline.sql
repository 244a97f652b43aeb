-- pgbell.enter_timeline()
--
-- Gives the installation a new id where the timeline is another one than the id was made on. Two standbys of one
-- primary that are promoted one after the other may both call their timeline 2, although the second lacks what was
-- written to the first: the number alone would not tell their histories apart. Every daemon calls this before it
-- trusts a position; it writes once per timeline.
create or replace function pgbell.enter_timeline()
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
    update pgbell.install
       set id = case when timeline is null then id else gen_random_uuid() end,
           timeline = pgbell.current_timeline()
     where timeline is distinct from pgbell.current_timeline();
$$;

comment on function pgbell.enter_timeline() is 'Tells the history of a promoted server from every other.';

alter function pgbell.enter_timeline() owner to pgbell_owner;
revoke all on function pgbell.enter_timeline() from public;
grant execute on function pgbell.enter_timeline() to pgbell_daemon;
