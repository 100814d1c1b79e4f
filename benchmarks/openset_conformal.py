"""Does tau keep its promise? Known objects named unknown on images that tau was not chosen on.

python benchmarks/openset_conformal.py CONFIG CHECKPOINT [--alpha 0.1] [--splits 20]

CONFIG and CHECKPOINT are of ``detplug add-unknown``; its own tau is not used. The known objects of val and test are
together split at random in halves, tau is chosen on one half by the rule of plugins/openset/inference/budget.py for
the share alpha, and the other half is named. No hidden label is read. Figures, in results/openset_conformal.json:

- mean: share of known objects named unknown, mean over the splits; promised: at most alpha
- violations: splits above the 95 % quantile of BetaBinomial(m, l, n + 1 - l), l = floor(alpha (n + 1)), the law of the
  number among m new objects where scores have no ties (Vovk 2012); of 20 splits one is expected above it by chance
- violations_joint: splits above the quantile that all stay below with 95 % if they were independent
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import betabinom

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.cli.run import run
from plugins.openset.inference.budget import KnownObjects
from plugins.openset.inference.fit import known_objects, labelled_dataset, samples_of
from plugins.openset.inference.fuse import FusedRule

TAUS = 400  # values of strangeness that tau may take, quantiles of those on known objects


def named_by_tau(images: Sequence[KnownObjects], rule: FusedRule) -> np.ndarray:
    """(O, T) bool: each known object named unknown at each tau, ascending; the last is 1."""
    values = np.concatenate([image.ood[image.on.any(0)] for image in images]).astype(np.float64)
    taus = np.append(np.unique(np.quantile(values, np.linspace(0, 1, TAUS))), 1.0)
    return np.concatenate(
        [np.stack([x.named_unknown(replace(rule, tau=float(tau))) for tau in taus], 1) for x in images]
    )


def split_figures(named: np.ndarray, alpha: float, splits: int, seed: int = 0) -> dict[str, float]:
    """The figures of random halves of the objects, see above.

    Args:
        named: (O, T) of :func:`named_by_tau`.
    """
    rng, shares, above, above_joint = np.random.default_rng(seed), [], 0, 0
    for _ in range(splits):
        order = rng.permutation(len(named))
        val, test = order[: len(order) // 2], order[len(order) // 2 :]
        allowed = int(np.floor(alpha * (len(val) + 1) + 1e-9))
        good = named[val].sum(0) + 1 <= allowed
        first = len(good) - int(np.cumprod(good[::-1]).sum())  # this one and all above are good
        count = int(named[test, min(first, len(good) - 1)].sum())
        law = betabinom(len(test), allowed, len(val) + 1 - allowed)
        shares.append(count / len(test))
        above += count > law.ppf(0.95)
        above_joint += count > law.ppf(0.95 ** (1 / splits))
    return dict(mean=float(np.mean(shares)), most=float(np.max(shares)), violations=above, violations_joint=above_joint)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--alpha', type=float, default=0.1)
    parser.add_argument('--splits', type=int, default=20)
    args = parser.parse_args(argv)
    config = load_config(args.config)
    model = build_detector(config, args.checkpoint)
    datasets = labelled_dataset(config, 'val') + labelled_dataset(config, 'test')
    images = known_objects(model, samples_of(datasets))
    named = named_by_tau(images, model.rule)
    figures = split_figures(named, args.alpha, args.splits)
    from record import record

    figures |= dict(alpha=args.alpha, splits=args.splits, images=len(images), objects=len(named))
    record('openset_conformal', {key: round(float(value), 4) for key, value in figures.items()}, seeds=[0])
    return 0


if __name__ == '__main__':
    sys.exit(run(main))
