# shellcheck shell=bash
# What the scripts share: where things are, how what is missing gets installed, and a demo to talk to.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
engine=${CARGO_TARGET_DIR:-$root/target}/release/stellar-connector

fail() {
  echo "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# need COMMAND=PACKAGE…: installs the Debian packages whose commands are missing.
need() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
}

install_packages() {
  echo "installing from Debian: $*"
  as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}

# python_venv DIRECTORY REQUIREMENTS: an environment with exactly these packages, made anew when they change, or when it
# was moved (its commands have absolute paths in them).
python_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
  local wanted
  wanted=$(echo "# $PWD/$1" && cat "$2")
  if [ "$wanted" = "$(cat "$1/installed.txt" 2>/dev/null)" ]; then return; fi
  echo "installing from PyPI: $2"
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$2"
  echo "$wanted" >"$1/installed.txt"
}

# need_crate NAME VERSION: installs a command from crates.io in exactly that version.
need_crate() {
  if cargo install --list | grep -qx "$1 v$2:"; then return; fi
  echo "installing from crates.io: $1 $2"
  cargo install --quiet --locked "$1" --version "$2"
}

# The version of a crate in Cargo.lock.
locked_version() {
  awk -v name="name = \"$1\"" '$0 == name { getline; gsub(/version = |"/, ""); print; exit }' Cargo.lock
}

# A port that nobody listens on. (Somebody may take it a moment later: then what wanted it says so.)
free_port() {
  local port
  for _ in {1..100}; do
    port=$((RANDOM % 20000 + 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  fail "no free port in a hundred tries"
}

# answers PROCESS WHAT URL OUTPUT: waits until this process answers there; fails with its output if it does not.
answers() {
  for _ in {1..150}; do
    if curl --silent --fail --max-time 2 --output /dev/null "$3"; then return; fi
    kill -0 "$1" 2>/dev/null || break
    sleep 0.2
  done
  cat "$4" "$4.err" >&2
  fail "$2 did not become ready: $3"
}

# start_demo FOR LISTEN OUTPUT…: starts a demo in the background, as $demo, and waits until it is ready. It is ended with
# the shell that started it.
start_demo() {
  local duration=$1 listen=$2 output=$3
  "$engine" demo --for "$duration" --json --listen "$listen" >"$output" 2>"$output.err" &
  demo=$!
  trap 'kill "$demo" 2>/dev/null || true' EXIT
  answers "$demo" "the demo" "http://$listen/health/ready" "$output"
}

# start_sandbox LISTEN OUTPUT OPTION…: the same for a sandbox, as $sandbox.
start_sandbox() {
  local listen=$1 output=$2
  shift 2
  "$engine" sandbox --listen "$listen" --json "$@" >"$output" 2>"$output.err" &
  sandbox=$!
  trap 'kill "$sandbox" 2>/dev/null || true' EXIT
  answers "$sandbox" "the sandbox" "http://$listen/" "$output"
}
