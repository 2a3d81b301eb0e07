#!/usr/bin/env bash
# How fast well-kept libraries seal and open CometBFT's frames and wide records, beside the one that the
# engine uses: one table for each algorithm and length.
#
#   bench/rivals/aead/run.sh [--rounds NUMBER]
#
# Needs a C compiler, cmake, make, and the headers of OpenSSL 3 (Debian: libssl-dev). Builds twice: RustCrypto's
# ChaCha20 has code for AVX-512 behind a cfg, and its Poly1305 is inlined only where the compiler knows the CPU;
# both are for a whole build. Files go to target/aead.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=../../../target/aead
cargo build --quiet --release --locked
RUSTFLAGS="${RUSTFLAGS:-} --cfg chacha20_avx512 -C target-cpu=native" \
    cargo build --quiet --release --locked --target-dir "$CARGO_TARGET_DIR/native"
"$CARGO_TARGET_DIR/release/rival-aead" table --beside "$CARGO_TARGET_DIR/native/release/rival-aead" "$@"
