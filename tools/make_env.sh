#!/bin/sh
# Create a private virtual environment and install what it needs with pip.
#
#     tools/make_env.sh --check                  only see to it that one can be created
#     tools/make_env.sh DIRECTORY [PIP ARGUMENT]...
#
# Nothing happens when the environment is there, works, and neither the arguments nor
# pyproject.toml have changed since it was made.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

say() { printf '%s\n' "make_env: $*" >&2; }

find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return 0
        fi
    done
    say "no Python 3.11 or newer found."
    say "Looked on PATH for python3, python3.13, python3.12 and python3.11."
    return 1
}

can_make_venv() { "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Debian ships the venv and ensurepip modules in a package of their own.
ensure_venv() {
    if can_make_venv; then
        return 0
    fi
    package="$python-venv"
    say "$python cannot create virtual environments: its ensurepip module is missing."
    if sh tools/apt_install.sh "$package" && can_make_venv; then
        return 0
    fi
    if command -v apt-get >/dev/null 2>&1; then
        say "Run this, then try again:"
        say "    sudo apt-get update && sudo apt-get install $package"
    else
        say "Install your system's package that provides it, then try again."
    fi
    return 1
}

if [ "$#" -eq 0 ]; then
    say "usage: tools/make_env.sh --check | DIRECTORY [PIP ARGUMENT]..."
    exit 2
fi

python=$(find_python)
if [ "$1" = --check ]; then
    ensure_venv
    exit 0
fi

env=$1
shift
stamp=$env/.made
# Environments hold absolute paths, so one that was moved or copied is made again.
place="$PWD $("$python" -c 'import sys; print(*sys.version_info[:3], sys.base_prefix)')"
wanted="$place $(cksum <pyproject.toml) $*"

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$env/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
if ! { [ -f "$stamp" ] && [ "$(head -c "${#place}" "$stamp")" = "$place" ] \
    && "$env/bin/python" -c '' 2>/dev/null; }; then
    ensure_venv
    say "creating $env with $("$python" -V)"
    rm -rf "$env"
    "$python" -m venv "$env"
fi
rm -f "$stamp"
if [ "$#" -gt 0 ]; then
    say "installing $* into $env"
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
fi
printf '%s\n' "$wanted" >"$stamp"
