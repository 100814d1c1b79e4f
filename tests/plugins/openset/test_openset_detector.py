"""The semi-supervised detector: modes, degenerate batches, projection, state."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import RUNNERS
from mmengine.structures import InstanceData
from tiny_open_set import (
    CLASSES,
    SIDE,
    batch,
    build,
    build_detector,
    config,
    sample,
    two_stage,
    write_set,
)

from detplug.engine.checkpoint import load_file
from detplug.engine.history import read_history
from detplug.errors import UserError
from plugins.openset.calibrate import matched
from plugins.openset.fusion import TeacherBoxes
from plugins.openset.geometry import project_boxes
from plugins.openset.plan import MODES
from plugins.openset.pseudo_labels import why_none


def train_step(model, inputs, samples) -> dict:
    losses = model.train().loss(inputs, samples)
    total = sum(
        value.sum() if isinstance(value, torch.Tensor) else sum(value)
        for name, value in losses.items()
        if 'loss' in name
    )
    total.backward()
    assert total.isfinite()
    return losses


def says(model, monkeypatch, count, label=0, score=0.9, ood=0.1):
    """Let the teacher say ``count`` boxes in every image."""
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(count, 2, 2, generator=generator) * SIDE
    boxes = torch.cat([corners.amin(1), corners.amax(1) + 3], 1).clamp(max=SIDE)
    teacher = TeacherBoxes(
        boxes,
        torch.full((count,), score),
        torch.full((count,), label),
        torch.full((count,), ood),
        torch.full((count,), 0.9),
    )
    monkeypatch.setattr(model, 'ask_teacher', lambda feats, samples: [teacher] * len(samples))


@pytest.mark.parametrize('mode', MODES)
def test_every_mode_trains(mode):
    losses = train_step(build_detector(mode), *batch(unknown_instances=[], instances=[]))
    assert any(name.startswith('unsup_') for name in losses) == (mode != 'supervised')


@pytest.mark.parametrize('mode', ('closed', 'oodfc_cce'))
def test_any_detector_trains(mode):
    model = build_detector(mode, two_stage())
    losses = train_step(model, *batch())
    assert 'sup_loss_rpn_cls' in losses and 'unsup_loss_bbox' in losses


@pytest.mark.parametrize(('count', 'label', 'ood'), [(0, 0, 0.1), (500, 1, 0.1), (40, 2, 1.0), (1, 0, 0.1)])
def test_degenerate_pseudo_labels(monkeypatch, count, label, ood):
    model = build_detector()
    says(model, monkeypatch, count, label, ood=ood)
    for _ in range(3):
        losses = train_step(model, *batch())
    assert 'unsup_loss_obj' in losses
    assert (model.last_pseudo > 0) == (count > 0)


def test_no_teacher_gradient_and_burn_in():
    model = build_detector()
    model.burn_in = 5
    losses = train_step(model, *batch())
    assert not any(name.startswith('unsup') for name in losses)
    assert all(p.grad is None for p in model.teacher.parameters())


def test_views_of_one_image_agree():
    flip = np.array([[-1.0, 0, SIDE], [0, 1, 0], [0, 0, 1]])
    boxes = InstanceData(bboxes=torch.tensor([[4.0, 8, 20, 30], [0, 0, 1, 1]]), labels=torch.tensor([1, 0]))
    moved = project_boxes(boxes, sample(), sample(homography_matrix=flip))
    assert moved.bboxes.tolist() == [[SIDE - 20, 8, SIDE - 4, 30]] and moved.labels.tolist() == [1]  # 1 px is too small
    back = project_boxes(moved, sample(homography_matrix=flip), sample())
    torch.testing.assert_close(back.bboxes, boxes.bboxes[:1])


def test_ignored_regions_move_with_the_view(monkeypatch):
    model = build_detector('oodfc')
    says(model, monkeypatch, 6, score=0.3)
    inputs, samples = batch()
    flip = np.array([[1.0, 0, 0], [0, -1, SIDE], [0, 0, 1]])
    for target in samples['unsup_student']:
        target.set_metainfo(dict(homography_matrix=flip))
    model.pseudo_label(inputs['unsup_teacher'], samples['unsup_teacher'], samples['unsup_student'])
    found = model.ask_teacher(None, samples['sup'])[0]
    ignored = samples['unsup_student'][0].ignored_instances.bboxes
    assert len(ignored) == 6 and not len(samples['unsup_student'][0].gt_instances)
    torch.testing.assert_close(ignored[:, 1], SIDE - found.boxes[:, 3])


def test_hidden_labels_never_train(monkeypatch):
    model = build_detector('oodfc')
    says(model, monkeypatch, 0)
    inputs, samples = batch(
        instances=[dict(bbox=[0, 0, 30, 30], bbox_label=0)],
        unknown_instances=[dict(bbox=[30, 30, 60, 60], name='blue')],
    )
    model.pseudo_label(inputs['unsup_teacher'], samples['unsup_teacher'], samples['unsup_student'])
    assert not len(samples['unsup_student'][0].gt_instances)


def test_oracle_drops_what_lies_on_unknown_objects(monkeypatch):
    model = build_detector('oracle')
    set_teacher_boxes(monkeypatch, model, (BOX, 0.9, 0, 0.0, 0.9), (OTHER, 0.9, 1, 0.0, 0.9))
    inputs, samples = batch(instances=[], unknown_instances=[dict(bbox=BOX, name='blue')])
    model.pseudo_label(inputs['unsup_teacher'], samples['unsup_teacher'], samples['unsup_student'])
    assert samples['unsup_student'][0].gt_instances.labels.tolist() == [1]
    figures = model.log.take(('red', 'green'), torch.tensor([0.5, 0.5]))
    assert figures['hidden_share_on_unknown'] == 0 and figures['pseudo/green'] == 2


def test_the_log_evaluates_unknown_pseudo_labels(monkeypatch):
    model = build_detector('oodfc')
    boxes = torch.tensor([[10.0, 10, 30, 30], [40.0, 40, 60, 60]])
    teacher = TeacherBoxes(boxes, *(torch.tensor(x) for x in ([0.9, 0.9], [0, 1], [1.0, 1.0], [0.9, 0.9])))
    monkeypatch.setattr(model, 'ask_teacher', lambda feats, samples: [teacher] * len(samples))
    inputs, samples = batch(instances=[], unknown_instances=[dict(bbox=boxes[0].tolist(), name='blue')])
    model.pseudo_label(inputs['unsup_teacher'], samples['unsup_teacher'], samples['unsup_student'])
    assert samples['unsup_student'][0].gt_instances.labels.tolist() == [2, 2]
    figures = model.log.take(('red', 'green'), torch.tensor([0.5, 0.5]))
    assert figures['hidden_precision/unknown'] == 0.5 and figures['share/unknown'] == 1
    # two images, in each two boxes called unknown, one of them on the one unknown object
    assert (figures['pseudo/unknown'], figures['hidden_pseudo/unknown'], figures['hidden_objects/unknown']) == (4, 4, 2)
    assert figures['hidden_recall/unknown'] == 1
    set_teacher_boxes(monkeypatch, model, (BOX, 0.9, 0, 0.1, 0.9))
    label(model, *batch(instances=[], unknown_instances=[dict(bbox=boxes[0].tolist(), name='blue')]))
    figures = model.log.take(('red', 'green'), torch.tensor([0.5, 0.5]))
    assert 'hidden_precision/unknown' not in figures and figures['hidden_recall/unknown'] == 0  # none called so
    assert figures['pseudo/unknown'] == 0 and figures['hidden_share_on_unknown'] == 1


def test_a_labelled_box_is_its_best_prediction():
    result = InstanceData(bboxes=torch.tensor([[0.0, 0, 9, 9], [0, 0, 10, 10], [40, 40, 50, 50]]))
    index, labels = matched(result, sample([[0.0, 0, 10, 10], [0, 0, 10, 11], [20, 20, 30, 30]], [1, 0, 1]))
    assert index.tolist() == [1] and labels.tolist() == [1]  # the second shares its prediction, the third has none


@pytest.mark.parametrize(
    ('mode', 'changes', 'words'),
    [
        ('open', {}, 'none of supervised'),
        ('oodfc', dict(predict_on='student'), "the OOD scores of mode oodfc are the teacher's"),
        ('cce', dict(cce=dict(unknown=True)), 'mode cce has no pseudo-label'),
        ('closed', dict(fusion=dict(weigh_unknown=True)), 'mode closed has no "unknown"'),
        ('oodfc_oracle', dict(fusion=dict(max_false_discovery=0.5)), 'mode oodfc_oracle has no "unknown"'),
    ],
)
def test_options_that_would_do_nothing_are_refused(mode, changes, words):
    with pytest.raises(UserError, match=words):
        build_detector(mode, **changes)


BOX, OTHER = [10.0, 10, 30, 30], [40.0, 40, 60, 60]


def set_teacher_boxes(monkeypatch, model, *rows):
    """Let the teacher say rows of (box, score, label, ood, objectness) in every image."""
    boxes, scores, labels, ood, objectness = zip(*rows, strict=True)
    teacher = TeacherBoxes(*(torch.tensor(x) for x in (boxes, scores, labels, ood, objectness)))
    monkeypatch.setattr(model, 'ask_teacher', lambda feats, samples: [teacher] * len(samples))


def label(model, inputs, samples) -> InstanceData:
    """The first image's targets."""
    model.pseudo_label(inputs['unsup_teacher'], samples['unsup_teacher'], samples['unsup_student'])
    return samples['unsup_student'][0].gt_instances


@pytest.mark.parametrize('mode', ['oodfc_oracle', 'oodfc_cce_oracle'])
def test_the_oracle_of_oodfc_learns_the_hidden_unknown_objects(monkeypatch, mode):
    model = build_detector(mode, **(dict(cce=dict(unknown=True)) if 'cce' in mode else {}))
    set_teacher_boxes(monkeypatch, model, (BOX, 0.9, 0, 0.1, 0.9), (OTHER, 0.9, 1, 1.0, 0.9))
    inputs, samples = batch(instances=[], unknown_instances=[dict(bbox=[11, 11, 30, 30], name='blue')])
    targets = label(model, inputs, samples)
    assert targets.labels.tolist() == [1, 2]  # a known name stays, however strange; the other box is the object's
    assert targets.bboxes.tolist() == [OTHER, [11, 11, 30, 30]]
    if 'cce' in mode:
        crops = model.embedding.library.pseudo[2]
        assert len(crops) == 2 and crops[0].pixels.shape == (23, 23, 3)
    inputs, samples = batch()
    with pytest.raises(UserError, match='no hidden labels'):
        label(model, inputs, samples)


def test_the_weight_of_an_unknown_pseudo_label_falls_with_the_false_discovery_rate(monkeypatch):
    rows = (BOX, 0.9, 0, 1.0, 0.9), (OTHER, 0.9, 1, 0.1, 0.9)
    model = build_detector('oodfc')
    set_teacher_boxes(monkeypatch, model, *rows)
    assert 'weights' not in label(model, *batch())
    model = build_detector('oodfc', fusion=dict(weigh_unknown=True))
    set_teacher_boxes(monkeypatch, model, *rows)
    assert label(model, *batch()).weights.tolist() == [0, 1]  # nothing has passed before
    model.discovery.counts = torch.tensor([1000.0, 20.0])
    assert label(model, *batch()).weights.tolist() == pytest.approx([0.5, 1])
    model = build_detector('oodfc', fusion=dict(max_false_discovery=0.6))
    set_teacher_boxes(monkeypatch, model, *rows)
    for counts, wanted in (((1000.0, 20.0), [2, 1]), ((1000.0, 10.0), [1])):
        model.discovery.counts = torch.tensor(counts)
        assert label(model, *batch()).labels.tolist() == wanted


@pytest.mark.parametrize(
    ('mode', 'rows', 'words'),
    [
        ('closed', [(BOX, 0.6, 0, 0.0, 0.9), (OTHER, 0.1, 1, 0.0, 0.9)], '0.600, that of its class 0 is 0.660'),
        ('closed', [(BOX, 0.9, 2, 0.0, 0.9)], 'finds nothing'),
        ('filter', [(BOX, 0.9, 0, 1.0, 0.9)], 'raise fusion.tau_low'),
    ],
)
def test_why_there_is_no_pseudo_label(monkeypatch, mode, rows, words):
    """In mode closed nothing looks out-of-distribution, and each box has the threshold of its own class."""
    model = build_detector(mode, thresholds=dict(lowest=0.0))
    model.thresholds.ap.copy_(1 + torch.tensor([0.66, 0.22]).log() / 1.5)
    set_teacher_boxes(monkeypatch, model, *rows)
    assert not len(label(model, *batch()))
    assert words in why_none(model.last_answers, model.thresholds, model.plan)


@pytest.mark.parametrize('mode', ['closed', 'oodfc'])
def test_predictions_in_pixels_of_the_input_on_request(mode):
    model = build_detector(mode).eval()
    where = dict(img_shape=(64, 64), ori_shape=(32, 32), scale_factor=(2.0, 2.0), batch_input_shape=(SIDE, SIDE))
    inputs = torch.rand(1, 3, SIDE, SIDE)
    file, network = (model.predict(inputs, [sample(**where)], rescale=x)[0].pred_instances for x in (True, False))
    assert len(file) and file.bboxes.max() <= 32
    torch.testing.assert_close(network.bboxes, 2 * file.bboxes)


@pytest.mark.parametrize('detector', (None, two_stage))
def test_predictions_with_ood_scores_are_the_plain_ones(detector):
    model = build_detector('oodfc', detector and detector()).eval()
    where = dict(img_shape=(48, 64), ori_shape=(24, 32), scale_factor=(2.0, 2.0), batch_input_shape=(SIDE, SIDE))
    inputs, samples = torch.rand(2, 3, SIDE, SIDE), [sample(**where), sample(**where)]
    with torch.no_grad():
        plain = [x.pred_instances for x in model.predict(inputs, samples)]
        plain = [(x.bboxes.clone(), x.scores.clone(), x.labels.clone()) for x in plain]
        model.ood.fitted.fill_(True)
        for scorer in model.ood.scorers:
            scorer.bank.normal_()
            scorer.filled.fill_(100)
        found = [x.pred_instances for x in model.predict(inputs, samples)]
    assert sum(map(len, found))
    for (boxes, scores, labels), new in zip(plain, found, strict=True):
        torch.testing.assert_close(new.bboxes, boxes, rtol=1e-5, atol=1e-4)
        assert torch.equal(new.scores, scores) and torch.equal(new.labels, labels)
        assert new.ood_scores.shape == scores.shape and ((new.ood_scores >= 0) & (new.ood_scores <= 1)).all()


def test_resumed_equals_uninterrupted(tmp_path):
    for name in ('whole', 'stopped'):
        write_set(tmp_path / name)
    build(tmp_path / 'whole').train()
    build(tmp_path / 'stopped', steps=4).train()
    build(tmp_path / 'stopped', resume=True).train()
    one, other = (load_file(tmp_path / name / 'work' / 'iter_8.pth') for name in ('whole', 'stopped'))
    assert one['state_dict'].keys() == other['state_dict'].keys()
    for name, value in one['state_dict'].items():
        torch.testing.assert_close(other['state_dict'][name], value, rtol=0, atol=1e-6, msg=name)
    assert one['state_dict']['thresholds.validations'] == 1  # a checkpoint comes before the validation of its step
    crops, again = (x['openset']['library']['crops'] for x in (one, other))
    assert len(crops) == len(again) > 0 and all(
        torch.equal(a['pixels'], b['pixels']) for a, b in zip(crops, again, strict=True)
    )
    losses = [
        [row['loss'] for row in read_history(tmp_path / n / 'work' / 'history.jsonl') if 'loss' in row]
        for n in ('whole', 'stopped')
    ]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-6)
    assert any('unsup_loss_obj' in row for row in read_history(tmp_path / 'whole' / 'work' / 'history.jsonl'))
    rows, again = (read_history(tmp_path / name / 'work' / 'openset.jsonl') for name in ('whole', 'stopped'))
    assert [row['step'] for row in rows] == [2, 4, 6, 8] and 'threshold/red' in rows[0] and rows == again


@pytest.mark.parametrize('power', (0.0, 0.5))
def test_imbalance_changes_scores_and_keeps_labels(power):
    model = build_detector('closed', imbalance=power)
    inputs, samples = batch(unknown_instances=[], instances=[])
    train_step(model, inputs, samples)
    assert ('marginal.shares' in model.state_dict()) == bool(power)


def test_pictures_for_the_report(monkeypatch):
    model = build_detector('oodfc_cce')
    assert model.report_pictures(('a', 'b')) == {}
    says(model, monkeypatch, 6, ood=0.1)
    train_step(model, *batch(unknown_instances=[], instances=[]))
    sections = model.report_pictures(('a', 'b'))
    assert list(sections) == ['Teacher boxes by fate', 'Embedded objects']
    for note, picture in sections.values():
        assert note and picture.dtype == np.uint8 and picture.shape[0] >= SIDE and np.ptp(picture) > 0


def test_weights_scale_the_class_loss_of_a_two_stage_head():
    inputs, samples = batch()
    student = build_detector('closed', two_stage()).student.train()
    losses = {}
    for weight in (None, 1.0, 0.5, 0.25):
        for item in samples['sup']:
            item.gt_instances.pop('weights', None)
            if weight is not None:
                item.gt_instances.weights = torch.full((len(item.gt_instances),), weight)
        torch.manual_seed(0)  # the same proposals are sampled
        losses[weight] = {
            name: x.detach() for name, x in student.loss(inputs['sup'], samples['sup']).items() if 'rpn' not in name
        }
    assert losses[None]['loss_bbox'] > 0 and losses[1.0] == losses[None]
    assert all(x['loss_bbox'] == losses[None]['loss_bbox'] for x in losses.values())
    cls = {weight: x['loss_cls'] for weight, x in losses.items()}
    assert cls[0.25] < cls[1.0]  # linear in the weight: proposals of the background keep theirs
    torch.testing.assert_close(cls[0.5], cls[0.25] + (cls[1.0] - cls[0.25]) / 3)


def test_poor_data_trains_on(tmp_path):
    """One labelled example of a class, unlabelled pictures of several sizes, no pseudo-label for 50 steps."""
    write_set(tmp_path)
    content = json.loads((tmp_path / 'ann.json').read_text())
    first, *others = (x for x in content['annotations'] if x['category_id'] == 1 and x['image_id'] % 2 == 0)
    for item in others:
        item['category_id'] = 0
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    (tmp_path / 'pictures').mkdir()
    for i, side in enumerate((40, 64, 90, 130)):
        picture = np.random.default_rng(i).integers(0, 255, (side, side + 30, 3), np.uint8)
        cv2.imwrite(str(tmp_path / 'pictures' / f'{i}.png'), picture)
    steps = 54
    settings = config(tmp_path, steps=steps, train_cfg__val_interval=steps, model__thresholds=dict(fixed=1.1))
    unlabelled = settings.train_dataloader.dataset.dataset.unlabelled
    unlabelled.dataset = dict(
        type='ImageFolder',
        folder=str(tmp_path / 'pictures'),
        metainfo=dict(classes=CLASSES),
        pipeline=unlabelled.dataset.pipeline,
    )
    RUNNERS.build(settings).train()
    rows = [row for row in read_history(tmp_path / 'work' / 'history.jsonl') if 'loss' in row]
    assert len(rows) == steps and all(np.isfinite(row['loss']) for row in rows)
    log = ''.join(path.read_text() for path in (tmp_path / 'work').rglob('*.log'))
    assert 'no pseudo-label for 50 steps' in log and 'lower thresholds.fixed' in log
    labelled = read_history(tmp_path / 'work' / 'openset.jsonl')
    assert not any(key.startswith('hidden') for row in labelled for key in row)  # a folder has no hidden labels
