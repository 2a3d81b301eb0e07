#!/usr/bin/env bash
# Allocations per message in the steady state of a connection in memory, both ends together.
#
#   perf/allocs.sh [MESSAGES]
#
# Needs nothing but cargo: the counter stands in front of the bench's allocator. For whole engines
# see the figure "allocations per message" of the system bench. PROFILE=dev builds faster and counts
# the same.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-10000}
profile=${PROFILE:-release}
carry=target/$([ "$profile" = dev ] && echo debug || echo "$profile")/carry
cargo build --quiet --locked --profile "$profile" -p ringwire-bench --bin carry
for framing in wide comet; do
    for message_bytes in 1 200 1024 4096 8192 65536; do
        printf '%-5s %6d bytes  ' "$framing" "$message_bytes"
        "$carry" "$framing" "$message_bytes" "$count"
    done
done
