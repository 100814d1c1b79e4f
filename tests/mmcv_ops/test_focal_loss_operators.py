"""Focal loss against mmdet's form in Python, and its gradient against differences."""

import pytest
import torch

pytest.importorskip('detplug_mmcv_ops', reason='the operators in plain torch are not installed')
import mmcv._ext as loaded  # noqa: E402
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss  # noqa: E402
from mmdet.models.losses.focal_loss import py_focal_loss_with_prob, py_sigmoid_focal_loss  # noqa: E402

pytestmark = pytest.mark.skipif(not loaded.__file__.endswith('.py'), reason='the compiled mmcv._ext is in place')
TARGET = torch.tensor([0, 3, 4, 1, 2, 4])  # 4 is background


def logits(dtype=torch.float32):
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).mul(4).to(dtype)


def test_sigmoid_equals_mmdet():
    found, other = logits().requires_grad_(), logits().requires_grad_()
    loss = sigmoid_focal_loss(found, TARGET, 1.5, 0.3, None, 'none')
    one_hot = torch.nn.functional.one_hot(TARGET, 5)[:, :4]
    expected = py_sigmoid_focal_loss(other, one_hot, gamma=1.5, alpha=0.3, reduction='none')
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    loss.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(found.grad, other.grad, rtol=1e-5, atol=1e-6)
    by_prob = py_focal_loss_with_prob(logits().sigmoid(), TARGET, gamma=1.5, alpha=0.3, reduction='none')
    torch.testing.assert_close(loss.detach(), by_prob, rtol=1e-4, atol=1e-5)


def test_softmax_equals_its_definition():
    target = torch.tensor([0, 3, 3, 1, 2, -1])
    weight = torch.tensor([1.0, 2, 3, 4])
    p = logits().softmax(1)[torch.arange(6), target.clamp(min=0)]
    expected = -0.3 * weight[target] * (1 - p) ** 1.5 * p.log()
    expected[5] = 0
    found = softmax_focal_loss(logits(), target, 1.5, 0.3, weight, 'none')
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('weight', [None, torch.tensor([1.0, 2, 3, 4], dtype=torch.float64)])
def test_gradcheck(weight, reduction):
    x = logits(torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: sigmoid_focal_loss(x, TARGET, 1.5, 0.3, weight, reduction), x)
    target = torch.tensor([0, 3, 3, 1, 2, -1])
    assert torch.autograd.gradcheck(lambda x: softmax_focal_loss(x, target, 1.5, 0.3, weight, reduction), x)


def test_weight_multiplies_the_samples_of_its_class():
    weight = torch.tensor([1.0, 2, 3, 4])
    plain = sigmoid_focal_loss(logits(), TARGET, 2.0, 0.25, None, 'none')
    weighted = sigmoid_focal_loss(logits(), TARGET, 2.0, 0.25, weight, 'none')
    torch.testing.assert_close(weighted, plain * torch.tensor([1.0, 4, 1, 2, 3, 1])[:, None])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_is_rounded_once(dtype):
    x = logits(dtype)
    found = sigmoid_focal_loss(x, TARGET, 2.0, 0.25, None, 'none')
    assert found.dtype == dtype
    assert torch.equal(found, sigmoid_focal_loss(x.float(), TARGET, 2.0, 0.25, None, 'none').to(dtype))


def test_extreme_logits_stay_finite():
    x = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = sigmoid_focal_loss(x, torch.tensor([1]), 2.0, 0.25, None, 'sum')
    loss.backward()
    assert loss.isfinite() and x.grad.isfinite().all() and loss > 100
