#!/bin/sh
# Bring an environment to the versions that uv.lock names.
#
#     tools/sync_env.sh DIRECTORY [--python PATH] [UV SYNC ARGUMENT]...
#
# uv is taken from $UV, or else from the environment itself. Nothing happens when the
# environment works and neither the arguments nor pyproject.toml nor uv.lock have changed.
set -eu
cd "$(dirname "$0")/.."
unset CONDA_PREFIX PYTHONHOME PYTHONPATH UV_PYTHON VIRTUAL_ENV

env=$1
shift
stamp=$env/.synced
wanted="$PWD $(cat pyproject.toml uv.lock | cksum) $*"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$env/bin/python" -c '' 2>/dev/null; then
    exit 0
fi
rm -f "$stamp"
printf '%s\n' "sync_env: installing the locked versions into $env" >&2
# Certificates that the system trusts, as pip uses them: networks may add their own.
UV_PROJECT_ENVIRONMENT=$env UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true} \
    "${UV:-$env/bin/uv}" sync --quiet --locked --no-default-groups "$@"
printf '%s\n' "$wanted" >"$stamp"
