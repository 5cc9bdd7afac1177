#!/usr/bin/env bash
# Runs the demo as a person would, and looks at what it says of itself: once to its end, once until Ctrl-C.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
[ -x "$engine" ] || fail "$engine is not there: cargo build --release"
out=target/demo
mkdir -p "$out"

# One line a promise that was not kept. Counts are far below what a second a ledger gives: machines are slow at times.
# shellcheck disable=SC2016 # what begins with $ is jq's
broken='
  def expect(ok; text): if ok then empty else text end;
  [ expect(.ledgers >= $ledgers; "ledgers: \(.ledgers), expected at least \($ledgers)"),
    expect(.transactions.submitted > 0; "no transaction was submitted"),
    expect(.transactions.applied > 0; "no transaction was applied"),
    expect(.transactions.applied + .transactions.failed <= .transactions.submitted;
      "more transactions ended than were submitted: \(.transactions)"),
    expect(.transactions.failed <= .transactions.applied; "more transactions failed than were applied: \(.transactions)"),
    expect((.fills | type) == "number" and .fills >= $fills; "fills: \(.fills), expected at least \($fills)"),
    expect(.quoted_time_ratio > 0.3 and .quoted_time_ratio <= 1; "quoted_time_ratio: \(.quoted_time_ratio)"),
    expect(has("profit_loss") and .profit_loss != null; "no profit_loss"),
    expect(.tick_to_wire_ns.count > 0; "no tick reached the wire"),
    expect(0 < .tick_to_wire_ns.p50 and .tick_to_wire_ns.p50 <= .tick_to_wire_ns.p99
      and .tick_to_wire_ns.p99 <= .tick_to_wire_ns.max; "tick_to_wire_ns is out of order: \(.tick_to_wire_ns)"),
    expect((.seed | type) == "number" or (.seed | type) == "string"; "no seed")
  ] | .[]'

# check NAME LEDGERS FILLS: the summary is the last line of NAME.txt.
check() {
  local said
  tail -n 1 "$out/$1.txt" | jq . || fail "$1: the last line is not JSON"
  said=$(tail -n 1 "$out/$1.txt" | jq -r --argjson ledgers "$2" --argjson fills "$3" "$broken")
  [ -z "$said" ] || fail "$1: $said"
}

echo "twenty seconds, to the end:"
"$engine" demo --for 20s --json --seed 7 --listen "127.0.0.1:$(free_port)" >"$out/whole.txt"
head -n 12 "$out/whole.txt"
check whole 10 1

echo "until Ctrl-C:"
listen=127.0.0.1:$(free_port)
start_demo 300s "$listen" "$out/interrupted.txt"
curl --silent --fail --max-time 5 "http://$listen/metrics" | grep -q '^stellar_' || fail "no stellar_ metric on /metrics"
for probe in live ready startup; do
  curl --silent --fail --max-time 5 --output /dev/null "http://$listen/health/$probe" || fail "/health/$probe is not well"
done
sleep 6
kill -INT "$demo"
for _ in {1..150}; do
  kill -0 "$demo" 2>/dev/null || break
  sleep 0.2
done
kill -0 "$demo" 2>/dev/null && fail "the demo still runs half a minute after Ctrl-C"
wait "$demo" || fail "after Ctrl-C the demo's exit code was $?"
check interrupted 3 0
