# Needs only make and Python 3.11 or newer; everything else goes into private environments.

BIN := .venv-test/bin
UV := sh tools/uv.sh
SYNC := $(UV) sync --quiet --locked --no-default-groups --all-extras
PYTEST := -m pytest -n auto --dist worksteal
PYTHONS := 3.11 3.12 3.13

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types docs cover others bench compare growth lock clean test-env bench-env

help: ## show this list
	@sed -n 's/^\([a-z0-9.-]*\):.*## /  make \1	/p' Makefile

demo: ## answers over real HTTP, cut, dropped and gone on with, as they arrive
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --quiet --locked --no-default-groups --extra cli
	@.venv/bin/python -m tokenwire demo

test: lint ## lint, and the tests on one Python: about three minutes
	$(BIN)/python $(PYTEST) -m "not slow"

check: types docs others cover ## all the rest: every Python found, coverage, long tests, docs

lint: test-env ## format, lint and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m mypy

types: test-env ## pyright
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/python -m pyright --pythonpath $(BIN)/python

docs: test-env ## build the documentation into build/docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs

cover: test-env ## the tests with more examples, the slow ones too, and coverage
	$(BIN)/python $(PYTEST) --hypothesis-profile thorough --cov

others: test-env ## the tests on each other Python that is installed
	@main=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	for version in $(PYTHONS); do \
		if [ "$$version" = "$$main" ]; then continue; fi; \
		if $(UV) python find -q "$$version" >/dev/null 2>&1; then $(MAKE) "test-$$version"; \
		else echo "Python $$version is not installed here: skipped."; fi || exit 1; \
	done

test-3.%: ## the tests on one Python, by its version
	@UV_PROJECT_ENVIRONMENT=.venv-3.$* $(SYNC) --python 3.$* --group test
	.venv-3.$*/bin/python $(PYTEST) -m "not slow"

bench: bench-env ## run the benchmarks
	@.venv-bench/bin/python benchmarks/run.py

compare: bench-env ## count instructions beside another commit: make compare AGAINST=main
	@.venv-bench/bin/python benchmarks/compare.py $${AGAINST:-HEAD}

growth: bench-env ## 1 to 10,000 streams in one process
	@.venv-bench/bin/python benchmarks/growth.py

lock: ## bring uv.lock up to date with pyproject.toml
	@$(UV) lock

clean: ## remove environments, caches and build results
	rm -rf .venv .venv-test .venv-bench .venv-uv .venv-3.* build dist htmlcov .coverage .coverage.*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks docs examples fuzz -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

test-env:
	@UV_PROJECT_ENVIRONMENT=.venv-test $(SYNC) --group test --group lint --group docs

bench-env:
	@# As it is published, urllib3-future (of niquests) puts itself in urllib3's place (of requests).
	@UV_PROJECT_ENVIRONMENT=.venv-bench URLLIB3_NO_OVERRIDE=1 $(SYNC) --group bench \
		--no-binary-package urllib3-future
