# Every path is relative, so that the checkout may lie below a folder with spaces, and programs are
# run as `python -m`, so that a long path cannot break their first line.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test suite rehearse clients engines lint mutants generate check vendor contract-diff api-diff bench docs docs-serve docs-check dist clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1 \2/p' Makefile | awk '{ t = $$1; $$1 = ""; printf "  make %-14s%s\n", t, $$0 }'

demo: $(VENV)/.demo ## install what is needed and speak a sentence into speech.wav
	$(PY) -m facade synthesize --local --voice 'af_bella(2)+af_heart(1)' --output speech.wav \
		'Hello! This sentence came through the whole stack, without a key.'

test: clients engines lint suite ## install what is needed and run the linters and every test

suite: $(VENV)/.dev ## every test, several at a time, and what they cover
	$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest --numprocesses auto --dist worksteal
	$(PY) -m coverage combine --quiet
	$(PY) -m coverage report

rehearse: $(VENV)/.dev ## take each kind of new contract in, in copies of the tree (minutes)
	$(PY) -m pytest -m '' tests/contract/test_rehearsal.py

clients: $(VENV)/clients/.done ## install other people's clients, for their tests

engines: $(VENV)/engines/.done ## install Dask and Ray, for the tests of batches on them

lint: $(VENV)/.dev ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

generate: $(VENV)/.dev ## rebuild generated/ from openapi.yaml and contract/overlay.yaml, and facade's _sync/ from _async/
	$(PY) -m contract.generate $(if $(VERBOSE),--verbose)
	$(PY) -m contract.unasync

check: $(VENV)/.dev ## make elsewhere what `generate` makes, and fail when it differs
	$(PY) -m contract.generate --check
	$(PY) -m contract.unasync --check

# By the environment, where no character of a file's name means anything.
override export SPEC := $(value SPEC)

vendor: $(VENV)/.dev ## take in a new contract, SPEC=file-or-URL, and rebuild all that follows from it
	@$(PY) -m contract.vendor "$$SPEC" $(if $(VERBOSE),--verbose)

BASE ?= origin/main
override export BASE := $(value BASE)
FORMAT ?= text

contract-diff: $(VENV)/.dev ## what changed in the contract since BASE; fails when CHANGELOG does not name what breaks
	@contract=$$($(PY) -m contract.compose) && printf '%s\n' "$$contract" | \
		$(PY) -m contract.diff "$${BASE}:generated/contract.yaml" - \
		$(if $(GITHUB_STEP_SUMMARY),--summary '$(GITHUB_STEP_SUMMARY)') --format $(FORMAT) \
		--file openapi.yaml --fail-on breaking --changelog "$$BASE"

api-diff: $(VENV)/.dev ## what breaks in facade since BASE; fails when CHANGELOG does not name it
	$(PY) -m contract.api_diff "$$BASE"

bench: $(VENV)/bench/.done ## what the client costs beside others; CHECK=1 fails on a missed bound, ONLY=name
	$(VENV)/bench/bin/python -m benchmarks --only '$(ONLY)' $(if $(CHECK),--check)

docs: $(VENV)/.docs ## build the documentation into docs/_build/site, and run its blocks
	$(PY) -m docs_tools.build docs/_build
	@echo 'The site is in docs/_build/site; `make docs-serve` shows it'

docs-serve: docs ## build the documentation and show it at http://127.0.0.1:8000
	$(PY) -m http.server --bind 127.0.0.1 --directory docs/_build/site 8000

docs-check: $(VENV)/.dev ## go through the documentation in a browser, which is installed on Debian
	@{ command -v chromium && command -v chromedriver; } >/dev/null || \
		if [ -f /etc/debian_version ] && [ "$$(id -u)" = 0 ]; then \
			apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver; \
		else \
			echo 'This needs Chromium and its driver, as `chromium` and `chromedriver` on the PATH.'; \
			echo 'Debian: sudo apt-get install chromium chromium-driver'; \
			echo 'Fedora: sudo dnf install chromium chromedriver'; \
			echo 'macOS:  brew install --cask chromium chromedriver'; \
			exit 1; \
		fi
	$(PY) -m pytest tests/docs

TAG ?=

# The wheel is built from the sdist, so that both are known to be whole.
dist: $(VENV)/.dev ## build what is published into dist/; TAG=v0.1.0 holds it against that tag
	RELEASE_TAG='$(TAG)' $(PY) -m pytest -q -p no:cacheprovider tests/test_release.py
	rm -rf dist
	$(PY) -m hatchling build --target sdist
	$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist dist/*.tar.gz

MODULE ?= facade/_rules/sse.py
TESTS ?= tests/unit
SAMPLE ?= 100
SEED ?= 1

mutants: $(VENV)/.dev ## break MODULE in SAMPLE places, one after the other, and list what TESTS do not notice
	$(PY) -m tests.mutants $(MODULE) --tests $(TESTS) --sample $(SAMPLE) --seed $(SEED)

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis dist docs/_build speech.wav

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(PY)
	$(PIP) -e '.[cli,emulator]'
	@touch $@

# Most of what comes along is never imported, and so need not be compiled.
$(VENV)/.docs: pyproject.toml | $(PY)
	$(PIP) --no-compile -e '.[docs]'
	@touch $@

# Together's and OpenAI's SDKs, which the emulator is tested with; their dependencies are not ours.
# Those of Node need Node, and the client that openapi-generator makes of the contract needs Java.
CLIENTS := $(wildcard tests/emulator/clients/*.txt tests/emulator/clients/*.json)

$(VENV)/clients/.done: $(CLIENTS) openapi.yaml | $(PY)
	$(PYTHON) -m venv $(VENV)/clients
	$(VENV)/clients/bin/python -m pip install --quiet --disable-pip-version-check \
		-r tests/emulator/clients/requirements.txt
	$(PYTHON) -m venv $(VENV)/clients/together1
	$(VENV)/clients/together1/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps -r tests/emulator/clients/requirements-together1.txt
	cp tests/emulator/clients/package*.json $(VENV)/clients
	if command -v npm >/dev/null; then npm ci --silent --prefix $(VENV)/clients; \
		else echo 'There is no npm here; what needs clients of Node will be skipped'; fi
	if command -v java >/dev/null; then $(MAKE) $(VENV)/clients/generated; \
		else echo 'There is no Java here; what needs the generated client will be skipped'; fi
	@touch $@

$(VENV)/clients/generated: tests/emulator/clients/requirements-generated.txt openapi.yaml
	rm -rf $@
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	$@/bin/openapi-generator-cli generate -i openapi.yaml -g python --library asyncio \
		--package-name together.generated -o $@/source >$@/generator.log
	@$@/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), \
		"source.pth").write_text(str(pathlib.Path("$@/source").resolve()))'

# Engines that batches run on. Ray has no wheel for every system, nor for every new Python.
$(VENV)/engines/.done: tests/batch/engines.txt pyproject.toml | $(PY)
	$(PYTHON) -m venv $(VENV)/engines
	$(VENV)/engines/bin/python -m pip install --quiet --disable-pip-version-check \
		-e '.[batch]' -r tests/batch/engines.txt
	$(VENV)/engines/bin/python -m pip install --quiet --disable-pip-version-check \
		--only-binary ray 'ray>=2.40' || echo 'Ray cannot be had here; its test will be skipped'
	@touch $@

# The client and what it is measured beside, away from the tools of the other targets. The emulator
# is apart: its server brings click, and where that is too, importing httpx takes a third longer.
$(VENV)/bench/.done: benchmarks/requirements.txt pyproject.toml | $(PY)
	$(PYTHON) -m venv $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check \
		-e '.[aiohttp,book,realtime]' -r benchmarks/requirements.txt
	$(PYTHON) -m venv $(VENV)/bench/emulator
	$(VENV)/bench/emulator/bin/python -m pip install --quiet --disable-pip-version-check \
		-e '.[emulator]'
	@touch $@

# Which versions of the dependencies: `lowest` (the bounds of pyproject.toml themselves), `newest`
# (also where a tool of `dev` asks for older ones), or `pre` (with pre-releases). Each needs an
# environment of its own: make suite VERSIONS=lowest VENV=.venv/lowest
VERSIONS ?=
LOWEST := $(if $(filter lowest,$(VERSIONS)),--constraint $(VENV)/lowest.txt)
PRE := $(if $(filter pre,$(VERSIONS)),--pre)

# The wheelhouse lets the packaging test install the wheel as a user would, without a network.
$(VENV)/.dev: pyproject.toml | $(PY)
	grep -oE '"[a-z0-9.-]+>=[0-9.]+' pyproject.toml | sed 's/"//; s/>=/==/' >$(VENV)/lowest.txt
	$(PIP) -e '.[dev]' $(LOWEST)
ifneq ($(filter newest pre,$(VERSIONS)),)
	$(PIP) --upgrade --upgrade-strategy eager $(PRE) -e '.[cli,emulator,test]'
endif
	$(PY) -m pip download --quiet --disable-pip-version-check --dest $(VENV)/wheelhouse \
		'.[cli,emulator]' pytest $(LOWEST) $(PRE)
	@touch $@ $(VENV)/.demo $(VENV)/.docs
