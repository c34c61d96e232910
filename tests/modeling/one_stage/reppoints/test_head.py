import torch

from locount.modeling.one_stage.reppoints import RepPointsHead


def build(**kwargs):
    return RepPointsHead(
        in_channels=8, conv_dim=32, num_convs=1, num_classes=3, num_points=9, **kwargs
    )


def test_predictions_have_the_size_of_their_level():
    levels = build()([torch.randn(2, 8, 4, 5), torch.randn(2, 8, 2, 3)])
    for level, (h, w) in zip(levels, [(4, 5), (2, 3)], strict=True):
        assert level.logits.shape == (2, 3, h, w)
        assert level.init.shape == level.refined.shape == (2, 18, h, w)
        assert level.counts is None


def test_training_starts_from_the_prior_at_points_near_the_centre():
    (level,) = build(prior_prob=0.2)([torch.randn(1, 8, 4, 4)])
    assert (level.logits.sigmoid() - 0.2).abs().max() < 0.05
    assert level.init.abs().max() < 0.5


def test_the_move_does_not_train_the_initial_points():
    # The refined points' own loss reaches the first stage's last layer only through the offsets.
    head = build()
    (level,) = head([torch.randn(1, 8, 4, 4)])
    head.refine_conv.weight.data.zero_()
    (level,) = head([torch.randn(1, 8, 4, 4)])
    level.refined.sum().backward()
    assert head.init_points.weight.grad.eq(0).all()
    assert head.refine_points.bias.grad.eq(16).all()  # one for each location


def test_offsets_pass_a_tenth_of_their_gradient():
    # With the factor 1 in the place of 0.1 the same gradient is ten times as large.
    head, x = build(), torch.randn(1, 8, 4, 4)
    gradients = []
    for factor in (RepPointsHead.GRADIENT_FACTOR, 1.0):
        head.GRADIENT_FACTOR = factor
        head.zero_grad()
        head([x])[0].logits.sum().backward()
        gradients.append(head.init_points.weight.grad.clone())
    assert gradients[1].abs().max() > 0
    torch.testing.assert_close(gradients[0] * 10, gradients[1])


def test_points_stay_exact_under_autocast():
    x = [torch.randn(1, 8, 4, 4)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (level,) = build()(x)
    assert level.init.dtype == level.refined.dtype == level.logits.dtype == torch.float32
