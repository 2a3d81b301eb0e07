#!/usr/bin/env bash
# Measures everything, beside the limit and CometBFT, and keeps figures and page of the day under
# docs/benchmarks/.
#
#   bench/run.sh [options of the system bench]     e.g. bench/run.sh --full
#
# Takes about three quarters of an hour on two cores; nothing else should run meanwhile. CometBFT
# needs Go 1.22 or newer; without it that is said, and its rows are absent.
set -euo pipefail
cd "$(dirname "$0")/.."
against=limit,comet
command -v go >/dev/null || {
    echo "run: GO IS MISSING: there will be no rows of CometBFT. Install Go 1.22 or newer." >&2
    against=limit
}
out=docs/benchmarks/$(date -u +%F)
number=2
while [ -e "$out.json" ]; do
    out=docs/benchmarks/$(date -u +%F)-$number
    number=$((number + 1))
done
# A contender that failed is named at the end; the page shows the others all the same. The bench
# runs in its package's folder, so the file is named from the root.
status=0
cargo bench --locked -p ringwire-bench --bench system -- \
    --against "$against" --json "$PWD/$out.json" "$@" || status=$?
[ -s "$out.json" ] || exit "$status"
cargo run --quiet --locked --release -p ringwire-bench --bin report -- "$out.json" >"$out.html"
echo "$out.json"
echo "$out.html"
exit "$status"
