"""How large an accelerator is: the width of its array and the depth of its memories. Ours."""

from dataclasses import dataclass

ADDRESS_BITS = 20  # of every address inside the accelerator
MAX_BIASES = 1 << 12


@dataclass(frozen=True)
class Sizes:
    """Parameters of the hardware. A word is N bytes: N channels of one pixel, or one row of a weight tile.

    Attributes:
        n: the array has n x n multipliers; a multiple of 4.
        activations: words of the activation memory.
        weights: words of the weight memory.
        sums: words of n x 32 bits of the accumulator memory: pixels of one tile.
        biases: words of n x 32 bits of the bias memory: output channels / n.
    """

    n: int = 16
    activations: int = 16384
    weights: int = 16384
    sums: int = 512
    biases: int = 64

    def __post_init__(self):
        if self.n < 4 or self.n % 4:
            raise ValueError(f'n = {self.n}: must be a multiple of 4, so that 32-bit sums fill whole words')
        too_deep = [depth for depth in (self.activations, self.weights, 4 * self.sums) if depth > 1 << ADDRESS_BITS]
        if too_deep:
            raise ValueError(f'{too_deep[0]} words: an address has {ADDRESS_BITS} bits')
        if self.biases > MAX_BIASES:
            raise ValueError(f'{self.biases} words of biases: an address has room for {MAX_BIASES}')

    @property
    def bytes(self) -> int:
        """Of all memories."""
        return self.n * (self.activations + self.weights + 4 * (self.sums + self.biases))
