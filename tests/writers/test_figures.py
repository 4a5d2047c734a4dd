from __future__ import annotations

import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from lddu_pipe import metrics
from lddu_pipe.labels import M3ED, MOSEI
from lddu_pipe.writers import charts, figures

NAMES = (
    *("label-scores.png", "precision-recall.png", "reliability.png", "risk-coverage.png"),
    "uncertainty.png",
)
CAPTION = "protocol: validation-selected · test · 400 rows"


def example(rows=400, labels=7):
    """Too sure, the later the rarer, the last label never present; probabilities tie."""
    rng = np.random.default_rng(7)
    logits = np.linspace(0, -3, labels) + 1.5 * rng.normal(size=(rows, labels))
    truth = rng.random((rows, labels)) < 1 / (1 + np.exp(-logits))
    truth[:, -1] = False
    probabilities = (1 / (1 + np.exp(-2 * logits))).round(3)
    return truth, probabilities, probabilities >= 0.4


def doubts(probabilities):
    return {"aleatoric": 1 - abs(2 * probabilities - 1), "epistemic": 0.1 * probabilities}


def draw(folder, truth, probabilities, decisions, labels=M3ED.labels, **options):
    folder.mkdir()
    return figures.draw_evaluation(
        folder,
        *(truth, probabilities, decisions),
        labels=labels,
        uncertainty=doubts(probabilities),
        **options,
    )


def texts(figure):
    """Everything a figure says."""
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def points(axes):
    """The data of each line that is drawn with points."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() == "o"]


@pytest.mark.parametrize("labels", [MOSEI.labels, M3ED.labels])
def test_every_chart_is_a_png_that_fits_a_page(tmp_path, labels):
    found = draw(tmp_path / "out", *example(labels=len(labels)), labels, caption=CAPTION)
    assert found == tuple(tmp_path / "out" / name for name in NAMES)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(NAMES)
    for path in found:
        with Image.open(path) as image:
            image.verify()
            assert image.format == "PNG"
            assert image.size[0] == charts.WIDTH * charts.DPI
            assert 600 <= image.size[1] <= 1300
            assert "Software" not in image.info
        assert path.stat().st_size < 400_000


@pytest.mark.parametrize("count", [1, 28])
def test_one_label_and_many_find_room(count):
    names = [f"{number} of a long name, $x$ <b>" for number in range(count)]
    truth, probabilities, decisions = example(labels=count)
    truth[0] = True  # each occurs
    per_label = metrics.summarise(
        truth, probabilities, decisions, labels=names, thresholds=[None] * count
    )["per_label"]
    bars = charts.label_scores(per_label)
    ticks = [len(axes.get_xticks()) for axes in bars.axes]
    assert (sum(ticks), max(ticks)) == (count, min(count, 7))
    shown = {text for text in texts(bars) if " of a " in text}
    assert len(shown) == count
    assert all(len(text.splitlines()[0]) <= 18 for text in shown)
    lines = charts.precision_recall(truth, probabilities, names)
    looks = {(line.get_color(), line.get_linestyle()) for line in lines.axes[0].lines[4:]}
    assert len(looks) == count  # after four of equal F1
    assert lines.get_figheight() >= 0.26 * count
    assert charts.reliability(truth, probabilities, names).get_figheight() <= 21


def test_without_uncertainty_its_chart_is_left_out(tmp_path):
    found = figures.draw_evaluation(tmp_path, *example(), labels=M3ED.labels)
    assert [path.name for path in found] == list(NAMES[:-1])


@pytest.mark.slow
def test_same_input_gives_same_bytes_whatever_the_users_settings(tmp_path):
    first = draw(tmp_path / "a", *example(), caption=CAPTION, synthetic=True)
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 20, "axes.facecolor": "red"}):
        second = draw(tmp_path / "b", *example(), caption=CAPTION, synthetic=True)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_drawing_leaves_no_trace_in_matplotlib(tmp_path):
    before = dict(mpl.rcParams)
    draw(tmp_path / "out", *example())
    assert dict(mpl.rcParams) == before
    code = (
        "import pathlib, sys; from lddu_pipe.writers.figures import draw_reliability as draw\n"
        f"draw(pathlib.Path({str(tmp_path / 'one.png')!r}), [[1], [0]], [[0.9], [0.2]], ['sad'])\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "constant"),
    [(1, None), (2, None), (1, 0.0), (2, 1.0), (400, 0.0), (400, 0.3), (400, 1.0)],
)
def test_little_or_dull_data_is_drawn(tmp_path, rows, constant):
    truth, probabilities, decisions = example(rows, labels=2)
    if constant is not None:
        probabilities = np.full_like(probabilities, constant)
    assert len(draw(tmp_path / "out", truth, probabilities, decisions, ("a", "b"))) == 5


@pytest.mark.slow
@pytest.mark.parametrize("present", [False, True])
def test_all_rows_alike_are_drawn(tmp_path, present):
    truth, probabilities, _ = example(labels=2)
    alike = np.full_like(truth, present)
    for decided in (False, True):
        decisions = np.full_like(truth, decided)
        draw(tmp_path / f"{decided}", alike, probabilities, decisions, ("a", "b"))


def test_reliability_shows_the_bins_of_the_ece():
    truth, probabilities, _ = example()
    figure = charts.reliability(truth, probabilities, M3ED.labels)
    ece = metrics.expected_calibration_error(truth, probabilities)
    for index, label in enumerate(M3ED.labels):
        panel = figure.axes[index]
        (drawn,) = points(panel)
        bins = metrics.reliability(truth, probabilities)[index]
        np.testing.assert_array_equal(drawn, np.stack([bins.value, bins.frequency], axis=1))
        assert panel.get_title("left") == label
        assert panel.get_title("right") == f"ECE {ece[index]:.1%}"
        assert f"{truth[:, index].sum()} of 400 rows" in texts(panel)
        (strip,) = panel.child_axes
        assert sum(bar.get_height() for bar in strip.patches) == 400
    assert texts(figure).count(f"Reliability: mean ECE {ece.mean():.1%} over 7 labels") == 1
    assert not figure.axes[7].axison


def test_risk_coverage_shows_the_curve_its_area_and_the_reference():
    truth, probabilities, decisions = example()
    confidence = np.random.default_rng(0).random(truth.shape)
    given = charts.risk_coverage(truth, probabilities, decisions, confidence)
    default = charts.risk_coverage(truth, probabilities, decisions)
    for figure, sure in (
        (given, confidence),
        (default, metrics.decision_confidence(probabilities, decisions)),
    ):
        curve = metrics.risk_coverage_curve(sure.ravel(), (truth == decisions).ravel())
        (axes,) = figure.axes
        lines = [line.get_xydata() for line in axes.lines]
        expected = np.stack([curve.coverage, curve.risk], axis=1)
        assert any(np.array_equal(line, expected) for line in lines)
        np.testing.assert_array_equal(points(axes), [[[0.75, curve.at(0.75)]]])
        wrong = metrics.hamming_loss(truth, decisions)
        assert lines[0][:, 1] == pytest.approx([wrong, wrong])
        said = texts(figure)
        assert f"random abstention {wrong:.1%}" in said
        assert f"{curve.at(0.75):.1%} at 75% coverage" in said
        assert f"Risk and coverage: AURC {curve.area:.1%} over 2,800 decisions" in said


def test_a_wrong_surest_decision_does_not_set_the_scale():
    truth, probabilities, decisions = example()
    sure = metrics.decision_confidence(probabilities, decisions)
    sure[tuple(np.argwhere(truth != decisions)[0])] = 2
    (axes,) = charts.risk_coverage(truth, probabilities, decisions, sure).axes
    assert axes.get_ylim()[1] < 0.5


def test_area_below_each_precision_recall_line_is_its_average_precision():
    truth, probabilities, _ = example()
    figure = charts.precision_recall(truth, probabilities, M3ED.labels)
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_drawstyle() == "steps-pre"]
    average = metrics.average_precision(truth, probabilities)
    assert len(lines) == 6
    for line, expected, label in zip(lines, average, M3ED.labels, strict=False):
        recall, precision = line.get_data()
        assert (np.diff(recall) * precision[1:]).sum() == pytest.approx(expected)
        assert line.get_label().startswith(f"{label}: AP {expected:.1%}, ")
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    shares = [float(text.split("AP ")[1].split("%")[0]) for text in legend[:-1]]
    assert shares == sorted(shares, reverse=True)
    assert legend[-1] == "surprise: never occurs"
    title = f"Precision and recall: mean AP {np.mean(average[:-1]):.1%} over 6 of 7 labels"
    assert title in texts(figure)


def test_bars_are_the_scores_of_each_label():
    truth, probabilities, decisions = example()
    names = [f"label {number}" for number in range(7)]
    summary = metrics.summarise(
        truth, probabilities, decisions, labels=names, thresholds=[0.4] * 7
    )
    figure = charts.label_scores(summary["per_label"])
    (axes,) = figure.axes
    keys = ("f1", "precision", "recall", "average_precision")
    assert len(axes.containers) == len(keys)
    for container, key in zip(axes.containers, keys, strict=True):
        expected = [row[key] or 0 for row in summary["per_label"].values()]
        assert [bar.get_height() for bar in container] == pytest.approx(expected)
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert ticks[0] == f"label 0\n{truth[:, 0].sum()} rows"
    assert ticks[-1] == "label 6\nnever occurs"
    assert texts(figure).count("–") == 1  # the average precision of the label that never occurs
    assert any(f"macro F1 {summary['macro_f1']:.1%}" in text for text in texts(figure))


def test_uncertainty_shows_error_rates_that_add_up():
    truth, probabilities, decisions = example()
    wrong, kinds = truth != decisions, doubts(probabilities)
    figure = charts.uncertainty(kinds, wrong)
    for panel, (name, values) in zip(figure.axes, kinds.items(), strict=True):
        (bins,) = metrics.reliability(wrong.reshape(-1, 1), values.reshape(-1, 1), bins=10)
        assert (bins.frequency * bins.count).sum() == pytest.approx(wrong.sum())
        (drawn,) = points(panel)
        np.testing.assert_array_equal(drawn, np.stack([bins.value, bins.frequency], axis=1))
        (ranked,) = metrics.roc_auc(wrong.reshape(-1, 1), values.reshape(-1, 1))
        assert panel.get_title("left") == name
        assert panel.get_title("right") == f"ROC AUC {ranked:.1%}"
        (bars,) = panel.collections
        for (low, high), rate in zip(
            (segment[:, 1] for segment in bars.get_segments()), bins.frequency, strict=True
        ):
            assert 0 <= low <= rate <= high <= 1
    with pytest.raises(ValueError, match="must agree"):
        charts.uncertainty({"odd": kinds["aleatoric"].T}, wrong)


@pytest.mark.slow
def test_intervals_hold_the_rate_about_as_often_as_they_say():
    count = np.full(4000, 40)
    hits = np.random.default_rng(1).binomial(40, 0.15, 4000).astype(float)
    low, high = charts._interval(hits, count)
    assert 0.92 < ((low <= 0.15) & (high >= 0.15)).mean() < 0.98


def test_captions_and_made_up_data_are_shown_as_they_are(tmp_path):
    truth, probabilities, _ = example()
    with charts.shared_style():
        figure = charts.reliability(
            truth, probabilities, M3ED.labels, caption="a $x$\n\x1b b_1$", synthetic=True
        )
        figure.savefig(io.BytesIO())  # dollars are no formula here
    said = texts(figure)
    assert "synthetic data" in said
    assert any(
        r"a $x$ \x1b b_1$ · synthetic data: these figures say nothing about emotion" in text
        for text in said
    )
    plain = charts.reliability(truth, probabilities, M3ED.labels)
    assert not any("synthetic" in text for text in texts(plain))


def test_unusable_arrays_are_refused_and_leave_no_file(tmp_path):
    truth, probabilities, _ = example()
    with pytest.raises(ValueError, match=r"0\.\.1"):
        figures.draw_reliability(tmp_path / "a.png", truth, probabilities + 1, M3ED.labels)
    with pytest.raises(ValueError, match="arrays are needed"):
        figures.draw_precision_recall(tmp_path / "a.png", truth[:0], truth[:0], M3ED.labels)
    with pytest.raises(ValueError, match="zip"):
        figures.draw_reliability(tmp_path / "a.png", truth, probabilities, MOSEI.labels)
    assert not list(tmp_path.iterdir())
