"""What each mode of an ablation does with unlabelled images: the only place that knows the modes' names.

The modes without ``oracle`` in their name are arms of the paper's ablation (arXiv 2408.12355) or its baselines; those
with it read the hidden labels of the unlabelled images and are for analysis alone.
"""

from dataclasses import dataclass

SCORES, HIDDEN = 'OOD scores', 'hidden labels'


@dataclass(frozen=True)
class ModePlan:
    """How a mode learns.

    Args:
        unlabelled: the teacher's boxes of unlabelled images are learned.
        ood_source: what says that a box is out-of-distribution: ``SCORES``, ``HIDDEN`` or None (nothing does).
        unknown: such a box becomes the class "unknown", or is ignored where in doubt; otherwise it is dropped.
        embeds: class control and embedding (CCE).
    """

    unlabelled: bool = True
    ood_source: str | None = None
    unknown: bool = False
    embeds: bool = False


PLANS = dict(
    supervised=ModePlan(unlabelled=False),
    closed=ModePlan(),
    filter=ModePlan(ood_source=SCORES),
    oodfc=ModePlan(ood_source=SCORES, unknown=True),
    cce=ModePlan(embeds=True),
    oodfc_cce=ModePlan(ood_source=SCORES, unknown=True, embeds=True),
    oracle=ModePlan(ood_source=HIDDEN),
    oodfc_oracle=ModePlan(ood_source=HIDDEN, unknown=True),
    oodfc_cce_oracle=ModePlan(ood_source=HIDDEN, unknown=True, embeds=True),
)
MODES = tuple(PLANS)
