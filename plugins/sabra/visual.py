"""What a relation head sees of subjects, objects and their unions: pooled maps, or features that are given.

Letters: B images, N boxes, P pairs, R regions, D dims, L levels of maps.
"""

from collections.abc import Sequence

import torch
from mmcv.ops import RoIAlign
from mmdet.registry import MODELS
from torch import Tensor, nn

from detplug.errors import UserError

from .image_boxes import ImageBoxes
from .roi_align_op import SAMPLES, roi_align

BLOCK = 4096  # regions that are pooled at once where no gradient is kept: 100 MB of 256 x 5 x 5


def build_visual(config: dict | None) -> nn.Module | None:
    """PairPooling, or the ``type`` of the config; None without."""
    return MODELS.build(dict(type='PairPooling') | config) if config else None


@MODELS.register_module()
class PairPooling(nn.Module):
    """RoIAlign: boxes once each, unions of the pairs that are asked for.

    Args:
        channels: of the maps.
        stride: px of the input a cell; a list for several levels, finest first.
        level: which of the detector's maps; a list as long as ``stride``. Of several levels a region is pooled from
            the one of its scale, as FPN (Lin et al., arXiv 1612.03144, equation 1) does.
        dims: D, of each pooled feature.
        side: cells of a pooled box.
        finest_scale: regions whose root of the area is below twice this many px are pooled from the first level, below
            four times from the second, and so on.
    """

    def __init__(
        self,
        channels: int,
        stride: int | Sequence[int],
        level: int | Sequence[int] = 0,
        dims: int = 128,
        side: int = 5,
        finest_scale: int = 56,
    ):
        super().__init__()
        self.levels = [level] if isinstance(level, int) else list(level)
        strides = [stride] if isinstance(stride, int) else list(stride)
        if len(strides) != len(self.levels) or not strides:
            raise UserError(f'visual: stride {stride} and level {level}: give one stride for each level')
        self.side, self.finest_scale = side, finest_scale
        self.aligns = nn.ModuleList(RoIAlign(side, 1 / x, sampling_ratio=SAMPLES) for x in strides)
        self.box, self.union = (mlp(channels * side**2, dims) for _ in range(2))
        self.box_width, self.width = dims, 3 * dims

    def forward(self, feats: Sequence[Tensor], detections: ImageBoxes, pairs: Tensor) -> Tensor:
        """(P, 3) image, subject, object -> (P, 3 D)."""
        image, subject, object_ = pairs.unbind(1)
        boxes = self.boxes(feats, detections)
        return torch.cat([boxes[image, subject], boxes[image, object_], self.unions(feats, detections, pairs)], 1)

    def boxes(self, feats: Sequence[Tensor], detections: ImageBoxes) -> Tensor:
        """(B, N, D) of the boxes; what padding has is not meant to be read."""
        count, most = detections.valid.shape
        if torch.compiler.is_exporting():  # a graph has no rows of unknown number
            image = torch.arange(count, device=detections.boxes.device).repeat_interleave(most)
            return self._read(self.box, feats, image, detections.boxes.flatten(0, 1)).view(count, most, -1)
        image, place = detections.valid.nonzero(as_tuple=True)
        seen = self._read(self.box, feats, image, in_input(detections.boxes[image, place], image, detections))
        return seen.new_zeros(count, most, seen.shape[1]).index_put((image, place), seen)

    def unions(self, feats: Sequence[Tensor], detections: ImageBoxes, pairs: Tensor) -> Tensor:
        """(P, 3) image, subject, object -> (P, D) of the unions."""
        image, subject, object_ = pairs.unbind(1)
        first, second = detections.boxes[image, subject], detections.boxes[image, object_]
        union = torch.cat([torch.minimum(first[:, :2], second[:, :2]), torch.maximum(first[:, 2:], second[:, 2:])], 1)
        return self._read(self.union, feats, image, in_input(union, image, detections))

    def _read(self, layers: nn.Module, feats: Sequence[Tensor], image: Tensor, boxes: Tensor) -> Tensor:
        """(R, D); without gradient in blocks, so that the pooled cells of 10,000 unions never exist together."""
        if torch.is_grad_enabled() or torch.compiler.is_exporting() or len(boxes) <= BLOCK:
            return layers(self._pool(feats, image, boxes))
        parts = zip(image.split(BLOCK), boxes.split(BLOCK), strict=True)
        return torch.cat([layers(self._pool(feats, *part)) for part in parts])

    def _pool(self, feats: Sequence[Tensor], image: Tensor, boxes: Tensor) -> Tensor:
        """(R,) image and (R, 4) xyxy px -> (R, channels side side)."""
        rois = torch.cat([image[:, None].to(boxes), boxes], 1)
        maps = [feats[level].to(rois) for level in self.levels]  # mixed precision: bfloat16 could not say 601 px
        if len(maps) == 1:
            return self._align(0, maps[0], rois)
        of = self.level_of(boxes)
        if torch.compiler.is_exporting():  # a graph has no regions of unknown number
            return sum(self._align(i, x, rois) * (of == i)[:, None] for i, x in enumerate(maps))
        pooled = rois.new_zeros(len(rois), maps[0].shape[1] * self.side**2)
        for i, x in enumerate(maps):
            rows = (of == i).nonzero()[:, 0]
            pooled = pooled.index_copy(0, rows, self._align(i, x, rois[rows]))
        return pooled

    def level_of(self, boxes: Tensor) -> Tensor:
        """(R, 4) -> (R,) position in ``level``."""
        scale = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt()
        return (scale / self.finest_scale + 1e-6).log2().floor().clamp(0, len(self.levels) - 1).long()

    def _align(self, number: int, maps: Tensor, rois: Tensor) -> Tensor:
        align = self.aligns[number]
        if torch.compiler.is_exporting():
            return roi_align(maps, rois, self.side, align.spatial_scale).flatten(1)
        return align(maps, rois).flatten(1)


@MODELS.register_module()
class BoxFeatures(nn.Module):
    """Features that come with the boxes: of a detector's queries, or of feature files (CLIP, DINOv2, anything).

    Args:
        channels: of the features.
        union_channels: of the features of pairs; None: the files have none, or are not to be read.
        dims: D.
    """

    reads_features = True

    def __init__(self, channels: int, union_channels: int | None = None, dims: int = 128):
        super().__init__()
        self.channels, self.union_channels = channels, union_channels
        self.box = mlp(channels, dims)
        self.union = None if union_channels is None else mlp(union_channels, dims)
        self.box_width, self.width = dims, (2 if union_channels is None else 3) * dims

    def forward(self, feats: Sequence[Tensor], detections: ImageBoxes, pairs: Tensor) -> Tensor:
        """(P, 3) image, subject, object -> (P, 2 D), or (P, 3 D) with unions.

        Raises:
            UserError: the boxes come without such features.
        """
        image, subject, object_ = pairs.unbind(1)
        boxes = self.boxes(feats, detections)
        parts = [boxes[image, subject], boxes[image, object_]]
        return torch.cat(parts if self.union is None else [*parts, self.unions(feats, detections, pairs)], 1)

    def boxes(self, feats: Sequence[Tensor], detections: ImageBoxes) -> Tensor:
        """(B, N, D) of the boxes."""
        return self.box(self._given(detections.features, 'features', 'channels', self.channels))

    def unions(self, feats: Sequence[Tensor], detections: ImageBoxes, pairs: Tensor) -> Tensor:
        """(P, 3) image, subject, object -> (P, D); (P, 0) where no unions are read."""
        if self.union is None:
            return pairs.new_zeros(len(pairs), 0, dtype=detections.boxes.dtype)
        return self.union(
            self._given(detections.unions, 'unions', 'union_channels', self.union_channels)[tuple(pairs.T)]
        )

    @staticmethod
    def _given(values: Tensor | None, name: str, option: str, wanted: int) -> Tensor:
        if values is None:
            raise UserError(
                f'visual: BoxFeatures: the boxes have no {name}; give FileProposals(features=True) a folder of npz '
                'files with them, or a detector with queries'
            )
        if values.shape[-1] != wanted:
            raise UserError(f'visual: BoxFeatures: {option}={wanted}, but the {name} have {values.shape[-1]} numbers')
        return values.float()


def mlp(inputs: int, dims: int) -> nn.Sequential:
    """Two layers."""
    return nn.Sequential(nn.Linear(inputs, dims), nn.ReLU(), nn.Linear(dims, dims))


def in_input(boxes: Tensor, image: Tensor, detections: ImageBoxes) -> Tensor:
    """(R, 4) boxes of the images (R,) in px of the padded input, which the maps cover."""
    return boxes if detections.offsets is None else boxes + detections.offsets[image].repeat(1, 2)
