#!/usr/bin/env bash
# What does pgbell cost the write path? Measures single-row updates and one 20,000-row update of the shop's
# inventory, without a trigger, with the naive trigger most people would write, and with pgbell.
#
# Starts a throw-away Postgres of its own with fsync on, and removes it at the end. The variants take turns in
# short rounds, because a shared machine is never equally fast twice; medians and ratios are what counts.
#
#   ROUNDS=3 SECONDS_EACH=4        how long: these take about three minutes
#   CLIENTS=64                     clients of the setting with a slow disk (commit_delay of 2 ms); the other has 16
#   PG_BIN=…                       directory of the server binaries
#   PGBELL=target/release/pgbell   also measure with the daemon running, which then mutes the doorbell itself
set -euo pipefail

ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-4}
CLIENTS=${CLIENTS:-64}
PRODUCTS=20000
root=$(cd "$(dirname "$0")/../.." && pwd)

newest_bin() {
    local newest
    newest=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -1)
    echo "${newest:-$(pg_config --bindir)}"
}
PG_BIN=${PG_BIN:-$(newest_bin)}
[ -x "$PG_BIN/postgres" ] || { echo "no Postgres server in $PG_BIN; set PG_BIN" >&2; exit 69; }
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
cleanup() {
    trap - EXIT INT TERM
    [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
    [ ! -f "$work/data/postmaster.pid" ] || "${as[@]}" "$PG_BIN/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
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
max_connections = $((CLIENTS + 60))
shared_buffers = 256MB
max_wal_size = 4GB
autovacuum = off
CONF
"${as[@]}" "$PG_BIN/pg_ctl" -D "$work/data" -l "$work/log" -w start >/dev/null

sql() { PGOPTIONS='-c client_min_messages=warning' psql -qXAt -v ON_ERROR_STOP=1 "$@"; }

for file in "$root"/migrations/*.sql "$root"/sql/core/*.sql "$root"/sql/shop/schema.sql "$root"/sql/triggers/*.sql; do
    sql -1 -f "$file" >/dev/null
done

sql >/dev/null <<SQL
set pgbell.enabled = off;
insert into products (store_id, seller_id, name) select n % 5 + 1, n % 8 + 1, 'product ' || n from generate_series(1, $PRODUCTS) as n;
insert into inventory (product_id, quantity) select id, 1000000000 from products;

create function naive() returns trigger language plpgsql as \$\$
begin
    perform pg_notify('naive', json_build_object('table', tg_table_name, 'id', new.product_id, 'quantity', new.quantity)::text);
    return null;
end
\$\$;
create trigger naive after update on inventory for each row execute function naive();
vacuum analyze;
SQL

cat >"$work/update.sql" <<SQL
\\set id random(1, $PRODUCTS)
update inventory set quantity = quantity - 1 where product_id = :id and variant_id is null;
SQL

# Make the table look like the variant, and start each round equally clean.
variant() {
    [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true
    daemon=
    sql -c 'alter table inventory disable trigger user' -c 'truncate pgbell.change' \
        -c 'vacuum analyze inventory' -c checkpoint >/dev/null
    case $1 in
        naive) sql -c 'alter table inventory enable trigger naive' ;;
        pgbell*) sql -c 'alter table inventory enable trigger pgbell_inventory_update' ;;
    esac
    case $1 in
        pgbell-armed) sql -c 'select pgbell.arm()' >/dev/null ;;
        *) sql -c 'select pgbell.mute()' >/dev/null ;;
    esac
    if [ "$1" = pgbell-daemon ]; then
        "$PGBELL" serve --database-url "postgres://bench@localhost/postgres?host=$work" --listen 127.0.0.1:0 >"$work/daemon" 2>&1 &
        daemon=$!
        sleep 1
        kill -0 "$daemon" || { cat "$work/daemon" >&2; exit 1; }
    fi
}

single_row() { # clients commit_delay
    PGOPTIONS="-c commit_delay=$2 -c commit_siblings=0" \
        pgbench -n -M prepared -c "$1" -j 2 -T "$SECONDS_EACH" -f "$work/update.sql" 2>/dev/null | sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

# The execution time that EXPLAIN reports contains the triggers, but not the flush that every variant pays.
bulk() { # bulk_limit
    sql -c "set pgbell.bulk_limit = $1" -c 'explain (analyze, timing off) update inventory set quantity = quantity - 1' |
        sed -n 's/^Execution Time: \([0-9.]*\) ms/\1/p'
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

variants=(bare naive pgbell-muted pgbell-armed)
[ -z "${PGBELL:-}" ] || variants+=(pgbell-daemon)

for ((round = 1; round <= ROUNDS; round++)); do
    for v in "${variants[@]}"; do
        [ ! -t 2 ] || printf '\rround %d of %d: %-14s' "$round" "$ROUNDS" "$v" >&2
        variant "$v"
        single_row "$CLIENTS" 2000 >>"$work/slow.$v"
        single_row 16 0 >>"$work/fast.$v"
        variant "$v"
        bulk 10000 >>"$work/bulk.$v"
        variant "$v"
        bulk 1000000 >>"$work/listed.$v"
    done
done
[ ! -t 2 ] || printf '\r%40s\r' '' >&2

echo "single-row updates, transactions per second; one update of $PRODUCTS rows, milliseconds"
echo "$(postgres --version), $(nproc) cores, medians of $ROUNDS rounds of $SECONDS_EACH s"
echo
row='%-14s %9s %7s %9s %7s %9s %7s %9s %7s\n'
# shellcheck disable=SC2059
printf "$row" variant "$CLIENTS+2ms" ratio '16' ratio 'bulk' ratio 'listed' ratio
for v in "${variants[@]}"; do
    cells=("$v")
    for measure in slow fast bulk listed; do
        value=$(median <"$work/$measure.$v")
        cells+=("$value" "$(awk -v a="$value" -v b="$(median <"$work/$measure.bare")" 'BEGIN { printf "%.2f", a / b }')")
    done
    # shellcheck disable=SC2059
    printf "$row" "${cells[@]}"
done
echo
echo "$CLIENTS+2ms: $CLIENTS clients, 2 ms commit flush   16: 16 clients, this disk"
echo "bulk: default bulk_limit, one log row   listed: bulk_limit raised, one log row for each"
