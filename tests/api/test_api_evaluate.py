"""Evaluate: labelled test pictures, the honest and the published scores side by side."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import normalis
from normalis.api import FitOptions, FitSummary, evaluate, fit, load
from normalis.errors import BundleError, DatasetError
from normalis.scoring import Scorer
from small_world import Listener, small_recipe, write_pictures, write_weights


def spoil(source: Path, target: Path, mask: Path | None) -> None:
    """A picture with a white square, and its mask."""
    pixels = np.array(Image.open(source))
    where = np.zeros(pixels.shape[:2], bool)
    where[20:30, 4:14] = True
    pixels[where] = 255
    Image.fromarray(pixels).save(target)
    if mask is not None:
        Image.fromarray((255 * where).astype(np.uint8)).save(mask)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MVTec's layout, one category: 24 good pictures to learn from, 5 good and 4 bad to test."""
    root = tmp_path_factory.mktemp("evaluation") / "thing"
    write_pictures(root / "train/good", 24)
    good = write_pictures(root / "test/good", 9, seed=1)
    for folder in ("test/hole", "ground_truth/hole"):
        (root / folder).mkdir(parents=True)
    for index, path in enumerate(sorted(good.iterdir())[:4]):
        mask = root / f"ground_truth/hole/{index}_mask.png"
        spoil(path, root / f"test/hole/{index}.png", mask)
        path.unlink()
    return root


@pytest.fixture(scope="module")
def model(data: Path) -> Scorer:
    fit_to(data, data.parent / "model")
    return load(data.parent / "model", device="cpu")


def fit_to(data: Path, out: Path) -> FitSummary:
    recipe = small_recipe(write_weights(data.parent), learning_rate=1e-2)
    options = FitOptions(cache=data.parent / "cache", device="cpu")
    return fit(data, out, recipe=recipe, options=options)


def test_both_protocols_see_every_test_picture(data: Path, model: Scorer) -> None:
    listener = Listener()
    pair = evaluate(model, data, observer=listener)
    assert listener.stages == ["scoring"]
    assert pair.skipped == ()
    for evaluation in (pair.honest, pair.paper):
        assert (evaluation.mixed.images, evaluation.mixed.defects) == (9, 4)
        assert evaluation.mixed.image_auroc is not None
        assert evaluation.mixed.aupro is not None
    assert pair.honest.mixed.image_auroc == 1.0, "a white square is easy"
    assert pair.honest.protocol != pair.paper.protocol
    assert len(pair.images) == 9
    assert pair.honest != pair.paper


def test_the_images_have_the_scores_that_score_gives(data: Path, model: Scorer) -> None:
    by_name = {image.name: image for image in evaluate(model, data).images}
    path = data / "test/hole/0.png"
    (answer,) = model.score([path], paper=True)
    image = next(image for name, image in by_name.items() if name.endswith("hole/0.png"))
    assert image.is_defect
    assert image.score == getattr(answer, "score", None)


def test_what_cannot_be_read_is_counted(data: Path, model: Scorer, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "thing"))
    (other / "test/good/text.png").write_text("not a picture")
    Image.new("L", (5, 5), 255).save(other / "ground_truth/hole/0_mask.png")
    pair = evaluate(model, other)
    assert pair.honest.mixed.images == 9
    names = [name for name, _ in pair.skipped]
    assert len(names) == 2
    assert any(name.endswith("good/text.png") for name in names)
    assert any(name.endswith("hole/0.png (its mask)") for name in names)


def test_a_set_without_labels_is_refused(data: Path, model: Scorer, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no labelled test pictures"):
        evaluate(model, write_pictures(tmp_path / "plain", 3))


def test_the_package_itself_offers_the_three_verbs(data: Path, tmp_path: Path) -> None:
    assert normalis.fit is fit
    assert normalis.load is load
    assert normalis.evaluate is evaluate
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        _ = getattr(normalis, "predict")  # noqa: B009
    with pytest.raises(BundleError, match="not a normalis model"):
        normalis.load(tmp_path)
