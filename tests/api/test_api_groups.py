"""Several pictures of one part: it serves for one thing, and counts as one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from api_samples import World
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from normalis.api import FitSummary
from normalis.api.calibrated import calibrated
from normalis.bundle.load import load_bundle
from normalis.bundle.sealed import file_digest
from normalis.calibration import CalibrationSettings, calibrate
from normalis.errors import FitError
from normalis.export.graph import held_out_table
from normalis.export.made_from import made_from
from normalis.images.decode import GROUP
from small_world import made_detector, made_maps, made_table, small_recipe


def tabled(world: World, folder: Path, *, each: int) -> tuple[Path, dict[str, str]]:
    """A table of the world's pictures, of which each part has so many; and the parts' names."""
    paths = sorted(shutil.copytree(world.data, folder).glob("*.png"))
    part_of = {file_digest(path): f"part {i // each}" for i, path in enumerate(paths)}
    rows = [f"{path.name},part {i // each}" for i, path in enumerate(paths)]
    table = folder / "parts.csv"
    table.write_text("path,group\n" + "\n".join(rows) + "\n")
    return table, part_of


@pytest.fixture(scope="module")
def grouped(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, FitSummary, dict[str, str]]:
    folder = tmp_path_factory.mktemp("grouped")
    table, part_of = tabled(world, folder / "data", each=2)
    model = folder / "model"
    recipe = world.recipe()
    recipe = replace(recipe, calibration=replace(recipe.calibration, share=0.3))
    return model, world.fit(model, data=table, recipe=recipe), part_of


def test_no_part_serves_for_two_things(grouped: tuple[Path, FitSummary, dict[str, str]]) -> None:
    model, summary, part_of = grouped
    uses = json.loads((model / "data.json").read_text())
    parts = [{part_of[digest] for digest in digests} for digests in uses.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 15
    assert summary.pictures.calibration == 2 * len({part_of[d] for d in uses["calibration"]})


def test_the_promise_counts_parts(grouped: tuple[Path, FitSummary, dict[str, str]]) -> None:
    model, summary, _ = grouped
    pictures = summary.pictures.calibration
    assert f"with {pictures} held-out pictures of {pictures // 2} groups" in summary.promise
    calibration = load_bundle(model, device=torch.device("cpu")).calibration
    assert calibration.lowest_far() == 1 / (pictures // 2 + 1)


def test_an_export_knows_the_part_of_each_held_out_picture(
    world: World, grouped: tuple[Path, FitSummary, dict[str, str]]
) -> None:
    """Even from the folder alone, without the table that named the parts."""
    model, _, part_of = grouped
    found = made_from(model, [world.data])
    parts = [part_of[file_digest(path)] for path in found.held_out]
    same = np.equal.outer(found.groups, found.groups)
    np.testing.assert_array_equal(same, np.array(parts)[:, None] == np.array(parts))


def test_too_few_parts_are_told_as_parts(world: World, tmp_path: Path) -> None:
    table, _ = tabled(world, tmp_path / "data", each=15)
    with pytest.raises(FitError, match=r"holds out none of 30 pictures of 2 groups: give more g"):
        world.fit(tmp_path / "model", data=table)


def test_a_file_may_say_itself_what_it_shows(world: World, tmp_path: Path) -> None:
    for path in sorted(world.data.glob("*.png")):
        said = PngInfo()
        said.add_text(GROUP, f"volume {int(path.stem[-3:]) // 3}")
        Image.open(path).save(tmp_path / path.name, pnginfo=said)
    summary = world.fit(tmp_path / "model", data=tmp_path)
    assert "held-out pictures of" in summary.promise


def test_the_graphs_p_values_weigh_groups() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=90).astype(np.float32).astype(np.float64)
    concepts, groups = generator.integers(0, 2, 90), generator.integers(0, 40, 90)
    settings = CalibrationSettings(far=0.1)
    calibration = calibrate(scores, concepts, settings=settings, groups=groups)
    assert calibration.alone
    table = held_out_table(calibration, 2)
    for concept in (0, 1):
        for score in (*scores[:20].tolist(), -9.0, 9.0):
            as_high = (table["held_out"][concept] >= score) * table["weights"][concept]
            p_value = (1 + as_high.sum()) / (1 + table["counts"][concept])
            assert float(p_value) == pytest.approx(calibration.p_value(score, concept), rel=1e-5)


def test_rows_come_in_the_order_of_the_scores(tmp_path: Path) -> None:
    """What a bundle's list of pictures and the calibration's groups have in common."""
    table, detector = made_table(tmp_path, 12), made_detector().eval()
    detector.set_scale([list(made_maps(12))])
    recipe = small_recipe(Path("unused"))
    rows, groups = tuple(range(3, 12)), np.arange(12) // 2
    found = calibrated(detector, table, rows=rows, groups=groups, recipe=recipe)
    assert found.calibration.groups == tuple(groups[list(found.rows)].tolist())
    assert sorted(found.rows) == list(rows)
    again = calibrated(detector, table, rows=found.rows, groups=groups, recipe=recipe)
    assert again.rows == found.rows
