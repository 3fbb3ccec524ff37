#!/bin/sh
# Run uv, which makes every environment here and installs into it what uv.lock names.
#
#     tools/uv.sh --check        only see to it that uv can be installed
#     tools/uv.sh ARGUMENT...
#
# All that must be there before is Python 3.11 or newer: uv itself goes into .venv-uv.
set -eu
cd "$(dirname "$0")/.."
unset CONDA_PREFIX PYTHONHOME PYTHONPATH VIRTUAL_ENV
version=0.13.8
env=.venv-uv

say() { printf '%s\n' "uv.sh: $*" >&2; }

find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return 0
        fi
    done
    say "no Python 3.11 or newer found on PATH, under python3 or its full name."
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
    say "Install it, then try again. On Debian and Ubuntu:"
    say "    sudo apt-get update && sudo apt-get install $package"
    return 1
}

python=$(find_python)
if [ "${1:-}" = --check ]; then
    ensure_venv
    exit 0
fi
if [ "$("$env/bin/uv" --version 2>/dev/null | cut -d ' ' -f 2)" != "$version" ]; then
    ensure_venv
    say "installing uv $version into $env"
    "$python" -m venv --clear "$env"
    "$env/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$version"
fi
UV_PYTHON=${UV_PYTHON:-$("$python" -c 'import sys; print(sys.executable)')}
# Of the Pythons that pyenv holds, only those that are chosen answer to their names.
if command -v pyenv >/dev/null 2>&1; then
    PYENV_VERSION=$(pyenv versions --bare --skip-aliases | sort -rV | paste -sd : -)
    export PYENV_VERSION
fi
# Certificates that the system trusts, as pip uses them: networks may add their own.
UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
export UV_PYTHON UV_SYSTEM_CERTS
UV_PYTHON_DOWNLOADS=never exec "$env/bin/uv" "$@"
