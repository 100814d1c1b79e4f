"""LWIQ: proxy accuracy against loops and on objects whose answer is known, and what follows from it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmcv.cnn import ConvModule
from torch import nn

from detplug.errors import UserError
from plugins.tensor_train.conv_layers import conv_layers
from plugins.tensor_train.ranks import LWIQ, CalibrationData
from plugins.tensor_train.ranks.lwiq import embed, imprinted_accuracy, imprinted_likelihood, layer_embeddings

FIRST = dict(soft=False, input_baseline=False, quantile=1.0)  # accuracies, as Elkerdawy et al. have them


def brute_accuracy(embeddings: torch.Tensor, labels: torch.Tensor, leave_one_out: bool) -> float:
    """The classifier written as loops."""
    right = 0
    for i, own in enumerate(embeddings.double()):
        best, chosen = -2.0, None
        for label in sorted(set(labels.tolist())):
            members = [j for j in range(len(labels)) if labels[j] == label and not (leave_one_out and j == i)]
            if not members:
                continue
            mean = embeddings.double()[members].mean(0)
            cosine = float(own @ mean / mean.norm())
            if cosine > best:
                best, chosen = cosine, label
        right += chosen == labels[i]
    return right / len(labels)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.integers(0, 2**31), st.booleans())
def test_accuracy_is_that_of_the_loops(labels, seed, leave_one_out):
    generator, labels = torch.Generator().manual_seed(seed), torch.tensor(labels) * 7
    embeddings = torch.randn(len(labels), 6, generator=generator) + labels[:, None] * torch.tensor([0.1, 0, 0, 0, 0, 0])
    embeddings = nn.functional.normalize(embeddings, dim=1)
    expected = brute_accuracy(embeddings, labels, leave_one_out)
    assert imprinted_accuracy(embeddings, labels, leave_one_out) == pytest.approx(expected)


def brute_likelihood(embeddings: torch.Tensor, labels: torch.Tensor) -> float:
    """The leave-one-out likelihood written as loops."""
    total, kinds = 0.0, sorted(set(labels.tolist()))
    for i, own in enumerate(embeddings.double()):
        scores = []
        for label in kinds:
            members = [j for j in range(len(labels)) if labels[j] == label and j != i]
            mean = embeddings.double()[members].sum(0)
            scores.append(10 * float(own @ mean) / max(float(mean.norm()), 1e-6))
        alone = labels.tolist().count(labels[i]) == 1
        chosen = torch.tensor(scores).log_softmax(0)[kinds.index(labels[i])].item()
        total += math.log(1 / len(kinds)) if alone else chosen
    return total / len(labels)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=15), st.integers(0, 2**31))
def test_likelihood_is_that_of_the_loops(labels, seed):
    generator, labels = torch.Generator().manual_seed(seed), torch.tensor(labels)
    embeddings = nn.functional.normalize(torch.randn(len(labels), 6, generator=generator), dim=1)
    found = imprinted_likelihood(embeddings, labels)
    assert found == pytest.approx(brute_likelihood(embeddings, labels), rel=1e-5)


def test_the_first_layer_does_not_set_the_scale_where_pixels_tell_the_classes_apart():
    """The stem's whole accuracy is no gain: it adds nothing to what the pixels show, and a later layer does."""
    model, crops = TwoSigns().eval(), sign_crops(200)
    data = CalibrationData(model, [crops[0][:4]], *crops)
    layers = conv_layers(model, model, crops[0][:1])
    first, repaired = LWIQ(**FIRST).scores(model, layers, data), LWIQ().scores(model, layers, data)
    assert first['same'] > 0.4 and repaired['same'] < 0.1
    assert repaired['signs.conv'] == 1


def test_a_layer_is_read_after_the_norm_and_activation_that_a_block_runs():
    """A ResNet's block calls them itself, one ReLU for all: no ConvModule holds them."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.relu = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.norm(self.conv(x)))

    model, crops = Block().eval(), torch.randn(6, 3, 5, 5)
    nn.init.uniform_(model.norm.running_mean)
    data = CalibrationData(model, [], crops, torch.arange(6) % 2)
    with torch.no_grad():
        expected = embed(model(crops))
    torch.testing.assert_close(layer_embeddings(model, ['conv'], data)['conv'], expected)
    assert not any(x._forward_hooks for x in model.modules())


def test_objects_alone_in_their_class_recognise_only_themselves():
    embeddings, labels = nn.functional.normalize(torch.randn(9, 20), dim=1), torch.arange(9)
    assert imprinted_accuracy(embeddings, labels, leave_one_out=False) == 1
    assert imprinted_accuracy(embeddings, labels, leave_one_out=True) == 0


@pytest.mark.parametrize(
    'channels, size, length',
    [
        (2, (20, 20), 2 * 16 * 16),
        (2, (5, 30), 2 * 5 * 16),
        (128, (8, 8), 128 * 4),
        (512, (8, 8), 512),
        (900, (3, 3), 900),
    ],
)
def test_about_512_values(channels, size, length):
    found = embed(torch.randn(3, channels, *size))
    assert found.shape == (3, length)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


class TwoSigns(nn.Module):
    """Objects are alike when two channels have the same sign: nothing sees it before ``signs`` with its ReLU."""

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(3, 4, 1, bias=False)
        self.signs = ConvModule(4, 4, 1, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU'))
        self.copy = nn.Conv2d(4, 4, 1, bias=False)
        with torch.no_grad():
            self.same.weight.copy_(torch.eye(4, 3)[..., None, None])
            pairs = torch.tensor([[1.0, 1, 0, 0], [-1, -1, 0, 0], [1, -1, 0, 0], [-1, 1, 0, 0]])
            self.signs.conv.weight.copy_(pairs[..., None, None])
            self.copy.weight.copy_(torch.eye(4)[..., None, None])
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return self.copy(self.signs(self.same(x)))


def sign_crops(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(count, 3, 6, 6) crops of two signs and noise, and whether the signs agree."""
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (count, 2), generator=generator).float() * 2 - 1
    crops = torch.cat([signs, torch.zeros(count, 1)], 1)[..., None, None].expand(-1, -1, 6, 6)
    return crops + 0.05 * torch.randn(crops.shape, generator=generator), (signs.prod(1) > 0).long()


@pytest.fixture(scope='module')
def two_signs():
    model = TwoSigns().eval()
    crops, labels = sign_crops(200)
    data = CalibrationData(model, [crops[:4]], crops, labels)
    return model, conv_layers(model, model, crops[:1]), data


def test_the_layer_that_tells_the_classes_apart_gets_the_score(two_signs):
    model, layers, data = two_signs
    before = model.runs
    found = LWIQ(floor=0.25, least=0.01, **FIRST).scores(model, layers, data)
    assert model.runs - before == 4  # 200 crops, 64 at a time: one pass for all layers
    accuracies = found.accuracies
    assert accuracies['signs.conv'] == accuracies['copy'] == 1 and accuracies['same'] < 0.6
    gain = max(1 - accuracies['same'], accuracies['same'])  # the first layer gains all that it has
    assert found['signs.conv'] == pytest.approx((1 - accuracies['same']) / gain)
    assert found['same'] == pytest.approx(max(accuracies['same'], 0.01) / gain)
    assert found['copy'] == pytest.approx(0.01 / gain)
    assert not any(x._forward_hooks for x in model.modules())


def test_ranks_follow_the_score(two_signs):
    _, layers, _ = two_signs
    scores = {'same': 0.0, 'signs.conv': 1.0, 'copy': 0.5}
    # max ranks are 3, 4, 4; alpha = level / floor; shares 1 * (.25, 1, .625) at level .25
    assert LWIQ(floor=0.25).ranks_at(scores, layers, 0.25) == {'same': (1,), 'signs.conv': (4,), 'copy': (2,)}
    assert LWIQ(floor=0.25).ranks_at(scores, layers, 0.125) == {'same': (1,), 'signs.conv': (2,), 'copy': (1,)}


def test_gain_is_over_layers_that_are_not_chosen_too(two_signs):
    model, layers, data = two_signs
    found = LWIQ(least=0.01, **FIRST).scores(model, {'copy': layers['copy']}, data)
    assert found == {'copy': 1.0}  # nothing else to compare with
    assert set(found.accuracies) == {'signs.conv', 'copy'} and found.accuracies['signs.conv'] == 1


def test_gain_over_the_pixels():
    model = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False))
    with torch.no_grad():
        for conv in model:
            conv.weight.copy_(torch.eye(3)[..., None, None])
    labels = torch.arange(30) % 3
    crops = torch.eye(3)[labels][..., None, None].expand(-1, -1, 4, 4)
    data, layers = CalibrationData(model, [], crops, labels), conv_layers(model, model, crops[:1])
    assert LWIQ(least=0.1, **FIRST).scores(model, layers, data) == pytest.approx({'0': 1.0, '1': 0.1})
    assert LWIQ(least=0.1, **FIRST | dict(input_baseline=True)).scores(model, layers, data) == {
        '0': 1.0,
        '1': 1.0,
    }  # none adds any


def test_calls_of_a_shared_layer_belong_to_their_objects():
    labels = torch.arange(200) % 4
    crops = torch.eye(4)[labels][..., None, None].expand(-1, -1, 4, 4)[:, :3]
    conv = nn.Conv2d(3, 3, 1, bias=False)
    model = nn.Sequential(conv)

    def run(x):
        return conv(x + 1), conv(torch.zeros_like(x) + 1)  # the second call sees nothing of the object

    found = LWIQ().scores(model, conv_layers(model, run, crops[:1]), CalibrationData(run, [], crops, labels))
    assert found.accuracies == {'0': 1.0}


def test_wrong_input_is_one_line(two_signs):
    model, layers, data = two_signs
    empty = CalibrationData(data.run, data.images, data.crops[:0], data.labels[:0])
    with pytest.raises(UserError, match='--ranks lwiq: the training split has no object to look at; choose another'):
        LWIQ().scores(model, layers, empty)
    halves = CalibrationData(lambda x: model(x[::2]), data.images, data.crops, data.labels)
    with pytest.raises(UserError, match='--ranks lwiq: copy: not one map an object; leave it out by --modules'):
        LWIQ().scores(model, layers, halves)
    assert not any(x._forward_hooks for x in model.modules())
    for name, value in (('floor', 0), ('floor', 1.5), ('quantile', 0), ('quantile', 1.1)):
        with pytest.raises(UserError, match=f'lwiq: {name}: .*; give more than 0 and at most 1'):
            LWIQ(**{name: value})
