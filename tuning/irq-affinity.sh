#!/usr/bin/env bash
# Moves interrupts and unbound kernel work to the housekeeping CPUs: tuning/irq-affinity.sh [--dry-run] CPUS, as in 0-1.
# Wants root. Lasts until the next boot: run it from a unit that starts after the network.
set -euo pipefail
proc=${PROC:-/proc}
sys=${SYS:-/sys}
dry_run=no
if [ "${1:-}" = --dry-run ]; then
  dry_run=yes
  shift
fi
cpus=${1:-}
if ! [[ $cpus =~ ^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$ ]]; then
  echo "usage: $0 [--dry-run] CPUS, as in 0-1 or 0,8" >&2
  exit 2
fi

moved=0
fixed=()
for file in "$proc"/irq/[0-9]*/smp_affinity_list; do
  irq=$(basename "$(dirname "$file")")
  if [ "$(cat "$file")" = "$cpus" ]; then continue; fi
  if [ "$dry_run" = yes ]; then
    echo "would move interrupt $irq from $(cat "$file") to $cpus"
  elif ! echo "$cpus" 2>/dev/null >"$file"; then
    # Bound to a CPU by the hardware, or managed by the kernel (isolcpus=managed_irq keeps those away).
    fixed+=("$irq")
    continue
  fi
  moved=$((moved + 1))
done

# The mask of the same CPUs, for what takes no list: groups of 32 bits, the highest first. Unbound kernel work and the
# interrupts that are yet to come.
mask() {
  local groups=(0) part cpu
  for part in ${cpus//,/ }; do
    for ((cpu = ${part%-*}; cpu <= ${part#*-}; cpu++)); do
      groups[cpu / 32]=$((${groups[cpu / 32]:-0} | 1 << cpu % 32))
    done
  done
  local text="" at
  for ((at = cpus_max / 32; at >= 0; at--)); do
    text+=$(printf '%s%08x' "${text:+,}" "${groups[at]:-0}")
  done
  echo "$text"
}
cpus_max=$(grep -oE '[0-9]+' <<<"$cpus" | sort -n | tail -n 1)
for file in "$proc/irq/default_smp_affinity" "$sys/devices/virtual/workqueue/cpumask"; do
  if ! [ -e "$file" ]; then continue; fi
  if [ "$dry_run" = yes ]; then
    echo "would write $(mask) to $file"
  elif ! mask 2>/dev/null >"$file"; then
    echo "$file cannot be written" >&2
  fi
done

echo "interrupts moved to $cpus: $moved; not movable: ${fixed[*]:-none}"
