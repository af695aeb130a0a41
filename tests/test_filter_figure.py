"""Figures of filter pairs, Bökman and Kahl 2023."""

from __future__ import annotations

import numpy as np

from learned_symmetry.report import draw


def test_pairs_lie_side_by_side_scaled_to_the_largest_weight() -> None:
    left, right = np.zeros((2, 3, 3, 3)), np.zeros((2, 3, 3, 3))
    left[0, 0, 0, 0], right[1, 2, 2, 2] = -2.0, 1.0
    canvas = draw._pairs(left, right, columns=2, zoom=1, within=1, gap=2)
    assert canvas.shape == (3, 2 * (3 + 1 + 3 + 2) - 2, 3)
    assert canvas[0, 0].tolist() == [0.0, 0.5, 0.5], "the lowest weight is black in its colour"
    assert canvas[2, 9 + 4 + 2].tolist() == [0.5, 0.5, 0.75]
    assert (canvas[:, 3] == 1).all(), "white between the two of a pair"


def test_a_kind_whose_networks_were_all_dropped_leaves_its_panel_empty() -> None:
    names = ("conv1", "conv1_unflipped")
    filters = {"cnn": {"seed": 1, "conv1": [[0.1] * 27], "conv1_unflipped": [[0.2] * 27]}}
    figure, drawn = draw.filter_figure(filters, {"A": ("gone", *names), "B": ("cnn", *names)})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A: every network was dropped", "B"]
    assert [axes.get_title(loc="right") for axes in figure.axes] == ["filter | mirrored twin"] * 2
    assert drawn["A"]["seed"] is None
    assert drawn["B"]["seed"] == 1
