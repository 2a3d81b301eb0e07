#!/usr/bin/env bash
# System calls per message of one case of the system bench, both ends together.
#
#   perf/syscalls.sh ["small/wide 200 B"]
#
# Needs strace. Tracing makes each call dear, so queues are fuller and calls rarer than in an
# untraced run on a fast machine; starting and stopping the nodes counts as well, which is little
# among so many messages. PROFILE=dev measures the development build instead.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[ $# -le 1 ] || fail "too many words: give one case, in quotes"
case_name=${1:-small/wide 200 B}
need_case "$case_name"
need strace strace
bench=$(build_bench "${PROFILE:-bench}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strace --follow-forks --summary-only --summary-sort-by=calls --output "$work/calls" \
    "$bench" --only "$case_name" --against none --runs 1 --json "$work/figures.json" >/dev/null
messages=$(grep -A2 '"name": "amount"' "$work/figures.json" |
    sed -n 's/.*"median": \([0-9]*\).*/\1/p' | head -1)
[ -n "$messages" ] ||
    fail "$case_name does not count messages; take a drain, small or broadcast case"
echo "$case_name: $messages messages"
awk -v messages="$messages" '
    $1 ~ /^[0-9.]+$/ && $4 ~ /^[0-9]+$/ && $NF != "total" {
        printf "%-20s %8d  %.5f per message\n", $NF, $4, $4 / messages
    }' "$work/calls" | head -12
