"""Models with chains from a config: the same type, the ranks asked for, and one line for wrong ones."""

import pytest
import torch
from mmcv.cnn import ConvModule, build_conv_layer
from mmdet.registry import MODELS
from torch import nn

import plugins.yolov5.register  # noqa: F401
from detplug.errors import UserError
from plugins.tensor_train.compressed import activations_to_relu, compressible, replace_layers, uniform_ranks
from plugins.tensor_train.decomposition import chain_from_kernel
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


@pytest.mark.parametrize('kind', ['Swish', 'HSwish', 'LeakyReLU', 'GELU', 'SiLU'])
def test_relu_in_place_of_other_activations(kind):
    """As built from configs: mmcv's Swish, that of YOLOX, is no torch SiLU."""
    model = nn.Sequential(ConvModule(3, 4, 1, act_cfg=dict(type=kind)), ConvModule(4, 4, 1, act_cfg=dict(type='ReLU')))
    assert activations_to_relu(model) == 1 and activations_to_relu(model) == 0
    assert [type(x.activate) for x in model] == [nn.ReLU, nn.ReLU]


def test_a_convolution_that_modules_share_is_one_chain():
    """RTMDet's head: the convolutions of all levels are one, their batch norms are not."""
    head = dict(type='RTMDetSepBNHead', num_classes=3, in_channels=32, feat_channels=32, stacked_convs=1)
    head |= dict(anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]))
    dense, model = MODELS.build(head), MODELS.build(dict(type='TTCompressed', of=head.pop('type'), ranks=4, **head))
    convs = [levels[0].conv for levels in model.cls_convs]
    assert isinstance(convs[0], TTConv2d) and all(conv is convs[0] for conv in convs)
    sizes = [sum(x.numel() for x in own.parameters()) for own in (model, dense)]
    saved = sum(conv.weight.numel() for conv in (dense.cls_convs[0][0].conv, dense.reg_convs[0][0].conv))
    assert sizes[0] == sizes[1] - saved + 2 * (32 * 4 + 9 * 4 * 4 + 4 * 32)


def test_mmcv_s_convolution_has_a_chain_and_other_subclasses_have_none():
    conv = build_conv_layer(dict(type='Conv'), 32, 32, 3)
    assert type(conv) is not nn.Conv2d
    model = replace_layers(nn.Sequential(conv), {'0': (32, 32)}, {'0': chain_from_kernel(conv.weight, (32, 32))})
    image = torch.rand(1, 32, 9, 9)
    torch.testing.assert_close(model(image), conv(image), atol=1e-5, rtol=1e-4)
    assert not compressible(build_conv_layer(dict(type='ConvAWS'), 32, 32, 3))


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
