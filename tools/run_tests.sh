#!/bin/sh
# Every check of the project, in the environment .venv-test that `make test` sets up.
#
#     tools/run_tests.sh            lint, types, documentation, and the tests on every
#                                   Python found, the main one last and with coverage
#     tools/run_tests.sh lint       format, lint and types only
#     tools/run_tests.sh docs       the documentation only
set -eu
cd "$(dirname "$0")/.."
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV
bin=$PWD/.venv-test/bin

step() {
    printf '\n-- %s\n' "$*"
}

lint() {
    step "ruff format --check"
    "$bin/ruff" format --check .
    step "ruff check"
    "$bin/ruff" check .
    step "mypy"
    "$bin/mypy"
    step "pyright"
    PYRIGHT_PYTHON_IGNORE_WARNINGS=1 "$bin/pyright" --pythonpath "$bin/python"
}

docs() {
    step "sphinx-build"
    "$bin/python" -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs
    printf '%s\n' "The pages are in build/docs."
}

# The interpreter of one minor version: from PATH, or else the newest that pyenv holds.
find_python() {
    if "python$1" -c '' >/dev/null 2>&1; then
        command -v "python$1"
        return
    fi
    found=
    for candidate in "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$1".*/bin/"python$1"; do
        if "$candidate" -c '' >/dev/null 2>&1; then
            found=$candidate
        fi
    done
    printf '%s\n' "$found"
}

tests_elsewhere() {
    main=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for version in 3.11 3.12 3.13; do
        if [ "$version" = "$main" ]; then
            continue
        fi
        step "pytest on Python $version"
        python=$(find_python "$version")
        if [ -z "$python" ]; then
            printf '%s\n' "Not installed here: skipped."
            continue
        fi
        UV=$bin/uv sh tools/sync_env.sh ".venv-$version" --python "$python" \
            --all-extras --group test
        # What may differ from the main Python, where all is tried.
        ".venv-$version/bin/python" -m pytest -q -n auto --dist worksteal \
            --hypothesis-profile light -m "not once"
    done
}

case ${1:-all} in
lint)
    lint
    ;;
docs)
    docs
    ;;
all)
    # Types and documentation keep one core busy each: the tests beside them use the others.
    mkdir -p build
    (lint; docs) >build/beside.log 2>&1 &
    beside=$!
    trap 'kill "$beside" 2>/dev/null || true' EXIT
    tests_elsewhere
    failed=0
    wait "$beside" || failed=$?
    cat build/beside.log
    [ "$failed" -eq 0 ] || exit "$failed"
    step "pytest with coverage on $("$bin/python" -V)"
    exec "$bin/python" -m pytest -n auto --dist worksteal --cov --cov-report=term
    ;;
*)
    printf '%s\n' "usage: tools/run_tests.sh [lint|docs]" >&2
    exit 2
    ;;
esac
