#!/usr/bin/env bash
# Allocations per message in the steady state of a connection in memory, both ends together.
#
#   perf/allocs.sh [MESSAGES]
#
# Needs nothing but cargo: the counter stands in front of the bench's allocator. For whole engines
# see the figure "allocations per message" of the system bench. PROFILE=dev builds faster and counts
# the same.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[ $# -le 1 ] || fail "too many words: give the number of messages alone"
count=${1:-10000}
need_number "$count" "the number of messages"
carry=$(build_carry "${PROFILE:-release}")
for framing in wide comet; do
    for message_bytes in 1 200 1024 4096 8192 65536; do
        printf '%-5s %6d bytes  ' "$framing" "$message_bytes"
        "$carry" "$framing" "$message_bytes" "$count"
    done
done
