# make run    set up, then run the embedded demo: slides to Table 2, figures and report
# make test   set up, then check and test everything
# make lock   install the newest versions that setup.cfg allows, and pin them
# make dag    draw docs/dag.svg (needs graphviz and the results of a run)
#
# Everything is installed into .venv inside this folder; delete the folder to undo it.

PYTHON ?= python3
CORES ?= $(shell nproc)
BIN := .venv/bin
READY := .venv/ready

.PHONY: run test check setup lock dag
.DELETE_ON_ERROR:

run: $(READY)
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/report.html
	@echo; cat results/table2.md; echo; echo "All tables and figures on one page: results/report.html"

test: check
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow rules
	$(BIN)/snakemake --lint

setup: $(READY)

$(READY): envs/requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11 ..."; exit 1; }
	@echo "Installing into .venv (about 6 GB, a few minutes)"
	@$(PYTHON) -m venv .venv || { echo "cannot make .venv; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps --requirement envs/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(READY)

lock:
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --upgrade --editable '.[test]'
	{ echo "# Every package that 'make' installs, by name and version. Made anew by 'make lock' from setup.cfg's bounds."; \
	  $(BIN)/python -m pip freeze --exclude-editable; } > envs/requirements.lock
	sed -i '/^  - pip:/q' envs/pathgen.yaml
	grep -v '^#' envs/requirements.lock | sed 's/^/      - /' >> envs/pathgen.yaml
	@touch $(READY)

dag: $(READY)
	$(BIN)/snakemake --rulegraph dot 2>/dev/null | dot -Tsvg -o docs/dag.svg
