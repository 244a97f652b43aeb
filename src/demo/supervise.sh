# Runs one throw-away Postgres in a directory of its own, and leaves neither behind.
#
# usage: sh -c … supervise BIN DIR INITDB_OPTIONS [POSTGRES_ARGUMENT…]
#
# Takes orders on standard input: `up`, `down`, `crash`. When standard input ends, so does everything: that
# happens however the process at its other end dies. Answers `done` on standard output.

bin=$1 dir=$2 initdb_options=$3
shift 3
server=

end() {
    [ -z "$server" ] || { kill -INT "$server" 2>/dev/null; wait "$server"; }
    rm -rf "$dir"
}

fail() {
    tail -n 5 "$dir/log" >&2
    end
    exit 1
}

ready() {
    [ "$(sed -n '8s/ *$//p' "$dir/data/postmaster.pid" 2>/dev/null)" = ready ]
}

up() {
    "$bin/postgres" -D "$dir/data" -k "$dir" "$@" </dev/null >>"$dir/log" 2>&1 &
    server=$!
    until ready; do
        kill -0 "$server" 2>/dev/null || { server=; fail; }
        sleep 0.05
    done
}

down() {
    [ -z "$server" ] || { kill "-$1" "$server"; wait "$server"; }
    server=
}

umask 077
mkdir "$dir" || exit 1
# shellcheck disable=SC2086 # options are words
"$bin/initdb" -D "$dir/data" $initdb_options </dev/null >"$dir/log" 2>&1 || fail

while read -r order; do
    case $order in
        up) up "$@" ;;
        down) down INT ;;
        crash) down QUIT ;;
    esac
    echo done
done
end
