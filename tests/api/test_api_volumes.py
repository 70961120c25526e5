"""Volumes from healthy scans to maps that open aligned, by the commands that a user has."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from normalis.api import FitOptions, fit, load
from normalis.api.volumes import score_volume, write_slices
from normalis.cli.main import app
from normalis.detectors.lsr.detector import LSR
from normalis.detectors.lsr.settings import LSRSettings
from normalis.errors import FitError
from normalis.images.decode import read_picture, read_position
from normalis.images.prepare import Preparation
from normalis.presets import preset
from normalis.recipes import Recipe
from normalis.results import Result, Skipped
from normalis.volumes import read_nifti

SMALL = LSRSettings(widths=(8, 8), codes=8, prior_width=8, prior_depth=1, restorations=2)
AFFINE = np.array([[0, 2.0, 0, 5], [-1.0, 0, 0, 7], [0, 0, -3.0, 9], [0, 0, 0, 1]])


def write_head(path: Path, seed: int, shape: tuple[int, int, int] = (20, 24, 12)) -> Path:
    """A textured ball in empty space; the lowest and the highest slices are empty."""
    i, j, k = np.ogrid[: shape[0], : shape[1], : shape[2]]
    centre = [(side - 1) / 2 for side in shape]
    distance = (
        ((i - centre[0]) / 9) ** 2 + ((j - centre[1]) / 9) ** 2 + ((k - centre[2]) / 4.5) ** 2
    )
    noise = np.random.default_rng(seed).normal(0, 10, shape)
    voxels = np.where(distance < 1, 100 + 40 * np.sin(i + j) + noise, 0).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, AFFINE), path)
    return path


def small_recipe() -> Recipe:
    base = preset("lsr")
    return replace(
        base,
        preparation=Preparation(height=16, width=16),
        method=SMALL,
        training=replace(base.training, epochs=1, least_steps=0, batch_size=4, precision="float32"),
        calibration=replace(base.calibration, far=0.25, share=0.2),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    for seed in range(3):
        write_slices(
            read_nifti(write_head(folder / f"{seed}.nii", seed)), folder / "slices" / str(seed)
        )
    options = FitOptions(cache=folder / "cache", device="cpu")
    fit(folder / "slices", folder / "model", recipe=small_recipe(), options=options)
    return folder / "model"


def test_slices_with_tissue_are_written_and_no_others(tmp_path: Path) -> None:
    volume = read_nifti(write_head(tmp_path / "a.nii", 0))
    count = write_slices(volume, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(names) == count < 12
    assert "z0000.png" not in names
    assert "z0006.png" in names


def test_a_volume_is_scored_slice_by_slice_on_its_own_grid(model: Path, tmp_path: Path) -> None:
    volume = read_nifti(write_head(tmp_path / "a.nii", 7, shape=(22, 18, 12)))
    answer = score_volume(load(model, device="cpu"), volume)
    assert answer.map.shape == volume.values.shape
    assert answer.restored is not None
    assert answer.restored.shape == volume.values.shape
    assert len(answer.slices) == 12
    assert answer.score == pytest.approx(sum(answer.slices))
    assert answer.slices[0] == 0
    assert not answer.map[:, :, 0].any()
    assert answer.map[:, :, 6].any()
    np.testing.assert_array_equal(answer.restored[:, :, 0], volume.values[:, :, 0])
    assert np.isfinite(answer.restored).all()


def test_the_map_is_filtered_across_slices_and_their_scores_are_not(
    model: Path, tmp_path: Path
) -> None:
    volume, scorer = read_nifti(write_head(tmp_path / "a.nii", 7)), load(model, device="cpu")
    filtered = score_volume(scorer, volume)
    assert isinstance(scorer.detector, LSR)
    scorer.detector.form = replace(scorer.detector.form, across=1)
    plain = score_volume(scorer, volume)
    assert filtered.slices == plain.slices
    shown = np.flatnonzero(plain.map.any((0, 1)))
    least = np.stack(
        [plain.map[:, :, max(z - 1, shown[0]) : min(z + 2, shown[-1] + 1)].min(2) for z in shown], 2
    )
    middle = least[:, :, 1:4].mean(2)
    np.testing.assert_allclose(filtered.map[:, :, shown[2]], middle, rtol=1e-5)


def test_slices_tell_the_model_where_they_lie(model: Path, tmp_path: Path) -> None:
    """The file of a slice gives what the volume gives; in another place it scores otherwise."""
    volume = read_nifti(write_head(tmp_path / "a.nii", 7))
    scorer = load(model, device="cpu")
    assert scorer.located
    write_slices(volume, tmp_path / "out")
    (answer,) = scorer.score([tmp_path / "out" / "z0007.png"])
    assert isinstance(answer, Result)
    assert answer.score == pytest.approx(score_volume(scorer, volume).slices[7], rel=1e-4)
    elsewhere = replace(read_picture(tmp_path / "out" / "z0007.png"), position=-0.5)
    (other,) = scorer.score_pictures([elsewhere])
    assert not np.array_equal(other.map, answer.map)


def test_a_picture_without_a_place_is_no_slice(model: Path, tmp_path: Path) -> None:
    Image.new("L", (20, 24)).save(tmp_path / "photograph.png")
    (answer,) = load(model, device="cpu").score([tmp_path / "photograph.png"])
    assert isinstance(answer, Skipped)
    assert "photograph.png: does not say where in its volume it lies" in answer.reason


def test_a_place_may_be_told_beside_the_file(model: Path, tmp_path: Path) -> None:
    write_slices(read_nifti(write_head(tmp_path / "a.nii", 7)), tmp_path / "out")
    told, mute = tmp_path / "out" / "z0007.png", tmp_path / "mute.png"
    Image.open(told).save(mute)  # without the text
    scorer, position = load(model, device="cpu"), read_position(told)
    assert position is not None
    assert read_position(mute) is None
    first, second = scorer.score([told, mute], positions={mute: position})
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert np.array_equal(first.map, second.map)


def test_places_are_known_of_all_pictures_or_of_none(tmp_path: Path) -> None:
    volume = read_nifti(write_head(tmp_path / "a.nii", 7))
    write_slices(volume, tmp_path / "slices")
    Image.new("L", (20, 24)).save(tmp_path / "slices" / "photograph.png")
    options = FitOptions(cache=tmp_path / "cache", device="cpu")
    with pytest.raises(FitError, match=r"photograph\.png: does not say where.* as \d+ of \d+"):
        fit(tmp_path / "slices", tmp_path / "model", recipe=small_recipe(), options=options)


def test_the_commands_lead_from_scans_to_aligned_maps(model: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    (tmp_path / "scans").mkdir()
    path = write_head(tmp_path / "scans" / "a.nii.gz", 7)
    runner = CliRunner()
    made = runner.invoke(
        app, ["volumes", "slices", str(tmp_path / "scans"), "--out", str(tmp_path / "slices")]
    )
    assert made.exit_code == 0, made.output
    assert list((tmp_path / "slices" / "0000-a").iterdir())
    out = tmp_path / "answers"
    done = runner.invoke(
        app, ["volumes", "score", str(model), str(path), "--out", str(out), "--device", "cpu"]
    )
    assert done.exit_code == 0, done.output
    (row,) = json.loads((out / "volumes.json").read_text())
    assert row["path"] == str(path)
    assert len(row["slices"]) == 12
    for kind in ("map", "restored"):
        written = nibabel.load(out / f"0000-a-{kind}.nii.gz")
        assert isinstance(written, nibabel.Nifti1Image)
        assert written.affine is not None
        np.testing.assert_allclose(written.affine, AFFINE)
        assert written.shape == (20, 24, 12)


def test_a_folder_without_volumes_is_told_in_one_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    done = CliRunner().invoke(
        app, ["volumes", "slices", str(tmp_path), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 2
    assert "there is no volume here" in done.output
