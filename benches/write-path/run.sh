#!/usr/bin/env bash
# What does pgbell cost the write path? Single-row updates and one update of 20,000 rows, for each core table,
# without a trigger, with what people write in its place (rivals.sql), and with pgbell.
#
# Starts a throw-away Postgres of its own with fsync on, and removes it at the end. The variants take turns in
# short rounds, because a shared machine is never equally fast twice; medians and ratios are what counts.
#
#   ROUNDS=3 SECONDS_EACH=2                        how long: with all below, half an hour
#   TABLES='inventory products orders sales'       which tables
#   CLIENTS='1 16 64'  FLUSHES='0 2'               how many writers; milliseconds that a commit waits to be flushed
#   PG_BIN=…                                       directory of the server binaries
#   PGBELL=target/release/pgbell                   also with the daemon running, which mutes and arms the bell itself
set -euo pipefail

ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-2}
read -ra tables <<<"${TABLES:-inventory products orders sales}"
read -ra clients <<<"${CLIENTS:-1 16 64}"
read -ra flushes <<<"${FLUSHES:-0 2}"
ROWS=20000
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

# awake: somebody polls, the bell is muted. asleep: every commit rings. daemon: it decides that itself.
variants=(bare naive audit awake asleep)
[ -z "${PGBELL:-}" ] || variants+=(daemon)

# shellcheck source=benches/write-path/server.sh
. "$here/server.sh"

change_of() { # table
    case $1 in
        inventory) echo 'update inventory set quantity = quantity - 1' ;;
        products) echo 'update products set price = price + 1' ;;
        orders) echo "update orders set status = case status when 'pending' then 'packed' else 'pending' end" ;;
        sales) echo 'update sales set sold_count = sold_count + 1' ;;
        *) echo "TABLES: no table $1 here" >&2; exit 64 ;;
    esac
}

# Makes the table look like the variant, and each round start equally clean.
become() { # variant table
    stop_daemon
    sql -c "alter table $2 disable trigger user" -c 'truncate pgbell.change, audit' -c "vacuum analyze $2" -c checkpoint >/dev/null
    case $1 in
        bare) ;;
        naive | audit) sql -c "alter table $2 enable trigger $1" ;;
        *) sql -c "alter table $2 enable trigger pgbell_$2_update" ;;
    esac
    case $1 in
        asleep) sql -c 'select pgbell.arm()' >/dev/null ;;
        *) sql -c 'select pgbell.mute()' >/dev/null ;;
    esac
    [ "$1" != daemon ] || start_daemon
}

single_rows() { # clients flush script → transactions per second
    PGOPTIONS="-c commit_delay=$(($2 * 1000)) -c commit_siblings=0" \
        pgbench -n -M prepared -c "$1" -j $((($1 + 31) / 32)) -T "$SECONDS_EACH" -f "$3" 2>/dev/null |
        sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

# The execution time that EXPLAIN reports contains the triggers, but not the flush that every variant pays.
all_rows() { # table bulk_limit → milliseconds
    sql -c "set pgbell.bulk_limit = $2" -c "explain (analyze, timing off) $(change_of "$1")" |
        sed -n 's/^Execution Time: \([0-9.]*\) ms/\1/p'
}

measure() { # variant table
    local flush count
    become "$1" "$2"
    for flush in "${flushes[@]}"; do
        for count in "${clients[@]}"; do
            single_rows "$count" "$flush" "$work/$2.sql" >>"$work/$2.$1.$count+$flush"
        done
    done
    become "$1" "$2"
    all_rows "$2" 10000 >>"$work/$2.$1.bulk"
    become "$1" "$2"
    all_rows "$2" 1000000 >>"$work/$2.$1.listed"
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

report() { # table
    local measures=() flush count variant name value base
    for flush in "${flushes[@]}"; do
        for count in "${clients[@]}"; do measures+=("$count+$flush"); done
    done
    measures+=(bulk listed)
    printf '%-10s' "$1"
    for name in "${measures[@]}"; do printf '%9s %6s' "${name/+0/}" ratio; done
    printf '\n'
    for variant in "${variants[@]}"; do
        printf '%-10s' "$variant"
        for name in "${measures[@]}"; do
            value=$(median <"$work/$1.$variant.$name")
            base=$(median <"$work/$1.bare.$name")
            printf '%9s %6s' "$value" "$(awk -v a="$value" -v b="$base" 'BEGIN { printf "%.2f", a / b }')"
        done
        printf '\n'
    done
    printf '\n'
}

for table in "${tables[@]}"; do
    change=$(change_of "$table")
    printf '\\set id random(1, %s)\n%s where id = :id;\n' "$ROWS" "$change" >"$work/$table.sql"
done
for ((round = 1; round <= ROUNDS; round++)); do
    for table in "${tables[@]}"; do
        for variant in "${variants[@]}"; do
            [ ! -t 2 ] || printf '\rround %d of %d: %-10s %-8s' "$round" "$ROUNDS" "$table" "$variant" >&2
            measure "$variant" "$table"
        done
    done
done
[ ! -t 2 ] || printf '\r%40s\r' '' >&2

echo "$(postgres --version), $(nproc) cores, fsync on, medians of $ROUNDS rounds of $SECONDS_EACH s"
echo "64+2: single-row updates per second by 64 clients where a commit waits 2 ms to be flushed; 64: on this disk as it is"
echo "bulk: milliseconds for one update of $ROWS rows, told in one log row; listed: bulk_limit raised, one log row for each"
echo
for table in "${tables[@]}"; do report "$table"; done
