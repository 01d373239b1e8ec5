# Each target is a command of dev.py, which sets everything up by itself and needs Python 3.11+, nothing else.
PYTHON ?= python3
# `make test-long LONG=tests/warehouse` runs a part.
LONG := tests

.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-slow check lambda spark-package bench docs site pictures lock set-up clean

help demo test test-slow check bench docs site pictures lock set-up clean:
	@$(PYTHON) dev.py $@

test-long:
	@$(PYTHON) dev.py test-long $(LONG)

lambda:
	@$(PYTHON) dev.py lambda $(if $(LAMBDA_PYTHON),--python $(LAMBDA_PYTHON))

spark-package:
	@$(PYTHON) dev.py spark-package $(if $(EMR_PYTHON),--python $(EMR_PYTHON))
