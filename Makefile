# Every target does its own set-up in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Processes of `make test`, of one thread each: threads that share a core wait for one another.
JOBS ?= 2
INSTALLED := $(VENV)/.installed

# Where the results of `make demo` go.
DEMO ?= output/demo

.PHONY: demo test lint format bench soak locks docs

$(INSTALLED): constraints.txt setup.cfg packaging/detectron2/pyproject.toml $(wildcard packaging/detectron2/build_backend/*.py)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt ./packaging/detectron2 -e ".[test]"
	touch $@

# Shelf 12 of the planogram benchmark: a bottle is taken away, which leaves a gap.
demo: $(INSTALLED)
	$(BIN)/locount make-shelf $(DEMO)/shelves --images 100 --size 640x360 --seed 3 --split test
	$(BIN)/locount eval --weights shelf --data locount:$(DEMO)/shelves:test --output $(DEMO)/evaluation
	$(BIN)/locount calibrate $(DEMO)/evaluation/inference/*/locount_ground_truth.json \
	  $(DEMO)/evaluation/inference/*/locount_instances_results.json \
	  --weights shelf --score 0.5 --output $(DEMO)/calibrated.pth
	$(BIN)/locount report $(DEMO)/evaluation --output $(DEMO)/report.html
	$(BIN)/locount train --config-file Shelf/clcnet_s2_cls10_shelf --data shelf:200:1 \
	  --output $(DEMO)/training --opts SOLVER.MAX_ITER 60 SOLVER.STEPS "()" TEST.EVAL_PERIOD 0
	$(BIN)/locount make-shelf $(DEMO)/shop --images 24 --size 640x360 --seed 4 --split test
	$(BIN)/locount predict $(DEMO)/shop/Locount_ImagesTest --weights $(DEMO)/calibrated.pth \
	  --output $(DEMO)/stock
	$(BIN)/locount rows $(DEMO)/stock --output $(DEMO)/rows
	$(BIN)/python benchmarks/planograms.py --style plain --size 640 360 --first 12 \
	  --write $(DEMO)/planted
	$(BIN)/locount planogram make $(DEMO)/planted/planned.jpg --weights $(DEMO)/calibrated.pth \
	  --output $(DEMO)/plan.csv
	$(BIN)/locount planogram check $(DEMO)/plan.csv $(DEMO)/planted/now.jpg \
	  --weights $(DEMO)/calibrated.pth --output $(DEMO)/planogram; test $$? -eq 1
	@echo
	@echo "pictures with boxes and counts     $(DEMO)/stock/pictures/"
	@echo "what is on each shelf photo        $(DEMO)/stock/inventory.csv, photos.csv, totals.csv"
	@echo "metrics, errors, best and worst    $(DEMO)/report.html"
	@echo "a training's losses                $(DEMO)/training/metrics.json, or: $(BIN)/tensorboard --logdir $(DEMO)"
	@echo "rows, shares, gaps, totals         $(DEMO)/rows/shelf.html"
	@echo "what is not as planned             $(DEMO)/planogram/shelf.html"

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(JOBS) --dist worksteal

# Damages, kills, full disks and hostile clients: docs/reliability.md.
MINUTES ?= 30
soak: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python tests/reliability/soak.py --minutes $(MINUTES)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The hashes of all versions in constraints.txt: docs/install.md. Takes uv.
LOCK := uv pip compile -q -c constraints.txt --generate-hashes --universal --python-version 3.11 \
  --no-header --no-annotate --no-emit-index-url
locks:
	$(LOCK) packaging/locks/build.in -o packaging/locks/build.txt
	$(LOCK) requirements.txt --no-emit-package detectron2 --no-emit-package locount -o packaging/locks/requirements.txt

docs: $(INSTALLED)
	$(BIN)/pip install -c constraints.txt -e ".[docs]"
	$(BIN)/mkdocs build --strict
	@echo "the site    output/site/index.html"

bench: $(INSTALLED)
	$(BIN)/pip install -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/data.py
	$(BIN)/python benchmarks/counting_overhead.py
	$(BIN)/python benchmarks/mixed_precision.py
	$(BIN)/python benchmarks/soft_nms.py
	$(BIN)/python benchmarks/dense_memory.py --boxes 10 1000
	$(BIN)/python benchmarks/detectors.py --size 256 341 --rounds 5 configs/SKU110K/[a-z]*.yaml
