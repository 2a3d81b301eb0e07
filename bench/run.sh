#!/usr/bin/env bash
# Measures everything, beside the limit and every rival. What git keeps goes to docs/benchmarks/: the
# medians of the day, and the picture that the README shows. All figures and the page of charts, some
# 800 KB, go to bench/runs/, which git ignores.
#
#   bench/run.sh [options of the system bench]     e.g. bench/run.sh --full, bench/run.sh --runs 3
#   OUT=FOLDER bench/run.sh                        puts all of it into one other folder
#
# Takes under an hour on two cores; nothing else should run meanwhile. The first run builds the
# rivals, some ten minutes more. CometBFT needs Go 1.22 or newer. A rival that does not build is
# named loudly, at once and at the end, and its rows are absent. With --quick, which shows that
# everything works and measures nothing, the files go to target/bench unless OUT says otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
SECONDS=0

against=(--against all)
docs=${OUT:-docs/benchmarks}
runs=${OUT:-bench/runs}
for option; do
    case $option in
        --against | --against=*) against=() ;;
        --quick)
            docs=${OUT:-target/bench}
            runs=$docs
            ;;
    esac
done
# Figures are kept with the commit that they are of.
if [ "$docs" = docs/benchmarks ] && [ -n "$(git status --porcelain)" ]; then
    echo "run: there are changes that no commit has, so nobody could repeat these figures." >&2
    echo "run: commit or stash them, or keep the figures elsewhere: OUT=target/bench bench/run.sh" >&2
    exit 1
fi
[ ${#against[@]} -eq 0 ] || command -v go >/dev/null ||
    echo "run: GO IS MISSING: there will be no rows of CometBFT. Install Go 1.22 or newer." >&2

mkdir -p "$docs" "$runs"
# The bench runs in its package's folder, so the files are named from the root.
docs=$(cd "$docs" && pwd)
runs=$(cd "$runs" && pwd)
name=$(date -u +%F)
number=2
while [ -e "$runs/$name.json" ] || [ -e "$docs/$name.md" ]; do
    name=$(date -u +%F)-$number
    number=$((number + 1))
done
out=$runs/$name

# A contender that failed is named at the end; the page shows the others all the same.
status=0
cargo bench --locked -p ringwire-bench --bench system -- \
    ${against[@]+"${against[@]}"} --json "$out.json" "$@" || status=$?
[ -s "$out.json" ] || exit "$status"

report() { cargo run --quiet --locked --release -p ringwire-bench --bin report -- "$@"; }
report "$out.json" >"$out.html"
report --markdown "$out.json" >"$docs/$name.md"
echo "$out.json"
echo "$out.html"
echo "$docs/$name.md"
# A run of some cases only may not have the main chart; the older picture then stays.
if report --chart throughput "$out.json" >"$docs/throughput.svg.new"; then
    mv "$docs/throughput.svg.new" "$docs/throughput.svg"
    echo "$docs/throughput.svg"
else
    rm "$docs/throughput.svg.new"
fi
echo "run: all of it took $((SECONDS / 60)) min $((SECONDS % 60)) s"
exit "$status"
