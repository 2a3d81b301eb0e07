#!/usr/bin/env bash
# What one message costs the CPU, on a connection in memory: both ends, no kernel.
#
#   perf/stat.sh ["wide 200"] [MESSAGES]
#
# The scenario is FRAMING MESSAGE_BYTES; framings are wide and comet. Hardware counters where there
# are some (needs perf: Debian linux-perf, Ubuntu linux-tools-generic), else instructions counted by
# callgrind (needs valgrind). Figures are those of twice the messages less those of once, so that
# start and handshake do not count. PROFILE=dev measures the development build instead.
set -euo pipefail
. "$(dirname "$0")/common.sh"
scenario=${1:-wide 200}
count=${2:-200000}
[ $# -le 2 ] || fail "too many words: give a scenario, in quotes, and a number"
read_scenario "$scenario"
need_number "$count" "the number of messages"
carry=$(build_carry "${PROFILE:-release}")
"$carry" "$framing" "$message_bytes" 1 >/dev/null || fail "cannot carry '$scenario'"

# Prints EVENT COUNT lines of one run.
counted() {
    perf stat --field-separator , --event "$events" -- \
        "$carry" "$framing" "$message_bytes" "$1" 2>&1 >/dev/null |
        awk -F, '$1 ~ /^[0-9]+$/ { sub(/:u$/, "", $3); print $3, $1 }'
}
collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$carry" "$framing" "$message_bytes" "$1" 2>&1 |
        awk '/Collected :/ { print "instructions", $NF }'
}
per_message() {
    join <("$1" "$count" | sort) <("$1" $((2 * count)) | sort) |
        awk -v count="$count" '{ printf "%-16s %12.1f per message\n", $1, ($3 - $2) / count }'
}

events=instructions:u,cycles:u,branch-misses:u,cache-misses:u
if command -v perf >/dev/null && [ -n "$(counted 1 2>/dev/null)" ]; then
    echo "$scenario, hardware counters, user mode:"
    per_message counted
elif command -v valgrind >/dev/null; then
    echo "$scenario, counted by callgrind: perf is missing or this machine shows no counters"
    # Counting is some fifty times slower, and exact.
    count=$((count / 10 + 1))
    per_message collected
else
    fail "neither hardware counters nor valgrind: install linux-perf or valgrind"
fi
