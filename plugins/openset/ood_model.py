"""The OOD score of each teacher box: one scorer and one calibration a group. K known classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from detplug.errors import UserError

from .probes import Group
from .scores import FEWEST, SCORERS, UNSURE, ClassCDF, ConformalStrangeness, Head

CALIBRATIONS = ('none', 'cdf', 'conformal')


class RawScore(nn.Module):
    """No calibration."""

    def forward(self, scores: Tensor, predicted: Tensor | None = None) -> Tensor:
        return scores


class OODModel(nn.Module):
    """Scores in 0..1: how strange a box is among the labelled boxes of its group.

    Calibration ``cdf``: the share of labelled boxes of the same predicted class (highest known logit) that score lower.
    ``conformal``: 1 - the largest p-value of a class, by annotation, shrunk for rare classes; see
    :class:`ConformalStrangeness`. ``none``: the raw score, of scorers that give a probability.

    The calibration is crossed: each half of the labelled images is scored by what was fitted on the other half, because
    a box scored by a bank that holds it looks too familiar.

    Args:
        widths: of the features of each group.
        rows: of the head of each group.
        classes: K.
        scorer: config of one of ``plugins.openset.scores``.
        sigmoid: the head's classes are independent sigmoids.
        by_class: compare with labelled boxes of the same predicted or annotated class; otherwise with all.
        calibration: 'none', 'cdf' or 'conformal'.
        tail: of ClassCDF.
    """

    def __init__(
        self,
        widths: Sequence[int],
        rows: Sequence[int],
        classes: int,
        scorer: dict | None = None,
        sigmoid: bool = False,
        by_class: bool = True,
        calibration: str = 'cdf',
        tail: float = 0.0,
    ):
        super().__init__()
        scorer = dict(scorer or dict(type='KNN'))
        shaped = hasattr(SCORERS.get(scorer['type']), 'shape')
        self.scorers = nn.ModuleList(
            SCORERS.build(
                dict(scorer, classes=classes, width=width, sigmoid=sigmoid, **(dict(rows=count) if shaped else {}))
            )
            for width, count in zip(widths, rows, strict=True)
        )
        if calibration not in CALIBRATIONS:
            raise UserError(f'config: model.calibration: {calibration!r} is none of {", ".join(CALIBRATIONS)}')
        self.calibration, kinds = calibration, classes if by_class else 1
        self.conformal, self.calibrated = calibration == 'conformal', calibration != 'none'
        if not self.calibrated and not self.scorers[0].is_probability:
            raise UserError(f'config: model.calibration: none: {scorer["type"]} is no probability; take conformal')
        self.calibrations = nn.ModuleList(
            (ConformalStrangeness(kinds) if self.conformal else ClassCDF(kinds, tail=tail))
            if self.calibrated
            else RawScore()
            for _ in widths
        )
        self.compact: list[bool] = []
        self.by_class = by_class
        self.register_buffer('fitted', torch.zeros(len(self.scorers), dtype=torch.bool))

    @torch.no_grad()
    def fit(self, groups: Sequence[Group], labels: Tensor, halves: Tensor, layers: Sequence[Head]) -> None:
        """Learn from labelled boxes.

        Args:
            groups: of the D labelled boxes; ``index`` points into ``labels``.
            labels: (D,) 0..K-1.
            halves: (D,) bool, which half of the labelled images the box is in.
            layers: last layer of each group.
        """
        for number, (group, layer) in enumerate(zip(groups, layers, strict=True)):
            true_labels = labels[group.index]
            half = halves[group.index]
            enough = min(int(half.sum()), int((~half).sum())) * 2 >= FEWEST
            self.fitted[number] = enough
            if not enough:
                continue
            if self.calibrated:
                self._calibrate(number, group, true_labels, half, layer)
            self.scorers[number].fit(group.features, group.logits, true_labels, layer)

    def _calibrate(self, number: int, group: Group, true_labels: Tensor, half: Tensor, layer: Head) -> None:
        """Fit the calibration of a group on scores of each half by what was fitted on the other."""
        scorer = self.scorers[number]
        crossed = torch.empty(len(true_labels), device=group.features.device)
        for part in (half, ~half):
            scorer.fit(group.features[part], group.logits[part], true_labels[part], layer)
            crossed[~part] = self._of_class(scorer, group, ~part, true_labels[~part])
        compared = (
            (true_labels if self.by_class else torch.zeros_like(true_labels))
            if self.conformal
            else self._predicted_class(group.logits)
        )
        self.calibrations[number].fit(crossed, compared)

    def forward(self, groups: Sequence[Group], count: int) -> tuple[Tensor, Tensor]:
        """(count,) OOD scores and objectness of a batch's boxes; ``UNSURE`` where too few labelled ones are like it."""
        ood = groups[0].features.new_full((count,), UNSURE)
        objectness = torch.zeros_like(ood)
        for number, group in enumerate(groups):
            objectness[group.index] = group.objectness
            if len(group.index) and self.fitted[number]:
                ood[group.index] = self._strangeness(number, group.features, group.logits, group.rows)
        return ood, objectness

    def _of_class(self, scorer: nn.Module, group: Group, chosen: Tensor, labels: Tensor) -> Tensor:
        """(n,) raw scores of the chosen labelled boxes; conformal ones to their annotated class."""
        features, logits, rows = group.features[chosen], group.logits[chosen], group.rows[chosen]
        score = scorer(features, logits, rows)
        if not (self.conformal and self.by_class):
            return score
        of_class = scorer.class_scores(features, logits, rows).gather(1, labels[:, None])[:, 0]
        return torch.where(of_class.isfinite(), of_class, score)

    def _strangeness(self, number: int, features: Tensor, logits: Tensor, rows: Tensor) -> Tensor:
        """(N,) calibrated scores of the boxes of a group."""
        scorer, calibration = self.scorers[number], self.calibrations[number]
        if self.conformal and self.by_class:
            return calibration(scorer.class_scores(features, logits, rows))
        score = scorer(features, logits, rows)
        return calibration(score[:, None] if self.conformal else score, self._predicted_class(logits))

    def _predicted_class(self, logits: Tensor) -> Tensor:
        """(N, K) logits of the known classes -> (N,) which distribution a box is compared with."""
        predicted = logits.argmax(1)
        return predicted if self.by_class else torch.zeros_like(predicted)

    def prepare_export(self) -> None:
        """Make what a trace cannot ask of tensors constant: which groups are fitted, how full banks are."""
        self.compact = self.fitted.tolist()
        for scorer in self.scorers:
            scorer.prepare_export()

    def of_detections(self, described: Sequence[tuple[Tensor, ...]], classes: int) -> Tensor:
        """(N, D) OOD scores as :meth:`forward` gives, without an index that depends on data: for exported graphs.

        Args:
            described: for each group whether a detection is in it (N, D), features (N, D, width), rows (N, D) and
                logits (N, D, K') of every detection, whatever group it is in; K' >= K, known classes first.
            classes: K.
        """
        ood = torch.full_like(described[0][3][..., 0], UNSURE)
        for number, (inside, features, rows, logits) in enumerate(described):
            if not self.compact[number]:
                continue
            flat = features.flatten(0, 1), logits[..., :classes].flatten(0, 1), rows.flatten()
            score = self._strangeness(number, *flat)
            ood = torch.where(inside, score.view_as(ood), ood)
        return ood
