"""The head in mmdet's SingleStageDetector: gradients, predictions in original pixels, export views."""

import pytest
import torch
from tiny_yolov5 import CHANNELS, SIDE, instances, random_boxes, sample, tiny_detector

CASES = {
    'boxes': dict(boxes=[[4, 4, 30, 40], [20, 10, 60, 33]], labels=[0, 3]),
    'empty': {},
    'all ignored': dict(ignored=[[0, 0, SIDE, SIDE]]),
    'boxes and ignored': dict(boxes=[[4, 4, 30, 40]], labels=[1], ignored=[[20, 20, 64, 64]]),
    'a box without area': dict(boxes=[[5, 5, 5, 5]], labels=[0]),
}


@pytest.mark.parametrize('case', CASES)
def test_loss_is_finite_and_a_gradient_reaches_every_parameter(case):
    model = tiny_detector().train()
    losses = model.loss(torch.rand(2, 3, SIDE, SIDE), [sample(**CASES[case]), sample(**CASES[case])])
    assert set(losses) == {'loss_box', 'loss_obj', 'loss_cls'}
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert case == 'all ignored' or parameter.grad.any(), name


def test_training_on_one_image_finds_its_boxes():
    model = tiny_detector(act_cfg=dict(type='ReLU'))
    boxes = [[4.0, 4.0, 30.0, 40.0], [36.0, 20.0, 60.0, 44.0]]
    image = torch.full((1, 3, SIDE, SIDE), 0.1)
    for value, (x1, y1, x2, y2) in zip((0.5, 1.0), boxes, strict=True):
        image[:, :, int(y1) : int(y2), int(x1) : int(x2)] = value
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    model.train()
    for _ in range(50):
        optimizer.zero_grad()
        sum(model.loss(image, [sample(boxes, [1, 2])]).values()).mul(10).backward()
        optimizer.step()
    with torch.no_grad():  # batch statistics of one image: stay in training mode
        detections = model.predict(image, [sample()])[0].pred_instances[:2]
    order = detections.labels.argsort()
    assert detections.labels[order].tolist() == [1, 2]
    assert (detections.bboxes[order] - torch.tensor(boxes)).abs().max() < 4


def test_first_guess_is_few_objects_and_equal_classes():
    head = tiny_detector(num_classes=80).bbox_head
    for conv, stride in zip(head.convs, head.strides, strict=True):
        bias = conv.bias.detach().view(3, 85)
        spread = conv.in_channels**-0.5
        wanted = torch.log(torch.tensor([8 / (640 / stride) ** 2, 0.6 / (80 - 0.99999)]))
        assert (bias[:, 4] - wanted[0]).abs().max() <= spread
        assert (bias[:, 5:] - wanted[1]).abs().max() <= spread
        assert bias[:, :4].abs().max() <= spread


def test_predictions_come_back_in_pixels_of_the_original_image():
    model = tiny_detector().eval()
    image = torch.rand(1, 3, SIDE, SIDE)
    where = dict(img_shape=(48, 64), ori_shape=(24, 128), scale_factor=(0.5, 2.0), pad_offset=(0, 8))
    with torch.no_grad():
        plain = model.predict(image, [sample(img_shape=(64, 64))], rescale=False)[0].pred_instances
        moved = model.predict(image, [sample(**where)])[0].pred_instances
    assert len(moved) == len(plain) > 10
    assert moved.bboxes.amin() >= 0 and (moved.bboxes.amax(0) <= torch.tensor([128, 24, 128, 24])).all()
    assert (moved.scores.diff() <= 0).all()
    assert moved.scores.shape == moved.labels.shape == moved.bboxes.shape[:1]
    x1, y1, x2, y2 = plain.bboxes.unbind(1)
    inside = (y1 > 8) & (y2 < 56) & (x1 > 0) & (x2 < 64)  # neither clipped
    torch.testing.assert_close(moved.bboxes[inside], torch.stack([x1 * 2, y1 / 2 - 4, x2 * 2, y2 / 2 - 4], 1)[inside])


def test_limits_of_the_test_config_hold():
    model = tiny_detector().eval()
    feats = model.extract_feat(torch.rand(1, 3, SIDE, SIDE))
    meta = [sample().metainfo]
    with torch.no_grad():
        outs = model.bbox_head(feats)
        for changes, count in ((dict(max_per_img=7), 7), (dict(score_thr=1.0), 0), (dict(nms_pre=3), 3)):
            detections = model.bbox_head.predict_by_feat(*outs, batch_img_metas=meta, cfg=model.test_cfg | changes)[0]
            assert len(detections) <= count
            assert detections.bboxes.shape == (len(detections), 4)


def test_one_class_scores_start_as_the_objectness():
    head = tiny_detector(num_classes=1).bbox_head
    feats = [torch.zeros(1, c, 2, 2) for c in CHANNELS]
    with torch.no_grad():
        _, scores = head.dense_predictions(feats)
        objectness = torch.cat([raw.view(3, 6, 4)[:, 4].sigmoid().flatten() for raw in head.raw_predictions(feats)])
    torch.testing.assert_close(scores[0, :, 0], objectness, rtol=1e-3, atol=1e-6)


def test_dense_predictions_export_with_any_batch_size():
    head = tiny_detector().bbox_head.eval()

    class Dense(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, *feats):
            return self.head.dense_predictions(feats)

    def feats(batch):
        return tuple(torch.rand(batch, c, SIDE // s, SIDE // s) for c, s in zip(CHANNELS, head.strides, strict=True))

    batch = torch.export.Dim('batch', min=1, max=16)
    program = torch.export.export(Dense(), feats(2), dynamic_shapes=(tuple({0: batch} for _ in CHANNELS),))
    maps = feats(3)
    with torch.no_grad():
        for one, other in zip(program.module()(*maps), Dense()(*maps), strict=True):
            torch.testing.assert_close(one, other)


def test_state_dict_round_trip_keeps_custom_anchors():
    model, other = tiny_detector(), tiny_detector(seed=1)
    model.bbox_head.anchors *= 1.5
    other.load_state_dict(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_levels_that_do_not_fit_are_refused():
    from plugins.yolov5.head import YOLOv5Head

    with pytest.raises(ValueError, match='levels'):
        YOLOv5Head(3, in_channels=[32, 64])


def test_boxes_of_mmdets_box_types_are_taken():
    from mmdet.structures.bbox import HorizontalBoxes

    model = tiny_detector()
    generator = torch.Generator().manual_seed(0)
    plain = instances(random_boxes(5, generator), [0, 1, 2, 3, 0])
    typed = plain.clone()
    typed.bboxes = HorizontalBoxes(plain.bboxes)
    outs = model.bbox_head(model.extract_feat(torch.rand(1, 3, SIDE, SIDE)))
    one, other = (model.bbox_head.loss_by_feat(*outs, [x], [{}]) for x in (plain, typed))
    assert one == other


def test_what_is_behind_a_prediction():
    model = tiny_detector().eval()
    with torch.no_grad():
        feats = model.extract_feat(torch.rand(2, 3, SIDE, SIDE))
        metas = [dict(img_shape=(SIDE, SIDE))] * 2
        every = dict(score_thr=0, nms=dict(type='nms', iou_threshold=0.9), max_per_img=5000)
        detections = model.bbox_head.predict_by_feat(*model.bbox_head(feats), batch_img_metas=metas, cfg=every)
        images = torch.repeat_interleave(torch.tensor([len(x) for x in detections]))
        prior_index = torch.cat([x.prior_index for x in detections])
        levels = model.bbox_head.describe(feats, images, prior_index)
    scores, labels = (torch.cat([x[name] for x in detections]) for name in ('scores', 'labels'))
    assert sorted(torch.cat([level[0] for level in levels]).tolist()) == list(range(len(scores)))
    for (index, z, anchor, logits, objectness), (weight, bias) in zip(
        levels, model.bbox_head.last_layers(), strict=True
    ):
        wanted = scores[index]
        own = torch.arange(len(index)), labels[index]
        torch.testing.assert_close(logits.sigmoid()[own] * objectness, wanted)
        torch.testing.assert_close(torch.einsum('nd,nkd->nk', z, weight[anchor]) + bias[anchor], logits)
    assert all(len(level[0]) for level in levels)
