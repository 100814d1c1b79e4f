"""Law: weights that do not fit are an error or are named, never silently left out."""

import pytest
import torch
from torch import nn

from detplug.engine.checkpoint import load_weights
from detplug.errors import UserError


def network(classes: int, extra: bool = False) -> nn.Module:
    parts = dict(body=nn.Linear(3, 3), head=nn.Linear(3, classes))
    return nn.ModuleDict(parts | (dict(more=nn.Linear(1, 1)) if extra else {}))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'w.pth'
    model = network(2)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('egg', 'worm')))), path)
    return model, path


def test_all_weights_arrive(saved):
    model, path = saved
    other = network(2)
    load_weights(other, path)
    torch.testing.assert_close(other.state_dict(), model.state_dict())


@pytest.mark.parametrize(
    ('other', 'words'),
    [
        (network(5), ['2 of another shape', 'head.weight (2, 3) for (5, 3)', 'egg, worm']),
        (network(2, extra=True), ['2 missing', 'more.weight']),
        (nn.ModuleDict(dict(body=nn.Linear(3, 3))), ['2 unexpected', 'head.bias']),
    ],
    ids=['shape', 'missing', 'unexpected'],
)
def test_strict_names_the_difference_in_one_line(other, words, saved):
    before = {name: x.clone() for name, x in other.state_dict().items()}
    with pytest.raises(UserError, match='checkpoint of another config') as caught:
        load_weights(other, saved[1])
    assert all(word in str(caught.value) for word in words) and '\n' not in str(caught.value)
    torch.testing.assert_close(dict(other.state_dict()), before)


def test_fine_tuning_takes_what_fits_and_says_what_not(saved, capsys):
    model, path = saved
    other = network(5)
    head = other['head'].weight.detach().clone()
    load_weights(other, path, strict=False)
    torch.testing.assert_close(other['body'].weight, model['body'].weight)
    torch.testing.assert_close(other['head'].weight.detach(), head)
    said = capsys.readouterr().out
    assert '2 of 4 tensors loaded' in said and 'head.weight' in said and said.count('\n') == 1


def test_nothing_that_fits_is_an_error_even_when_fine_tuning(saved):
    with pytest.raises(UserError, match='another config'):
        load_weights(nn.ModuleDict(dict(z=nn.Linear(9, 9))), saved[1], strict=False)
