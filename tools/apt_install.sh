#!/bin/sh
# Install a Debian package where apt-get is there and this user may; otherwise say so and fail.
#
#     tools/apt_install.sh PACKAGE
set -eu

say() { printf '%s\n' "apt_install: $*" >&2; }

if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    say "the package $1 is missing, and this user cannot install it."
    exit 1
fi
say "installing the package $1."
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
# A failed update is no reason to stop: the known package lists may be good enough.
apt-get update -qq </dev/null >&2 || say "apt-get update failed; trying to install anyway."
apt-get install -y -qq --no-install-recommends "$1" </dev/null >&2
