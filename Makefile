# Every target does its own set-up in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# What `make demo` trains on: a folder in Locount layout (docs/data.md) and its number of categories.
DATA ?= ../shared/data/packs
NUM_CLASSES ?= 11
DEMO ?= output/demo

.PHONY: demo test lint format bench

$(INSTALLED): requirements.txt constraints.txt setup.cfg packaging/detectron2/pyproject.toml $(wildcard packaging/detectron2/build_backend/*.py)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -r requirements.txt
	touch $@

demo: $(INSTALLED)
	@test -d "$(DATA)" || { echo "No folder $(DATA). Name one in Locount layout: make demo DATA=/path NUM_CLASSES=11"; exit 2; }
	$(BIN)/python train_net.py --config-file configs/Shelf/clcnet_s2_cls10_small.yaml \
	  DATASETS.TRAIN "('locount:$(DATA):train',)" DATASETS.TEST "('locount:$(DATA):test',)" \
	  MODEL.ROI_HEADS.NUM_CLASSES $(NUM_CLASSES) OUTPUT_DIR $(DEMO)
	$(BIN)/locount predict $$(ls $(DATA)/Locount_ImagesTest/* | head -n 8) --config-file $(DEMO)/config.yaml \
	  --weights $(DEMO)/model_final.pth --output $(DEMO)/pictures
	@echo "Losses and metrics: $(DEMO)/metrics.json, and $(BIN)/tensorboard --logdir $(DEMO). Pictures: $(DEMO)/pictures"

test: lint
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/pip install -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/evaluation.py
