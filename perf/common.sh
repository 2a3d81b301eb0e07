# What the scripts beside this one share: sourced by them, not run.
#
# It prints a script's opening comment for --help, and goes to the root of the repository.

self=$(realpath "$0")
name=$(basename "$0" .sh)
cd "$(dirname "$self")/.."

if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$self"
    exit 0
fi

fail() {
    echo "$name: $*" >&2
    exit 1
}

# need TOOL PACKAGES: ends the script unless the tool is there, and says where it comes from.
need() {
    command -v "$1" >/dev/null || fail "$1 is missing: install $2"
}

# need_number TEXT NAME: ends the script unless TEXT is a positive number.
need_number() {
    [[ $1 =~ ^[1-9][0-9]*$ ]] || fail "$2 must be a number from 1 on, not '$1'"
}

# need_case NAME: ends the script unless the system bench has a case of that name. The list is kept in
# a file (and compared with the bench by a test), so that a wrong name is told before a build of minutes.
need_case() {
    grep --quiet --line-regexp --fixed-strings -- "$1" bench/cases.txt ||
        fail "no case is called '$1'; bench/cases.txt names them"
}

# Builds the system bench in a profile of cargo and prints where it lies.
build_bench() {
    cargo bench --profile "$1" --locked -p ringwire-bench --bench system --no-run \
        --message-format=json | sed -n 's/.*"executable":"\([^"]*system-[^"]*\)".*/\1/p' | tail -1
}

# read_scenario TEXT: sets framing and message_bytes of a scenario of `carry`, and ends the script unless it is one.
read_scenario() {
    local rest
    read -r framing message_bytes rest <<<"$1"
    case $framing in
        wide | comet) ;;
        *) fail "'$1' is no scenario: it is FRAMING MESSAGE_BYTES, and a framing is wide or comet" ;;
    esac
    need_number "$message_bytes" "the bytes of a message in '$1'"
    [ -z "$rest" ] || fail "'$1' has more words than FRAMING MESSAGE_BYTES"
}

# Builds the bench's small scenario in a profile of cargo and prints where it lies.
build_carry() {
    cargo build --quiet --locked --profile "$1" -p ringwire-bench --bin carry
    local target=${CARGO_TARGET_DIR:-target}
    echo "$target/$([ "$1" = dev ] && echo debug || echo "$1")/carry"
}
