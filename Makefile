# The commands of Comanda. `make` alone says what there is; without make, see README.md.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

bin := .venv/bin
stock := $(CURDIR)/.stock-pillow
rooms := $(wildcard bff imaging cdn domain migrations infra tests benchmarks)
# The tests that look at pixels: to no others it matters which engine made them.
pixels := tests/imaging/acceptance/test_acceptance.py \
	$(patsubst %,tests/imaging/test_%.py,engine facts probe pyramid render)
ARGS ?=

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  ARGS="..." is handed on by up and test:  make up ARGS=--fresh, make test ARGS="-k orders"'

up: ## set up what is missing, and serve (Ctrl-C stops all of it)
	@sh infra/local/setup.sh run
	@$(bin)/comanda up $(ARGS)

edge: ## the same, with nginx in CloudFront's place before it
	@$(MAKE) --no-print-directory up ARGS="--edge $(ARGS)"

down: ## stop a Comanda that runs from here
	@$(bin)/comanda down

test: check ## set up what is missing, run the checks and every test
	@echo 'Pictures, on stock Pillow'
	@PYTHONPATH='$(stock)' $(bin)/pytest -n 2 --dist worksteal -q --without-servers $(pixels)
	@sh infra/terraform/tests/setup.sh || echo 'That failed, so the tests of infra/terraform will be skipped.'
	@echo 'Everything, on the engine that was set up'
	@$(bin)/pytest -n 2 --dist worksteal $(ARGS)

test-stock: ready ## every test on stock Pillow
	@PYTHONPATH='$(stock)' $(bin)/pytest -n 2 --dist worksteal $(ARGS)

test-long: ready ## what takes minutes: lost nodes, crowds of writers (make test has the rest)
	@$(bin)/pytest -n 0 -m long -s $(ARGS)

infra-test: ready ## the infrastructure, by what is fetched for it into .tools
	@sh infra/terraform/tests/setup.sh fetch
	@$(bin)/pytest -n 2 --dist loadgroup -m 'infra or not long' tests/infra/kubernetes tests/infra/terraform \
		tests/infra/test_observability.py tests/infra/test_dashboards.py tests/infra/test_image.py $(ARGS)

infra-scan: ready ## checkov over Terraform (300 MB, in .tools)
	@sh infra/terraform/tests/scan.sh

canary-drill: ready ## a rollout by the rendered manifests, healthy, failing, slow and unvisited
	@$(bin)/pytest -n 0 --without-servers -m infra -s tests/infra/canary $(ARGS)

image-proof: ready ## the container image without an engine (as root, with apt-get)
	@$(bin)/python -m infra.image.proof

check: ready ## formatting, lint, types, who may import whom
	$(bin)/ruff format --check $(rooms)
	$(bin)/ruff check $(rooms)
	$(bin)/mypy
	$(bin)/lint-imports

format: ready ## format, and mend what ruff can mend
	$(bin)/ruff check --fix $(rooms)
	$(bin)/ruff format $(rooms)

ready:
	@sh infra/local/setup.sh test

bench: ready ## every benchmark with its peers and floors, and every goal, into docs/performance.md (ARGS=--quick)
	$(bin)/python -m benchmarks $(ARGS)

bench-pictures: ready ## pictures side by side with thumbor, IPX and nginx (ARGS="--quick --write")
	$(bin)/python -m benchmarks.pictures $(ARGS)

bench-database: ready ## reads of orders beside the plain way with an ORM (ARGS="--quick --write")
	$(bin)/python -m benchmarks.database $(ARGS)

bench-cache: ready ## the cache beside cashews and aiocache, and a lunch (ARGS="--quick --write")
	$(bin)/python -m benchmarks.cache $(ARGS)

bench-edge: ready ## what a request costs in the edge layer (ARGS="--quick --write")
	$(bin)/python -m benchmarks.edge $(ARGS)

bench-cdn: ready ## how much the ladder keeps from the origin (ARGS="--requests 20000")
	$(bin)/python -m benchmarks.cdn $(ARGS)

bench-payloads: ready ## bytes of the catalogue and the order list (ARGS="--write")
	$(bin)/python -m benchmarks.payloads $(ARGS)

bench-api: ready ## the API beside NestJS, Node by hand and nginx (ARGS="--quick --write")
	$(bin)/python -m benchmarks.api $(ARGS)

bench-realtime: ready ## sockets beside Node's socket.io with Redis (ARGS="--quick --write")
	$(bin)/python -m benchmarks.realtime $(ARGS)

bench-start: ready ## how fast a process begins, and what it weighs (ARGS="--quick --write")
	$(bin)/python -m benchmarks.start $(ARGS)

bench-profile: ready ## where the CPU of the hot paths goes, into docs/profiles.md (ARGS="--quick --write")
	$(bin)/python -m benchmarks.profile $(ARGS)

bench-scale: ready ## what 2,000 to 50,000 people take, and does the model hold (ARGS="--quick --write")
	$(bin)/python -m benchmarks.scale $(ARGS)

bench-console: ready ## what the console weighs (ARGS="--write"), or pictures of it (ARGS=--screens)
	$(bin)/python -m benchmarks.console $(ARGS)

load: ready ## 5,000 people at lunch for three minutes (ARGS="--minutes 30 --write", --find, --soak)
	$(bin)/python -m benchmarks.load $(ARGS)

chaos: ready ## one part after the other is taken away while 500 people order (as root; ARGS="--only s3 --write")
	$(bin)/python -m benchmarks.chaos $(ARGS)

compile = $(bin)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-annotate --no-header --python-version 3.11
extra = $(bin)/python -c 'import sys, tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*project["optional-dependencies"][sys.argv[1]], sep="\n")'

# The engines have locks of their own: the set-up puts in one of the two.
contract: ready ## keep the description of the API that changes are held against
	@$(bin)/comanda openapi > tests/contract/openapi.json

observability: ready ## rules and dashboards anew, of what they are of (infra/observability)
	$(bin)/python -m infra.observability

lock: ready ## pin again what pyproject.toml allows (ARGS=--upgrade for the newest)
	@test -x $(bin)/uv || $(bin)/pip install --quiet 'uv>=0.13,<1'
	$(compile) $(ARGS) --extra local pyproject.toml -o requirements/run.lock
	$(compile) $(ARGS) --extra otel pyproject.toml -o requirements/image.lock
	$(compile) $(ARGS) --extra local --extra otel --group dev pyproject.toml -o requirements/test.lock
	$(compile) $(ARGS) --group infra -o requirements/infra.lock
	$(compile) $(ARGS) --group load -o requirements/load.lock
	$(compile) $(ARGS) --group terraform -o requirements/terraform.lock
	$(compile) $(ARGS) --group terraform-itself -o requirements/terraform-itself.lock
	$(compile) $(ARGS) --no-deps --group terraform-schema -o requirements/terraform-schema.lock
	@set -e; for engine in simd stock; do wanted=$$($(extra) $$engine); \
		printf '%s\n' "$$wanted" | $(compile) $(ARGS) - -o requirements/pillow-$$engine.lock; done

clean: ## remove what builds and checks left behind (never .comanda, the data)
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name .stock-pillow -prune -o -name .comanda -prune \
		-o -name __pycache__ -exec rm -rf {} +
