# make reproduce   every table and figure        make test     the tests
# make mlflow      browse the runs               make report   where the papers' numbers stand beside ours
# make experiments what each `dvc exp run` changed
# make bench       fast paths against plain ones make lock     resolve the requirements again

PYTHON ?= python3
MLFLOW_PORT ?= 5000
MIRROR := $(wildcard ../shared/data)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export UV_COMPILE_BYTECODE := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := true
ifneq ($(MIRROR),)
export LEARNED_SYMMETRY_MIRROR ?= $(abspath $(MIRROR))
endif
# A stage starts twice as slowly where Python may not keep its bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reproduce test lint bench mlflow report experiments setup lock clean

reproduce: setup
	python stages/data.py --forget-stand-ins
	dvc repro

# On every core; a process that is through with its own part of the tests takes over some of another's
test: setup
	ruff check .
	ruff format --check .
	pytest -n auto --dist worksteal

lint: setup
	ruff check --fix .
	ruff format .

# Quiet, as its own table shows the process that waits for the timed ones; ours at the end is of those
bench: setup
	pytest benchmarks -o addopts= --benchmark-quiet

mlflow: setup
	python stages/publish.py "$${MLFLOW_TRACKING_URI:-http://127.0.0.1:$(MLFLOW_PORT)}"
	@if [ -z "$$MLFLOW_TRACKING_URI" ]; then echo "MLflow runs; Ctrl-C ends it"; \
	  DO_NOT_TRACK=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_MODEL_CATALOG_URI= PYTHONWARNINGS=ignore \
	  mlflow ui --workers 1 --port $(MLFLOW_PORT) --uvicorn-opts "--log-level warning" --backend-store-uri sqlite:///mlflow/mlflow.db; fi

report: setup
	python paper/report.py
	@echo "file://$(CURDIR)/paper/report/index.html"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then xdg-open paper/report/index.html; fi

# Verdicts, and means under the claims' names; without the stages' own columns, and the queue, whose blanks differ
experiments: setup
	@dvc exp show --hide-queued --only-changed --drop '(metrics|notes|provenance)\.|wall_seconds|^params.yaml$$|(paper|src|data|stages)/' --md

# Made anew when the lock or the package's description changes; the stamp is written last, so half a set-up is made again
setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@PYTHON=$(PYTHON) ./setup.sh
	@touch $@

lock:
	@PYTHON=$(PYTHON) ./setup.sh uv
	.tools/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --extra dev pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv .tools mlflow data/raw data/prepared data/runs data/scratch
