-- The daemon's session that listens says nothing after LISTEN. Sessions of other databases are none of ours.
select count(*) filter (where pg_terminate_backend(pid))
  from pg_stat_activity
 where datname = current_database()
   and application_name = 'pgbell'
   and query = 'listen pgbell'
   and pid <> pg_backend_pid()
