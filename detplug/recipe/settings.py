"""What the user of ``train --data`` chose, and the numbers that follow from the data where nothing was."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from detplug.errors import UserError
from detplug.recipe.splits import RecipeData
from detplug.recipe.train_options import TrainOptions, default_options

AUTO = 'auto'
EPOCHS = 100  # where neither epochs, steps nor minutes are given
STRIDE = 32  # px; a side of the network's input is a multiple
LARGEST = 640  # px, where no size is given
DETECTIONS = 300  # an image, or more where the data has more objects


@dataclass(frozen=True)
class RecipeSettings:
    """The choices; None is what follows from the data.

    Attributes:
        data: file or folder in any format that ``convert-annotations`` reads.
        model: a name of :func:`detplug.recipe.models.recipe_models`.
        work_dir: of everything that is written.
        size: px, side of the network's input.
        epochs, steps, minutes: how long; at most one.
        batch: images a step, or auto.
        options: all of the table, see :func:`detplug.recipe.train_options.split_options`.
        plugin_options: name -> text.

    Raises:
        UserError: a number that cannot be.
    """

    data: str
    model: str
    work_dir: str
    size: int | None = None
    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    batch: int | str = AUTO
    device: str = AUTO
    options: TrainOptions = field(default_factory=default_options)
    plugin_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = [name for name in ('epochs', 'steps', 'minutes') if getattr(self, name) is not None]
        if len(lengths) > 1:
            raise UserError(f'--{lengths[0]} and --{lengths[1]}: both say how long; give one')
        for name, lowest in dict(epochs=1, steps=2, minutes=0, size=STRIDE, batch=1).items():
            value = getattr(self, name)
            if value is None or value == AUTO:
                continue
            whole = name != 'minutes'
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < lowest:
                kind = f'a whole number from {lowest} on' if whole else 'a number above 0'
                raise UserError(f'--{name} {value}: not {kind}; correct it')
        if self.minutes is not None and not 0 < self.minutes < float('inf'):
            raise UserError(f'--minutes {self.minutes}: not a number above 0; correct it')
        if self.size is not None and self.size % STRIDE:
            near = max(round(self.size / STRIDE), 1) * STRIDE
            raise UserError(f'--size {self.size}: not a multiple of {STRIDE}; give {near}')


def size_of_input(data: RecipeData) -> int:
    """Side of the network's input in px: of the largest picture, at most 640."""
    return min(LARGEST, -(-data.largest_side // STRIDE) * STRIDE)


def batch_of(device: str, size: int) -> int:
    """Images a step on a device type: as many pixels as the measured configs have, more where a GPU computes."""
    if device == 'cpu':
        return 8
    return 32 if size <= 320 else 16


def detections_of(data: RecipeData) -> int:
    """Detections an image that are kept: twice the objects of the fullest one, at least 300."""
    return max(DETECTIONS, 2 * data.most_objects)
