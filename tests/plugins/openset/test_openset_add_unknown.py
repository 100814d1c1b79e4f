"""add-unknown on tiny detectors of every kind, from the command line to the exported bundle."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_open_set import CLASSES, SIDE, sample
from tiny_trained import KINDS, detector, write_trained

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector as load_model
from detplug.cli.export import main as export
from detplug.cli.test import main as evaluate
from detplug.errors import UserError
from detplug.runtime.bundle import Detector
from plugins.openset.add_unknown import main as add_unknown
from plugins.openset.inference.budget import choose_tau, count_named, count_objects, false_alarm_share
from plugins.openset.inference.fit import known_objects, labelled_dataset, samples_of

K = len(CLASSES)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Folder, config and weights of a kind; made once."""
    made = {}

    def of(kind: str):
        if kind not in made:
            made[kind] = write_trained(tmp_path_factory.mktemp(kind) / 'set', kind)
        return made[kind]

    return of


@pytest.fixture(scope='module')
def added(trained, tmp_path_factory):
    """Folder of config.py and checkpoint.pth that add-unknown wrote, with options; made once."""
    made = {}

    def of(kind: str, *options: str):
        if (kind, options) not in made:
            out = tmp_path_factory.mktemp(kind) / 'added'
            words = ['--out', str(out), '--device', 'cpu', '--budget', '1', '--class-share', '0.5', *options]
            assert add_unknown([*map(str, trained(kind)), *words]) == 0
            made[kind, options] = out
        return made[kind, options]

    return of


def model_of(out):
    return load_model(load_config(out / 'config.py'), out / 'checkpoint.pth')


@pytest.mark.parametrize('kind', KINDS)
def test_known_names_are_kept_and_within_the_budget_some_are_unknown(added, kind):
    out = added(kind)
    config, model = load_config(out / 'config.py'), model_of(out)
    images = known_objects(model, samples_of(labelled_dataset(config, 'val')))
    objects, rule = sum(len(x.truth) for x in images), model.rule
    named, of_class = count_named(images, rule), count_objects(images, K)
    assert 0 <= model.tau < 1 and objects > 30
    assert 0 < named.sum() and (named.sum() + 1) / (objects + 1) <= false_alarm_share(images, 1.0, '')
    assert (named <= 0.5 * of_class).all()
    with torch.no_grad():
        item = next(samples_of(labelled_dataset(config, 'val')))
        detections = model.test_step(dict(inputs=[item['inputs']], data_samples=[item['data_samples']]))[
            0
        ].pred_instances
    assert set(detections.keys()) == {'bboxes', 'scores', 'labels', 'ood_scores'}
    assert (detections.scores.diff() <= 0).all() and detections.labels.max() <= K


@pytest.mark.parametrize('kind', KINDS)
def test_without_threshold_it_is_the_detector(added, trained, kind):
    """With tau 1 the known detections are the plain detector's: the same road, nothing lost."""
    model, plain = model_of(added(kind)), load_model(load_config(trained(kind)[0]), trained(kind)[1])
    model.tau.fill_(1.0)
    image = (
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3)
    )
    ours = model.predict(image, [sample()])[0].pred_instances
    with torch.no_grad():
        theirs = plain.predict(image, [sample()])[0].pred_instances
    if model.one_name:
        assert len(ours) <= len(theirs)
        return
    order, other = (np.lexsort((*x.bboxes.numpy().round(2).T, x.labels.numpy())) for x in (ours, theirs))
    assert len(ours) == len(theirs) > 5
    np.testing.assert_allclose(ours.bboxes.numpy()[order], theirs.bboxes.numpy()[other], atol=1e-3)
    np.testing.assert_allclose(ours.scores.numpy()[order], theirs.scores.numpy()[other], atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_priors_are_where_the_detections_come_from(added, kind):
    """Logits behind each detection give its score back, whatever the head."""
    model = model_of(added(kind))
    image = (
        torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(4))
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3)
    )
    with torch.no_grad():
        feats = model.extract_feat(image)
        detections = model.adapter.predict(feats, [sample(), sample()])
        groups = model.adapter.groups(feats, detections)
    scores, labels = (torch.cat([x[name] for x in detections]) for name in ('scores', 'labels'))
    index = torch.cat([x.index for x in groups])
    assert sorted(index.tolist()) == list(range(len(scores)))
    logits = torch.cat([x.logits for x in groups])[index.argsort()]
    objectness = torch.cat([x.objectness for x in groups])[index.argsort()]
    label_logit = logits.gather(1, labels[:, None])[:, 0]
    if kind == 'faster_rcnn':  # features are pooled again at the predicted box, so the score is another
        assert objectness.min() >= 0 and objectness.max() <= 1
        return
    want = label_logit.sigmoid() * (objectness if kind == 'yolov5' else 1)
    torch.testing.assert_close(scores, want, atol=1e-5, rtol=1e-4)
    layers = model.adapter.layers
    if layers is not None:
        for group, layer in zip(groups, layers, strict=True):
            torch.testing.assert_close(layer.logits(group.features, group.rows), group.logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('kind', [x for x in KINDS if x != 'retinanet'])  # that one is exported below, with features
def test_the_bundle_is_the_torch_model(added, tmp_path, kind):
    """Export compares boxes, scores, labels and ood_scores after fusion; without the rule it would differ."""
    out = added(kind)
    assert (
        export([str(out / 'config.py'), str(out / 'checkpoint.pth'), '--out', str(tmp_path / 'b'), '--device', 'cpu'])
        == 0
    )
    manifest = json.loads((tmp_path / 'b/manifest.json').read_text())
    rule = manifest['openset']['fusion']
    assert manifest['classes'] == [*CLASSES, 'unknown'] and manifest['openset']['unknown_class'] == K
    assert (
        rule['tau'] == float(model_of(out).tau)
        and rule['budget'] == 1
        and rule['scorer'] == model_of(out).ood.scorers[0].__class__.__name__
    )
    assert 'g = s(1 - tau) /' in rule['meaning'] and manifest['errors']['boxes'] > 50
    folder = load_config(out / 'config.py').val_dataloader.dataset.data_root
    bundle = Detector(tmp_path / 'b', device='cpu')
    detections = [bundle(f'{folder}/images/{i}.png') for i in range(24, 40)]
    assert sum(int((x.labels == K).sum()) for x in detections) > 0
    assert all(x.fields.keys() == {'ood_scores'} and len(x.fields['ood_scores']) == len(x) for x in detections)
    bundle.manifest['openset']['fusion']['tau'] = 1.0  # the effect is the fusion's
    assert not any((bundle(f'{folder}/images/{i}.png').labels == K).any() for i in range(24, 40))


@pytest.mark.parametrize(('kind', 'scorer'), [('retinanet', 'KNN')])  # YOLOv5's are in test_openset_export.py
def test_scores_of_features_are_exported_too(added, tmp_path, kind, scorer):
    out = added(kind, '--scorer', scorer, '--calibration', 'cdf')
    assert (
        export([str(out / 'config.py'), str(out / 'checkpoint.pth'), '--out', str(tmp_path / 'b'), '--device', 'cpu'])
        == 0
    )


def test_hidden_labels_decide_nothing(trained, tmp_path):
    """Other objects under the names of unknown classes in val and train: the same checkpoint, bit by bit."""
    config, weights = trained('yolov5')
    copy = tmp_path / 'set'
    shutil.copytree(config.parent, copy)
    text = config.read_text().replace(str(config.parent), str(copy))
    (copy / 'config.py').write_text(text)
    for split in ('train', 'val'):
        content = json.loads((copy / f'{split}.json').read_text())
        for row in content['annotations']:
            if row['category_id'] == K:
                row.update(bbox=[1.0, 2.0, 9.0, 9.0], area=81.0)
        content['annotations'] = [x for i, x in enumerate(content['annotations']) if x['category_id'] < K or i % 3]
        (copy / f'{split}.json').write_text(json.dumps(content))
    states = []
    for place in (config.parent, copy):
        add_unknown(
            [
                str(place / 'config.py'),
                str(weights),
                '--out',
                str(tmp_path / place.parent.name / 'x'),
                '--device',
                'cpu',
            ]
        )
        states.append(torch.load(tmp_path / place.parent.name / 'x/checkpoint.pth', weights_only=True)['state_dict'])
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_boxes_in_pixels_of_the_input_or_the_file(added):
    model = model_of(added('yolov5'))
    image = (
        torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(5))
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3)
    )
    large = dict(ori_shape=(2 * SIDE, 2 * SIDE), scale_factor=(0.5, 0.5))
    inputs, file = (model.predict(image, [sample(**large)], rescale)[0].pred_instances for rescale in (False, True))
    assert len(inputs) == len(file) > 0
    torch.testing.assert_close(inputs.bboxes * 2, file.bboxes)


def test_the_report_of_test_names_unknown(added, tmp_path, capsys):
    out = added('yolov5')
    options = ['test_evaluator.type=OpenSetMetric', 'test_evaluator.max_dets=300']
    paths = [str(out / 'config.py'), str(out / 'checkpoint.pth')]
    assert evaluate([*paths, '--work-dir', str(tmp_path), '--device', 'cpu', '--cfg-options', *options]) == 0
    metrics = json.loads((tmp_path / 'metrics_test.json').read_text())
    assert 'unknown_ap' in metrics and metrics['map'] > 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--budget', '0'], '--budget 0: give more than 0'),
        (['--budget', '0.001'], '--budget 0.001: one known object in'),
        (['--budget', '50'], 'may be named unknown; give less'),
        (['--class-share', '2'], '--class-share 2: give 0 to 1'),
        (['--images', '0'], '--images 0: give at least 1'),
        (['--scorer', 'UnknownClass'], 'UnknownClass: the detector has no class "unknown"; take Rarity'),
        (['--scorer', 'KNN', '--calibration', 'none'], 'calibration: none: KNN is no probability; take conformal'),
    ],
)
def test_wrong_options_are_one_line(trained, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        add_unknown([*map(str, trained('yolov5')), '--out', str(tmp_path / 'x'), '--device', 'cpu', *options])
    assert not (tmp_path / 'x').exists()


def test_other_detectors_are_refused_by_name_before_any_work(tmp_path):
    for text, name in (
        ("_base_ = ['mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py']", 'FCOS with FCOSHead'),
        ("_base_ = ['mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py']", 'MaskRCNN with StandardRoIHead'),
    ):
        (tmp_path / 'c.py').write_text(text)
        with pytest.raises(
            UserError, match=f'{name}: its detections cannot be named unknown; add_unknown takes YOLOv5'
        ):
            add_unknown([str(tmp_path / 'c.py'), str(tmp_path / 'none.pth'), '--out', str(tmp_path / 'x')])


def test_a_second_time_is_refused_and_foreign_folders_are_kept(added, tmp_path):
    out = added('yolov5')
    with pytest.raises(UserError, match='is WithUnknown already'):
        add_unknown([str(out / 'config.py'), str(out / 'checkpoint.pth'), '--out', str(tmp_path / 'x')])
    (tmp_path / 'thesis.tex').touch()
    with pytest.raises(UserError, match='holds thesis.tex; give a new folder'):
        add_unknown([str(out / 'config.py'), str(out / 'checkpoint.pth'), '--out', str(tmp_path)])


def test_it_is_not_trained_and_has_no_raw_form(added, tmp_path):
    out = added('yolov5')
    with pytest.raises(UserError, match='WithUnknown is not trained'):
        model_of(out).loss(None, [])
    with pytest.raises(UserError, match='no raw_predictions'):
        export([str(out / 'config.py'), str(out / 'checkpoint.pth'), '--out', str(tmp_path / 'b'), '--raw'])


def test_scores_that_need_a_linear_last_layer_are_refused_where_there_is_none(trained, tmp_path):
    with pytest.raises(UserError, match='ViM needs a last layer of 1 x 1 cells, RetinaHead has a larger one'):
        add_unknown([*map(str, trained('retinanet')), '--out', str(tmp_path / 'x'), '--scorer', 'ViM'])


def test_heads_have_the_columns_that_the_model_says():
    from mmdet.registry import MODELS

    model = detector('yolov5', 3)
    preprocessor = model.pop('data_preprocessor')
    with pytest.raises(UserError, match='3 classes in the head, 2 known ones; make them agree'):
        MODELS.build(dict(type='WithUnknown', detector=model, classes=2, data_preprocessor=preprocessor))


def test_the_threshold_is_the_rule_of_conformal_prediction():
    """One detection an object: tau is just above the ceil((n + 1)(1 - alpha))-th smallest strangeness."""
    from plugins.openset.inference.budget import KnownObjects
    from plugins.openset.inference.fuse import FusedRule

    rng = np.random.default_rng(0)
    strangeness, images = rng.random(99).astype(np.float32), []
    box = np.array([[0, 0, 10, 10]], np.float32)
    one = np.ones(1, np.float32)
    for s in strangeness:
        images.append(KnownObjects.of(box, np.zeros(1, int), box, one, np.zeros(1, int), one * s, one, one * 0))
    alpha = false_alarm_share(images, 0.1, 'val')
    rule = FusedRule(2, 1.0, score_thr=0.0)
    tau = choose_tau(images, alpha, rule)
    place, ordered = int(np.ceil(100 * 0.9)) - 1, np.sort(strangeness).astype(np.float64)
    assert tau == ordered[place : place + 2].mean()


def test_a_rare_class_does_not_pay_the_whole_budget():
    """The 10 objects of class 1 are the strangest of 200: without a limit all lose their name, with it its share."""
    from plugins.openset.inference.budget import KnownObjects
    from plugins.openset.inference.fuse import FusedRule

    box, one = np.array([[0, 0, 10, 10]], np.float32), np.ones(1, np.float32)
    classes = np.arange(200) >= 190
    strangeness = np.linspace(0.1, 0.9, 200, dtype=np.float32)
    images = [
        KnownObjects.of(box, np.array([k]), box, one, np.array([k]), one * s, one, one * 0)
        for k, s in zip(classes.astype(int), strangeness, strict=True)
    ]
    rule = FusedRule(2, 1.0, score_thr=0.0)
    for share, lost in ((1, [9, 10]), (0.5, [0, 5]), (0.29, [0, 2]), (0.1, [0, 1]), (0, [0, 0])):
        tau = choose_tau(images, 0.1, rule, share)
        assert count_named(images, replace(rule, tau=tau)).tolist() == lost


def test_the_conformal_benchmark_sees_a_broken_promise():
    """Uniform strangeness keeps the bound; objects whose naming does not follow it break it."""
    from benchmarks.openset_conformal import split_figures

    rng = np.random.default_rng(0)
    taus = np.linspace(0, 1, 401)
    kept = split_figures(rng.random((400, 1)) > taus, 0.1, 20)
    assert 0.08 < kept['mean'] <= 0.105 and kept['violations_joint'] == 0
    assert split_figures(np.zeros((400, 401), bool), 0.1, 20)['mean'] == 0
    tight = split_figures(rng.random((400, 1)) > taus, 0.3, 20)
    assert tight['mean'] > 0.2  # a budget that is three times as large is used
