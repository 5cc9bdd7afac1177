#!/usr/bin/env bash
# Shows whether each line of this folder took effect on this machine, as a table. Reads only.
#
#   tuning/check.sh [--strict] [--housekeeping CPUS]
#
# CPUS (0-1 unless given) are for the system; all others are for the engine. With --strict the exit code is 1 if a line
# did not take effect. What cannot be seen from here (in a container, or on hardware without it) is `unknown`, never `ok`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
strict=no
housekeeping=0-1
while [ $# -gt 0 ]; do
  case $1 in
    --strict) strict=yes ;;
    --housekeeping) housekeeping=${2:?--housekeeping wants CPUs, as in 0-1}; shift ;;
    *) echo "usage: $0 [--strict] [--housekeeping CPUS]" >&2; exit 2 ;;
  esac
  shift
done

# 0-2,5 as one CPU a line, and back.
expand() {
  local part
  for part in ${1//,/ }; do seq "${part%-*}" "${part#*-}"; done
}
collapse() {
  awk 'NR == 1 { from = to = $1; next }
    $1 == to + 1 { to = $1; next }
    { printf "%s%s", sep, from == to ? from : from "-" to; sep = ","; from = to = $1 }
    END { if (NR) printf "%s%s\n", sep, from == to ? from : from "-" to }'
}
# The CPUs of the first list that are in the second (both) or are not (but_not).
both() { comm -12 <(expand "$1" | sort) <(expand "$2" | sort) | sort -n | collapse; }
but_not() { comm -23 <(expand "$1" | sort) <(expand "$2" | sort) | sort -n | collapse; }

online=$(cat /sys/devices/system/cpu/online)
engine=$(but_not "$online" "$housekeeping")

failed=0
# row CHECK FOUND WANTED RESULT WHERE
row() {
  printf '%-42s %-20.20s %-24.24s %-8s %s\n' "$@"
  if [ "$4" = no ]; then failed=$((failed + 1)); fi
}
# compare CHECK FOUND WANTED WHERE; nothing found is unknown.
compare() {
  local result=no
  if [ -z "$2" ]; then result=unknown; elif [ "$2" = "$3" ]; then result=ok; fi
  row "$1" "${2:--}" "$3" "$result" "$4"
}
# What a file holds, or nothing.
content() {
  if [ -r "$1" ]; then cat "$1" 2>/dev/null || true; fi
}
# The different values of the files that are there, in one word.
values() {
  local file
  for file in "$@"; do if [ -r "$file" ]; then cat "$file"; fi; done | sort -u | paste -sd, -
}

check_kubelet() {
  local state=/var/lib/kubelet/cpu_manager_state
  compare "kubelet: CPU manager" "$(content $state | sed -n 's/.*"policyName":"\([^"]*\)".*/\1/p')" static kubelet.yaml
  state=/var/lib/kubelet/memory_manager_state
  compare "kubelet: memory manager" "$(content $state | sed -n 's/.*"policyName":"\([^"]*\)".*/\1/p')" Static kubelet.yaml
}

check_cgroup() {
  local group quota throttled
  group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
  [ -r "$group/cpu.max" ] || group=/sys/fs/cgroup
  quota=$(content "$group/cpu.max")
  compare "cgroup: CPU quota" "${quota%% *}" max kubelet.yaml
  throttled=$(content "$group/cpu.stat" | awk '$1 == "nr_throttled" { print $2 }')
  compare "cgroup: times throttled" "$throttled" 0 kubelet.yaml
  # The kubelet gives a container with exclusive CPUs a set of its own: less than the machine, whole cores.
  local allowed
  allowed=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
  compare "affinity: housekeeping CPUs in it" "$(both "$allowed" "$housekeeping" | grep . || echo none)" none kubelet.yaml
}

# A parameter's value, or the parameter where it has none.
value() { echo "${1#*=}"; }

check_kernel_command_line() {
  local line name found
  while read -r line; do
    if [ -z "$line" ] || [ "${line:0:1}" = "#" ]; then continue; fi
    # The file is written for 16 CPUs.
    line=${line//2-15/${engine:-none}}
    line=${line//0-1/$housekeeping}
    name=${line%%=*}
    found=$(tr ' ' '\n' </proc/cmdline | grep -E "^$name(=|$)" | tail -n 1 || true)
    compare "kernel: $name" "$(value "${found:-absent}")" "$(value "$line")" kernel-command-line
  done <"$here/kernel-command-line"
  compare "kernel: tick stopped on" "$(content /sys/devices/system/cpu/nohz_full | grep -v null || true)" "${engine:-none}" kernel-command-line
}

check_sysctl() {
  local name wanted
  while IFS=' =' read -r name wanted; do
    if [ -z "$name" ] || [ "${name:0:1}" = "#" ]; then continue; fi
    compare "sysctl: $name" "$(content "/proc/sys/${name//.//}")" "$wanted" sysctl.conf
  done <"$here/sysctl.conf"
}

check_cores() {
  local cpu=/sys/devices/system/cpu
  compare "cores: governor" "$(values $cpu/cpu[0-9]*/cpufreq/scaling_governor)" performance tuned/tuned.conf
  compare "cores: energy bias" "$(values $cpu/cpu[0-9]*/power/energy_perf_bias)" 0 tuned/tuned.conf
  compare "cores: lowest clock, % of highest" "$(content $cpu/intel_pstate/min_perf_pct)" 100 tuned/tuned.conf
  local slowest
  slowest=$(for state in "$cpu"/cpu0/cpuidle/state*; do
    if [ -r "$state/latency" ] && [ "$(content "$state/disable")" = 0 ]; then cat "$state/latency"; fi
  done | sort -n | tail -n 1)
  local result=unknown
  if [ -n "$slowest" ]; then if [ "$slowest" -le 10 ]; then result=ok; else result=no; fi; fi
  row "cores: slowest wake-up, us" "${slowest:--}" "at most 10" "$result" kernel-command-line
  compare "clock source" "$(content /sys/devices/system/clocksource/clocksource0/current_clocksource)" tsc "(firmware)"
}

check_memory() {
  local pages
  pages=$(content /sys/kernel/mm/transparent_hugepage/enabled | sed -n 's/.*\[\(.*\)\].*/\1/p')
  compare "memory: transparent huge pages" "$pages" madvise kernel-command-line
  compare "memory: swap areas" "$(tail -n +2 /proc/swaps | wc -l)" 0 "(swapoff)"
}

check_interrupts() {
  local file here_too=0 all=0
  for file in /proc/irq/[0-9]*/effective_affinity_list; do
    if ! [ -r "$file" ] || [ -z "$(cat "$file")" ]; then continue; fi
    all=$((all + 1))
    if [ -n "$engine" ] && [ -n "$(both "$(cat "$file")" "$engine")" ]; then here_too=$((here_too + 1)); fi
  done
  local found=""
  if [ "$all" -gt 0 ]; then found=$here_too; fi
  compare "interrupts on the engine's CPUs" "$found" 0 irq-affinity.sh
  local state="not running" result=ok
  if grep -qsx irqbalance /proc/[0-9]*/comm; then state=running result=unknown; fi
  row "irqbalance" "$state" "not running, or banned" "$result" tuned/tuned.conf
}

# Time that the host of a virtual machine gave to others, over a second.
check_steal() {
  local before after
  before=$(awk '/^cpu / { print $9 }' /proc/stat)
  sleep 1
  after=$(awk '/^cpu / { print $9 }' /proc/stat)
  compare "stolen by the host, ticks a second" "$((after - before))" 0 "(another host)"
}

echo "CPUs online: $online; housekeeping: $housekeeping; engine: ${engine:-none}"
row CHECK FOUND WANTED RESULT WHERE
check_kubelet
check_cgroup
check_kernel_command_line
check_sysctl
check_cores
check_memory
check_interrupts
check_steal
echo "$failed lines did not take effect here"
[ "$strict" = no ] || [ "$failed" -eq 0 ]
