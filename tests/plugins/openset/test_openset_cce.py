"""CCE: class control, embedding, library, and the transform in a pipeline."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from tiny_sets import NAMES, write_coco
from torch import nn

import plugins.openset.register  # noqa: F401
from detplug.evaluation.matching import overlaps
from plugins.openset.batch_embedding import BatchEmbedding, mix_in, with_objects
from plugins.openset.cce import Crop, EmbedRule, ForegroundLibrary, cut_out, draw_probabilities, effective_number, embed
from plugins.openset.cce.embedding import mixing_weight, uncovered, vary
from plugins.openset.cce.tone import retoned, tone_around
from plugins.openset.fusion import DROPPED, IGNORED, KNOWN, UNKNOWN, TeacherBoxes
from plugins.openset.scores import UNSURE


def crop_of(width=20, height=10, value=200) -> Crop:
    return Crop(np.full((height, width, 3), value, np.uint8), np.array([2, 1, width - 2, height - 1], np.float32), 1)


def test_effective_number_by_hand():
    np.testing.assert_allclose(effective_number([0, 1, 2], 0.9), [0, 1, 1.9])
    assert effective_number([10**9], 0.999)[0] == pytest.approx(1000)


def test_class_control():
    counts, there = np.array([1000, 10, 0]), np.array([True, True, True])
    even = draw_probabilities(counts, there, eta=0)
    np.testing.assert_allclose(even, [1 / 3] * 3)
    full = draw_probabilities(counts, there, eta=1)
    np.testing.assert_allclose(full[1] / full[0], effective_number(1000) / effective_number(10))
    assert full[2] > full[1] > full[0]
    assert draw_probabilities(counts, [True, False, True])[1] == 0
    assert draw_probabilities(counts, [False] * 3) is None


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.floats(0, 1))
def test_probabilities_are_a_distribution_and_rarer_is_never_less_likely(counts, eta):
    chances = draw_probabilities(np.array(counts), np.ones(len(counts), bool), eta)
    assert chances.sum() == pytest.approx(1) and (chances > 0).all()
    assert (np.diff(chances[np.argsort(counts)]) <= 1e-12).all()


def texture(height=40, width=60) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 140, (height, width, 3), np.uint8)


def test_blend_is_the_papers_formula():
    image, rule = texture(), EmbedRule(zoom=(1, 1))
    before = image.copy()
    (x1, y1, x2, y2), kept = embed(image, np.zeros((0, 4)), crop_of(), rule, np.random.default_rng(0))
    changed = (image != before).any(axis=2)
    assert (image[changed] == np.rint(0.5 * 200 + 0.5 * before[changed])).all() and kept.shape == (0,)
    assert changed.sum() == 200 and changed[int(y1) : int(y2), int(x1) : int(x2)].all()


def test_nothing_is_embedded_into_padding():
    image = np.full((40, 60, 3), 114, np.uint8)
    assert embed(image, np.zeros((0, 4)), crop_of(), EmbedRule(), np.random.default_rng(0)) is None


def test_paste_covers_and_feather_fades():
    crop = crop_of()
    assert (mixing_weight(crop, EmbedRule('paste')) == 1).all()
    feather = mixing_weight(crop, EmbedRule('feather'))
    assert (feather[1:9, 2:18] == 1).all() and (feather[:, 0] < 0.5).all() and feather.min() > 0


def test_an_embedded_object_keeps_clear_of_the_others():
    generator = np.random.default_rng(3)
    boxes = np.array([[0, 0, 30, 40], [35, 10, 60, 30]], np.float64)
    placed = 0
    for _ in range(200):
        result = embed(texture(), boxes, crop_of(), EmbedRule(), generator)
        if result:
            placed += 1
            assert (overlaps(result[0][None], boxes) < 0.1).all()
            assert (result[0] >= 0).all() and (result[0] <= (60, 40, 60, 40)).all()
    assert 0 < placed < 200
    assert embed(np.zeros((8, 8, 3), np.uint8), boxes, crop_of(), EmbedRule(), generator) is None  # no room


def test_a_covered_box_loses_its_label():
    boxes = np.array([[0, 0, 10, 10], [8, 0, 18, 10]], np.float64)
    assert uncovered(boxes, np.array([0, 0, 10, 10]), EmbedRule()).tolist() == [False, True]


def test_a_crop_takes_the_tone_of_its_new_place():
    slides = [(texture().astype(float) * gain + shift).astype(np.uint8) for gain, shift in ((1, 0), (0.7, 60))]
    box, alone = np.array([20, 10, 40, 30]), np.zeros((0, 4))
    crop = cut_out(slides[0], box, 0)
    same = retoned(crop.pixels, crop.tone, tone_around(slides[0], (18, 8, 42, 32)))
    assert (same == crop.pixels).all()
    moved = retoned(crop.pixels, crop.tone, tone_around(slides[1], (18, 8, 42, 32)))
    assert np.abs(moved.astype(int) - slides[1][8:32, 18:42]).max() <= 1  # as if it had been cut out there
    flat = retoned(crop.pixels, crop.tone, tone_around(np.full((40, 60, 3), 90), (18, 8, 42, 32)))
    assert np.ptp(flat) == pytest.approx(np.ptp(crop.pixels) / 2, abs=1)  # contrast is halved at most
    means = []
    for match in (False, True):
        image = slides[1].copy()
        placed, _ = embed(image, alone, crop, EmbedRule('paste', match_tone=match), np.random.default_rng(0))
        x1, y1, x2, y2 = placed.astype(int)
        means.append(abs(image[y1:y2, x1:x2].mean() - slides[1].mean()))
    assert means[1] < 5 < means[0]


@pytest.mark.parametrize('seed', range(8))
def test_turned_boxes_stay_on_their_pixels(seed):
    pixels = np.zeros((30, 50, 3), np.uint8)
    pixels[4:12, 6:30] = 255
    crop = vary(
        Crop(pixels, np.array([6, 4, 30, 12], np.float32), 0), EmbedRule(zoom=(1, 1)), np.random.default_rng(seed)
    )
    x1, y1, x2, y2 = crop.box.astype(int)
    assert (crop.pixels[y1:y2, x1:x2] == 255).all() and (crop.pixels == 255).sum() == 3 * 8 * 24


def test_cut_out_takes_context_as_far_as_the_image_goes():
    image = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    crop = cut_out(image, np.array([0.0, 10, 20, 30]), 2)
    assert crop.pixels.shape == (24, 22, 3) and crop.box.tolist() == [0, 2, 20, 22] and crop.label == 2
    assert (crop.pixels == image[8:32, 0:22]).all()
    assert cut_out(image, np.array([59.5, 0, 60, 0.5]), 0) is None


def tiny(label, value, source='pseudo') -> Crop:
    return Crop(np.full((2, 2, 3), value, np.uint8), np.array([0, 0, 2, 2]), label, source, 0.95, value)


def test_library_rings_and_state():
    library = ForegroundLibrary(3, slots=2)
    assert library.draw(4, np.random.default_rng(0)) == []
    library.add(tiny(1, v) for v in (1, 2, 3))
    assert [crop.image_id for crop in library.pseudo[1]] == [2, 3]
    library.add(tiny(1, v, 'gt') for v in (7, 8, 9))
    assert [crop.image_id for crop in library.labelled[1]] == [7, 8]  # labelled crops stay whatever the teacher gives
    assert library.sizes().tolist() == [0, 4, 0]
    copy = ForegroundLibrary(3, slots=2)
    library.start([100, 5, 0], 10)
    library.observe([4, 2, 0, 9], 2)
    copy.load_state_dict(library.state_dict())
    first, second = (x.draw(20, np.random.default_rng(1)) for x in (library, copy))
    assert [(a.image_id, a.score, a.source) for a in first] == [(b.image_id, b.score, b.source) for b in second]
    assert {crop.image_id for crop in first} == {2, 3, 7, 8}
    for other in (library, copy):
        other.observe([0, 0, 0], 2)
    assert (copy.counts == library.counts).all()
    with pytest.raises(ValueError, match='library of shape'):
        ForegroundLibrary(2).load_state_dict(library.state_dict())


def test_counts_are_of_as_many_unlabelled_images_as_are_labelled():
    """One unit: objects in as many images as are labelled, whatever the batch size."""
    for images in (1, 4):
        library = ForegroundLibrary(2, momentum=0.01)
        library.start([60, 3], 6)
        assert library.counts.tolist() == [60, 3]
        for _ in range(300):
            library.observe([10 * images, images / 2, 0], images)  # ten objects, and a half, an image
        np.testing.assert_allclose(library.counts, [60 + 60, 3 + 3])


def test_unknown_is_a_class_like_another_on_request():
    with pytest.raises(IndexError, match=r'classes 0\.\.2'):
        ForegroundLibrary(3).add([tiny(3, 1)])
    library = ForegroundLibrary(3, unknown=True)
    library.add([tiny(0, 1, 'gt')])
    library.start([1000, 5, 10], 10)
    assert {crop.label for crop in library.draw(50, np.random.default_rng(0))} == {0}  # no crop of it yet
    library.add([tiny(3, 2)])
    library.observe([100, 0.5, 1, 0.5], 1)
    drawn = [crop.label for crop in library.draw(500, np.random.default_rng(0))]
    assert drawn.count(3) > 400  # 5 objects in 10 images against 2000


def view():
    """A (3, 64, 64) network input in 0..255 and its data sample."""
    sample = DetDataSample(metainfo=dict(img_shape=(64, 64), img_id=5))
    return torch.rand(3, 64, 64) * 255, sample


@pytest.mark.parametrize(
    ('score', 'ood', 'box', 'kept'),
    [
        (0.66, 0.2, [10, 10, 30, 30], True),  # 92 % sure of the class of an object that is one with 72 %
        (0.60, 0.2, [10, 10, 30, 30], False),  # 83 %
        (0.66, 0.6, [10, 10, 30, 30], False),  # a sure name, but it looks strange: an unknown object may be under it
        (0.66, UNSURE, [10, 10, 30, 30], False),  # too few labelled boxes to score it
        (0.66, 0.2, [0, 10, 20, 30], False),  # cut off by the edge
    ],
)
def test_what_the_library_takes_from_the_teacher(score, ood, box, kept):
    embedding = BatchEmbedding(2)
    image, sample = view()
    found = TeacherBoxes(*(torch.tensor([x]) for x in (box, score, 1, ood, 0.72)))._replace(
        boxes=torch.tensor([box]).float()
    )
    crops = embedding.teacher_crops(image, found, torch.tensor([KNOWN]), sample, nn.Identity())
    assert [(crop.label, crop.source, crop.image_id) for crop in crops] == [(1, 'pseudo', 5)] * kept
    for fate in (UNKNOWN, IGNORED, DROPPED):
        assert not embedding.teacher_crops(image, found, torch.tensor([fate]), sample, nn.Identity())
    unknown = BatchEmbedding(2, unknown=True)
    crops = unknown.teacher_crops(
        image, found._replace(ood=torch.ones(1)), torch.tensor([UNKNOWN]), sample, nn.Identity()
    )
    assert [crop.label for crop in crops] == [2] * (box[0] > 0)


def test_a_crop_of_an_unknown_object_is_embedded_as_unknown_in_the_batch():
    embedding = BatchEmbedding(2, number=(2, 2), unknown=True)
    embedding.library.add([Crop(np.full((10, 10, 3), 250, np.uint8), np.array([1, 1, 9, 9]), 2, 'pseudo')])
    image, sample = view()
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[0.0, 0, 12, 12]]), labels=torch.tensor([0]))
    before = image.clone()
    embedding.apply(image[None], [sample], nn.Identity(), 3, 1)
    labels, boxes = sample.gt_instances.labels.tolist(), sample.gt_instances.bboxes.int().tolist()
    assert labels[0] == 0 and set(labels[1:]) == {2} and not torch.equal(image, before)
    for x1, y1, x2, y2 in boxes[1:]:
        assert (image[:, y1:y2, x1:x2] - before[:, y1:y2, x1:x2]).abs().mean() > 20


def test_a_label_that_is_covered_goes_even_where_its_cover_is_covered_too():
    canvas, generator = texture(40, 60), np.random.default_rng(0)
    crop = Crop(np.full((30, 30, 3), 9, np.uint8), np.array([14, 14, 16, 16], np.float32), 1)  # a wide context
    boxes = np.array([[10.0, 10, 14, 14], [50, 30, 58, 38]])
    lost = 0
    for _ in range(20):
        stay, added = mix_in(canvas, boxes, boxes[:0], [crop] * 3, EmbedRule('paste', zoom=(1, 1)), generator)
        lost += (~stay).sum()
        assert len(stay) == 2 and all(label == 1 and box.shape == (4,) for box, label in added)
        truth = InstanceData(bboxes=torch.tensor(boxes), labels=torch.tensor([0, 0]), weights=torch.tensor([0.5, 1]))
        new = with_objects(truth, stay, added)
        assert len(new) == stay.sum() + len(added) and (new.weights[int(stay.sum()) :] == 1).all()
    assert lost


def test_library_state_is_plain(tmp_path):
    library = ForegroundLibrary(2)
    library.add([crop_of()])
    torch.save(library.state_dict(), tmp_path / 'state.pth')
    state = torch.load(tmp_path / 'state.pth', weights_only=True)
    assert (state['crops'][0]['pixels'].numpy() == 200).all()


def pipeline(folder, **kwargs):
    inner = [
        dict(type='LoadAnnotations', with_bbox=True, box_type=None),
        dict(type='LoadResizedImage', scale=(64, 64)),
    ]
    source = dict(
        type='CheckedCocoDataset',
        data_root=str(folder),
        ann_file='ann.json',
        data_prefix=dict(img='img'),
        metainfo=dict(classes=NAMES),
        pipeline=inner,
    )
    last = dict(type='PackDetInputs', meta_keys=('img_id',))
    return DATASETS.build(
        dict(
            type='SeededDataset',
            dataset=dict(
                type='MixDataset', dataset=source, pipeline=[dict(type='CategoryControlEmbed', **kwargs), last]
            ),
        )
    )


def test_transform_appends_boxes_of_known_classes(tmp_path):
    write_coco(tmp_path)
    plain, embedded = pipeline(tmp_path, prob=0.0), pipeline(tmp_path, number=(2, 2), zoom=(0.5, 0.6))
    grown = 0
    for draw in range(12):
        first, second = plain[draw, draw % 3], embedded[draw, draw % 3]
        before, after = (x['data_samples'].gt_instances for x in (first, second))
        assert len(after) <= len(before) + 2 and set(after.labels.tolist()) <= set(range(len(NAMES)))
        changed = not torch.equal(first['inputs'], second['inputs'])
        assert changed == (len(after) > len(before))
        grown += changed
        again = embedded[draw, draw % 3]
        assert torch.equal(again['inputs'], second['inputs'])  # a draw is a draw
    assert grown


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='blend, paste or feather'):
        EmbedRule('glue')
    with pytest.raises(ValueError, match='beta'):
        EmbedRule(beta=0)
