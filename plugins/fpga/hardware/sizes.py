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
        sums: words of n x 32 bits of each of the two banks of accumulators: pixels of one `Compute`; a power of two.
        biases: words of n x 32 bits of the bias memory: output channels / n.
        results: words of the memory of results.
        residuals: words of the memory of residuals.
        paired: two products in one DSP block of 25 x 18 bits, see `MacArray`.
        poisoned: of simulations alone, see `block_ram`.
    """

    n: int = 16
    activations: int = 8192
    weights: int = 16384
    sums: int = 512
    biases: int = 64
    results: int = 4096
    residuals: int = 2048
    paired: bool = False
    poisoned: bool = False

    def __post_init__(self):
        if self.n < 4 or self.n % 4:
            raise ValueError(f'n = {self.n}: must be a multiple of 4, so that 32-bit sums fill whole words')
        if self.sums < 1 or self.sums & (self.sums - 1):
            raise ValueError(f'sums = {self.sums}: must be a power of two, which an address bit divides into banks')
        depths = self.activations, self.weights, 8 * self.sums, self.results, self.residuals
        too_deep = [depth for depth in depths if depth > 1 << ADDRESS_BITS]
        if too_deep:
            raise ValueError(f'{too_deep[0]} words: an address has {ADDRESS_BITS} bits')
        if self.biases > MAX_BIASES:
            raise ValueError(f'{self.biases} words of biases: an address has room for {MAX_BIASES}')

    @property
    def multipliers(self) -> int:
        """DSP blocks of the array."""
        return self.n**2 // (2 if self.paired else 1)

    @property
    def bytes(self) -> int:
        """Of all memories."""
        words = self.activations + self.weights + self.results + self.residuals
        return self.n * (words + 4 * (2 * self.sums + self.biases))
