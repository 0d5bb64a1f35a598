#!/usr/bin/env bash
# A Chromium for the browser tests: the one that is there, or Debian's package.
set -euo pipefail
for candidate in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
  [ -n "$candidate" ] && [ -x "$candidate" ] && exit 0
done
echo "· installing Chromium for the browser tests"
if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root="sudo"; else
  echo "No Chromium, and no right to install one: install the package 'chromium', or set CHROMIUM to a browser." >&2
  exit 1
fi
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
