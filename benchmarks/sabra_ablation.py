"""What each part of SABRA is worth on VRD: samplers, graph and mask decoder, the same head, steps and numbers of pairs.

False positives at equal recall: the k = 1 predictions of all test images are pooled and sorted by score; of the
shortest prefix that reaches the relationship R@50 of uniform sampling, those that match nothing, by the kind of their
pair (N1..N5). Mean and spread of the seeds. The trainings of bnps are those of sabra_vrd.py.

Resumable: a training that was stopped continues, a seed that has its row in results/sabra_ablation_runs.jsonl is not
repeated.

python benchmarks/sabra_ablation.py     (needs data/vrd: tools/prepare_data.py vrd DOWNLOAD --out data/vrd)
python benchmarks/sabra_ablation.py --no-test --seeds 0 --variants uniform bnps --num-pairs 16   (on held-out images)
"""

import argparse
import json
from collections.abc import Sequence

from finetuning import summary
from record import RESULTS, commit, record
from sabra_predictions import predict
from sabra_variants import VARIANTS, train
from sabra_vrd import CONFIG, FOLDER

from detplug.engine.history import read_history
from plugins.sabra.metrics.vrd import false_positives_at_recall, vrd_recall


def measure(
    seed: int, variants: Sequence[str] = tuple(VARIANTS), split: str = 'test', more: tuple[str, ...] = ()
) -> dict[str, float]:
    """Figures VARIANT.NAME of one seed; ``more`` are --cfg-options of all variants, ``uniform`` is one of them."""
    figures, predicted = {}, {}
    for variant in variants:
        options = [*VARIANTS[variant], *more]
        folder = FOLDER / '-'.join([variant, *more]) / f'seed{seed}'
        train(CONFIG, folder, seed, options)
        predicted[variant] = predict(CONFIG, folder / 'best.pth', options, split)
        truths, results, _ = predicted[variant]
        recalls = vrd_recall(truths, results)
        names = ('relationship_r50_k1', 'relationship_r100_k1', 'relationship_r50_k70', 'relationship_r100_k70')
        figures |= {f'{variant}.{name}': 100 * recalls[name] for name in names}
    level = figures['uniform.relationship_r50_k1'] / 100
    for variant, (truths, results, kinds) in predicted.items():
        found = false_positives_at_recall(truths, results, level, kinds)
        if found is None:
            print(f'{variant}, seed {seed}: recall {level:.4f} is never reached')
            continue
        figures[f'{variant}.fp_at_equal_recall'] = found['false_positives']
        figures |= {f'{variant}.fp_{name}': found[name] for name in ('positive', 'n1', 'n2', 'n3', 'n4', 'n5')}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--variants', nargs='+', choices=VARIANTS, default=list(VARIANTS), help='with --no-test')
    parser.add_argument('--num-pairs', type=int, help='of an image, of all samplers; with --no-test')
    parser.add_argument('--no-test', action='store_true', help='print figures of the held-out images, record nothing')
    args = parser.parse_args()
    if not args.no_test and (args.num_pairs or args.variants != list(VARIANTS)):
        parser.error('--variants and --num-pairs are for the held-out images; give --no-test')
    if args.no_test:
        more = (f'model.head.sampler.num_pairs={args.num_pairs}',) if args.num_pairs else ()
        for seed in args.seeds:
            print(json.dumps({'seed': seed} | measure(seed, args.variants, 'val', more), indent=2), flush=True)
        return
    path = RESULTS / 'sabra_ablation_runs.jsonl'
    for seed in args.seeds:
        if not any(row['seed'] == seed for row in read_history(path)):
            row = dict(seed=seed, commit=commit(), figures=measure(seed))
            with path.open('a') as file:
                file.write(json.dumps(row) + '\n')
    rows = read_history(path)
    record('sabra_ablation', summary([row['figures'] for row in rows]), sorted(row['seed'] for row in rows))


if __name__ == '__main__':
    main()
