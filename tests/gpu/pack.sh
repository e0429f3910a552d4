#!/usr/bin/env bash
# Builds what run.sh runs on a machine that has a GPU and no Rust: the program, the suites that take a
# device, the engine's own tests; stripped, into target/gpu/bin.
#
#   tests/gpu/pack.sh
#
# Beside target/gpu the other machine needs the files of this repository, at the same places.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=target/gpu/bin
most=$((60 << 20))
rm -rf "$out" && mkdir -p "$out"

cargo build --release -p cine
cp target/release/cine "$out/"

# Where cargo put each test, from what it says of them.
messages="$(cargo test --release --no-run -p cine-tests -p tensor --message-format=json)"
for name in devices views gradients parity tensor; do
  built="$(grep '"reason":"compiler-artifact"' <<< "$messages" | grep '"test":true}' |
    grep "\"name\":\"$name\"" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)"
  if [ -z "$built" ]; then
    echo "pack.sh: cargo built no test $name" >&2
    exit 1
  fi
  cp "$built" "$out/$name"
done

if command -v strip > /dev/null 2>&1; then strip "$out"/*; fi
size() { du -sb "$out" | cut -f1; }
if [ "$(size)" -gt "$most" ]; then xz -T0 "$out"/*; fi
if [ "$(size)" -gt "$most" ]; then
  echo "pack.sh: $out takes $(($(size) >> 20)) MiB, and $((most >> 20)) are meant to do" >&2
  exit 1
fi
git rev-parse --short HEAD > target/gpu/commit 2> /dev/null || true
ls -sh "$out"
