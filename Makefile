# Each target works alone on a machine with Python 3.11, pip and make; the venv is made once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# faiss-gpu where an NVIDIA driver answers, else faiss-cpu: never both.
ENGINE := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
INSTALLED := $(VENV)/.installed-$(ENGINE)

.PHONY: demo test browser check format docs serve benchmarks clean

demo: $(INSTALLED)  ## index a gallery of pictures, search it, draw contact sheets
	$(BIN)/blipsearch demo

test: check browser  ## everything that has to hold: the checks, then the tests with coverage, on all cores
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile --cov --cov-report term

browser:  ## Debian's Chromium for the browser tests, where it is missing and can be installed
	.ci/chromium.sh

check: $(INSTALLED)  ## lint, format, types, import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(INSTALLED)  ## mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED)  ## write the reference pages anew, and build the site into build/docs
	$(BIN)/python -m docs.reference
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees \
		docs build/docs

serve: $(INSTALLED)  ## answer searches over HTTP on http://127.0.0.1:8000
	$(BIN)/blipsearch serve --demo

clean:  ## forget the venv and every cache
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[$(ENGINE),dev]'
	touch $@
