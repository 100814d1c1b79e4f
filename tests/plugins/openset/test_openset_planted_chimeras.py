"""The threshold of "unknown" by the AP of planted chimeras: the measure finds what is planted, and only that."""

import numpy as np
import pytest
import torch
from test_openset_chimera import disc
from tiny_open_set import SIDE, build, build_detector, sample, write_set

from detplug.errors import UserError
from detplug.evaluation.matching import overlaps
from plugins.openset import planted
from plugins.openset.fusion import TeacherBoxes
from plugins.openset.thresholds import ClassThresholds

REAL = [[2, 2, 12, 12]]


class Images:
    """Val items: noise with one labelled object."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict:
        picture = np.random.default_rng(index).integers(0, 60, (3, SIDE, SIDE), np.uint8)
        found = sample(img_id=index, instances=[dict(bbox=REAL[0], bbox_label=0)], unknown_instances=[])
        return dict(inputs=torch.from_numpy(picture), data_samples=found)


@pytest.fixture
def model():
    found = build_detector('oodfc_cce')
    found.embedding.library.add([disc(250, 0, 16), disc(120, 1, 16)])
    return found


def answers(model, monkeypatch, ood_of_real: float, ood_of_planted: float) -> float:
    """AP if the teacher finds every object, with these OOD scores; and how many were planted."""
    planted_boxes = []
    plant = planted.plant
    monkeypatch.setattr(planted, 'plant', lambda *args: planted_boxes.append(plant(*args)) or planted_boxes[-1])

    def ask(detector, inputs, samples):
        of_batch = planted_boxes[-len(samples) :]
        assert inputs.shape[0] == len(of_batch)
        return [
            TeacherBoxes(
                torch.tensor(np.concatenate([REAL, boxes])).float(),
                torch.full((len(boxes) + 1,), 0.9),
                torch.zeros(len(boxes) + 1, dtype=torch.long),
                torch.tensor([ood_of_real] + [ood_of_planted] * len(boxes)),
                torch.full((len(boxes) + 1,), 0.9),
            )
            for boxes in of_batch
        ]

    monkeypatch.setattr(planted, 'ask', ask)
    ap = planted.planted_ap(model, Images(), 6)
    assert sum(map(len, planted_boxes)) > 6
    assert all((overlaps(boxes, np.array(REAL)) < 0.1).all() for boxes in planted_boxes)
    return ap


def test_the_ap_is_that_of_the_strangeness(model, monkeypatch):
    assert answers(model, monkeypatch, 0.2, 0.99) == pytest.approx(1)
    monkeypatch.undo()
    assert answers(model, monkeypatch, 0.99, 0.2) < 0.9  # real objects look stranger


def test_planting_changes_the_pixels_of_its_boxes_and_is_the_same_each_time(model):
    drawn = []
    for _ in range(2):
        item, generator = Images()[0], np.random.default_rng(3)
        before = item['inputs'].clone()
        boxes = planted.plant(item, model.embedding, model.data_preprocessor.data_preprocessor, generator)
        changed = (item['inputs'] != before).any(0)
        assert len(boxes) and changed.any()
        for x1, y1, x2, y2 in boxes.round().astype(int):
            assert changed[y1:y2, x1:x2].float().mean() > 0.5
        drawn.append(item['inputs'])
    assert torch.equal(*drawn)


def test_the_rule_of_unknown():
    rule = ClassThresholds(2, highest=0.95)
    assert rule.of_unknown(0.0, 0.95) == pytest.approx(0.95 + 0.05 * 0.2231, abs=1e-4)
    assert rule.of_unknown(1.0, 0.95) == pytest.approx(0.95 + 0.05 * 0.95)


def test_a_validation_of_a_training_sets_the_threshold(tmp_path):
    write_set(tmp_path)
    runner = build(tmp_path, model__thresholds=dict(planted=2, trust=0.0), model__fusion=dict(tau_high=0.5))
    runner.train()
    tau = runner.model.fusion.tau_high
    assert 0.95 < tau < 1 and runner.model.discovery.tau == tau
    log = ''.join(path.read_text() for path in (tmp_path / 'work').rglob('*.log'))
    assert 'AP of chimeras in 2 val images' in log
    with pytest.raises(UserError, match='mode oodfc has no OOD scores of chimeras'):
        build_detector('oodfc', thresholds=dict(planted=2))
