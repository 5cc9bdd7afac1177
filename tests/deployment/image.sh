#!/usr/bin/env bash
# Builds the Dockerfile's final stage from the program that was built here, and runs it in there as its user. No image can
# be pulled where tests run, so the base is one of our own that holds what the program links to and nothing else: more than
# that it must not need. Of the stage that compiles, only this is tested: that what it copies is enough.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
[ -x "$engine" ] || fail "$engine is not there: cargo build --release"
need buildah=buildah jq=jq strip=binutils
work=$root/target/image
rm -rf "$work"
base=$work/base
build=$work/build
image=localhost/stellar-hummingbot-connector-test
trap 'buildah rm "${container:-}" >/dev/null 2>&1 || true; buildah rmi --force "$image" "$image-base" >/dev/null 2>&1 || true' EXIT

mkdir -p "$work/source"
sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Dockerfile | tr ' ' '\n' | xargs -I{} cp -r {} "$work/source/"
(cd "$work/source" && CARGO_TARGET_DIR=$root/target cargo check --quiet --locked --bin stellar-connector) ||
  fail "the Dockerfile does not copy what the build needs"

# What the program links to, where it looks for it.
mkdir -p "$base/tmp" "$base/etc"
chmod 1777 "$base/tmp"
ldd "$engine" | grep -oE '/[^ ]+' | while read -r library; do
  mkdir -p "$base$(dirname "$library")"
  cp --dereference "$library" "$base$library"
done
printf 'FROM scratch\nCOPY . /\n' | buildah build --isolation chroot --quiet --tag "$image-base" --file - "$base" >/dev/null

# What the compiling stage would hand over.
mkdir -p "$build/state" "$build/image/usr/local/bin" "$build/image/etc/ssl/certs"
cp "$engine" "$build/image/usr/local/bin/"
strip --strip-debug "$build/image/usr/local/bin/stellar-connector"
printf '' >"$build/image/etc/ssl/certs/ca-certificates.crt"
megabytes=$(du --summarize --block-size=1M "$build/image" | cut -f 1)
[ "$megabytes" -le 40 ] || fail "the image takes $megabytes MB beyond its base, more than 40"

buildah build --isolation chroot --quiet --tag "$image" --build-context "build=$build" \
  --build-arg "BASE=$image-base" --build-arg REVISION=0123abc . >/dev/null
config=$(buildah inspect --type image "$image" | jq .OCIv1.config)
jq -e '.User == "1000:1000" and .WorkingDir == "/var/lib/stellar-connector" and (.ExposedPorts | has("8000/tcp"))
  and .Entrypoint == ["/usr/local/bin/stellar-connector"] and .Labels["org.opencontainers.image.revision"] == "0123abc"
  and .Labels["org.opencontainers.image.licenses"] == "Apache-2.0"' <<<"$config" >/dev/null || fail "not as it should be: $config"

container=$(buildah from --pull-never "$image")
inside() { timeout 60 buildah run --isolation chroot "$container" -- /usr/local/bin/stellar-connector "$@"; }
inside --version
inside demo --for 5s --json --listen "127.0.0.1:$(free_port)" | tail -n 1 | jq -e '.ledgers > 0' >/dev/null ||
  fail "the demo does not run in the image"
echo "the image takes $megabytes MB beyond its base, and its demo runs as user 1000"
