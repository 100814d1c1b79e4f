"""Imprinted sensitivity: LWIQ, repaired. A layer matters as much as recognition falls when it alone is cut.

Ours, from LWIQ's proxy (Luo et al., arXiv 2408.01534v1: a classifier made by imprinting) and the cuts of
:mod:`sensitivity`. Every location of every watched map is an example: of the smallest box that holds its centre, or of
the background. The weight of a class is the direction of the mean of its features, imprinted once with the whole model;
what a cut costs is the mean log-likelihood of the classes that it loses, each class alike.

C channels, H x W locations, K classes and the background.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from detplug.errors import UserError

from ..replay import record
from .lwiq import TEMPERATURE
from .selector import CalibrationData
from .selectors import register_selector
from .sensitivity import IMAGES, SensitivityRanks, cut_maps, watched_maps

NOISE = 1e-6  # nats


@register_selector('imprinted_sensitivity')
class ImprintedSensitivityRanks(SensitivityRanks):
    """As :class:`SensitivityRanks`, a layer's loss is what an imprinted classifier of the watched maps loses."""

    def changes(
        self, model: nn.Module, kernels: Mapping[str, Sequence[Tensor]], data: CalibrationData
    ) -> dict[str, list[float]]:
        return recognition_losses(model, kernels, data)


def recognition_losses(
    model: nn.Module, kernels: Mapping[str, Sequence[Tensor]], data: CalibrationData
) -> dict[str, list[float]]:
    """Log-likelihood that each kernel in place of its layer's own loses, over IMAGES images with objects.

    At least NOISE, also where recognition gains; 0 for a layer that changes none of the maps.

    Raises:
        UserError: no object in the first images, or a model without maps to watch.
    """
    images, objects = data.images[0], data.objects[: len(data.images[0])]
    chosen = [i for i, boxes in enumerate(objects) if len(boxes)]
    if not chosen:
        raise UserError('--ranks imprinted_sensitivity: no object in the first images; choose another selection')
    side, classes = images.shape[-1], int(torch.cat([boxes[:, 4] for boxes in objects]).max()) + 1
    lost: dict[str, list[float]] = {name: [0.0] * len(choices) for name, choices in kernels.items()}
    watched: set[str] = set()
    with torch.no_grad(), watched_maps(model, data.run) as maps:
        every = maps(images)
        if not every:
            raise UserError('--ranks imprinted_sensitivity: the model gives no maps to watch; choose another selection')
        labels = [location_labels(objects, x.shape[2:], side, classes) for x in every]
        weights = [imprint(x, y, classes + 1) for x, y in zip(every, labels, strict=True)]

        def recognition(maps_now: Sequence[Tensor], image: int) -> float:
            parts = zip(maps_now, weights, labels, strict=True)
            return sum(likelihood(x[0], weight, image_labels[image]) for x, weight, image_labels in parts) / len(
                maps_now
            )

        for image in chosen[:IMAGES]:
            one = images[image : image + 1]
            before, recording = record(model, partial(maps, one))
            dense = recognition(before, image)
            for name, choice, after in cut_maps(model, kernels, recording, partial(maps, one)):
                lost[name][choice] += dense - recognition(after, image)
                if not all(map(torch.equal, after, before)):
                    watched.add(name)
    return {name: [max(loss, NOISE) if name in watched else 0.0 for loss in losses] for name, losses in lost.items()}


def location_labels(objects: Sequence[Tensor], size: Sequence[int], side: int, background: int) -> Tensor:
    """(N, H, W) int64, class of the smallest box that holds each location's centre, else ``background``.

    Args:
        objects: of each image (M, 5) boxes xyxy in pixels of the square image, and their classes.
        size: (H, W) of the map; side: of the image, px.
    """
    ys, xs = ((torch.arange(count) + 0.5) * side / count for count in size)
    return torch.stack([_labels(boxes, ys[:, None], xs, background) for boxes in objects])


def _labels(boxes: Tensor, ys: Tensor, xs: Tensor, background: int) -> Tensor:
    if not len(boxes):
        return torch.full((len(ys), len(xs)), background)
    left, top, right, bottom, label = boxes[:, :, None, None].unbind(1)
    inside = (xs >= left) & (xs < right) & (ys >= top) & (ys < bottom)
    area = ((right - left) * (bottom - top)).expand(inside.shape).where(inside, torch.inf)
    smallest, index = area.min(0)
    return label[:, 0, 0].long()[index].where(smallest < torch.inf, background)


def imprint(maps: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(N, C, H, W) maps and (N, H, W) labels -> (classes, C) weights of unit length; zeros for a class without any."""
    features = normalize(maps, dim=1).movedim(1, -1).flatten(0, 2)
    return normalize(one_hot(labels.flatten(), classes).to(features).T @ features, dim=1)


def likelihood(maps: Tensor, weights: Tensor, labels: Tensor) -> float:
    """Mean over the classes of the mean log-likelihood of their locations; (C, H, W) maps, (H, W) labels."""
    cosines = normalize(maps, dim=0).movedim(0, -1).flatten(0, 1) @ weights.T
    known = weights.square().sum(1) > 0
    scores = (TEMPERATURE * cosines).masked_fill(~known, -torch.inf).log_softmax(1)
    index = labels.flatten()
    label_scores = scores.gather(1, index[:, None])[:, 0]
    members = one_hot(index, len(weights)).to(label_scores)
    counts = members.sum(0)
    return ((label_scores @ members)[counts > 0] / counts[counts > 0]).mean().item()
