import torch

from locount.cli import main


def test_a_card_goes_in_and_a_missing_config_is_said(untrained, tmp_path, capsys):
    card, output = tmp_path / "card.md", tmp_path / "slim.pth"
    card.write_text("Cups × 2")
    assert main(["slim", str(untrained / "model.pth"), str(output), "--card", str(card)]) == 0
    assert torch.load(output)["card"] == "Cups × 2"
    assert "--config-file puts it in" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_named(untrained, tmp_path, capsys):
    weights, card = str(untrained / "model.pth"), tmp_path / "card.md"
    card.write_bytes(b"\xff")
    for arguments, message in (
        (["none.pth", "slim.pth"], "none.pth can't be read (No such file"),
        ([weights, "slim.pth", "--card", str(card)], "card.md can't be read"),
        ([weights, str(card / "slim.pth")], "can't write"),
    ):
        assert main(["slim", *arguments]) == 2
        assert message in capsys.readouterr().err
