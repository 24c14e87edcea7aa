#!/usr/bin/env bash
# Lints the contract and checks its format with buf, which comes as an npm package.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd .. && pwd)
tools="$root/.cache/buf"
buf="$tools/node_modules/.bin/buf"

PATH="$(./node.sh):$PATH"
export PATH
if [ ! -x "$buf" ]; then
    echo "installing buf into .cache/" >&2
    mkdir -p "$tools"
    npm install --prefix "$tools" --silent --no-fund --no-audit @bufbuild/buf@1.75.0
fi
"$buf" lint
"$buf" format --diff --exit-code
echo "the contract is well-formed"
