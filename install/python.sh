#!/usr/bin/env bash
# Make .venv with the locked dependencies: `python.sh server` for running, `python.sh dev` for the tests as well.
# Nothing happens when they are there already and no lock file has changed. PYTHON= chooses the interpreter.
# Without it, Debian's own comes first: it is what servers run, and Debian compiles it with profile-guided optimisation,
# which takes a tenth off the CPU time of web and workers.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-server}
own=.venv/bin/python

suits() { # whether $1 is new enough and can make virtual environments
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=${PYTHON:-}
[ -n "$python" ] || { suits /usr/bin/python3 && python=/usr/bin/python3; } || python=python3

stamp() { # what an installation of $1 depends on
    { echo "$PWD" && "$own" -VV && cat "requirements/$1.txt" pyproject.toml; } 2>/dev/null | sha256sum
}

installed() {
    [ -x "$own" ] && [ "$(cat ".venv/.$1" 2>/dev/null)" = "$(stamp "$1")" ]
}

install() {
    "$own" -m pip install --quiet --disable-pip-version-check --no-input --retries 5 --timeout 60 "$@" </dev/null
}

if installed "$kind" || installed dev; then
    exit 0
fi

if ! command -v "$python" >/dev/null; then
    echo "There is no $python here. Please type: sudo apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Qianda needs Python 3.11 or newer; $python is $("$python" -V 2>&1). PYTHON=… chooses another one." >&2
    exit 1
fi
if ! "$own" -m pip --version >/dev/null 2>&1; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$python cannot make virtual environments. Please type: sudo apt-get install python3-venv" >&2
        exit 1
    fi
    "$python" -m venv --clear .venv
fi

echo "Installing the Python packages of requirements/$kind.txt (once) …"
for attempt in 1 2 3; do
    if install --require-hashes --requirement "requirements/$kind.txt"; then
        # The lock holds the build tool too, so this needs no network.
        install --no-deps --no-build-isolation --editable .
        stamp "$kind" >".venv/.$kind"
        exit 0
    fi
    echo "pip failed (attempt $attempt of 3)." >&2
    sleep 5
done
exit 1
