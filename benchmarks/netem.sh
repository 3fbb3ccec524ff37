#!/bin/sh
# Read answers over a bad network: a server and a client in two network namespaces, between them
# delay, loss and disorder (tc netem), and a link that is down for two seconds out of every five.
#
#     PYTHON=.venv-test/bin/python sh benchmarks/netem.sh [--answers 200] [--client NAME]
#
# It needs root and iproute2. Where the kernel has no netem, nftables drops as many packets, and
# where there is no nftables either, only the link fails. Arguments go to faults.py, which prints
# the table. Nothing outside of the two namespaces is changed.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
server=tokenwire-server-$$
client=tokenwire-client-$$
address=192.0.2.1 # of a net that is for examples only
port=8765

if [ "$(id -u)" != 0 ]; then
    printf '%s\n' "netem.sh: network namespaces need root" >&2
    exit 2
fi

jobs=
clean() {
    trap - EXIT INT TERM
    for job in $jobs; do
        kill "$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
    done
    ip netns del "$server" 2>/dev/null || true # the link between them goes, too
    ip netns del "$client" 2>/dev/null || true
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ip netns add "$server"
ip netns add "$client"
ip -n "$server" link add wire type veth peer name wire netns "$client"
ip -n "$server" address add $address/24 dev wire
ip -n "$client" address add 192.0.2.2/24 dev wire
for end in "$server" "$client"; do
    ip -n "$end" link set lo up
    ip -n "$end" link set wire up
done

spoil() {
    tc -n "$1" qdisc add dev wire root netem \
        delay 20ms 10ms loss 3% reorder 25% duplicate 1% 2>/dev/null
}
lose() {
    ip netns exec "$1" nft -f - 2>/dev/null <<EOF
table ip wire {
    chain input {
        type filter hook input priority 0;
        iifname "wire" numgen random mod 100 < 3 drop
    }
}
EOF
}
for end in "$server" "$client"; do
    if spoil "$end"; then
        printf '%s\n' "$end: delay, loss, disorder by netem"
    elif lose "$end"; then
        printf '%s\n' "$end: no netem in this kernel; loss by nftables"
    else
        printf '%s\n' "$end: neither netem nor nftables; only the link fails"
    fi
done

ip netns exec "$server" "$python" -m tokenwire serve --host $address --port $port -q >/dev/null 2>&1 &
jobs=$!
until ip netns exec "$client" "$python" -c \
    "import socket; socket.create_connection(('$address', $port), 2)" 2>/dev/null; do
    kill -0 "$jobs" # it still runs
    sleep 0.2
done

while :; do
    sleep 3
    ip -n "$server" link set wire down
    sleep 2
    ip -n "$server" link set wire up
done &
jobs="$jobs $!"

ip netns exec "$client" "$python" benchmarks/faults.py \
    --faults network --server "http://$address:$port" "$@"
