"""SubjectCrops: nobody to look at, one look a subject, and a gaze is learned that no box tells."""

import torch

from plugins.sabra.image_boxes import ImageBoxes
from plugins.sabra.subject_crops import SubjectCrops

SIDE, KNOWN = 32, 1  # of the pictures, px; numbers that tell a pair


def crops(**kwargs) -> SubjectCrops:
    torch.manual_seed(0)
    return SubjectCrops(KNOWN, side=16, channels=(8, 8), dims=8, **kwargs)


def boxes_of(count: int) -> ImageBoxes:
    """The same two boxes in each of ``count`` images."""
    boxes = torch.tensor([[8.0, 8, 24, 24], [0, 0, 8, 8]]).expand(count, 2, 4)
    of_all = torch.ones(count, 2)
    return ImageBoxes(boxes, of_all.long(), of_all, of_all.bool(), torch.full((count, 2), float(SIDE)))


def test_no_pair_at_all():
    pairs = torch.zeros(0, 3, dtype=torch.int64)
    seen = crops()(torch.rand(1, 3, SIDE, SIDE), boxes_of(1), pairs, torch.zeros(0, KNOWN))
    assert seen.shape == (0, 16)
    seen.sum().backward()


def test_a_subject_looks_the_same_in_each_of_its_pairs():
    pairs = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 0]])
    look, pixels = crops().eval(), torch.rand(2, 3, SIDE, SIDE)
    seen = look(pixels, boxes_of(2), pairs, torch.randn(3, KNOWN))
    assert torch.equal(seen[0, :8], seen[2, :8])
    assert not torch.allclose(seen[0, 8:], seen[2, 8:])  # with what is known of the pair they differ
    turned = look(pixels.flip(0), boxes_of(2), pairs, torch.randn(3, KNOWN))
    assert not torch.allclose(seen[0, :8], turned[0, :8])


def test_it_learns_who_faces_the_object():
    """The bright half of a subject is its face; a pair is related when the object lies on that side."""
    generator = torch.Generator().manual_seed(0)
    look, judge = crops(), torch.nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*look.parameters(), *judge.parameters()], 0.01)
    pairs = torch.tensor([[i, 0, 1] for i in range(32)])

    def batch():
        face, side = torch.randint(2, (2, 32), generator=generator)
        pixels = torch.rand(32, 3, SIDE, SIDE, generator=generator) * 0.5
        pixels[face == 0, :, :, : SIDE // 2] += 0.5
        pixels[face == 1, :, :, SIDE // 2 :] += 0.5
        return pixels, (2.0 * side - 1)[:, None], (face == side).float()

    def logits(pixels, known):
        return judge(look(pixels, boxes_of(32), pairs, known))[:, 0]

    for _ in range(60):
        pixels, known, related = batch()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits(pixels, known), related)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    look.eval()
    pixels, known, related = batch()
    assert ((logits(pixels, known) > 0) == related.bool()).float().mean() > 0.95
