"""A torch detector as an engine of prediction: any model of mmdet with the transforms of a test pipeline."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from mmcv.transforms import Compose
from mmdet.registry import TRANSFORMS
from mmdet.structures import DetDataSample
from torch import nn

from detplug.images.window import Window
from detplug.runtime.detections import Detections
from detplug.runtime.engine import field_names
from detplug.runtime.result_field import fields_of_sample, result_fields


class TorchEngine:
    """The protocol of :class:`detplug.runtime.engine.Engine` over a torch model.

    Boxes are clipped to the image, as ``Detections`` are; mmdet clips some to the padded image, or not at all.

    Args:
        model: in eval mode, with ``dataset_meta``.
        steps: transforms of an image in memory, see :func:`detplug.export.pipeline.prediction_steps`.
        device: where it computes; a model that is elsewhere is copied. By default where the model is.
        batch: images at once.
        window: how images of more than 8 bit become 8 bit.
        side: pad the model's input to a square of this many px.
        by_name: the transforms ask for the name of a picture (``img_path``): boxes of it are given in a file.
    """

    def __init__(
        self,
        model: nn.Module,
        steps: Sequence[dict],
        device: torch.device | str | None = None,
        batch: int = 8,
        window: Window | None = None,
        side: int | None = None,
        by_name: bool = False,
    ) -> None:
        if device is not None and next(model.parameters()).device != torch.device(device):
            model = copy.deepcopy(model).to(device)
        self.model, self.batch, self.window, self.side, self.by_name = model, batch, window, side, by_name
        self.pipeline = Compose([TRANSFORMS.build(step) for step in steps])
        self.names = tuple(model.dataset_meta['classes'])
        arrays = [name for name, field in result_fields().items() if not field.outputs]  # of any pred_instances
        self.fields = tuple(dict.fromkeys([*field_names(tuple(getattr(model, 'extra_outputs', ()))), *arrays]))
        self.device = str(next(model.parameters()).device)

    def __call__(self, images: Sequence[np.ndarray], names: Sequence[str] | None = None) -> list[Detections]:
        names = names or [''] * len(images)
        packed = [
            self.pipeline(dict(img=image, img_path=name, img_id=i))
            for i, (image, name) in enumerate(zip(images, names, strict=True))
        ]
        results: dict[int, Detections] = {}
        for shape in dict.fromkeys(item['inputs'].shape for item in packed):  # padding would change what is detected
            of_shape = [i for i, item in enumerate(packed) if item['inputs'].shape == shape]
            batch = {key: [packed[i][key] for i in of_shape] for key in ('inputs', 'data_samples')}
            with torch.inference_mode(), self._padding():
                samples = self.model.test_step(batch)
            results |= {i: self._result(x, images[i].shape) for i, x in zip(of_shape, samples, strict=True)}
        return [results[i] for i in range(len(images))]

    def _result(self, sample: DetDataSample, shape: tuple[int, ...]) -> Detections:
        """torch's result of an image in numpy."""
        detections = sample.pred_instances = sample.pred_instances.cpu().numpy()
        boxes = np.clip(detections.bboxes, 0, np.array(shape[1::-1] * 2, np.float32))
        return Detections(boxes, detections.scores, detections.labels, self.names, fields_of_sample(sample, self.model))

    @contextmanager
    def _padding(self) -> Iterator[None]:
        """The model's own padding goes to the side of the square."""
        preprocessor = getattr(self.model.data_preprocessor, 'data_preprocessor', self.model.data_preprocessor)
        before = getattr(preprocessor, 'pad_size_divisor', None)
        if self.side is not None and before is not None:
            preprocessor.pad_size_divisor = self.side
        try:
            yield
        finally:
            if before is not None:
                preprocessor.pad_size_divisor = before
