"""The exported graph gives the boxes and OOD scores of the torch model, with any scorer."""

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_open_set import SIDE, build_detector, sample

from detplug.export.compare import Agreement
from detplug.export.graph import DETECTIONS, write_graph
from detplug.runtime.detections import Detections
from plugins.openset.scores import Head


@pytest.mark.parametrize('scorer', ('KNN', 'ViM', 'VRAPlusPlus'))
def test_the_graph_scores_as_torch_does(tmp_path, scorer):
    model = build_detector('oodfc', scorer=dict(type=scorer)).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(16, 3, 8, 8, generator=generator).repeat_interleave(8, 2).repeat_interleave(8, 3)
    image = images[:1]
    with torch.no_grad():  # features, scores and boxes of all sizes
        for module in model.teacher.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.teacher.train().extract_feat(images)
        model.eval()
        for conv in model.teacher.bbox_head.convs:
            conv.weight.normal_(0, 0.3, generator=generator)
            conv.bias.normal_(0, 1, generator=generator)
    for part, calibration, layer in zip(model.ood.scorers, model.ood.calibrations, model.probe.layers, strict=True):
        z = torch.randn(60, part.width, generator=generator).relu()
        logits = Head(*layer).logits(z)
        part.fit(z, logits, logits.argmax(1), layer)
        calibration.fit(part(z, logits) * 1.5, logits.argmax(1))
    model.ood.fitted[:2] = True  # the last level could not be fitted
    names = write_graph(model, tmp_path / 'model.onnx', SIDE)
    assert names == [*DETECTIONS, 'ood_scores']
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    count, boxes, scores, labels, ood = session.run(None, dict(images=image.numpy()))
    torch_detections = model.predict(image, [sample()])[0].pred_instances.numpy()
    there = Detections(
        torch_detections.bboxes,
        torch_detections.scores,
        torch_detections.labels,
        (),
        dict(ood_scores=torch_detections.ood_scores),
    )
    ours = (values[0, : count[0]] for values in (boxes.clip(0, SIDE), scores, labels))
    agreement = Agreement()
    agreement.add(there, Detections(*ours, (), dict(ood_scores=ood[0, : count[0]])), 0.001, 50)
    assert agreement.passed and agreement.boxes > 20, agreement
    assert len(np.unique(ood.round(3))) > 3


def test_the_manifest_tells_what_a_user_must_know():
    model = build_detector('oodfc')
    assert model.extra_outputs == () and model.class_names(('red', 'green')) == ('red', 'green', 'unknown')
    model.ood.fitted[0] = True
    entry = model.manifest_entries()['openset']
    assert entry['unknown_class'] == 2 and len(entry['thresholds']) == 2
    assert entry['ood']['scorer'] == 'KNN' and entry['ood']['tau_high'] == 0.99
    assert np.shape(entry['ood']['calibration']) == (3, 2, 201)  # levels, classes, points
    assert build_detector('closed').manifest_entries()['openset'].keys() == {'unknown_class', 'thresholds'}
