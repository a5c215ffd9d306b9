#!/usr/bin/env bash
# Install the Debian packages that are missing: `system.sh run` for the demo, `system.sh test` for the tests as well,
# `system.sh real` for the slow proofs with outside peers, too.
# As root, or with sudo that asks no password, it installs them; otherwise it stops with the command to type.
# It never waits for an answer.
set -euo pipefail

packages=(python3-venv softhsm2 fonts-noto-cjk)
if [ "${1:-run}" != run ]; then
    packages+=(chromium poppler-utils mupdf-tools qpdf openssl unzip curl strace faketime)
    packages+=(kannel kannel-extras iproute2 p11-kit-modules)
    # Chromium without a window, for the quick tests. Where there is none, they take the whole browser.
    if command -v chromium-headless-shell >/dev/null || apt-cache show chromium-headless-shell >/dev/null 2>&1; then
        packages+=(chromium-headless-shell)
    fi
    # Debian's npm brings its Node. A Node from elsewhere has an npm of its own, and the two packages exclude each other.
    command -v npm >/dev/null || packages+=(npm)
fi
if [ "${1:-run}" = real ]; then
    packages+=(libxml2-utils default-jdk-headless libpdfbox2-java libbcpkix-java maven postgresql)
    packages+=(caddy nginx prometheus systemd)
fi

if ! command -v dpkg-query >/dev/null; then
    echo "This is not a Debian system: please see to it yourself that these are installed: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true </dev/null 2>/dev/null; then
        echo "Some Debian packages are missing. Please type this, then try again:" >&2
        echo "    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi

apt() {
    # A package's questions take their defaults, a busy package manager is waited for, a slow network tried again.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold \
        -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@" </dev/null
}

no_service() {
    # The tests start a program of this package by themselves. Its init script reads this file first, and the package
    # manager keeps one that is there: so the service starts neither now nor when the machine does.
    local settings=/etc/default/$1
    [ -e "$settings" ] || printf '%s\n' '# Installed for tests: without this line it is a service.' 'exit 0' |
        "${as_root[@]}" tee "$settings" >/dev/null
}

no_unit() {
    # The tests ask this program whether it accepts a file. A masked unit starts neither now nor with the machine.
    local unit=/etc/systemd/system/$1.service
    [ -e "$unit" ] || [ -L "$unit" ] || { "${as_root[@]}" mkdir -p "${unit%/*}" && "${as_root[@]}" ln -s /dev/null "$unit"; }
}

no_cluster() {
    # The tests make a server of their own. Debian's package would make one as well, unless this file says no.
    local settings=/etc/postgresql-common/createcluster.conf
    [ -e "$settings" ] || printf '%s\n' '# Installed for tests.' 'create_main_cluster = false' |
        "${as_root[@]}" install -D -m 644 /dev/stdin "$settings"
}

echo "Installing ${missing[*]} …"
[[ " ${missing[*]} " != *" kannel "* ]] || no_service kannel
for program in caddy nginx prometheus; do
    [[ " ${missing[*]} " != *" $program "* ]] || no_unit "$program"
done
[[ " ${missing[*]} " != *" postgresql "* ]] || no_cluster
for attempt in 1 2 3; do
    # One broken package source among several need not matter: what counts is whether the packages come.
    apt -qq update || echo "apt-get update had trouble; going on." >&2
    if apt -qq install --no-install-recommends "${missing[@]}"; then
        exit 0
    fi
    echo "apt-get failed (attempt $attempt of 3)." >&2
    sleep 5
done
exit 1
