import pytest
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.modeling import build_model


@pytest.fixture
def saved(tiny_cfg, tmp_path):
    """Saves a random model of tiny_cfg; returns its config and weights."""

    def saved(options=()):
        tiny_cfg.merge_from_list(["INPUT.MIN_SIZE_TEST", 64, *options])
        model = build_model(tiny_cfg)
        for name, weight in model.named_parameters():
            # Scores that differ, so that their order does not hang on the last bit.
            if name.endswith(("cls_score.weight", "count_pred.weight")):
                weight.data *= 30
        (tmp_path / "config.yaml").write_text(tiny_cfg.dump())
        DetectionCheckpointer(model, str(tmp_path)).save("model")
        return tmp_path / "config.yaml", tmp_path / "model.pth"

    return saved
