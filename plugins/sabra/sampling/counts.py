"""What a sampler was offered and what it drew, by kind: the log, and a warning where sampling does nothing."""

import torch
from mmengine.dist import all_reduce
from torch import Tensor

NAMES = ('positive', 'n1', 'n2', 'n3', 'n4', 'n5')
SCARCE = 0.5  # share of the rows from which on a sampler is said to have no choice
UNMOVED = 0.05  # total variation of two distributions below which they are said to be the same
CURE = "give scope='batch', replacement=True, or fewer num_pairs"


class PairCounts:
    """Sums over the steps since the last :meth:`take`; they stay on their device until then.

    ``available`` and ``drawn`` (6,) pairs and draws of each kind, positive first; ``rows`` (2,) rows (images, or
    batches) with negatives, and of these those whose negatives were all drawn.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again."""
        self.available, self.drawn, self.rows = (torch.zeros(n, dtype=torch.float64) for n in (6, 6, 2))

    def add(self, kinds: Tensor, weight: Tensor) -> None:
        """Kinds (R, P) of the pairs of each row, and how often each was drawn (R, P)."""
        negative, weight = kinds > 0, weight.double()
        left = (negative & (weight == 0)).any(1)
        there = negative.any(1)
        self.available = self.available.to(kinds.device) + self._by_kind(kinds, torch.ones_like(weight))
        self.drawn = self.drawn.to(kinds.device) + self._by_kind(kinds, weight)
        self.rows = self.rows.to(kinds.device) + torch.stack([there.sum(), (there & ~left).sum()]).double()

    @staticmethod
    def _by_kind(kinds: Tensor, weight: Tensor) -> Tensor:
        sums = weight.new_zeros(1 + len(NAMES))  # the first is of what is no pair
        return sums.scatter_add_(0, kinds.flatten() + 1, weight.flatten())[1:]

    def take(self) -> dict[str, float]:
        """Figures of all processes together, each of which must call this: available/KIND, drawn/KIND and scarce, the
        share of the rows of which every negative was drawn; the sums start again."""
        sums = torch.cat([self.available, self.drawn, self.rows])
        all_reduce(sums)
        *kinds, rows, scarce = sums.tolist()
        self.clear()
        names = [f'{what}/{name}' for what in ('available', 'drawn') for name in NAMES]
        return dict(zip(names, kinds, strict=True)) | dict(scarce=scarce / max(rows, 1.0))

    def scarce_advice(self, sampler: str, figures: dict[str, float]) -> str:
        """One line where most rows had no more negatives than were drawn, else ''."""
        if figures['scarce'] <= SCARCE:
            return ''
        return (
            f'{sampler}: negatives were scarce: all of them were drawn in {100 * figures["scarce"]:.0f} % of the '
            f'images or batches, so sampling chooses nothing; give fewer num_pairs'
        )

    def unmoved_advice(self, sampler: str, figures: dict[str, float]) -> str:
        """One line where the kinds of negatives were drawn as often as they are there, else ''."""
        available, drawn = (negative_shares(figures, what) for what in ('available', 'drawn'))
        if (available - drawn).abs().sum() / 2 >= UNMOVED or not available.any():
            return ''
        shown = ['/'.join(f'{100 * x:.1f}' for x in shares) for shares in (available, drawn)]
        return (
            f'{sampler}: this sampler changes nothing: N1..N5 are {shown[0]} % of the negatives and {shown[1]} % of '
            f'the draws; all negatives were drawn in {100 * figures["scarce"]:.0f} % of the images or batches; {CURE}'
        )


def negative_shares(figures: dict[str, float], what: str) -> Tensor:
    """(5,) shares of N1..N5 of what was 'available' or 'drawn'; 0 where there is none."""
    numbers = torch.tensor([figures[f'{what}/{name}'] for name in NAMES[1:]], dtype=torch.float64)
    return numbers / numbers.sum().clamp(min=1e-300)
