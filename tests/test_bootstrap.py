from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from lddu_pipe import bootstrap, metrics

LABELS = ("happy", "sad", "fear")


@st.composite
def draws(draw: st.DrawFn):
    """Rows with ties and labels that never occur, and how often each was drawn."""
    shape = (draw(st.integers(1, 12)), 3)
    flags = hnp.arrays(np.bool_, shape)
    tenths = hnp.arrays(np.float64, shape, elements=st.integers(0, 10).map(lambda n: n / 10))
    abstained = draw(hnp.arrays(np.bool_, shape[0]))
    counts = draw(hnp.arrays(np.int64, (2, shape[0]), elements=st.integers(0, 3)))
    counts[counts.sum(axis=1) == 0, 0] = 1
    return draw(flags), draw(tenths), draw(flags), abstained, draw(flags), counts


@settings(max_examples=40, deadline=None)
@given(draws())
def test_figures_of_a_draw_are_those_of_the_rows_it_repeats(problem) -> None:
    truth, probabilities, decisions, abstained, sets, counts = problem
    figures = bootstrap.Figures(
        *(truth, probabilities, decisions), labels=LABELS, abstained=abstained, label_sets=sets
    )(counts)
    constant = bootstrap.DecisionFigures(truth, probabilities, decisions)(counts)
    for index, times in enumerate(counts):
        rows = np.repeat(np.arange(len(truth)), times)
        real, said, decided = truth[rows], probabilities[rows], decisions[rows]
        expected = metrics.summarise(real, said, decided, labels=LABELS, thresholds=[None] * 3)
        silent = abstained[rows]
        wrong = (real != decided)[~silent]
        expected |= {
            "abstained": silent.mean(),
            "risk_of_answered": wrong.mean() if wrong.size else None,
            "label_set_coverage": (sets[rows] | ~real).all(axis=1).mean(),
            "label_set_size": sets[rows].sum(axis=1).mean(),
        }
        found = bootstrap.nested({key: values[index] for key, values in figures.items()})
        per_label = found.pop("per_label")
        assert found.keys() == expected.keys() - {"n", "per_label", "ece"}
        for name, value in found.items():
            assert value == pytest.approx(
                expected[name] if expected[name] is not None else np.nan, nan_ok=True
            ), name
        for label, of_label in per_label.items():
            wanted = expected["per_label"][label]
            assert of_label.keys() == wanted.keys() - {"support", "ece", "threshold"}
            for name, value in of_label.items():
                # Here 0/0 is no figure, where the one that is reported counts it 0.
                defined = wanted[name] if not np.isnan(value) else (wanted[name] or np.nan)
                assert value == pytest.approx(defined, nan_ok=True), (label, name)
        for name in ("macro_f1", "brier"):
            assert constant[None, name][index] == pytest.approx(expected[name])


def test_an_interval_is_scipys_where_rows_are_drawn() -> None:
    random = np.random.default_rng(0)
    truth = random.random((300, 3)) < 0.3
    scores = np.clip(0.3 * truth + 0.6 * random.random((300, 3)), 0, 1)
    figures = bootstrap.DecisionFigures(truth, scores, scores > 0.5)
    found = bootstrap.resample(figures, bootstrap.units([None] * 300), resamples=4000)
    squares = ((scores - truth) ** 2).mean(axis=1)
    expected = stats.bootstrap(
        (squares,), np.mean, method="percentile", n_resamples=4000, rng=random
    ).confidence_interval
    assert bootstrap.interval(found[None, "brier"]) == pytest.approx(expected, rel=0.01)


def test_rows_of_a_speaker_are_drawn_together_and_make_intervals_wider() -> None:
    random = np.random.default_rng(1)
    truth = np.repeat(random.random((40, 3)) < 0.5, 10, axis=0)  # each speaker feels one thing
    scores = random.random(truth.shape)
    figures = bootstrap.DecisionFigures(truth, scores, scores > 0.5)
    speakers = [f"speaker {index // 10}" for index in range(400)]
    widths = []
    for names in (speakers, [None] * 400):
        low, high = bootstrap.interval(
            bootstrap.resample(figures, bootstrap.units(names))[None, "macro_f1"]
        )
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1]
    seen = []
    of = bootstrap.units(["a", "b", "a", None, "b"])
    bootstrap.resample(lambda counts: seen.append(counts) or {}, of, resamples=50)
    (counts,) = seen
    assert (counts[:, [0, 1]] == counts[:, [2, 4]]).all()
    assert of.count == 3
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (of.kind, bootstrap.units(["a", None, "a"]).kind) == ("speakers", "rows")


def test_draws_depend_on_the_seed_and_not_on_how_many_are_held_at_once() -> None:
    of = bootstrap.units([None] * 50)
    rows = np.arange(50)

    def means(items, seed):
        def figure(counts):
            return {(None, "mean"): counts @ rows / 50}

        drawn = bootstrap.resample(figure, of, items=items, resamples=200, seed=seed)
        return drawn[None, "mean"].tolist()

    assert means(1, 0) == means(2**14, 0) != means(1, 1)


def test_what_draws_hardly_define_or_never_move_has_no_interval() -> None:
    assert bootstrap.interval(np.array([np.nan] * 6 + [0.5, 0.6] * 47)) is None
    assert bootstrap.interval(np.array([np.nan] * 5 + [0.5] * 40 + [0.6] * 55)) == (0.5, 0.6)
    assert bootstrap.interval(np.zeros(100)) is None
