#!/usr/bin/env bash
# Draws a flame graph of one case of the system bench.
#
#   perf/flamegraph.sh ["drain/wide 64 KiB"] [OUT.svg]
#
# Needs perf (Debian: linux-perf). Samples the CPU clock, so it works on virtual machines without
# hardware counters as well. Folding and drawing is done by inferno, installed under target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."
case_name=${1:-drain/wide 64 KiB}
out=${2:-target/flamegraph.svg}

command -v perf >/dev/null || {
    echo "flamegraph: perf is missing: install linux-perf (Debian) or linux-tools (Ubuntu)" >&2
    exit 1
}
paranoid=$(cat /proc/sys/kernel/perf_event_paranoid)
if [ "$(id -u)" != 0 ] && [ "$paranoid" -gt 1 ]; then
    echo "flamegraph: kernel.perf_event_paranoid is $paranoid: run as root, or" \
        "'sysctl kernel.perf_event_paranoid=1'" >&2
    exit 1
fi
tools=$PWD/target/tools
[ -x "$tools/bin/inferno-flamegraph" ] ||
    cargo install --quiet --locked --root "$tools" inferno

# Frame pointers make the stacks whole; a build of its own keeps the ordinary one as it is.
export RUSTFLAGS="${RUSTFLAGS:-} -C force-frame-pointers=yes"
export CARGO_TARGET_DIR=$PWD/target/flamegraph
bench=$(cargo bench -p ringwire-bench --bench system --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*system-[^"]*\)".*/\1/p' | tail -1)

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
perf record --quiet --event cpu-clock --freq 999 --call-graph fp --output "$data/perf.data" \
    "$bench" --only "$case_name" --against none --runs 3
perf script --input "$data/perf.data" |
    "$tools/bin/inferno-collapse-perf" |
    "$tools/bin/inferno-flamegraph" --title "$case_name" >"$out"
echo "$out"
