#!/usr/bin/env bash
# Runs the benchmarks and holds their ratios: scripts/bench.sh [BENCH…].
#
# Absolute times on a shared machine mean little. A benchmark with a goal measures what it is compared with in the same
# run and prints a line for each goal:
#
#   ratio: NAME = 1.23 (goal: at most 4.00)
#
# A goal that is missed is measured again, since a neighbour may have had the other core; missed three times it is missed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
out=target/bench
mkdir -p "$out"

if [ $# -gt 0 ]; then
  benches=("$@")
else
  mapfile -t benches < <(find benches -maxdepth 1 -name '*.rs' ! -name '*_instructions.rs' -printf '%f\n' | sed 's/\.rs$//' | sort)
fi
[ ${#benches[@]} -gt 0 ] || fail "there is no benchmark in benches/"

# The lines of a benchmark's output whose ratio is above its goal.
missed() {
  awk '/^ratio: .* = [0-9.]+ \(goal: at most [0-9.]+\)$/ {
    goal = $NF; sub(/\)/, "", goal)
    ratio = $0; sub(/ \(goal: .*/, "", ratio); sub(/.* = /, "", ratio)
    if (ratio + 0 > goal + 0) print
  }' "$1"
}

missing=()
for bench in "${benches[@]}"; do
  for attempt in 1 2 3; do
    cargo bench --locked --bench "$bench" -- --warm-up-time 0.5 --measurement-time 1 --noplot >"$out/$bench.txt" 2>"$out/$bench.err" ||
      { cat "$out/$bench.txt" "$out/$bench.err" >&2; fail "the benchmark $bench failed"; }
    over=$(missed "$out/$bench.txt")
    if [ -z "$over" ]; then break; fi
    printf 'attempt %s of 3, over its goal: %s\n' "$attempt" "$over"
  done
  printf '\n%s\n' "$bench"
  # The benchmark's own table and ratios; Criterion's confidence intervals, without its remarks about earlier runs.
  grep -vE '^(Benchmarking|Found|  [0-9]+ \(|Gnuplot|running|test result| +change:| +Performance|$)' "$out/$bench.txt" || true
  if [ -n "$over" ]; then missing+=("$over"); fi
done
if [ ${#missing[@]} -gt 0 ]; then
  printf '%s\n' "${missing[@]}" >&2
  fail "missed three times"
fi
