# `make demo` and `make test` set everything up by themselves; they need Python 3.11+ and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Apache Spark and the embedded engine's client both install a package `pyspark`: each has an environment of its own.
SPARK_VENV := .venv-spark
SPARK40_VENV := .venv-spark40
UV_VENV := .cache/uv
UV := 0.13.8

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-slow check lambda spark-package bench docs lock clean

help:
	@echo "make demo       collect, build, verify and ask questions against the bundled emulator, into ./demo-lake"
	@echo "make test       lint, types, import contracts and the quick tests: some 12 minutes on two cores"
	@echo "make test-long  heavier tests; CI runs parts of them after make test"
	@echo "make test-slow  what is too heavy for CI (docs/testing.md)"
	@echo "make check      lint, types and import contracts alone"
	@echo "make lambda     the zips that AWS Lambda runs, into ./dist (docs/aws.md)"
	@echo "make spark-package  what Spark jobs on EMR Serverless and AWS Glue are given, into ./dist/spark (docs/spark.md)"
	@echo "make bench      measure, and write docs/benchmarks.md"
	@echo "make docs       write what is generated: docs/tables.md, docs/cli.md"
	@echo "make lock       resolve the locked versions again"

demo: $(VENV)/.lake
	$(BIN)/reelhouse demo

# Tiers of tests: docs/testing.md.
STARTED := $(shell date +%s)
TOOK = @echo "make $@ took $$(( $$(date +%s) - $(STARTED) )) seconds"
PYTEST = $(BIN)/python -m pytest
ON_TWO_CORES := -n 2 --dist loadfile --no-loadscope-reorder

test: check $(VENV)/.spark
	$(PYTEST) -m "not long and not slow" $(ON_TWO_CORES)
	$(TOOK)

# `make test-long LONG=tests/warehouse` runs a part.
LONG := tests
test-long: $(VENV)/.dev $(VENV)/.spark
	$(PYTEST) -m "long and not slow" $(ON_TWO_CORES) $(LONG)
	$(TOOK)

test-slow: $(VENV)/.dev $(VENV)/.spark $(VENV)/.spark40
	$(PYTEST) -m slow
	$(TOOK)

check: $(VENV)/.dev
	$(BIN)/ruff check src tests bench aws deploy examples
	$(BIN)/ruff format --check src tests bench aws deploy examples
	$(BIN)/mypy
	$(BIN)/lint-imports

lambda: $(VENV)/.lake
	$(BIN)/python aws/build_zip.py $(if $(LAMBDA_PYTHON),--python $(LAMBDA_PYTHON)) --out dist

spark-package: $(VENV)/.lake
	$(BIN)/python -m deploy.package $(if $(EMR_PYTHON),--python $(EMR_PYTHON))

bench: $(VENV)/.dev
	$(BIN)/python -m bench

docs: $(VENV)/.dev
	$(BIN)/python -m reelhouse.serve.dictionary > docs/tables.md
	$(BIN)/python -m reelhouse.cli.reference > docs/cli.md

lock: $(UV_VENV)/bin/uv
	$(UV_VENV)/bin/uv pip compile -q pyproject.toml --extra lake --extra sql --extra report --extra browse --group dev $(LOCK) -o locks/dev.txt
	$(UV_VENV)/bin/uv pip compile -q pyproject.toml --extra lake --extra sql --extra report --group build -c locks/dev.txt $(LOCK) -o locks/lake.txt
	$(UV_VENV)/bin/uv pip compile -q --group lambda -c locks/dev.txt $(LOCK) -o locks/lambda.txt
	$(UV_VENV)/bin/uv pip compile -q pyproject.toml --extra spark --extra sql --group build -c locks/dev.txt $(LOCK) -o locks/spark.txt
	$(UV_VENV)/bin/uv pip compile -q pyproject.toml --group spark40 --group build -c locks/dev.txt $(LOCK) -o locks/spark40.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean:
	rm -rf $(VENV) $(SPARK_VENV) $(SPARK40_VENV) .cache demo-lake demo-lake.html dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lake: locks/lake.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/lake.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: locks/dev.txt $(VENV)/.lake
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.txt
	@touch $@

# Without Java there is nothing to set up, and the tests that need Apache Spark say that they are skipped.
define set_up_spark
@if command -v java >/dev/null 2>&1; then \
  $(PYTHON) -m venv $(1) && \
  $(1)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $(2) && \
  $(1)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
else echo "no java: the tests on Apache Spark will be skipped"; fi
@touch $@
endef

$(VENV)/.spark: locks/spark.txt pyproject.toml $(VENV)/.dev
	$(call set_up_spark,$(SPARK_VENV),locks/spark.txt)

# The version that EMR runs.
$(VENV)/.spark40: locks/spark40.txt pyproject.toml $(VENV)/.dev
	$(call set_up_spark,$(SPARK40_VENV),locks/spark40.txt)

$(UV_VENV)/bin/uv:
	$(PYTHON) -m venv $(UV_VENV)
	$(UV_VENV)/bin/pip install --quiet uv==$(UV)
