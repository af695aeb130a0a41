"""Huang et al. 2024, the clones in numbers (not a table of the paper, which shows feature maps).

    python paper/huang2024/clones.py # reads paper/results/SCALE/huang2024, writes artefacts/SCALE/huang2024/clones.*

Draws; computes nothing.
"""

from __future__ import annotations

from learned_symmetry import config
from learned_symmetry.errors import command
from learned_symmetry.report.artefact import Cell, Table, save_table
from learned_symmetry.report.measured import measured

LAYERS = {"t2": "convolution", "lift": "p4, from images", "group": "p4, from P4 maps"}
MIXERS = {
    "mixer_t2": ("convolution, small", "MLP-Mixer"),
    "mixer_linear": ("convolution, small", "untrained linear layer"),
    "mixer_so2": ("steerable, small", "MLP-Mixer"),
    "mixer_linear_so2": ("steerable, small", "untrained linear layer"),
}
COLUMNS = ("relative_error", "equivariance_error")


def main(cfg: config.Settings) -> None:
    results = measured(cfg.scale, "huang2024", ["clone_t2", "clone_c4", "mixer_t2", "mixer_so2"])
    shifts, mixer_shifts = (", ".join(map(str, b.measured.shifts)) for b in (cfg.cloning, cfg.mixers))
    block = cfg.mixers
    table = Table(
        title="Huang et al. 2024: how far clones are from the layers they clone",
        heads=("layer", "clone"),
        columns=("relative error", "equivariance error"),
        notes=(
            "Relative error: of the outputs, to the true layer's, in mean squares, on fresh Gaussian images and"
            " kernels; no clone of B < 9 blocks can have less than (9 - B) / 9 in expectation (derived, protocol 2.1).",
            f"Equivariance error: of moving before against moving after, shifts by {shifts} pixels and quarter turns;"
            " an exact layer has none. Plain: without the embedding of the kernel; 10 blocks and plain are of the"
            " fourth layer's size, the others of the first's.",
            f"Small: {block.channels} channels in and out, images of {block.size.t2} pixels a side, for the steerable"
            f" layer {block.size.so2}, and shifts by {mixer_shifts}.",
        ),
        absent="",
    )
    forms = {f"b{blocks}": f"{blocks} blocks" for blocks in sorted(cfg.cloning.blocks, reverse=True)}
    for layer, label in LAYERS.items():
        rows = {f"{layer}_{form}": words for form, words in {**forms, "plain": "9 blocks, plain"}.items()}
        for row, words in {**rows, f"linear_{layer}": "untrained linear layer"}.items():
            cells = [Cell(results.metrics.get(f"cloning.{row}.{column}"), None) for column in COLUMNS]
            if any(cell.ours for cell in cells):
                table.rows.append(((label, words), cells))
    for row, names in MIXERS.items():
        cells = [Cell(results.metrics.get(f"cloning.{row}.{column}"), None) for column in COLUMNS]
        table.rows.append((names, cells))
    save_table(table, "huang2024", "clones", cfg.scale, results.facts())


@command("huang2024/clones")
def run() -> None:
    main(config.load("huang2024"))


if __name__ == "__main__":
    run()
