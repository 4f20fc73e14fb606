#!/bin/sh
# Lints schema.graphql with the presets of graphql-eslint (eslint.config.mjs). `make check` runs it. Where Node or its
# packages cannot be had, it says so and does not fail. The packages are installed once, into the user's cache folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
schema="$here/../../../schema.graphql"

skip() {
    echo "schema.graphql was not linted by eslint: $1" >&2
    exit 0
}

command -v node >/dev/null && command -v npm >/dev/null || skip "Node and npm are not installed."
version=$(cksum < "$here/package.json" | cut -d' ' -f1)
folder="${XDG_CACHE_HOME:-$HOME/.cache}/parley/eslint-$version"
if ! [ -e "$folder/complete" ]; then
    mkdir -p "$folder"
    cp "$here/package.json" "$folder"
    (cd "$folder" && timeout 120 npm install --no-audit --no-fund --ignore-scripts --silent --no-package-lock) \
        > /dev/null 2>&1 || skip "npm could not install its packages."
    touch "$folder/complete"
fi
# The configuration finds its packages beside itself.
work=$(mktemp -d "$folder/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp "$here/eslint.config.mjs" "$schema" "$work"
cd "$work"
node "$folder/node_modules/eslint/bin/eslint.js" --no-warn-ignored --max-warnings 0 schema.graphql
