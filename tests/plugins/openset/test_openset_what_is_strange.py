"""What is strange to a detector that add-unknown is given: its class "unknown", rarity, logits."""

import json

import pytest
import torch
from mmdet.registry import MODELS
from tiny_open_set import CLASSES, SIDE, build_detector, one_stage, sample, write_set
from tiny_open_set import config as open_set_config
from tiny_trained import detector, write_trained

from detplug.cli.config import load_config
from detplug.cli.export import main as export
from detplug.errors import UserError
from detplug.runtime.bundle import Detector
from plugins.openset.add_unknown import default_scorer, load_detector, make_parser, with_unknown_config
from plugins.openset.inference.fit import labelled_dataset

K = len(CLASSES)


def test_the_teacher_of_an_openset_detector(tmp_path):
    """K + 1 columns: what the last one says counts in u."""
    write_set(tmp_path)
    settings = open_set_config(tmp_path, 'closed')
    settings.model.detector = dict(one_stage())
    for loader in ('val_dataloader', 'test_dataloader'):
        settings[loader].dataset.ann_file = 'ann.json'
    settings.dump(tmp_path / 'config.py')
    model = build_detector('closed')
    with torch.no_grad():
        for conv in model.teacher.bbox_head.convs:
            conv.bias.view(3, -1)[:, 4:] = torch.tensor([1.0, 0.5, 0.5, 0.5])
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    config = load_config(tmp_path / 'config.py')
    words = [str(tmp_path / 'config.py'), str(tmp_path / 'weights.pth'), '--out', 'x']
    detections = {}
    for scorer in ('Rarity', 'UnknownClass', 'MaxLogit'):
        new = with_unknown_config(config, make_parser().parse_args([*words, '--scorer', scorer]))
        added = MODELS.build(new.model).eval()
        load_detector(added, config, tmp_path / 'weights.pth')
        assert added.has_unknown_class and added.classes == 2 and added.adapter.columns == 3
        assert torch.equal(added.detector.bbox_head.convs[0].bias, model.teacher.bbox_head.convs[0].bias)
        added.ood.fitted.fill_(True)
        with torch.no_grad():
            feats = added.extract_feat(torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
            detections[scorer] = added.described(feats, [sample()])[0]
    assert len(labelled_dataset(config, 'train')[0]) == 6  # the labelled part
    args = make_parser().parse_args([*words, '--scorer', 'UnknownClass', '--calibration', 'cdf'])
    with pytest.raises(UserError, match='cdf: UnknownClass has no score to calibrate; take none'):
        MODELS.build(with_unknown_config(config, args).model)
    rarity, column, logits = (detections[name] for name in ('Rarity', 'UnknownClass', 'MaxLogit'))
    named_unknown = logits.labels == 2
    assert named_unknown.any() and not named_unknown.all()
    torch.testing.assert_close(logits.scores[named_unknown], (logits.objectness * logits.p_unknown)[named_unknown])
    torch.testing.assert_close(column.ood_scores, logits.objectness * logits.p_unknown)
    assert (rarity.ood_scores > column.ood_scores).all()
    for result in (rarity, column):  # both are in the strangeness already
        assert (result.objectness == 1).all() and (result.p_unknown == 0).all()


def test_class_unknown_alone_is_exported(tmp_path):
    """Nothing is fitted; export compares the fused boxes of torch and bundle."""
    config = load_config(write_trained(tmp_path / 'set', 'yolov5')[0])
    columns = detector('yolov5', K + 1)
    preprocessor = columns.pop('data_preprocessor')
    config.model = dict(
        type='WithUnknown', detector=columns, classes=K, has_unknown_class=True, scorer=dict(type='UnknownClass'),
        data_preprocessor=preprocessor,
    )  # fmt: skip
    config.custom_imports['imports'].append('plugins.openset.register')
    config.dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    with torch.no_grad():
        for conv in model.detector.bbox_head.convs:
            torch.nn.init.normal_(conv.weight, std=0.5)
    model.tau.fill_(0.3)
    model.ood.fitted.fill_(True)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    paths = [str(tmp_path / name) for name in ('config.py', 'weights.pth', 'b')]
    assert export([*paths[:2], '--out', paths[2], '--device', 'cpu', '--cfg-options', 'model.one_name=True']) == 0
    manifest = json.loads((tmp_path / 'b/manifest.json').read_text())
    assert manifest['openset']['fusion']['scorer'] == 'UnknownClass' and manifest['errors']['boxes'] > 50
    bundle = Detector(tmp_path / 'b', device='cpu')
    detections = [bundle(str(tmp_path / 'set/images' / f'{i}.png')) for i in range(24, 30)]
    assert any((x.labels == K).any() for x in detections) and any((x.labels < K).any() for x in detections)


def test_what_is_strange_follows_the_detector_and_the_labels(tmp_path):
    """Class "unknown" where chimeras taught it; rarity where most objects are of one class; logits elsewhere."""
    write_set(tmp_path)
    settings = open_set_config(tmp_path, 'closed')
    for name in ('val_dataloader', 'test_dataloader'):
        settings[name].dataset.ann_file = 'ann.json'
    content = json.loads((tmp_path / 'ann.json').read_text())
    rows = content['annotations']
    for share, scorer in ((0.9, 'Rarity'), (0.5, 'MaxLogit')):
        for i, row in enumerate(rows):
            row['category_id'] = content['categories'][0 if i < share * len(rows) else 1]['id']
        (tmp_path / 'ann.json').write_text(json.dumps(content))
        settings.dump(tmp_path / f'{scorer}.py')
        assert default_scorer(load_config(tmp_path / f'{scorer}.py'))[0] == scorer
    settings.model.update(mode='cce', cce=dict(chimeras=0.25))
    settings.dump(tmp_path / 'learned.py')
    assert default_scorer(load_config(tmp_path / 'learned.py'))[0] == 'UnknownClass'
