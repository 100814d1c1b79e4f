"""Deformable convolution and attention against samples taken one by one."""

import math

import pytest
import torch
from torch.nn.functional import conv2d

pytest.importorskip('detplug_mmcv_ops', reason='the operators in plain torch are not installed')
import mmcv._ext as loaded  # noqa: E402
from mmcv.ops import deform_conv2d, modulated_deform_conv2d  # noqa: E402
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction  # noqa: E402

pytestmark = pytest.mark.skipif(not loaded.__file__.endswith('.py'), reason='the compiled mmcv._ext is in place')
GEOMETRIES = [  # stride, padding, dilation, groups, groups of offsets
    ((1, 1), (1, 1), (1, 1), 1, 1),
    ((2, 1), (0, 2), (1, 2), 2, 1),
    ((1, 2), (2, 1), (2, 1), 1, 2),
    ((1, 1), (1, 1), (1, 1), 4, 4),
]


def tensors(geometry, dtype=torch.float64, kernel=(3, 2), size=(7, 6), images=2):
    stride, padding, dilation, groups, offset_groups = geometry
    generator = torch.Generator().manual_seed(0)
    out = [(size[d] + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) // stride[d] + 1 for d in (0, 1)]
    points = kernel[0] * kernel[1] * offset_groups
    shapes = (
        (images, 4, *size),
        (images, 2 * points, *out),
        (images, points, *out),
        (8, 4 // groups, *kernel),
        (8,),
    )
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def sample(plane, y, x):
    """Bilinear with zeros around the plane."""
    top, left = math.floor(y), math.floor(x)
    value = plane.new_zeros(())
    for row, weight_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, weight_x in ((left, left + 1 - x), (left + 1, x - left)):
            if 0 <= row < plane.size(0) and 0 <= column < plane.size(1):
                value = value + weight_y * weight_x * plane[row, column]
    return value


def conv_oracle(x, offset, mask, weight, geometry):
    stride, padding, dilation, groups, offset_groups = geometry
    images, channels = x.shape[:2]
    outputs, per_group, kh, kw = weight.shape
    result = x.new_zeros(images, outputs, *offset.shape[2:])
    for n, o, p, q in torch.cartesian_prod(*(torch.arange(s) for s in result.shape)).tolist():
        for c in range(per_group):
            channel = o // (outputs // groups) * per_group + c
            group = channel // (channels // offset_groups)
            for i in range(kh):
                for j in range(kw):
                    k = group * kh * kw + i * kw + j
                    y = p * stride[0] - padding[0] + i * dilation[0] + float(offset[n, 2 * k, p, q])
                    z = q * stride[1] - padding[1] + j * dilation[1] + float(offset[n, 2 * k + 1, p, q])
                    result[n, o, p, q] += weight[o, c, i, j] * mask[n, k, p, q] * sample(x[n, channel], y, z)
    return result


@pytest.mark.parametrize('geometry', GEOMETRIES)
def test_without_offsets_it_is_a_convolution(geometry):
    x, offset, mask, weight, bias = tensors(geometry, torch.float32)
    expected = conv2d(x, weight, None, *geometry[:4])
    found = deform_conv2d(x, torch.zeros_like(offset), weight, *geometry)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found = modulated_deform_conv2d(x, torch.zeros_like(offset), torch.ones_like(mask), weight, bias, *geometry)
    torch.testing.assert_close(found, expected + bias.view(-1, 1, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('geometry', GEOMETRIES[1:3])
def test_offsets_move_each_sample(geometry):
    x, offset, mask, weight, bias = tensors(geometry, images=1, size=(5, 4))
    expected = conv_oracle(x, offset * 2, torch.ones_like(mask), weight, geometry)
    torch.testing.assert_close(deform_conv2d(x, offset * 2, weight, *geometry), expected)
    expected = conv_oracle(x, offset * 2, mask, weight, geometry) + bias.view(-1, 1, 1)
    torch.testing.assert_close(modulated_deform_conv2d(x, offset * 2, mask, weight, bias, *geometry), expected)


@pytest.mark.parametrize('geometry', GEOMETRIES[1:3])
def test_gradcheck(geometry):
    x, offset, mask, weight, bias = (t.requires_grad_() for t in tensors(geometry, images=1, size=(4, 3)))
    assert torch.autograd.gradcheck(lambda x, o, w: deform_conv2d(x, o, w, *geometry), (x, offset, weight))
    assert torch.autograd.gradcheck(lambda *t: modulated_deform_conv2d(*t, *geometry), (x, offset, mask, weight, bias))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_is_rounded_once(dtype):
    x, offset, mask, weight, _ = tensors(GEOMETRIES[0], dtype)
    found = modulated_deform_conv2d(x, offset, mask, weight, None, *GEOMETRIES[0])
    wide = modulated_deform_conv2d(*(t.float() for t in (x, offset, mask, weight)), None, *GEOMETRIES[0])
    assert found.dtype == dtype and torch.equal(found, wide.to(dtype))


def attention_tensors(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    shapes = torch.tensor([[4, 3], [2, 2]])
    value = torch.randn(1, 16, 2, 3, generator=generator, dtype=torch.float64)
    locations = torch.rand(1, 3, 2, 2, 2, 2, generator=generator, dtype=torch.float64) * 1.4 - 0.2
    weights = torch.rand(1, 3, 2, 2, 2, generator=generator, dtype=torch.float64)
    return value.to(dtype), shapes, torch.tensor([0, 12]), locations.to(dtype), weights.to(dtype)


def test_attention_equals_its_definition():
    value, shapes, starts, locations, weights = attention_tensors()
    expected = value.new_zeros(1, 3, 6)
    for q, head, level, point in torch.cartesian_prod(*(torch.arange(s) for s in (3, 2, 2, 2))).tolist():
        height, width = shapes[level].tolist()
        start = int(starts[level])
        x, y = locations[0, q, head, level, point].tolist()
        for d in range(3):
            plane = value[0, start : start + height * width, head, d].view(height, width)
            found = sample(plane, y * height - 0.5, x * width - 0.5)
            expected[0, q, head * 3 + d] += weights[0, q, head, level, point] * found
    found = MultiScaleDeformableAttnFunction.apply(value, shapes, starts, locations, weights, 64)
    torch.testing.assert_close(found, expected)


def test_attention_gradcheck():
    value, shapes, starts, locations, weights = attention_tensors()
    inputs = [t.requires_grad_() for t in (value, locations, weights)]
    assert torch.autograd.gradcheck(
        lambda v, x, w: MultiScaleDeformableAttnFunction.apply(v, shapes, starts, x, w, 64), inputs
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_attention_in_half(dtype):
    value, shapes, starts, locations, weights = attention_tensors(dtype)
    found = MultiScaleDeformableAttnFunction.apply(value, shapes, starts, locations, weights, 64)
    wide = (t.float() for t in (locations, weights))
    expected = MultiScaleDeformableAttnFunction.apply(value.float(), shapes, starts, *wide, 64)
    assert found.dtype == dtype and torch.equal(found, expected.to(dtype))
