#!/usr/bin/env bash
# Everything that a change must pass, in stages. Installs by name what the stages need and the machine lacks (Debian's
# packages, pip, npm, crates.io); wants Rust by rustup, and a Debian or its like.
#
#   scripts/test.sh                all stages
#   scripts/test.sh STAGE…         these stages
#   scripts/test.sh --list         what there is
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

# Stage, the most minutes that it may take, what it holds. Each is a function stage_… below.
stages=(
  "fmt          5 the sources are formatted"
  "shell        5 shellcheck finds nothing in the scripts"
  "clippy      20 no warning in any target"
  "test        30 unit, property and integration tests"
  "loom        20 every interleaving of the lock-free parts"
  "doc         15 the documentation builds without a warning"
  "deny        15 licences, bans and sources of the dependencies"
  "build       20 the release build"
  "demo         5 the demo end to end: it quotes, it is filled, it stops when told"
  "replay       5 recorded ledgers, counted as they are known to be"
  "latency      5 tick-to-wire is measured, and nothing allocates"
  "browser     10 the status page in headless Chromium"
  "clients     10 Stellar's own SDKs, unmodified, trade in the sandbox"
  "instructions 15 instruction counts below their ceilings"
  "bench       15 benchmarks, and their ratios within their goals"
  "fuzz        25 each fuzz target for a minute"
  "k8s         10 manifests rendered, valid, and as promised"
  "image       10 the Dockerfile's final stage, and its program in it"
  "tuning       2 the node check runs, and changes nothing"
)

stage_fmt() {
  cargo fmt --check
}

stage_shell() {
  need shellcheck=shellcheck
  local scripts
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
  shellcheck --external-sources "${scripts[@]}"
  echo "${#scripts[@]} scripts"
}

stage_clippy() {
  cargo clippy --locked --all-targets --quiet -- --deny warnings
}

stage_test() {
  need git=git
  cargo test --locked
}

stage_loom() {
  # A target folder of its own: the flag would otherwise rebuild everything, twice.
  RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=false \
    cargo test --locked --release --test loom_views loom_ | tee target/loom.txt
  grep -q '^test result: ok. [1-9]' target/loom.txt || fail "no loom test ran"
}

stage_doc() {
  RUSTDOCFLAGS="--deny warnings" cargo doc --locked --no-deps --document-private-items --quiet
}

stage_deny() {
  need_crate cargo-deny 0.20.2
  cargo deny --all-features check bans licenses sources
}

stage_build() {
  cargo build --locked --release
}

stage_demo() {
  need jq=jq curl=curl
  stage_build
  scripts/demo_check.sh
}

stage_replay() {
  need jq=jq
  stage_build
  scripts/replay_check.sh
}

stage_latency() {
  need jq=jq
  stage_build
  scripts/latency_check.sh
}

stage_browser() {
  need curl=curl node=nodejs npm=npm chromium=chromium
  stage_build
  # Without a lock: both packages have exact versions in package.json, and depend on nothing.
  npm install --prefix tests/browser --no-package-lock --no-audit --no-fund --loglevel=error
  mkdir -p target/browser
  local listen
  listen=127.0.0.1:$(free_port)
  start_demo 300s "$listen" target/browser/demo.txt
  node tests/browser/status_page.mjs "http://$listen/" target/browser
}

stage_clients() {
  stage_build
  tests/clients/run.sh
}

stage_instructions() {
  need valgrind=valgrind
  need_crate gungraun-runner "$(locked_version gungraun)"
  cargo bench --locked --bench '*_instructions'
}

stage_bench() {
  scripts/bench.sh
}

stage_fuzz() {
  scripts/fuzz.sh --for 60
}

stage_k8s() {
  tests/deployment/run.sh
}

stage_image() {
  need buildah=buildah
  stage_build
  tests/deployment/image.sh
}

stage_tuning() {
  tuning/check.sh
}

# One stage, in a process of its own, so that an error ends it and its time is bounded.
if [ "${1:-}" = --stage ]; then
  "stage_$2"
  exit 0
fi

names() {
  printf '%s\n' "${stages[@]}" | awk '{ print $1 }'
}

if [ "${1:-}" = --list ]; then
  printf '%s\n' "${stages[@]}" | awk '{ name = $1; $1 = $2 = ""; printf "%-14s%s\n", name, substr($0, 3) }'
  exit 0
fi
for name in "$@"; do
  names | grep -qx -- "$name" || fail "there is no stage '$name': scripts/test.sh --list shows them"
done

need cc=build-essential git=git
mkdir -p target
summary=()
passed=0
failed=0
for stage in "${stages[@]}"; do
  read -r name minutes what <<<"$stage"
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  printf '\n=== %s: %s\n' "$name" "$what"
  start=$SECONDS
  status=0
  timeout --kill-after=20s "${minutes}m" bash "$root/scripts/test.sh" --stage "$name" </dev/null || status=$?
  took="$((SECONDS - start)) s"
  case $status in
    0) word=passed passed=$((passed + 1)) ;;
    124 | 137) word="FAILED (not done after $minutes minutes)" failed=$((failed + 1)) ;;
    *) word="FAILED (exit code $status)" failed=$((failed + 1)) ;;
  esac
  printf -- '--- %s: %s, %s\n' "$name" "$word" "$took"
  summary+=("$(printf '%-14s%8s  %s' "$name" "$took" "$word")")
done

printf '\n=== Summary, %s s\n' "$SECONDS"
printf '%s\n' "${summary[@]}"
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
