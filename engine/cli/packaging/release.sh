#!/usr/bin/env bash
# Makes what a release consists of, from this checkout, and looks at each piece:
#
#     engine/cli/packaging/release.sh [--profile PROFILE]
#
#     target/packages/ringwire-VERSION-TARGET.tar.gz    the program, its pages, completions, unit, profile
#     target/packages/ringwire_VERSION-1_ARCH.deb       the same for Debian and its like; wants cargo-deb
#     the image ringwire:VERSION                        wants Docker with its daemon, or Podman
#
# PROFILE is cargo's (release if it is not said); dev is for trying this script. What cannot be made here
# is told at the end, in capitals. docs/packages.md says what is in the packages and why.
set -euo pipefail
cd "$(dirname "$0")/../../.."

profile=release
case "${1-}" in
"") ;;
--profile) profile=${2:?"--profile wants a name"} ;;
*)
    echo "usage: release.sh [--profile PROFILE]" >&2
    exit 2
    ;;
esac

out=target/packages
files=$out/files
skipped=()
step() { printf '\n== %s\n' "$*"; }
fail() {
    echo "release: $*" >&2
    exit 1
}

# The commit, and whether something was changed on top of it. A tarball has none, unless it is told.
if [ -z "${RINGWIRE_COMMIT-}" ] && git ls-files --error-unmatch "$0" >/dev/null 2>&1; then
    RINGWIRE_COMMIT=$(git describe --always --dirty --abbrev=12 --exclude='*')
fi
export RINGWIRE_COMMIT=${RINGWIRE_COMMIT:-unknown}

step "the program ($profile, commit $RINGWIRE_COMMIT)"
cargo build --profile "$profile" --locked -p ringwire-cli
case $profile in dev) folder=debug ;; *) folder=$profile ;; esac
built=target/$folder/ringwire
version=$("$built" --version | cut -d' ' -f2)
target=$(rustc -vV | sed -n 's/^host: //p')
rm -rf "$out"
mkdir -p "$files/completions"
# Names of functions stay: without them a panic's backtrace says nothing.
strip --strip-debug -o "$files/ringwire" "$built"
"$files/ringwire" version

# Everything but the C library is inside: jemalloc, aws-lc, Rust's own. The C library stays outside since
# names are resolved by getaddrinfo, whose static form loads parts of the same C library at run time.
step "what it still links"
linked=$(readelf -d "$files/ringwire" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
echo "$linked"
for library in $linked; do
    case $library in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | ld-linux-*) ;;
    *) fail "$library is linked, which is not in every Linux with glibc" ;;
    esac
done
echo "oldest glibc: $(objdump -T "$files/ringwire" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)"

step "manual pages and completions"
"$files/ringwire" man "$files/man"
for shell in bash zsh fish; do
    "$files/ringwire" completions "$shell" >"$files/completions/$shell"
done
gzip -9n "$files"/man/*.1
ls "$files/man" "$files/completions"

step "the tarball"
name=ringwire-$version-$target
tree=$out/$name
mkdir "$tree"
cp -r "$files"/{ringwire,man,completions} engine/cli/packaging/{ringwire.service,seccomp.json} "$tree"
cp LICENSE-APACHE LICENSE-MIT CHANGELOG.md "$tree"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner -czf "$out/$name.tar.gz" "$name"
rm -rf "$tree"
tar -tzf "$out/$name.tar.gz"

step "the package for Debian"
if command -v cargo-deb >/dev/null; then
    dated=$(git log -1 --format=%ct 2>/dev/null || date +%s)
    {
        printf 'ringwire (%s-1) unstable; urgency=medium\n\n' "$version"
        printf '  * Built from commit %s; what is new: CHANGELOG.md of the sources.\n\n' "$RINGWIRE_COMMIT"
        printf ' -- The Ringwire authors <authors@ringwire.invalid>  %s\n' "$(date -uR -d "@$dated")"
    } >"$files/changelog"
    cargo deb --no-build --no-strip --locked -p ringwire-cli --output "$out"
    dpkg-deb --info "$out"/*.deb
    dpkg-deb --contents "$out"/*.deb
    if command -v lintian >/dev/null; then
        lintian --allow-root --fail-on error --suppress-tags unstripped-binary-or-object "$out"/*.deb
    fi
else
    skipped+=("THE .deb IS NOT MADE: cargo-deb is missing (cargo install --locked cargo-deb)")
fi

step "the image for containers"
# The first that works here: a client without its daemon is none.
engine=
for candidate in docker podman; do
    if "$candidate" info >/dev/null 2>&1; then
        engine=$candidate
        break
    fi
done
absent=
if [ -z "$engine" ]; then
    absent="no Docker daemon answers here, and there is no Podman"
else
    for base in $(sed -n 's/^FROM \([^ ]*\).*/\1/p' engine/cli/packaging/Dockerfile); do
        "$engine" image inspect "$base" >/dev/null 2>&1 || "$engine" pull "$base" || absent="$engine cannot have $base"
    done
fi
if [ -z "$absent" ]; then
    image=ringwire:$version
    "$engine" build --build-arg "RINGWIRE_COMMIT=$RINGWIRE_COMMIT" -f engine/cli/packaging/Dockerfile -t "$image" .
    "$engine" run --rm "$image" version
    # Podman's containers have no more than who starts them.
    memlock=$(ulimit -Hl)
    [ "$engine" = podman ] && [ "$memlock" != unlimited ] && [ "$memlock" -lt 65536 ] || memlock=65536
    confined=(--security-opt "seccomp=engine/cli/packaging/seccomp.json" --ulimit "memlock=$((memlock * 1024))")
    "$engine" run --rm "${confined[@]}" "$image" doctor --shards 1
    "$engine" run --rm "${confined[@]}" "$image" localnet --quiet
else
    skipped+=("THE CONTAINER IMAGE IS NEITHER MADE NOR TRIED: $absent. The Dockerfile was not run")
fi

step "done: $(find "$out" -maxdepth 1 -type f -printf '%f ')"
for line in "${skipped[@]}"; do
    echo "release: $line" >&2
done
# Half a release must not look like one.
[ ${#skipped[@]} = 0 ] || exit 3
