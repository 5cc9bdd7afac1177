#!/bin/sh
# Fuzzes a target on the stable toolchain: fuzz/run.sh TARGET [libFuzzer's options, such as -max_total_time=60]
# The coverage feedback that libFuzzer steers by comes from LLVM's SanitizerCoverage pass, which needs no nightly.
set -eu
cd "$(dirname "$0")"
target="$1"
shift
export CARGO_TARGET_DIR=target/instrumented
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
# With --target, build scripts and procedural macros stay without the instrumentation, which they cannot link.
host="$(rustc -vV | sed -n 's/^host: //p')"
cargo build --release --target "$host" --bin "$target"
[ -d "corpus/$target" ] || cargo run --release --bin make_seeds
mkdir -p "corpus/$target" "artifacts/$target"
exec "$CARGO_TARGET_DIR/$host/release/$target" -artifact_prefix="artifacts/$target/" "$@" "corpus/$target"
