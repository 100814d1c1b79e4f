"""The energy-tied class: an OOD score from the first step, which teaches the known classes nothing."""

import numpy as np
import onnxruntime
import pytest
import torch
from mmdet.registry import MODELS
from tiny_open_set import CHANNELS, SIDE, one_stage, sample

from detplug.export.graph import write_graph

HEAD = dict(type='EnergyYOLOv5Head', num_classes=3, in_channels=CHANNELS)


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = MODELS.build(HEAD)
    head.init_weights()
    for conv in head.convs:  # known classes that answer, an untaught last one
        head._by_anchor(conv)[0].data[:, 5:7].normal_(0, 0.3)
    return head


@pytest.fixture
def feats():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, c, s, s, generator=generator) for c, s in zip(CHANNELS, (8, 4, 2), strict=True)]


def test_it_starts_as_a_score_of_how_little_the_known_classes_claim(head, feats):
    for raw, conv in zip(head.raw_predictions(feats), head.convs, strict=True):
        x = raw.detach().unflatten(1, (3, -1)).movedim(2, -1)
        claims = x[..., 5:7].exp().sum(-1)
        score = x[..., 7] - head._by_anchor(conv)[1].detach()[:, 7, None, None]
        torch.testing.assert_close(score, -claims.log())


def test_what_is_learned_of_unknown_moves_no_known_logit(head, feats):
    raw = [x.unflatten(1, (3, -1)) for x in head.raw_predictions(feats)]
    sum(x[:, :, -1].sum() for x in raw).backward()
    assert head.scales.grad.abs().min() > 0
    for conv in head.convs:
        gradient = conv.weight.grad.view(3, 8, -1)
        assert gradient[:, 7].abs().sum() > 0 and not gradient[:, :7].any()


def test_the_logits_of_a_place_are_those_of_the_maps(head, feats):
    maps = [x.unflatten(1, (3, -1)).permute(0, 1, 3, 4, 2).flatten(1, 3) for x in head.raw_predictions(feats)]
    logits = torch.cat(maps, 1)[..., 5:]
    prior_index = torch.arange(logits.shape[1]).expand(2, -1)
    for inside, _, _, described in head.describe_all(feats, prior_index):
        torch.testing.assert_close(described[inside], logits[inside])
    images = torch.arange(2).repeat_interleave(logits.shape[1])
    for index, _, _, described, _ in head.describe(feats, images, prior_index.flatten()):
        torch.testing.assert_close(described, logits.flatten(0, 1)[index])


def test_the_exported_graph_gives_the_boxes_of_torch(tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(one_stage() | dict(bbox_head=HEAD)).eval()
    model.init_weights()
    image = torch.rand(1, 3, SIDE, SIDE)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        model.train().extract_feat(torch.rand(8, 3, SIDE, SIDE))  # statistics, so that places differ
        model.eval()
        for conv in model.bbox_head.convs:
            conv.weight.normal_(0, 0.3)
            conv.bias.normal_(0, 1)
        model.bbox_head.scales.copy_(torch.tensor([0.5, 1.0, 2.0]))
    write_graph(model, tmp_path / 'model.onnx', SIDE)
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    count, boxes, scores, labels = session.run(None, dict(images=image.numpy()))
    with torch.no_grad():
        theirs = model.predict(image, [sample()], rescale=False)[0].pred_instances
    assert count[0] == len(theirs) and set(labels[0, : count[0]].tolist()) == {0, 1, 2}
    np.testing.assert_allclose(scores[0, : count[0]], theirs.scores, atol=1e-5)


def test_a_head_without_a_known_class_is_refused():
    with pytest.raises(ValueError, match='num_classes is 1'):
        MODELS.build(HEAD | dict(num_classes=1))
