#!/usr/bin/env bash
# Takes the pictures of the program that the documents show: a network of five nodes on this machine, as it is seen in a
# terminal. Needs tmux, python3 with the package `rich`, and a release build.
#
#     cargo build --release -p ringwire-cli && docs/pictures/take.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
ringwire=$PWD/target/release/ringwire
pictures=$PWD/docs/pictures
homes=$(mktemp -d)
screen=ringwire-pictures-$$
nodes=()

finish() {
    tmux kill-session -t "$screen" 2>/dev/null || true
    kill "${nodes[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$homes"
}
trap finish EXIT

# What a terminal of 80 columns shows of a command, as a picture. $1 name, $2 lines, $3 seconds to wait, $4 the command.
take() {
    tmux new-session -d -s "$screen" -x 80 -y "$2" "PS1='\$ ' exec bash --norc --noprofile"
    tmux send-keys -t "$screen" "clear; $4" Enter
    sleep "$3"
    tmux capture-pane -t "$screen" -e -p | python3 "$pictures/picture.py" "$4" >"$pictures/$1.svg"
    tmux kill-session -t "$screen"
    echo "took docs/pictures/$1.svg"
}

# Lines of some 200 bytes, a hundred in a second.
lines() {
    local number=0
    while printf 'a transaction of node %s, number %s %0150d\n' "$1" "$((number += 1))" 0; do sleep 0.01; done
}

port=27100
first=
for name in alice bob carol dave erin; do
    "$ringwire" init --home "$homes/$name" --network demo --moniker "$name" >"$homes/$name.out"
    # Nobody answers at the second address: the pictures show what that looks like.
    gone="1111111111111111111111111111111111111111@127.0.0.1:9"
    lines "$name" | "$ringwire" start --home "$homes/$name" --local --laddr "tcp://127.0.0.1:$port" --stdin \
        --persistent-peers "${first:+$first,}$gone" >>"$homes/$name.out" 2>&1 &
    nodes+=($!)
    first=${first:-$("$ringwire" show-node-id --home "$homes/$name")@127.0.0.1:$port}
    port=$((port + 1))
done
PATH=$(dirname "$ringwire"):$PATH
cd "$homes"
sleep 20

take top 24 8 "ringwire top --home alice"
take peers 40 3 "ringwire peers --home alice"
take localnet 40 20 "ringwire localnet"
