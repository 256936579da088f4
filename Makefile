# `make` alone says what there is. The environment is made once, and brought up to date when pyproject.toml changes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
PYTEST ?=
# Tests at a time: most of them wait for a broker, a camera or a daemon. 0: one after another, in one process.
JOBS ?= 6
DATA ?= $(or $(MASKD_DATA),../shared/data)
WEIGHTS ?= imagenet
FACE_VERSION ?= 1.2.0
FAR_VERSION ?= 1.2.0
CLASSIFIER_VERSION ?= 1.3.0
WEIGHTS_DIR ?= $(DATA)/../weights
LANDMARKS ?= $(WEIGHTS_DIR)/face_detection_yunet_n_dynamic.onnx
FACES_FIRST = $(foreach set,kaggle_voc ilc_voc faces_voc,--data '$(DATA)/$(set)')
FACES = $(FACES_FIRST) $(foreach set,ilc_branches_voc worn_wrong_voc one_person_voc faces_diverse_voc bare_groups_voc street_masked_voc,--data '$(DATA)/$(set)')
EMPTY_FIRST = --data '$(DATA)/no_people'
EMPTY = $(EMPTY_FIRST) --data '$(DATA)/no_people_indoor'
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start maskd some hundred times: Python compiles it once.
unexport PYTHONDONTWRITEBYTECODE

# The newest Python that maskd runs on and that can make an environment; PYTHON=... insists on one.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3.10 python3)
CAN_RUN := import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

.PHONY: help demo test training-test accuracy check format bench instructions performance faults every-fault fuzz soak fleet models face-detector face-detector-far mask-classifier pictures data clean programs bundle deb image container-test system-test fresh-test homeassistant-test arm64-test matrix lock audit vendor page-test

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo ## Broker, clip, daemon and page on this one machine; LAN=1 opens the page to the network, ACT=1 shows a rule that acts; Ctrl-C ends it
	@exec $(VENV)/bin/maskd demo $(if $(LAN),--lan) $(if $(ACT),--act)

# QUICK=1: without the longest rounds.
test: $(VENV)/.test programs ## What the tests need, then the tests; PYTEST="-k tracking" for some of them, QUICK=1 for the short form
	$(VENV)/bin/python -m pytest -n $(JOBS) -m 'not accuracy and not tensorflow$(if $(QUICK), and not slow)' $(PYTEST)

training-test: $(VENV)/.dev ## The tests of training and conversion, which install TensorFlow
	$(VENV)/bin/python -m pytest -n 2 -m 'tensorflow and not accuracy' $(PYTEST)

accuracy: $(VENV)/.dev ## The tests of the shipped models on the labelled photos; DATA=folder has them
	MASKD_DATA='$(abspath $(DATA))' $(VENV)/bin/python -m pytest -n 2 -m accuracy $(PYTEST)

check: $(VENV)/.dev ## Format, lint and types, as CI checks them
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

ROUNDS ?= 200
SEED ?= 1
faults: $(VENV)/.dev programs ## ROUNDS (200) of faults from SEED (1) around the running daemon; its table goes into docs/reliability.md
	$(VENV)/bin/python -m tests.faults.run --pairs --rounds $(ROUNDS) --seed $(SEED) --report docs/reliability.md

every-fault: $(VENV)/.dev programs ## One short round of each fault; make test plays one of them
	$(VENV)/bin/python -m tests.faults.run --brief --jobs 4 --seed $(SEED)

N ?= 10000
fuzz: $(VENV)/.dev ## Feed N (10000) hostile files and messages of each kind; with atheris too where it is installed
	$(VENV)/bin/python -m tests.fuzz --examples $(N)

bench: $(VENV)/.dev ## Time the shipped models next to YuNet and res10, and each stage of a picture; PEERS=1: maskd next to whole stacks; DATA=folder has photos, WEIGHTS_DIR=folder the others' files
ifdef PEERS
	$(VENV)/bin/python -m benchmarks.peers $(if $(wildcard $(WEIGHTS_DIR)),--weights '$(WEIGHTS_DIR)')
else
	$(VENV)/bin/python -m benchmarks.detectors $(if $(wildcard $(DATA)/kaggle_voc),--data '$(DATA)/kaggle_voc') $(if $(wildcard $(WEIGHTS_DIR)),--weights '$(WEIGHTS_DIR)')
	$(VENV)/bin/python -m benchmarks.stages
endif

instructions: $(VENV)/.test ## Count the instructions of each picture with Valgrind, against a reference; UPDATE=1 writes a new one
	$(VENV)/bin/python -m benchmarks.instructions $(if $(UPDATE),--update)

performance: $(VENV)/.dev ## Measure and write the tables of docs/performance.md; WEIGHTS_DIR=folder has the others' files
	$(VENV)/bin/python -m benchmarks.report $(if $(wildcard $(WEIGHTS_DIR)),--weights '$(WEIGHTS_DIR)')

MINUTES ?= 60
soak: $(VENV)/.dev programs ## MINUTES (60) of 50 events a second through outbox and broker; writes runs/soak/
	$(VENV)/bin/python -m benchmarks.soak --minutes $(MINUTES) --out runs/soak

DEVICES ?= 1000
fleet: $(VENV)/.dev programs ## DEVICES (1000) simulated devices against one Mosquitto, for some minutes
	$(VENV)/bin/python -m benchmarks.fleet --devices $(DEVICES)

RELEASE ?= bookworm
MACHINE ?= $(shell uname -m)
bundle: $(VENV)/bin/python ## A folder to install from without a network, in dist/; RELEASE=bookworm|trixie MACHINE=x86_64|aarch64
	@PYTHON='$(VENV)/bin/python' systemd/bundle.sh '$(RELEASE)' '$(MACHINE)'

deb: $(VENV)/bin/python ## The packages for apt, for amd64 and arm64, in dist/
	@PYTHON='$(VENV)/bin/python' systemd/deb/build.sh

image: $(VENV)/bin/python ## The container's image, with docker or podman; BASE=debootstrap builds it without a registry, as root, ARCH=arm64 for that processor
ifeq ($(BASE),debootstrap)
	@$(MAKE) --no-print-directory $(VENV)/.test
	$(VENV)/bin/python -m tests.system.images $(ARCH)
else
	systemd/container/build.sh $(if $(ARCH),--platform linux/$(ARCH)) $(if $(BASE),--build-arg 'BASE=$(BASE)')
endif

container-test: $(VENV)/.dev programs ## Build the image without a registry, run it and replace it, with podman; as root, for some minutes
	MASKD_CONTAINER_TEST=1 $(VENV)/bin/python -m pytest tests/system/test_container.py -n 0 -rs $(PYTEST)

system-test: $(VENV)/.dev ## Boot a Debian (RELEASE=bookworm|trixie), install maskd there and try it; as root, for some minutes
	MASKD_SYSTEM_TEST='$(RELEASE)' $(VENV)/bin/python -m pytest tests/system $(PYTEST)

fresh-test: $(VENV)/.dev ## The README's two commands in a bare Debian (FRESH=trixie|bookworm); as root, for some minutes
	$(VENV)/bin/python -m tests.system.fresh $(or $(FRESH),trixie)

homeassistant-test: $(VENV)/.dev programs ## maskd in a real Home Assistant, for some minutes; PICTURES=1 draws its pages for docs/
	MASKD_HOMEASSISTANT_TEST=.venv-homeassistant $(if $(PICTURES),MASKD_PICTURES=1) $(VENV)/bin/python -m pytest tests/homeassistant/test_real.py -n 0 -rs $(PYTEST)

arm64-test: $(VENV)/.dev ## The shipped models on an emulated aarch64 Debian (RELEASE=bookworm|trixie) beside x86-64; as root, for some minutes
	MASKD_ARM64_TEST='$(RELEASE)' MASKD_REPORT=docs/platforms.md $(VENV)/bin/python -m pytest tests/platforms/test_arm64.py $(PYTEST)

matrix: $(VENV)/.release programs ## The tests on other Pythons and libraries, ONLY="name name" for some of them; its table goes into docs/platforms.md
	PATH="$(abspath $(VENV)/bin):$$PATH" $(VENV)/bin/python -m tests.platforms.matrix $(ONLY) --report docs/platforms.md

lock: $(VENV)/.release ## Bring requirements/ up to pyproject.toml; UPGRADE=1 takes the newest versions
	PATH="$(abspath $(VENV)/bin):$$PATH" $(VENV)/bin/python -m requirements.lock $(if $(UPGRADE),--upgrade)

audit: $(VENV)/.release ## What is known against the locked packages; status 2 where nobody can be asked
	@PATH="$(abspath $(VENV)/bin):$$PATH" $(VENV)/bin/python -m requirements.audit

format: $(VENV)/.dev ## Format the code, and mend what the linter can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

models: face-detector face-detector-far mask-classifier ## Make the shipped models again; DATA=folder has the labelled photos, WEIGHTS=file ImageNet's weights, LANDMARKS=file YuNet

face-detector: runs/face/model.keras ## The detector for an input of 320x256
	$(VENV)/bin/maskd-convert $< $(FACES) $(EMPTY) --version $(FACE_VERSION) --out models

face-detector-far: runs/face-far/model.keras ## The detector for an input of 640x512
	$(VENV)/bin/maskd-convert $< $(FACES) $(EMPTY) --version $(FAR_VERSION) --out models

mask-classifier: runs/mask/model.keras ## The classifier
	$(VENV)/bin/maskd-convert $< $(FACES) --version $(CLASSIFIER_VERSION) --out models

runs/face-first/model.keras: $(VENV)/.dev | data
	$(VENV)/bin/maskd-train face $(FACES_FIRST) $(EMPTY_FIRST) --weights '$(WEIGHTS)' --epochs 23 --with-validation --out $(@D)

runs/face-second/model.keras: runs/face-first/model.keras
	$(VENV)/bin/maskd-train face $(FACES_FIRST) $(EMPTY_FIRST) --start-from $< --epochs 14 --out $(@D)

runs/face-third/model.keras: runs/face-second/model.keras
	$(VENV)/bin/maskd-train face $(FACES_FIRST) $(EMPTY_FIRST) --start-from $< --repeat-empty 5 --epochs 4 --out $(@D)

# From here on a network of half the cost, which learns from every set and from a teacher.
TAUGHT = $(FACES) $(EMPTY) --teacher '$(LANDMARKS)' --backbone patches --repeat-empty 1.5

runs/face-patches-first/model.keras: runs/face-third/model.keras
	$(VENV)/bin/maskd-train face $(TAUGHT) --imitate $< --imitation-steps 700 --epochs 4 --out $(@D)

runs/face-patches-second/model.keras: runs/face-patches-first/model.keras
	$(VENV)/bin/maskd-train face $(TAUGHT) --start-from $< --epochs 24 --out $(@D)

runs/face-patches-third/model.keras: runs/face-patches-second/model.keras
	$(VENV)/bin/maskd-train face $(TAUGHT) --start-from $< --learning-rate 2e-3 --epochs 30 --out $(@D)

runs/face/model.keras: runs/face-patches-third/model.keras
	$(VENV)/bin/maskd-train face $(TAUGHT) --start-from $< --learning-rate 1.5e-3 --epochs 66 --out $(@D)

runs/face-far/model.keras: runs/face/model.keras
	$(VENV)/bin/maskd-train face $(TAUGHT) --size far --crop 512 --batch-size 8 --start-from $< --epochs 3 --out $(@D)

MASKS = $(FACES_FIRST) --data '$(DATA)/pyimagesearch_folders' --landmarks '$(LANDMARKS)' --input-size 112

runs/mask-mixed/model.keras: $(VENV)/.dev | data
	$(VENV)/bin/maskd-train mask $(MASKS) --weights '$(WEIGHTS)' --epochs 26 --out $(@D)

runs/mask-plain/model.keras: $(VENV)/.dev | data
	$(VENV)/bin/maskd-train mask $(MASKS) --weights '$(WEIGHTS)' --epochs 26 --mixup 0 --painted 0.25 --out $(@D)

runs/mask-third/model.keras: runs/mask-mixed/model.keras runs/mask-plain/model.keras
	$(VENV)/bin/maskd-train mask $(MASKS) $(addprefix --start-from ,$^) $(addprefix --teacher ,$^) --painted 0.07 --epochs 9 --out $(@D)

EVERY_MASK = $(FACES) --data '$(DATA)/pyimagesearch_folders' --input-size 112 --mixup 0.1
FURTHER = $(EVERY_MASK) --keep-stem --learning-rate 5e-4

runs/mask-fourth/model.keras: runs/mask-third/model.keras
	$(VENV)/bin/maskd-train mask $(FURTHER) --start-from $< --epochs 12 --out $(@D)

runs/mask/model.keras: runs/mask-fourth/model.keras
	$(VENV)/bin/maskd-train mask $(FURTHER) --start-from $< --epochs 10 --out $(@D)

# Not shipped yet: three fifths of the cost.
runs/mask-patches/model.keras: runs/mask/model.keras
	$(VENV)/bin/maskd-train mask $(EVERY_MASK) --arch patches --imitate $< --teacher $< --epochs 30 --out $(@D)

vendor: $(VENV)/bin/python ## Fetch what the page takes from npm again, with its licences, into edge/web/static/vendor
	$(VENV)/bin/python -m tools.vendor

page-test: $(VENV)/.dev ## The page in a real Chromium (Debian: chromium); SCREENSHOTS=docs/images takes the pictures of the docs
	@$(VENV)/bin/python -m pip install --quiet --editable '.[page]'
	@command -v chromium > /dev/null || echo 'There is no chromium, so these tests will be skipped; install it: sudo apt install chromium' >&2
	SCREENSHOTS='$(SCREENSHOTS)' $(VENV)/bin/python -m pytest tests/web/test_page_in_chromium*.py $(PYTEST)

pictures: $(VENV)/.dev ## The README's pictures again, from real runs of maskd detect and maskd demo
	PYTHONUTF8=1 $(VENV)/bin/python -m tools.readme_pictures

data:
	@test -d '$(DATA)' || { echo 'There are no labelled photos in $(DATA); say where they are: make models DATA=folder' >&2; exit 1; }

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
	@touch $@ $(VENV)/.test $(VENV)/.demo

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	@echo 'Installing maskd and what its quick tests need into $(VENV): a minute or two, once.'
	@$(VENV)/bin/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.release: pyproject.toml | $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet --editable '.[release]'
	@touch $@

# What the tests start and pip does not bring: a real broker and its clients, and what makes its certificates.
# The tests that need one of them skip without it, and say so.
SBIN = /usr/sbin:/usr/local/sbin
programs:
	@PATH="$$PATH:$(SBIN)"; \
	packages=(); \
	for program in mosquitto:mosquitto mosquitto_passwd:mosquitto mosquitto_pub:mosquitto-clients \
	  mosquitto_sub:mosquitto-clients openssl:openssl; do \
	  command -v "$${program%:*}" > /dev/null && continue; \
	  case " $${packages[*]} " in *" $${program#*:} "*) ;; *) packages+=("$${program#*:}") ;; esac; \
	done; \
	if [ "$${#packages[@]}" = 0 ]; then exit 0; fi; \
	as_root=; \
	if [ "$$(id -u)" != 0 ]; then as_root=sudo; [ -t 0 ] || as_root='sudo -n'; fi; \
	install="$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $${packages[*]}"; \
	if command -v apt-get > /dev/null && { $$install || { $$as_root apt-get update -q && $$install; }; }; then exit 0; fi; \
	echo "$${packages[*]} could not be installed here, so the tests that need them will be skipped;" \
	  'install them with the package manager of this system to run them.' >&2
