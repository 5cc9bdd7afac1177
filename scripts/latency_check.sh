#!/usr/bin/env bash
# Measures tick-to-wire and looks at the answer's shape and order: no absolute time is asserted, since machines are noisy.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
[ -x "$engine" ] || fail "$engine is not there: cargo build --release"
out=target/latency
mkdir -p "$out"

"$engine" latency --json --hgrm "$out/tick_to_wire.hgrm" >"$out/latency.txt"
summary=$(tail -n 1 "$out/latency.txt")
jq '{stock_signature_ns, allocations, fused: .fused.tick_to_wire_ns, split: .split.tick_to_wire_ns}' <<<"$summary"
said=$(jq -r '
  def expect(ok; text): if ok then empty else text end;
  def ordered: 0 < .p50 and .p50 <= .p99 and .p99 <= .p999 and .p999 <= .max;
  [ expect(.fused.tick_to_wire_ns | ordered; "fused.tick_to_wire_ns is out of order"),
    expect(.split.tick_to_wire_ns | ordered; "split.tick_to_wire_ns is out of order"),
    expect(.stock_signature_ns.ed25519_dalek > 0 and .stock_signature_ns.aws_lc_rs > 0; "no stock signature"),
    expect(.allocations == 0; "allocations: \(.allocations), promised: none")
  ] | .[]' <<<"$summary")
[ -z "$said" ] || fail "$said"
grep -q '^#\[Mean' "$out/tick_to_wire.hgrm" || fail "$out/tick_to_wire.hgrm is no HdrHistogram output"
