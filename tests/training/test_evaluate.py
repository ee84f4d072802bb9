import xml.etree.ElementTree as ET

import numpy as np
import pytest

from sakuga.media.kernels import Floats
from training.coding import Planes
from training.degrade import Degradation
from training.drawings import drawing
from training.evaluate import CLEAN, CONDITIONS, Result, evaluate, network, worn
from training.measures import Measures
from training.peers import peer
from training.still import Still, from_luma_codes, from_rgb, resized
from training.tables import line_table, plot, psnr_table
from training.train import interpolation


@pytest.fixture(scope="module")
def picture() -> Still:
    return from_rgb(drawing(31, 200))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_source_and_truth_show_the_same_place(picture: Still, condition: str) -> None:
    (source, *_), truth = worn(picture, CONDITIONS[condition], 0)
    luma = from_luma_codes(source)
    small = resized(truth.luma, luma.shape[1], luma.shape[0], "area")
    here = float(np.square(luma - small)[4:-4, 4:-4].mean())
    moved = float(np.square(luma - np.roll(small, 2, axis=1))[4:-4, 4:-4].mean())
    assert here < 0.5 * moved


def test_the_same_picture_is_always_worn_alike(picture: Still) -> None:
    how = Degradation(noise=3)
    assert np.array_equal(worn(picture, how, 1)[0][0], worn(picture, how, 1)[0][0])
    assert not np.array_equal(worn(picture, how, 1)[0][0], worn(picture, how, 2)[0][0])


def test_every_model_is_measured_under_every_condition(picture: Still) -> None:
    def repeated(planes: Planes) -> Floats:
        return np.repeat(np.repeat(from_luma_codes(planes[0]), 2, 0), 2, 1)

    models = {"lanczos": peer("lanczos"), "repeated": repeated, "bilinear": network(interpolation())}
    conditions = {name: CONDITIONS[name] for name in CLEAN}
    results = evaluate(models, [picture], conditions)
    assert [(result.condition, result.model) for result in results] == [
        (condition, model) for condition in conditions for model in models
    ]
    by = {result.model: result.measures for result in results if result.condition == "cubic"}
    assert by["lanczos"].psnr > by["bilinear"].psnr
    assert by["lanczos"].sharpness > by["bilinear"].sharpness


def results() -> list[Result]:
    return [
        Result(condition, model, Measures(psnr, 0.9, 0.8, 0.5))
        for condition in ("area", "noise")
        for model, psnr in (("lanczos", 31.0), ("peer", 32.0), ("own", 34.5))
    ]


def test_the_table_says_how_far_ours_is_above_the_best_of_the_others() -> None:
    lines = psnr_table(results(), "own").splitlines()
    assert lines[0] == "|  | lanczos | peer | own | above the best of the others |"
    assert lines[3] == "| noise | 31.00 / 0.9000 | 32.00 / 0.9000 | 34.50 / 0.9000 | +2.50 |"
    assert line_table(results()).splitlines()[2] == "| area | 0.80 / 0.50 | 0.80 / 0.50 | 0.80 / 0.50 |"


def test_progress_is_drawn_as_one_line_for_each_curve() -> None:
    svg = plot("title & more", {"clean": [(0, 20.0), (10, 33.0)], "worn": [(0, 19.0), (10, 30.0)]}, "dB")
    root = ET.fromstring(svg)
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    for line in lines:
        y = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        assert y[1] < y[0]


def test_progress_without_points_is_drawn_empty() -> None:
    assert ET.fromstring(plot("nothing yet", {"clean": []}, "dB")).tag.endswith("svg")
