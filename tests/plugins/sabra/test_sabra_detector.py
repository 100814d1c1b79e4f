"""How much the relation head may teach the detector, and where the boxes come from."""

import pytest
import torch
from sabra_detector_cases import USUAL, batch, model, pixels_model, sample

from detplug.errors import UserError


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


@pytest.mark.parametrize('mode', ['loss', 'predict'])
def test_boxes_are_given_or_found_and_never_both(mode):
    """A detector would ignore the boxes of a file, and figures be those of other boxes."""
    given, nothing = sample(**USUAL), batch([sample(**USUAL)], pictures=True)['data_samples'][0]
    frozen = pixels_model().eval()
    frozen.frozen = True
    for net in (pixels_model().eval(), frozen):
        net(torch.zeros(1, 3, 64, 64), [nothing], mode=mode)
        with pytest.raises(UserError, match='pipeline gives boxes, but model.detector finds its own; take .* out'):
            net(torch.zeros(2, 3, 64, 64), [nothing, given], mode=mode)
    with pytest.raises(UserError, match='no boxes are given; add FileProposals'):
        model().eval()([torch.zeros(0)] * 2, [given, nothing], mode=mode)
