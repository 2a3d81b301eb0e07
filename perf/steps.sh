#!/usr/bin/env bash
# What a message costs, step by step: instructions per message of each function on a connection in
# memory, both ends, from `try_send` to `receive`. What is inlined counts for the function that it is in.
#
#   perf/steps.sh ["wide 200"] [MESSAGES]
#
# The scenario is FRAMING MESSAGE_BYTES; framings are wide and comet. Needs valgrind, whose callgrind counts
# instructions exactly. It has no AVX-512, so the cipher and the copies take more of them than on the
# machine itself. Figures are those of twice the messages less those of once, so that start and
# handshake do not count. Functions below one instruction are left out.
set -euo pipefail
. "$(dirname "$0")/common.sh"
scenario=${1:-wide 200}
count=${2:-20000}
[ $# -le 2 ] || fail "too many words: give a scenario, in quotes, and a number"
read_scenario "$scenario"
need_number "$count" "the number of messages"
command -v valgrind >/dev/null || fail "valgrind is missing: install the package valgrind"
carry=$(build_carry release)
"$carry" "$framing" "$message_bytes" 1 >/dev/null || fail "cannot carry '$scenario'"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Writes INSTRUCTIONS<tab>FUNCTION lines of one run, the parts of a function added up.
counted() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/out" \
        "$carry" "$framing" "$message_bytes" "$1" >/dev/null 2>&1 || fail "callgrind failed"
    callgrind_annotate --threshold=100 --auto=no "$scratch/out" |
        sed -nE 's/^ *([0-9,]+) \([^)]*\)  [^:]*:(.*)$/\1\t\2/p' |
        sed -E 's/ \[[^]]*\]$//; s/\t.*::([^:]+::[^:]+)$/\t\1/' |
        awk -F'\t' '{ gsub(",", "", $1); sum[$2] += $1 } END { for (name in sum) print sum[name] "\t" name }'
}
counted "$count" >"$scratch/once"
counted $((2 * count)) >"$scratch/twice"
echo "$scenario, instructions per message, counted by callgrind:"
awk -F'\t' -v count="$count" '
    NR == FNR { once[$2] = $1; next }
    { each = ($1 - once[$2]) / count; all += each; if (each >= 1) printf "%8.1f  %s\n", each, $2 }
    END { printf "%8.1f  all\n", all }' "$scratch/once" "$scratch/twice" | sort -rn
