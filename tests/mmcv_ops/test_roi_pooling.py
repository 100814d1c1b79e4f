"""RoIAlign and RoIPool against loops written from their definitions, forward and backward."""

import math

import pytest
import torch

pytest.importorskip('detplug_mmcv_ops', reason='the operators in plain torch are not installed')
import mmcv._ext as loaded  # noqa: E402
from detplug_mmcv_ops import roi_align, roi_align_max, roi_pool  # noqa: E402
from mmcv.ops import roi_align as align  # noqa: E402
from mmcv.ops import roi_pool as pool  # noqa: E402

pytestmark = pytest.mark.skipif(not loaded.__file__.endswith('.py'), reason='the compiled mmcv._ext is in place')
ROIS = torch.tensor(
    [
        [0.0, 3, 2, 30, 21],
        [1, 0, 0, 12, 36],
        [1, -9, -12, 25, 8],  # partly outside
        [0, 60, 60, 90, 80],  # wholly outside
        [1, 8.2, 9.1, 9.0, 9.9],  # within a pixel
        [0, 10, 10, 10, 20],  # no width
        [0, 2, 4, 4, 38],
    ]
)


def bilinear(plane, y, x):
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return plane.new_zeros(())
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = math.floor(y), math.floor(x)
    down, right = y - top, x - left
    bottom, beside = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = plane[top, left] * (1 - right) + plane[top, beside] * right
    lower = plane[bottom, left] * (1 - right) + plane[bottom, beside] * right
    return upper * (1 - down) + lower * down


def align_oracle(maps, rois, bins, scale, ratio, mode, aligned):
    """(R, C, P, Q), differentiable, one sample after another."""
    results = []
    for image, *corners in rois.tolist():
        x1, y1, x2, y2 = (c * scale - 0.5 * aligned for c in corners)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        step_y, step_x = height / bins[0], width / bins[1]
        count_y, count_x = (ratio, ratio) if ratio else (max(math.ceil(step_y), 0), max(math.ceil(step_x), 0))
        for plane in maps[int(image)]:
            for p in range(bins[0]):
                for q in range(bins[1]):
                    values = [
                        bilinear(
                            plane, y1 + (p + (i + 0.5) / count_y) * step_y, x1 + (q + (j + 0.5) / count_x) * step_x
                        )
                        for i in range(count_y)
                        for j in range(count_x)
                    ] or [maps.new_zeros(())]
                    stack = torch.stack(values)
                    results.append(stack.mean() if mode == 'avg' else stack.max())
    return torch.stack(results).view(len(rois), maps.size(1), *bins)


def pool_oracle(maps, rois, bins, scale):
    results = []
    for image, x1, y1, x2, y2 in rois.tolist():
        x1, y1, x2, y2 = x1 * scale, y1 * scale, (x2 + 1) * scale, (y2 + 1) * scale
        for plane in maps[int(image)]:
            for p in range(bins[0]):
                for q in range(bins[1]):
                    top, bottom = y1 + p * (y2 - y1) / bins[0], y1 + (p + 1) * (y2 - y1) / bins[0]
                    left, right = x1 + q * (x2 - x1) / bins[1], x1 + (q + 1) * (x2 - x1) / bins[1]
                    part = plane[
                        max(math.floor(top), 0) : max(math.ceil(bottom), 0),
                        max(math.floor(left), 0) : max(math.ceil(right), 0),
                    ]
                    results.append(part.max() if part.numel() and x2 > x1 and y2 > y1 else maps.new_zeros(()))
    return torch.stack(results).view(len(rois), maps.size(1), *bins)


def feature_maps(dtype=torch.float32, channels=2):
    return torch.randn(2, channels, 10, 13, generator=torch.Generator().manual_seed(0)).to(dtype)


def value_and_gradient(function, maps):
    maps = maps.clone(memory_format=torch.preserve_format).requires_grad_()
    result = function(maps)
    factor = torch.randn(result.shape, generator=torch.Generator().manual_seed(1)).to(result.dtype)
    return result, torch.autograd.grad((result * factor).sum(), maps)[0]


def assert_same(found, expected, tolerance=1e-5):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other.to(one.dtype), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 1, 2])
def test_align_equals_its_definition(ratio, aligned, mode):
    arguments = ((3, 2), 0.25, ratio, mode, aligned)
    expected = value_and_gradient(lambda maps: align_oracle(maps, ROIS, *arguments), feature_maps())
    assert_same(value_and_gradient(lambda maps: align(maps, ROIS, *arguments), feature_maps()), expected)


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_memory_order_and_parts_change_nothing(mode, monkeypatch):
    def found(maps):
        return value_and_gradient(lambda maps: align(maps, ROIS, (7, 7), 0.25, 0, mode, True), maps)

    maps = feature_maps()
    expected = found(maps)
    assert_same(found(maps.to(memory_format=torch.channels_last)), expected, 1e-6)
    for module in (roi_align, roi_align_max):
        monkeypatch.setattr(module, 'LARGEST', 100)  # a RoI at a time
    assert_same(found(maps), expected, 1e-6)


def test_a_roi_of_the_whole_map_and_more_is_whole_in_parts():
    maps, rois = feature_maps(), torch.tensor([[0.0, -400, -300, 700, 500], [1, 0, 0, 52, 40]])
    expected = value_and_gradient(lambda maps: align_oracle(maps, rois, (2, 2), 0.25, 0, 'avg', True), maps)
    assert_same(value_and_gradient(lambda maps: align(maps, rois, (2, 2), 0.25, 0, 'avg', True), maps), expected)


def test_pool_equals_its_definition(monkeypatch):
    rois = torch.cat((ROIS, torch.tensor([[0.0, 20, 20, 5, 5]])))  # inverted
    expected = value_and_gradient(lambda maps: pool_oracle(maps, rois, (3, 2), 0.25), feature_maps())
    assert_same(value_and_gradient(lambda maps: pool(maps, rois, (3, 2), 0.25), feature_maps()), expected)
    monkeypatch.setattr(roi_pool, 'LARGEST', 100)
    assert_same(value_and_gradient(lambda maps: pool(maps, rois, (3, 2), 0.25), feature_maps()), expected)


@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_gradcheck(mode, ratio):
    maps = feature_maps(torch.float64, 1).requires_grad_()
    rois = ROIS[[0, 2, 6]].double()
    assert torch.autograd.gradcheck(lambda maps: align(maps, rois, (2, 2), 0.25, ratio, mode, True), maps)
    assert torch.autograd.gradcheck(lambda maps: pool(maps, rois, (2, 2), 0.25), maps)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_is_rounded_once(dtype):
    maps = feature_maps(dtype)
    for function in (
        lambda maps: align(maps, ROIS.to(maps.dtype), (2, 2), 0.25, 0, 'avg', True),
        lambda maps: pool(maps, ROIS.to(maps.dtype), (2, 2), 0.25),
    ):
        result, gradient = value_and_gradient(function, maps)
        assert result.dtype == gradient.dtype == dtype
        rounded = ROIS.to(dtype).float()
        single = function(maps.float()) if rounded.equal(ROIS) else None
        if single is not None:
            assert torch.equal(result, single.to(dtype))


def test_no_roi_and_nan_roi():
    maps = feature_maps()
    for function in (lambda m, r: align(m, r, 2, 0.25), lambda m, r: pool(m, r, 2, 0.25)):
        result, gradient = value_and_gradient(lambda m, f=function: f(m, ROIS[:0]), maps)
        assert result.shape == (0, 2, 2, 2) and not gradient.any()
    broken = ROIS[:2].clone()
    broken[1, 3] = torch.nan
    result = align(maps, broken, 2, 0.25)
    assert result[1].isnan().all() and torch.equal(result[0], align(maps, ROIS[:1], 2, 0.25)[0])
