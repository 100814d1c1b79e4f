"""A detector's classifier follows the names of its classes: a permuted head is never loaded."""

from types import SimpleNamespace

import pytest
import torch
from sabra_detector_cases import model

from detplug.cli.config import load_config
from detplug.engine.checkpoint import load_file
from detplug.engine.quiet import quiet_imports
from detplug.engine.weights import classes_of
from detplug.errors import UserError
from plugins.sabra.class_order import class_rows, reorder_classifier
from plugins.sabra.data.coco_names import NAMES
from plugins.sabra.hook import RelationHook
from plugins.sabra.join_checkpoints import join

with quiet_imports():
    from mmdet.registry import MODELS

HICO = load_config('configs/sabra/sabra_faster-rcnn-r50_hico.py').classes
TWO_STAGE = dict(
    type='Shared2FCBBoxHead',
    in_channels=4,
    fc_out_channels=4,
    roi_feat_size=2,
    num_classes=80,
    bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1] * 4),
    reg_class_agnostic=False,
)
ONE_STAGE = dict(
    type='RetinaHead', num_classes=80, in_channels=4, feat_channels=4, stacked_convs=1,
    anchor_generator=dict(type='AnchorGenerator', ratios=[0.5, 1.0], scales=[8], strides=[8]),
)  # fmt: skip


def test_the_classes_of_coco_and_hico_are_the_same_by_name():
    rows = class_rows(NAMES, HICO)
    assert sorted(rows) == list(range(80)) != rows
    assert rows[HICO.index('person')] == 0 and rows[HICO.index('baseball_bat')] == NAMES.index('baseball bat')
    assert class_rows(NAMES[:-1], HICO) is None and class_rows(('a', 'A'), ('a', 'b')) is None


def test_scores_of_a_two_stage_head_follow_the_names():
    head, rows = MODELS.build(TWO_STAGE).eval(), class_rows(NAMES, HICO)
    maps = torch.rand(3, 4, 2, 2)
    scores, boxes = head(maps)
    head.load_state_dict(reorder_classifier(head.state_dict(), rows, 'x.pth'))
    moved_scores, moved_boxes = head(maps)
    torch.testing.assert_close(moved_scores, scores[:, [*rows, 80]])
    torch.testing.assert_close(moved_boxes.view(3, 80, 4), boxes.view(3, 80, 4)[:, rows])
    assert not torch.allclose(scores, moved_scores)


def test_scores_of_an_anchor_head_follow_the_names():
    head, rows = MODELS.build(ONE_STAGE).eval(), class_rows(NAMES, HICO)
    maps = (torch.rand(1, 4, 5, 5),)
    (scores,), _ = head(maps)
    head.load_state_dict(reorder_classifier(head.state_dict(), rows, 'x.pth'))
    (moved,), _ = head(maps)
    torch.testing.assert_close(moved.view(2, 80, 5, 5), scores.view(2, 80, 5, 5)[:, rows])


def loaded(names, state):
    """What RelationHook makes of the state dict of a checkpoint with these classes; and its warnings."""
    dataset, warnings = SimpleNamespace(metainfo=dict(classes=HICO)), []
    logger = SimpleNamespace(warning=warnings.append, info=lambda text: None)
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=dataset), logger=logger)
    checkpoint = dict(state_dict=dict(state), meta=dict(CLASSES=names))
    RelationHook().after_load_checkpoint(runner, checkpoint)
    return checkpoint['state_dict'], warnings


@pytest.fixture(scope='module')
def state():
    return {f'detector.roi_head.bbox_head.{name}': x for name, x in MODELS.build(TWO_STAGE).state_dict().items()}


def test_a_training_that_starts_from_coco_gets_the_rows_by_name(state):
    found, warnings = loaded(NAMES, state)
    name = 'detector.roi_head.bbox_head.fc_cls.weight'
    assert torch.equal(found[name][HICO.index('person')], state[name][0]) and not warnings
    assert torch.equal(found[name][80], state[name][80])
    same, _ = loaded(HICO, state)
    assert all(x is state[name] for name, x in same.items())


def test_other_classes_are_said_to_be_other_ones(state):
    found, warnings = loaded(tuple(f'thing {k}' for k in range(80)), state)
    assert 'other ones' in warnings[0] and all(x is state[name] for name, x in found.items())


def test_a_classifier_that_cannot_be_reordered_is_refused():
    with pytest.raises(UserError, match='another order'):
        loaded(NAMES, {'detector.bbox_head.convs.0.weight': torch.zeros(255, 4)})


def write(path, state, classes):
    meta = {} if classes is None else dict(dataset_meta=dict(classes=classes))
    torch.save(dict(state_dict=state, meta=meta), path)
    return path


def test_joined_checkpoints_agree_about_the_classes(tmp_path):
    head = model().state_dict()
    plain = {name.removeprefix('detector.roi_head.'): x for name, x in loaded(HICO, {})[0].items()}
    plain |= MODELS.build(TWO_STAGE).state_dict(prefix='roi_head.bbox_head.')
    paths = [tmp_path / name for name in ('detector.pth', 'head.pth', 'out.pth')]
    write(paths[1], head, HICO)
    write(paths[0], plain, NAMES)
    join(*paths)
    out = load_file(paths[2])
    person = plain['roi_head.bbox_head.fc_cls.bias'][0]
    assert out['state_dict']['detector.roi_head.bbox_head.fc_cls.bias'][HICO.index('person')] == person
    assert classes_of(out) == HICO
    write(paths[0], plain, None)
    with pytest.raises(UserError, match='it names none.*--same-classes'):
        join(*paths)
    join(*paths, same_classes=True)
    write(paths[0], plain, [*NAMES[:-1], 'ghost'])
    with pytest.raises(UserError, match='train the head on the same classes'):
        join(*paths)
