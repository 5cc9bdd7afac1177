#!/usr/bin/env bash
# Drives sandboxes through Stellar's own SDKs, unmodified: one of its own for each, since the last that a client does is
# to break things. Needs the release build.
#
#   tests/clients/run.sh [python|js]…     both unless told
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
out=target/clients
mkdir -p "$out"

python_client() {
  local venv=target/tools/clients
  python_venv "$venv" tests/clients/python/requirements.txt
  "$venv/bin/python" tests/clients/python/run.py "$1"
}

js_client() {
  # Without a lock: package.json has exact versions. It brings the Node that the SDK asks for; Debian's is older.
  npm install --prefix tests/clients/js --no-package-lock --no-audit --no-fund --loglevel=error
  local node
  node=$(echo tests/clients/js/node_modules/node-linux-*/bin/node)
  "$node" tests/clients/js/run.mjs "$1"
}

# One client and its sandbox.
drive() {
  local listen
  listen=127.0.0.1:$(free_port)
  start_sandbox "$listen" "$out/$1-sandbox.txt" --close-every 600ms --traders none
  "${1}_client" "http://$listen"
}

need curl=curl python3=python3 npm=npm
[ $# -gt 0 ] || set -- python js
clients=()
for client in "$@"; do
  (drive "$client") >"$out/$client.txt" 2>&1 &
  clients+=("$!")
done
failed=0
for client in "$@"; do
  wait "${clients[0]}" || failed=1
  clients=("${clients[@]:1}")
  echo "--- $client"
  cat "$out/$client.txt"
done
[ "$failed" -eq 0 ]
