"""Leaving all but the best anchors out changes nothing while enough of them survive suppression."""

import torch
from eager_operators import select

from detplug.export.dense_heads import MOST
from detplug.export.graph import best_anchors


def test_the_selection_is_that_of_all_anchors():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2, 6000, 2, generator=generator) * 600
    boxes = torch.cat([corner, corner + torch.rand(2, 6000, 2, generator=generator) * 60], 2)
    scores = torch.rand(2, 6000, 3, generator=generator) ** 4
    fewer, their_scores, index = best_anchors(boxes, scores)
    assert fewer.shape == (2, MOST, 4) and their_scores.shape == (2, MOST, 3)
    wanted = select(boxes, scores, 0.001, 0.6, 300)
    count, *found, places = select(fewer, their_scores, 0.001, 0.6, 300)
    for values, all_of_them in zip((count, *found, index.gather(1, places)), wanted, strict=True):
        torch.testing.assert_close(values, all_of_them, rtol=0, atol=0)


def test_few_anchors_stay_as_they_are():
    boxes, scores = torch.rand(1, 50, 4), torch.rand(1, 50, 2)
    same, same_scores, index = best_anchors(boxes, scores)
    assert same is boxes and same_scores is scores and index.tolist() == [list(range(50))]
