#!/bin/sh
# Two processes of `edgemint serve` on one Redis, behind nginx. Ctrl-C stops all of them. In production
# systemd or a container platform does what this script does.
set -eu
cd "$(dirname "$0")"

: "${PORT:=8080}" "${PORT_1:=8791}" "${PORT_2:=8792}"
: "${STATE:=$PWD/state}"
# Both processes: the same store, the same base URL, the same master key.
export EDGEMINT_STORE="${EDGEMINT_STORE:-redis://127.0.0.1:6379}"
export EDGEMINT_BASE_URL="${EDGEMINT_BASE_URL:-http://localhost:$PORT}"
export EDGEMINT_MASTER_KEY_FILE="$STATE/master.key"
# Where npm has installed the command, and where Debian has nginx.
PATH="$(npm root)/.bin:$PATH:/usr/sbin"

mkdir -p "$STATE"
[ -s "$STATE/master.key" ] || (umask 077 && edgemint serve --new-master-key > "$STATE/master.key")
cp nginx.conf "$STATE/"
sed "s/:8080/:$PORT/; s/:8791/:$PORT_1/; s/:8792/:$PORT_2/" edgemint.conf > "$STATE/edgemint.conf"

# One process at a port, started again when it ends.
keep() {
    trap 'running=; kill "$child" 2> /dev/null' TERM
    running=yes
    while [ "$running" ]; do
        edgemint serve --port "$1" --trust-proxy x-forwarded-for >> "$STATE/$1.log" &
        child=$!
        echo "$child" > "$STATE/$1.pid"
        # A signal ends the first wait, and the process a little later.
        wait "$child" || wait "$child" || sleep 1
    done
}

keep "$PORT_1" & first=$!
keep "$PORT_2" & second=$!
nginx -p "$STATE/" -c nginx.conf -e stderr & proxy=$!

stop() {
    trap '' INT TERM
    # The proxy first: who comes now is not sent to a process that stops.
    kill -QUIT "$proxy" 2> /dev/null && wait "$proxy" || true
    kill "$first" "$second" 2> /dev/null || true
    wait
}
trap 'stop; exit 0' INT TERM

for port in "$PORT_1" "$PORT_2"; do
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$port/healthz"; do sleep 0.2; done
done
echo "$EDGEMINT_BASE_URL is served by 127.0.0.1:$PORT_1 and 127.0.0.1:$PORT_2"
wait "$proxy" || true
# By itself: state/error.log says why.
stop
exit 1
