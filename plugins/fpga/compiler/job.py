"""A convolution, how it is cut, and where its parts lie in the memory outside. Ours."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..hardware.sizes import Sizes
from .chip import Chip
from .layout import blocks
from .plan import Plan
from .task import ConvTask


@dataclass(frozen=True)
class Job:
    """What the writers of instructions share.

    Attributes:
        at: first word outside of each part of `ConvTask.parts`.
        bias: entry of the first output block.
        table: which of the tables of activations.
    """

    task: ConvTask
    plan: Plan
    chip: Chip
    at: Mapping[str, int]
    bias: int
    table: int = 0

    @property
    def sizes(self) -> Sizes:
        """Of the accelerator."""
        return self.chip.sizes

    @property
    def n(self) -> int:
        """Width of the array."""
        return self.sizes.n

    @property
    def into(self) -> int:
        """Blocks of input channels."""
        return blocks(self.task.in_channels, self.n)

    @property
    def out(self) -> int:
        """Blocks of output channels."""
        return blocks(self.task.out_channels, self.n)

    @property
    def taps(self) -> int:
        """Taps of the kernel."""
        return self.task.kernel[0] * self.task.kernel[1]

    @property
    def terms(self) -> int:
        """Weight tiles of an output block."""
        return self.taps * self.into
