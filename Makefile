# The project's commands; everything they do is in dev/ (Python 3.11+, standard library only).
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$python && break; done)
HOST ?=
ASK_BECOME_PASS ?=
PARTS ?=

# Passed as data: the shell must not interpret the caller's values.
export HOST VERSION SOURCES PARTS
export PYTHONDONTWRITEBYTECODE = 1
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
COMMANDS := help devserver check test lint sanity units molecule arm64 docs compatibility end-to-end \
	bench clean requirements rules release-pins
.PHONY: $(COMMANDS)

$(COMMANDS):
	@test -n "$(PYTHON)" || { echo 'No Python 3.11 or later found. Install python3, or name one: make $@ PYTHON=/path/to/python3.11' >&2; exit 1; }
	@"$(PYTHON)" -m dev $@ $(if $(and $(HOST),$(filter devserver,$@)),--host "$$HOST") \
		$(if $(and $(filter-out 0,$(ASK_BECOME_PASS)),$(filter devserver,$@)),--ask-become-pass) \
		$(if $(filter bench,$@),--parts "$$PARTS") \
		$(if $(filter release-pins,$@),--version "$$VERSION" $(if $(filter undefined,$(origin SOURCES)),,--sources "$$SOURCES"))
