# `make` alone says what there is. The environment is made once, and brought up to date when pyproject.toml changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
PYTEST ?=
DATA ?= $(or $(MASKD_DATA),../shared/data)
WEIGHTS ?= imagenet
FACES = --data '$(DATA)/kaggle_voc' --data '$(DATA)/ilc_voc' --data '$(DATA)/faces_voc'
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The newest Python that maskd runs on and that can make an environment; PYTHON=... insists on one.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3.10 python3)
CAN_RUN := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

.PHONY: help demo test check format models clean mosquitto

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo ## Broker, clip, daemon and shipped models on this one machine; Ctrl-C ends it
	@exec $(VENV)/bin/maskd demo

test: $(VENV)/.dev mosquitto ## What the tests need, then the tests; PYTEST="-k tracking" for some of them
	$(VENV)/bin/python -m pytest $(PYTEST)

check: $(VENV)/.dev ## Format, lint and types, as CI checks them
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(VENV)/.dev ## Format the code, and mend what the linter can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

models: $(VENV)/.dev ## Make the shipped models again; DATA=folder has the labelled photos, WEIGHTS=file ImageNet's weights
	@test -d '$(DATA)' || { echo 'There are no labelled photos in $(DATA); say where they are: make models DATA=folder' >&2; exit 1; }
	$(VENV)/bin/maskd-train face $(FACES) --data '$(DATA)/no_people' --weights '$(WEIGHTS)' --epochs 23 --with-validation --out runs/face
	$(VENV)/bin/maskd-convert runs/face/model.keras $(FACES) --data '$(DATA)/no_people' --out models
	$(VENV)/bin/maskd-train mask $(FACES) --weights '$(WEIGHTS)' --epochs 24 --mixup 0 --with-validation --out runs/mask-plain
	$(VENV)/bin/maskd-train mask $(FACES) --weights '$(WEIGHTS)' --epochs 26 --with-validation --out runs/mask-mixed
	$(VENV)/bin/maskd-train mask $(FACES) --start-from runs/mask-plain/model.keras --start-from runs/mask-mixed/model.keras \
	  --epochs 8 --with-validation --out runs/mask
	$(VENV)/bin/maskd-convert runs/mask/model.keras $(FACES) --out models

clean: ## Remove the environment, caches and build products; runs/ and models/ stay
	rm -rf '$(VENV)' build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@for python in $(CANDIDATES); do \
	  if "$$python" -c '$(CAN_RUN)' 2> /dev/null; then \
	    echo "Making $(VENV) with $$("$$python" --version)."; \
	    exec "$$python" -m venv --clear '$(VENV)'; \
	  fi; \
	done; \
	echo 'No Python from 3.10 to 3.13 with the venv module among: $(CANDIDATES); install one (on Debian, Ubuntu and' \
	  'Raspberry Pi OS: sudo apt install python3-venv), or name one: make PYTHON=/path/to/python3' >&2; \
	exit 1

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo 'Installing maskd and what its demo needs into $(VENV): a minute or two, once.'
	@$(VENV)/bin/python -m pip install --quiet --editable '.[demo]'
	@touch $@

# Includes TensorFlow, for the tests of training and conversion: hundreds of megabytes.
$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo 'Installing maskd and what its tests need into $(VENV): some minutes, once.'
	@$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo

# The tests talk to a real broker, which pip cannot install. Without one they skip, and say so.
mosquitto:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	if command -v mosquitto > /dev/null; then exit 0; fi; \
	as_root=; \
	if [ "$$(id -u)" != 0 ]; then as_root=sudo; [ -t 0 ] || as_root='sudo -n'; fi; \
	install="$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mosquitto"; \
	if command -v apt-get > /dev/null && { $$install || { $$as_root apt-get update -q && $$install; }; }; then exit 0; fi; \
	echo 'The broker Mosquitto could not be installed here, so the tests that need it will be skipped;' \
	  'install it with the package manager of this system to run them.' >&2
