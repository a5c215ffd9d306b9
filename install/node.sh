#!/usr/bin/env bash
# Make node_modules with the locked packages that check the browser's scripts. Nothing of it is ever served or shipped.
# Nothing happens when they are there already and no lock file has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp() { # what an installation depends on
    { node --version && cat package.json package-lock.json; } 2>/dev/null | sha256sum
}

if [ "$(cat node_modules/.stamp 2>/dev/null)" = "$(stamp)" ]; then
    exit 0
fi

if ! command -v npm >/dev/null || ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)'; then
    echo "The check of the scripts needs Node 18 or newer, with npm. Please type: sudo apt-get install nodejs npm" >&2
    exit 1
fi

echo "Installing the npm packages of package-lock.json (once) …"
for attempt in 1 2 3; do
    if npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error </dev/null; then
        stamp >node_modules/.stamp
        exit 0
    fi
    echo "npm failed (attempt $attempt of 3)." >&2
    sleep 5
done
exit 1
