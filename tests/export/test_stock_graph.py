"""Faster R-CNN, whose graph has every operator that those of stock detectors have, through onnxruntime at two sizes."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from eager_operators import align
from stock_detectors import stock_detector
from tensorrt_operators import refusals
from test_stock_predictions import agreement_of  # mmdet against the graph, in torch

from detplug.export import graph
from detplug.export.graph import InputSize, quiet_exporter, write_graph
from detplug.export.nms_op import OPSET, TRANSLATIONS
from detplug.export.roi_align_op import roi_align_rows


class Aligning(torch.nn.Module):
    def __init__(self, sampling: int, aligned: bool):
        super().__init__()
        self.sampling, self.aligned = sampling, aligned

    def forward(self, out, maps, rois, chosen):
        return roi_align_rows(out, maps, rois, chosen, 3, 0.25, self.sampling, self.aligned)


@pytest.mark.parametrize(('sampling', 'aligned'), [(0, True), (2, False)])
def test_rois_are_pooled_as_mmcv_does(tmp_path, sampling, aligned):
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=generator) * 60 - 8
    boxes = torch.cat([corner, corner + torch.rand(40, 2, generator=generator) ** 3 * 60], 1)
    rois = torch.cat([torch.randint(2, (40, 1), generator=generator).float(), boxes], 1)
    maps, chosen = torch.randn(2, 4, 16, 20, generator=generator), torch.rand(40, generator=generator) < 0.6
    inputs = torch.ones(40, 4, 3, 3), maps, rois, chosen
    with quiet_exporter():
        program = torch.onnx.export(
            Aligning(sampling, aligned), inputs, dynamo=True, opset_version=OPSET, verbose=False,
            custom_translation_table=TRANSLATIONS, input_names=['out', 'maps', 'rois', 'chosen'],
        )  # fmt: skip
    program.save(tmp_path / 'roi.onnx')
    session = onnxruntime.InferenceSession(tmp_path / 'roi.onnx', providers=['CPUExecutionProvider'])
    for flags in (chosen, chosen & False):
        feed = dict(zip(('out', 'maps', 'rois', 'chosen'), (*inputs[:3], flags), strict=True))
        (found,) = session.run(None, {name: value.numpy() for name, value in feed.items()})
        np.testing.assert_allclose(found, align(*inputs[:3], flags, 3, 0.25, sampling, aligned).numpy(), atol=2e-6)


def test_faster_rcnn_finds_what_mmdet_finds_at_any_size(tmp_path, monkeypatch):
    model, path = stock_detector('FasterRCNN'), tmp_path / 'model.onnx'
    names = write_graph(model, path, InputSize(None, None))
    assert refusals(onnx.load(path)) == []
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])

    class Runs(torch.nn.Module):
        def __init__(self, *_):
            super().__init__()

        def forward(self, images, sizes):
            feed = dict(images=images.numpy(), image_sizes=sizes.numpy())
            return [torch.from_numpy(x) for x in session.run(names, feed)]

    monkeypatch.setattr(graph, 'DetectionGraph', Runs)
    for shape, size in (((96, 64), (96, 64)), ((64, 160), (50, 130))):
        images = torch.randn(1, 3, *shape, generator=torch.Generator().manual_seed(1))
        result, counts = agreement_of(model, images, [size])
        assert result.passed and counts[0] > 10, result
