#!/usr/bin/env bash
# Runs fuzz targets, with coverage to guide them, on a stable compiler: scripts/fuzz.sh [--for SECONDS] [TARGET…].
#
# It starts from seeds that it makes of tests/recordings, in fuzz/corpus/TARGET, and keeps there what it learns. What it
# finds lies in fuzz/artifacts/TARGET; a find fails the run and says how to repeat it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
seconds=5
if [ "${1:-}" = --for ]; then
  seconds=$2
  shift 2
fi
need c++=build-essential

if [ $# -gt 0 ]; then
  targets=("$@")
else
  mapfile -t targets < <(find fuzz/targets -name '*.rs' -printf '%f\n' | sed 's/\.rs$//' | sort)
fi
[ ${#targets[@]} -gt 0 ] || fail "there is no fuzz target in fuzz/targets/"

# Coverage counters and compared values, as cargo-fuzz has them; its address sanitizer wants a nightly compiler, and in a
# house without `unsafe` on its parsers finds little that a panic, an overflow check or a time-out does not.
host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1"
# With --target the flags leave build scripts and derive macros alone.
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
RUSTFLAGS=$flags CARGO_TARGET_DIR=target/fuzz \
  cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --release --target "$host" "${bins[@]}"

# The seeds' writer is no fuzz target: with the counters, but without the fuzzer that reads them, it does not link.
if ! [ -d fuzz/corpus ]; then
  root=$PWD
  (cd fuzz && CARGO_TARGET_DIR="$root/target/fuzz-seeds" cargo run --quiet --locked --bin make_seeds)
fi

# One target: runs it, and says what came of it.
run_target() {
  local target=$1 log=target/fuzz/$1.log status=0 runs
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  "target/fuzz/$host/release/$target" "fuzz/corpus/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 >"$log" 2>&1 || status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ "$status" -ne 0 ]; then
    tail -n 40 "$log" >&2
    fail "$target: found something; repeat it with target/fuzz/$host/release/$target fuzz/artifacts/$target/…"
  fi
  grep -q 'INITED cov: [1-9]' "$log" || fail "$target: runs without coverage: see $log"
  printf '%-28s %9s inputs, %s\n' "$target" "$runs" "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)"
}

# As many at once as there are cores; the first that finds something ends it.
running=0
for target in "${targets[@]}"; do
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n
    running=$((running - 1))
  fi
  run_target "$target" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n
  running=$((running - 1))
done
