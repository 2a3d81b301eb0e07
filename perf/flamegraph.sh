#!/usr/bin/env bash
# Draws flame graphs of one case of the system bench: one per shard, and one of the whole process.
#
#   perf/flamegraph.sh ["drain/wide 64 KiB"] [DIRECTORY]
#
# The files are DIRECTORY/rw-<engine>-<shard>.svg and DIRECTORY/all.svg; the directory is
# target/flamegraphs/CASE if none is given. bench/cases.txt names the cases.
#
# Needs perf (Debian: linux-perf; Ubuntu: linux-tools-generic). Samples the CPU clock, so it works on
# virtual machines without hardware counters as well. Folding and drawing is done by inferno, which
# is installed under target/tools.
set -euo pipefail
. "$(dirname "$0")/common.sh"
[ $# -le 2 ] || fail "too many words: give a case and a directory ($self --help)"
case_name=${1:-drain/wide 64 KiB}
need_case "$case_name"
out=${2:-target/flamegraphs/$(tr -cs '[:alnum:]\n' - <<<"$case_name")}

need perf "linux-perf (Debian) or linux-tools-generic (Ubuntu)"
paranoid=$(cat /proc/sys/kernel/perf_event_paranoid)
[ "$(id -u)" = 0 ] || [ "$paranoid" -le 1 ] ||
    fail "kernel.perf_event_paranoid is $paranoid: run as root, or 'sysctl kernel.perf_event_paranoid=1'"
tools=$PWD/target/tools
[ -x "$tools/bin/inferno-flamegraph" ] ||
    cargo install --quiet --locked --root "$tools" inferno

# Frame pointers make the stacks whole; a build of its own keeps the ordinary one as it is.
export RUSTFLAGS="${RUSTFLAGS:-} -C force-frame-pointers=yes"
export CARGO_TARGET_DIR=$PWD/target/flamegraph
bench=$(build_bench bench)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# One run, so that each engine is the same in all samples; often, so that one run is enough.
perf record --quiet --event cpu-clock --freq 4999 --call-graph fp --output "$work/perf.data" \
    "$bench" --only "$case_name" --against none --runs 1
perf script --input "$work/perf.data" | "$tools/bin/inferno-collapse-perf" >"$work/stacks"

mkdir -p "$out"
draw() { "$tools/bin/inferno-flamegraph" --countname ns --title "$case_name: $1" >"$out/$2.svg"; }
draw "the whole process" all <"$work/stacks"
# A stack begins with the name of its thread.
shards=$(cut -d ';' -f 1 "$work/stacks" | grep '^rw-[0-9]*-[0-9]*$' | sort -Vu)
[ -n "$shards" ] || fail "no sample fell into a shard"
for shard in $shards; do
    grep "^$shard;" "$work/stacks" | draw "shard $shard" "$shard"
done
ls "$out"/*.svg
