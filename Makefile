# Needs only make and Python 3.11 or newer; everything else goes into private environments.

UV_VERSION := 0.13.8

.DEFAULT_GOAL := help
.PHONY: help demo test bench compare growth docs lint lock clean test-env bench-env

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: ## answers over real HTTP, cut, dropped and gone on with, as they arrive
	@sh tools/make_env.sh .venv --editable '.[cli]'
	@.venv/bin/tokenwire demo

test: test-env ## lint, types, documentation and tests on every Python found
	@sh tools/run_tests.sh

bench: bench-env ## run the benchmarks
	@.venv-bench/bin/python benchmarks/run.py

compare: bench-env ## count instructions beside another commit: make compare AGAINST=main
	@.venv-bench/bin/python benchmarks/compare.py $${AGAINST:-HEAD}

growth: bench-env ## 1 to 10,000 streams in one process
	@.venv-bench/bin/python benchmarks/growth.py

docs: test-env ## build the documentation into build/docs
	@sh tools/run_tests.sh docs

lint: test-env ## check format, lint and types only
	@sh tools/run_tests.sh lint

lock: ## bring uv.lock up to date with pyproject.toml
	@sh tools/make_env.sh .venv-test uv==$(UV_VERSION)
	@UV_SYSTEM_CERTS=$${UV_SYSTEM_CERTS:-true} .venv-test/bin/uv lock --python .venv-test/bin/python

clean: ## remove environments, caches and build results
	rm -rf .venv .venv-test .venv-bench .venv-3.* build dist htmlcov .coverage .coverage.*
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks docs examples fuzz -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

test-env:
	@sh tools/make_env.sh .venv-test uv==$(UV_VERSION)
	@sh tools/sync_env.sh .venv-test --all-extras --group test --group lint --group docs

bench-env:
	@sh tools/make_env.sh .venv-bench uv==$(UV_VERSION)
	@# As it is published, urllib3-future (of niquests) puts itself in urllib3's place (of requests).
	@URLLIB3_NO_OVERRIDE=1 sh tools/sync_env.sh .venv-bench --all-extras --group bench \
		--no-binary-package urllib3-future
