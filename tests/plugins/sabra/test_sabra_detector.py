"""How much the relation head may teach the detector."""

import pytest
import torch
from sabra_detector_cases import USUAL, batch, pixels_model, sample


def gradient(share: float, own: bool) -> torch.Tensor:
    """Of the detector's backbone from the detector's ``own`` losses or from the head's, the draws being the same."""
    net = pixels_model(map_gradient=share, score_thr=0.0).train()
    torch.manual_seed(1)
    losses = net(**net.data_preprocessor(batch([sample(**USUAL)], pictures=True), training=True), mode='loss')
    net.parse_losses({name: x for name, x in losses.items() if name.startswith('detector_') == own})[0].backward()
    return torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten()
                      for p in net.detector.backbone.parameters()])  # fmt: skip


@pytest.mark.parametrize('share', [0.0, 0.25])
def test_a_share_of_the_heads_gradient_reaches_the_maps_and_all_of_the_detectors(share):
    full, part = gradient(1.0, own=False), gradient(share, own=False)
    assert full.abs().max() > 0
    torch.testing.assert_close(part, share * full)
    torch.testing.assert_close(gradient(share, own=True), gradient(1.0, own=True))
