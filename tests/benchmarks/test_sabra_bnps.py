"""The summary of BNPS runs: changes are paired by seed, intervals are Student's, a planted change is found."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'benchmarks'))
import sabra_bnps  # noqa: E402
import tables_sabra  # noqa: E402

SEEDS = range(5)


def rows(effect=-0.1):
    """Runs whose seeds differ by far more than the samplers; bnps has a share ``effect`` more false positives."""
    out = []
    for seed in SEEDS:
        level = 1000.0 * (1 + seed)
        noise = np.random.default_rng(seed).normal(0, 0.01)
        figures = {'uniform': dict(fp_50=level, related_ap=20.0 + seed, drawn_n4=3.5)}
        figures['bnps'] = dict(fp_50=level * (1 + effect + noise), related_ap=20.5 + seed, drawn_n4=20.0)
        out += [dict(setting='vcoco', sampler=name, seed=seed, figures=x) for name, x in figures.items()]
    return out


def test_a_planted_change_is_found_although_the_seeds_differ_more():
    found = sabra_bnps.summarise(rows())
    assert found['vcoco.bnps.fp_50_change'] == pytest.approx(-10, abs=2)
    assert found['vcoco.bnps.fp_50_change_high'] < 0
    assert found['vcoco.bnps.related_ap_change'] == pytest.approx(0.5)
    assert found['vcoco.bnps.drawn_n4'] == 20 and 'vcoco.bnps.drawn_n4_change' not in found
    none = sabra_bnps.summarise(rows(effect=0.0))
    assert none['vcoco.bnps.fp_50_change_low'] < 0 < none['vcoco.bnps.fp_50_change_high']


def test_the_interval_is_that_of_scipy():
    values = [1.0, 2.5, 0.5, 3.0, 2.0]
    wanted = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert sabra_bnps.interval(values) == pytest.approx((np.mean(values), *wanted))


def test_seeds_without_a_partner_do_not_count_and_one_pair_has_no_interval():
    runs = [row for row in rows() if row['sampler'] == 'uniform' or row['seed'] == 3]
    found = sabra_bnps.summarise(runs)
    assert found['vcoco.bnps.fp_50'] == pytest.approx(4000 * 0.9, rel=0.05)
    assert 'vcoco.bnps.fp_50_change' in found and 'vcoco.bnps.fp_50_change_low' not in found


def test_the_table_shows_what_was_drawn_and_what_changed(monkeypatch):
    monkeypatch.setattr(tables_sabra, 'read', lambda name: dict(figures=sabra_bnps.summarise(rows())))
    _, _, uniform, bnps = tables_sabra.bnps_table().splitlines()
    assert '`uniform` | -/-/-/3.5/-' in uniform and '/20.0/-' in bnps
    assert '; -' in bnps and ' %' in bnps and '+0.5 [+0.5, +0.5]' in bnps


def test_both_samplers_of_a_setting_differ_in_the_sampler_alone():
    shared = {option.partition('=')[0] for option in sabra_bnps.SHARED}
    for _, options, _ in sabra_bnps.SETTINGS.values():
        assert shared <= {option.partition('=')[0] for option in options}
    for name, options in sabra_bnps.SAMPLERS.items():
        assert all(option.startswith('model.head.sampler.') for option in options), name
        assert not shared & {option.partition('=')[0] for option in options}


def test_what_decides_comes_first_and_pairs_are_there_early():
    deciding, others = sabra_bnps.queue(['vcoco', 'vrd_dense'], ['uniform', 'no_n4', 'bnps'], SEEDS)
    assert len(deciding) == 2 * 2 * len(SEEDS) and {run['sampler'] for run in others} == {'no_n4'}
    assert [tuple(run.values()) for run in deciding[:4]] == [
        (setting, sampler, 0) for setting in ('vcoco', 'vrd_dense') for sampler in ('uniform', 'bnps')
    ]
    assert len(sabra_bnps.queue(['vcoco'], ['no_n4'], [0])) == 1


def shares_of(*values):
    return {f'drawn_n{kind}': value for kind, value in enumerate(values, 1)}


def test_two_samplers_that_draw_the_same_end_the_benchmark():
    runs = [
        dict(setting='vcoco', sampler=sampler, seed=0, figures=figures)
        for sampler, figures in (
            ('uniform', shares_of(29.3, 17.0, 28.8, 3.5, 21.4)),
            ('bnps', shares_of(27.6, 18.8, 25.7, 4.7, 23.1)),  # of samplers that drew for each image alone
        )
    ]
    with pytest.raises(SystemExit, match='vcoco, seed 0: bnps and uniform draw the same .N1..N5 differ by 4.8 points'):
        sabra_bnps.refuse_untreated(runs)
    runs[1]['figures'] = shares_of(20.4, 20.0, 19.3, 20.3, 20.0)
    sabra_bnps.refuse_untreated(runs)
    sabra_bnps.refuse_untreated([dict(runs[0], seed=1), runs[1]])  # another seed is no partner
