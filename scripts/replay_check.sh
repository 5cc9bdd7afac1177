#!/usr/bin/env bash
# Replays recorded ledgers and compares with what is known to be in them. A third party's recordings are read where they
# are (STELLAR_VECTORS) and left out where they are not; the project's own are always there.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
[ -x "$engine" ] || fail "$engine is not there: cargo build --release"
vectors=${STELLAR_VECTORS:-$root/../shared/vectors}

# expect FILE JQ-CONDITION
expect() {
  local summary
  summary=$("$engine" replay "$1" --json | tail -n 1)
  jq -c '{ledgers, transactions, failed_transactions, book_claims, pool_claims}' <<<"$summary"
  jq -e "$2" <<<"$summary" >/dev/null || fail "replay of $1: expected $2"
}

for recording in tests/recordings/*.xdr.zst; do
  echo "$recording"
  expect "$recording" '.ledgers > 0 and (.markets | type) == "array"'
done

pubnet=$vectors/FCD285FF--53312000.xdr.zstd
if [ -f "$pubnet" ]; then
  echo "pubnet ledger 53,312,000"
  expect "$pubnet" '.ledgers == 1 and .transactions == 163 and .failed_transactions == 62
    and .book_claims == 12 and .pool_claims == 18'
else
  echo "skipped: pubnet ledger 53,312,000 ($pubnet is not there)"
fi

echo "a truncated recording is refused"
recording=$(find tests/recordings -name '*.xdr.zst' | sort | head -n 1)
mkdir -p target/replay
head -c 1000 "$recording" >target/replay/truncated.xdr.zst
if "$engine" replay target/replay/truncated.xdr.zst --json >target/replay/truncated.txt 2>&1; then
  fail "the first 1,000 bytes of $recording were taken for a whole recording"
fi
tail -n 3 target/replay/truncated.txt
