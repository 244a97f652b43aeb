# shellcheck shell=bash
# A throw-away Postgres with the shop, pgbell and what is compared with it; for run.sh, which says how many ROWS,
# CLIENTS and which PGBELL. Leaves PATH, PGHOST, PGUSER, PGDATABASE, a directory `work`, and functions.

newest_bin() {
    local newest
    newest=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
    echo "${newest:-$(pg_config --bindir)}"
}
PG_BIN=${PG_BIN:-$(newest_bin)}
[ -x "$PG_BIN/postgres" ] || { echo "no Postgres server in $PG_BIN; set PG_BIN" >&2; exit 69; }
# Some builds of the server come without pgbench and psql: then those of the system do.
PATH=$PG_BIN:$PATH

# Postgres refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
    user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pgbell-write-path.XXXXXX")
daemon=

sql() { PGOPTIONS='-c client_min_messages=warning' psql -qXAt -v ON_ERROR_STOP=1 "$@"; }

start_daemon() {
    "$PGBELL" serve --database-url "postgres://bench@localhost/postgres?host=$work" --listen 127.0.0.1:0 >"$work/daemon" 2>&1 &
    daemon=$!
    until grep -q 'listening on' "$work/daemon"; do
        kill -0 "$daemon" || { cat "$work/daemon" >&2; exit 1; }
        sleep 0.1
    done
}

stop_daemon() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
    daemon=
}

clean_up() {
    trap - EXIT INT TERM
    stop_daemon
    [ ! -f "$work/data/postmaster.pid" ] || "${as[@]}" "$PG_BIN/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ ${#as[@]} -eq 0 ] || chown "$user" "$work"
export PGHOST=$work PGUSER=bench PGDATABASE=postgres
"${as[@]}" "$PG_BIN/initdb" -D "$work/data" -U bench -A trust --no-sync >/dev/null
cat >>"$work/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$work'
fsync = on
synchronous_commit = on
max_connections = $(($(printf '%s\n' "${clients[@]}" | sort -n | tail -1) + 60))
shared_buffers = 256MB
max_wal_size = 4GB
autovacuum = off
CONF
"${as[@]}" "$PG_BIN/pg_ctl" -D "$work/data" -l "$work/log" -w start >/dev/null

for file in "$root"/migrations/*.sql "$root"/sql/core/*.sql "$root"/sql/shop/schema.sql "$root"/sql/triggers/*.sql \
    "$here/rivals.sql"; do
    sql -1 -f "$file" >/dev/null
done
sql -v rows="$ROWS" -f "$here/rows.sql" -c 'vacuum analyze' >/dev/null
