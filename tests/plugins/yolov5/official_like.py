"""A second YOLOv5, written layer by layer from the published table, pickled whole under the official module names.

It is the oracle of the conversion: the converted weights must give its outputs in our modules.
"""

import math
import sys
import types
from unittest import mock

import torch
from torch import nn
from torch.nn.functional import interpolate

# layer: kind, channels, kernel or repeats, stride or shortcut, sources (-1 the layer before)
TABLE = [
    ('Conv', 64, 6, 2, -1),
    ('Conv', 128, 3, 2, -1),
    ('C3', 128, 3, True, -1),
    ('Conv', 256, 3, 2, -1),
    ('C3', 256, 6, True, -1),
    ('Conv', 512, 3, 2, -1),
    ('C3', 512, 9, True, -1),
    ('Conv', 1024, 3, 2, -1),
    ('C3', 1024, 3, True, -1),
    ('SPPF', 1024, 5, 1, -1),
    ('Conv', 512, 1, 1, -1),
    ('Up', 0, 0, 0, -1),
    ('Concat', 0, 0, 0, 6),
    ('C3', 512, 3, False, -1),
    ('Conv', 256, 1, 1, -1),
    ('Up', 0, 0, 0, -1),
    ('Concat', 0, 0, 0, 4),
    ('C3', 256, 3, False, -1),
    ('Conv', 256, 3, 2, -1),
    ('Concat', 0, 0, 0, 14),
    ('C3', 512, 3, False, -1),
    ('Conv', 512, 3, 2, -1),
    ('Concat', 0, 0, 0, 10),
    ('C3', 1024, 3, False, -1),
]
DETECT = (17, 20, 23)
ANCHORS = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]


class Conv(nn.Module):
    def __init__(self, before, after, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, 2 if kernel == 6 else kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels, add):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(channels, channels, 1, 1), Conv(channels, channels, 3, 1), add

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    def __init__(self, before, after, repeats, add):
        super().__init__()
        half = after // 2
        self.cv1, self.cv2, self.cv3 = Conv(before, half, 1, 1), Conv(before, half, 1, 1), Conv(after, after, 1, 1)
        self.m = nn.Sequential(*(Bottleneck(half, add) for _ in range(repeats)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.cv1, self.cv2 = Conv(before, before // 2, 1, 1), Conv(before * 2, after, 1, 1)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        x = self.cv1(x)
        y = self.m(x)
        return self.cv2(torch.cat((x, y, self.m(y), self.m(self.m(y))), 1))


class Concat(nn.Module):
    pass


class Detect(nn.Module):
    def __init__(self, channels, classes, anchors):
        super().__init__()
        stride = torch.tensor([8.0, 16.0, 32.0]).view(3, 1, 1)
        self.register_buffer('anchors', torch.tensor(anchors, dtype=torch.float32).view(3, 3, 2) / stride)
        self.m = nn.ModuleList(nn.Conv2d(c, 3 * (5 + classes), 1) for c in channels)


class Model(nn.Module):
    """The whole network; ``forward`` gives the three output maps."""

    def __init__(self, depth, width, names, anchors=ANCHORS):
        super().__init__()
        self.names, layers, channels, before = names, [], [], 3
        for kind, base, number, option, source in TABLE:
            after = math.ceil(base * width / 8) * 8 if base else before
            if kind == 'Conv':
                layer = Conv(before, after, number, option)
            elif kind == 'C3':
                layer = C3(before, after, max(round(number * depth), 1), option)
            elif kind == 'SPPF':
                layer = SPPF(before, after)
            else:
                layer = nn.Upsample(None, 2, 'nearest') if kind == 'Up' else Concat()
                after = before + channels[source] if kind == 'Concat' else before
            layers.append(layer)
            channels.append(after)
            before = after
        self.model = nn.Sequential(*layers, Detect([channels[i] for i in DETECT], len(names), anchors))

    def forward(self, x):
        seen = []
        for layer, (kind, *_, source) in zip(self.model, TABLE, strict=False):
            if kind == 'Up':
                x = interpolate(x, scale_factor=2)
            else:
                x = torch.cat((x, seen[source]), 1) if kind == 'Concat' else layer(x)
            seen.append(x)
        return [conv(seen[i]) for conv, i in zip(self.model[-1].m, DETECT, strict=True)]


def official_model(names=('egg', 'worm'), depth=0.33, width=0.25, seed=0, **options):
    """A random model in eval mode with batch-norm statistics that are not the first ones, rounded to fp16."""
    torch.manual_seed(seed)
    model = Model(depth, width, list(names), **options).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.weight, 0.8),
                (module.bias, -0.2),
                (module.running_var, 0.8),
                (module.running_mean, -0.2),
            ):
                tensor.data.uniform_(low, low + 0.4)
    return model.half().float()


def save_official(model, path, **entries):
    """Pickle the whole fp16 module as ``models.yolo.Model`` and ``models.common.*``, as the official files do."""
    modules = {name: types.ModuleType(name) for name in ('models', 'models.common', 'models.yolo')}
    homes = {
        Model: 'models.yolo',
        Detect: 'models.yolo',
        Conv: 'models.common',
        C3: 'models.common',
        Bottleneck: 'models.common',
        SPPF: 'models.common',
        Concat: 'models.common',
    }
    with mock.patch.dict(sys.modules, modules):
        for kind, home in homes.items():
            kind.__module__ = home
            setattr(modules[home], kind.__name__, kind)
        try:
            torch.save(dict(epoch=-1, ema=None, model=model.half(), **entries), path)
        finally:
            for kind in homes:
                kind.__module__ = __name__
    model.float()
    return path
