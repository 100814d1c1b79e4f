"""Models with chains from a config: the same type, the ranks asked for, and one line for wrong ones."""

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from plugins.tensor_train.compressed import replace_layers, uniform_ranks
from plugins.tensor_train.ranks_file import write_ranks
from plugins.tensor_train.tt_conv import TTConv2d

BACKBONE = dict(depth=0.33, width=0.125)


def chains(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: x.ranks for name, x in model.named_modules() if isinstance(x, TTConv2d)}


def test_one_rank_for_all_layers_that_become_smaller():
    model = MODELS.build(dict(type='TTYOLOv5Backbone', ranks=4, **BACKBONE))
    dense = MODELS.build(dict(type='YOLOv5Backbone', **BACKBONE))
    assert type(model) is type(dense) and model.out_channels == dense.out_channels
    found = chains(model)
    assert found and {rank for ranks in found.values() for rank in ranks} <= {1, 2, 3, 4}
    count = [sum(x.numel() for x in own.parameters()) for own in (model, dense)]
    assert count[0] < count[1] / 4
    image = torch.rand(1, 3, 64, 64)
    assert [x.shape for x in model(image)] == [x.shape for x in dense(image)]


def test_ranks_of_a_file_and_of_a_dict(tmp_path):
    name = 'stage1.0.conv'
    write_ranks(tmp_path / 'ranks.csv', [dict(layer=name, ranks='3 5'), dict(layer='stage2.0.conv', ranks='')])
    for ranks in (str(tmp_path / 'ranks.csv'), {name: [3, 5]}):
        assert chains(MODELS.build(dict(type='TTYOLOv5Backbone', ranks=ranks, **BACKBONE))) == {name: (3, 5)}


def test_folded_batch_norms():
    model = MODELS.build(dict(type='TTCompressed', of='YOLOv5Backbone', ranks=2, fold_bn=True, **BACKBONE))
    assert not any(isinstance(x, nn.BatchNorm2d) for x in model.modules())
    assert all(x.bias is not None for x in model.modules() if isinstance(x, TTConv2d))


def test_relu_in_place_of_every_silu():
    model, plain = (
        MODELS.build(dict(type='TTCompressed', of='YOLOv5Backbone', ranks=2, relu=relu, **BACKBONE))
        for relu in (True, False)
    )
    kinds = [[type(x) for x in own.modules()] for own in (model, plain)]
    assert nn.SiLU not in kinds[0] and kinds[0] == [nn.ReLU if x is nn.SiLU else x for x in kinds[1]] != kinds[1]


@pytest.mark.parametrize(
    'ranks, words',
    [
        ({'nowhere': (1,)}, "'nowhere' is no convolution"),
        ({'stage1.0': (1,)}, "'stage1.0' is no convolution"),
        ({'stage1.0.conv': (1,)}, 'give 2 of at least 1'),
        ({'stage1.0.conv': (0, 1)}, 'give 2 of at least 1'),
        ({'stage1.0.conv': (1, 999)}, 'at most'),
        (0, 'ranks: 0; give a rank of at least 1'),
    ],
)
def test_wrong_ranks(ranks, words):
    with pytest.raises(UserError, match=words):
        MODELS.build(dict(type='TTYOLOv5Backbone', ranks=ranks, **BACKBONE))


def test_grouped_convolutions_stay_dense():
    model = nn.Sequential(nn.Conv2d(64, 64, 3, groups=64), nn.Conv2d(64, 64, 3))
    assert list(uniform_ranks(model, 2)) == ['1']
    with pytest.raises(UserError, match="'0' is no convolution"):
        replace_layers(model, {'0': (1, 1)})
