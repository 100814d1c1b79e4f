"""Leaving all but the best anchors out changes nothing while enough of them survive suppression."""

import torch
from eager_operators import select

from detplug.export.dense_heads import MOST
from detplug.export.graph import best_anchors, best_of_each_class


def test_the_selection_is_that_of_all_anchors():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2, 6000, 2, generator=generator) * 600
    boxes = torch.cat([corner, corner + torch.rand(2, 6000, 2, generator=generator) * 60], 2)
    scores = torch.rand(2, 6000, 3, generator=generator) ** 4
    fewer, their_scores, index = best_anchors(boxes, scores)
    assert fewer.shape == (2, MOST, 4) and their_scores.shape == (2, MOST, 3)
    wanted = select(boxes, scores, 0.001, 0.6, 300, 300)
    count, *detections, prior_index = select(fewer, their_scores, 0.001, 0.6, 300, 300)
    for values, all_of_them in zip((count, *detections, index.gather(1, prior_index)), wanted, strict=True):
        torch.testing.assert_close(values, all_of_them, rtol=0, atol=0)


def test_few_anchors_stay_as_they_are():
    boxes, scores = torch.rand(1, 50, 4), torch.rand(1, 50, 2)
    same, same_scores, index = best_anchors(boxes, scores)
    assert best_of_each_class(scores) is scores
    assert same is boxes and same_scores is scores and index.tolist() == [list(range(50))]


def test_the_best_of_each_class_stay():
    """Of 6,000 anchors class 0 has all the best; those of class 1 would be left out by the best of both."""
    scores = torch.rand(2, 6000, 2, generator=torch.Generator().manual_seed(0))
    scores[..., 0] += 1
    kept = best_of_each_class(scores)
    for label in range(2):
        for image in range(2):
            expected = scores[image, :, label].argsort(descending=True)[:MOST].sort().values
            assert kept[image, :, label].nonzero()[:, 0].tolist() == expected.tolist()
    assert torch.equal(kept[kept > 0], scores[kept > 0])
