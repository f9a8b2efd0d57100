# `make run` starts the server, `make test` does all that CI does. `make help` lists the rest.
.PHONY: help run test check soak bench metal-check screenshots visual bundle bundle-check lock
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Set on the command line only; what the environment holds under these names is not meant for us.
HOST :=
PORT :=
ARGS :=

help:  ## this list
	@awk -F ':  ## ' '/^[a-z-]+:  ## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run:  ## set up, install the starter model, serve   (PORT=8000 HOST=127.0.0.1 ARGS="--log-level debug")
	@scripts/setup.sh
	@exec .venv/bin/mlx-gui start --starter $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT)) $(ARGS)

# Whatever the environment says: with bytecode of the tests, the next run collects them sooner.
test:  ## everything that CI runs   (ARGS="-k name" for some)
	@scripts/setup.sh --test
	@scripts/check.sh --web
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

check:  ## lint, types, layers, documents
	@scripts/setup.sh --test
	@scripts/check.sh

soak:  ## storms and soaks in full
	@scripts/setup.sh --test
	@.venv/bin/python -m pytest -m soak $(ARGS)

bench:  ## measure against the plain libraries and other servers
	@scripts/setup.sh --bench
	@.venv/bin/python -m bench $(ARGS)

metal-check:  ## try step by step what depends on the device   (ARGS="--desktop")
	@scripts/setup.sh --test
	@.venv/bin/python -m scripts.metal_check $(ARGS)

screenshots:  ## pictures of every page, into build/pictures   (ARGS=--docs for those of the documents)
	@scripts/setup.sh --test
	@.venv/bin/python -m scripts.screenshots $(ARGS)

visual:  ## what looks different than at another commit   (ARGS=v0.1.0; else than where the change began)
	@scripts/setup.sh --test
	@.venv/bin/python -m scripts.visual $(ARGS)

bundle:  ## the standalone app, in dist/
	@scripts/setup.sh --bundle
	@PYTHONPATH=src .venv-bundle/bin/python -m scripts.bundle

bundle-check: bundle  ## build it, and run it where there is no Python
	@scripts/setup.sh --test
	@.venv/bin/python -m pytest -m soak -s tests/packaging/test_bundle.py $(ARGS)

lock:  ## pin the dependencies anew   (UPGRADE=1 for newer releases)
	@scripts/setup.sh
	@scripts/lock.sh
