#!/bin/sh
# Install what debian.txt lists, where that is ours to do: on Debian or a relative of it, as root.
# Elsewhere the tests that need it say NOT RUN and what to install.
set -eu
list=$(dirname "$0")/debian.txt
command -v apt-get >/dev/null 2>&1 || exit 0
missing=""
for package in $(grep -v '^#' "$list"); do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "not installed, as we are not root:$missing"
    exit 0
fi
echo "installing$missing ..."
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
