"""Evaluate: labelled test pictures, the honest and the published scores side by side."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import normalis
from normalis.api import FitOptions, FitSummary, evaluate, fit, load
from normalis.datasets.sample import Sample
from normalis.errors import BundleError, DatasetError
from normalis.evaluation import HONEST, PAPER, Drawn, Result, read_result, write_result
from normalis.results import Result as Answer
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
def model(data: Path) -> Path:
    fit_to(data, data.parent / "model")
    return data.parent / "model"


@pytest.fixture(scope="module")
def result(data: Path, model: Path) -> Result:
    return evaluate(model, data, device="cpu")


def fit_to(data: Path, out: Path) -> FitSummary:
    recipe = small_recipe(write_weights(data.parent), learning_rate=1e-2)
    options = FitOptions(cache=data.parent / "cache", device="cpu")
    return fit(data, out, recipe=recipe, options=options)


def copy(data: Path, folder: Path) -> Path:
    return Path(shutil.copytree(data, folder / "thing"))


# --- what a result holds ---


def test_both_protocols_see_every_test_picture(result: Result) -> None:
    assert (result.skipped, result.seen) == ((), ())
    for evaluation, protocol in ((result.honest, HONEST), (result.paper, PAPER)):
        assert (evaluation.mixed.images, evaluation.mixed.defects) == (9, 4)
        assert evaluation.mixed.image_auroc is not None
        assert evaluation.mixed.aupro is not None
        assert evaluation.protocol.startswith(protocol.sentence)
    assert result.honest.mixed.image_auroc == 1.0, "a white square is easy"
    assert result.honest != result.paper


def test_a_picture_has_the_answer_that_score_gives(data: Path, model: Path, result: Result) -> None:
    (answer,) = load(model, device="cpu").score([data / "test/hole/0.png"], paper=True)
    assert isinstance(answer, Answer)
    assert answer.paper is not None
    (picture,) = [p for p in result.pictures if p.name.endswith("hole/0.png")]
    assert (picture.is_defect, picture.defect, picture.has_mask) == (True, "hole", True)
    told = (answer.score, answer.paper.score)  # alone and in a batch, a product may round otherwise
    assert (picture.score, picture.paper_score) == pytest.approx(told, rel=1e-5)
    told = ("p_value", "is_anomaly", "threshold", "far_promised")
    assert [getattr(picture, name) for name in told] == [
        getattr(answer.decision, name) for name in told
    ]
    assert (picture.concept, picture.size) == (answer.concept, (32, 36))
    assert (picture.picture, picture.heat, picture.shown) == (None, None, None)


def test_a_result_says_what_was_evaluated_and_on_what(model: Path, result: Result) -> None:
    described = normalis.api.describe(model)
    card = result.model
    assert result.data == "thing"
    assert (card.size, card.seed, card.far) == ((32, 32), 0, 0.25)
    assert card.train + card.validation + card.calibration == 24
    assert sum(card.concept_pictures) == card.train
    assert (card.bytes, card.promise) == (described.size, described.promise)
    assert card.recipe["training"]["epochs"] == 3
    parts = [stage.name for stage in result.stages]
    assert {"reading", "scoring", "figures"} < set(parts)
    assert len(parts) == len(set(parts))
    assert all(stage.seconds >= 0 for stage in result.stages)
    assert result.machine["torch"]


def test_there_are_curves_of_each_category_and_of_all_mixed(result: Result) -> None:
    assert [curves.category for curves in result.curves] == ["thing", ""]
    assert result.curves[0].image_roc is not None


def test_a_result_comes_back_from_its_folder(result: Result, tmp_path: Path) -> None:
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result


def test_the_observer_hears_of_every_picture_and_of_warnings(data: Path, model: Path) -> None:
    listener = Listener()
    evaluate(model, data, device="cpu", observer=listener)
    assert listener.stages == ["looking for pictures that the model has seen", "scoring"]


# --- drawing ---


class Draws:
    """Remembers what it is asked to draw."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str, bool]] = []

    def __call__(
        self, sample: Sample, answer: Answer, *, mask: np.ndarray | None, number: int
    ) -> Drawn | None:
        assert answer.path == sample.path
        if mask is not None:
            assert mask.shape == answer.map.shape
        self.seen.append((number, sample.name, mask is not None and bool(mask.any())))
        return Drawn(f"{number}.webp", f"{number}-heat.webp", (3, 4)) if number > 1 else None


def test_every_scored_picture_is_drawn_once(data: Path, model: Path, result: Result) -> None:
    draws = Draws()
    drawn = evaluate(model, data, device="cpu", draw=draws)
    assert [number for number, _, _ in draws.seen] == list(range(1, 10))
    assert [(name, has) for _, name, has in draws.seen] == [
        (picture.name, picture.is_defect) for picture in result.pictures
    ]
    assert [picture.picture for picture in drawn.pictures[:3]] == [None, "2.webp", "3.webp"]
    assert (drawn.pictures[1].heat, drawn.pictures[1].shown) == ("2-heat.webp", (3, 4))
    assert drawn.honest == result.honest


# --- pictures that the model has seen ---


def add_seen(model: Path, data: Path, *, count: int) -> list[str]:
    """Put fitted pictures under other names among the good test pictures; give their names."""
    fitted = sorted((model.parent / "thing/train/good").iterdir())[:count]
    for number, path in enumerate(fitted):
        shutil.copy(path, data / f"test/good/new-{number}.png")
    return [f"test/good/new-{number}.png" for number in range(count)]


def test_seen_pictures_are_refused_by_name(data: Path, model: Path, tmp_path: Path) -> None:
    other = copy(data, tmp_path)
    add_seen(model, other, count=5)
    listener, draws = Listener(), Draws()
    with pytest.raises(DatasetError, match="--allow-seen") as caught:
        evaluate(model, other, device="cpu", observer=listener, draw=draws)
    text = str(caught.value)
    assert "5 of these 14 test pictures" in text
    assert [f"test/good/new-{n}.png (" in text for n in range(5)] == [True] * 3 + [False] * 2
    assert "and 2 more" in text
    assert "scoring" not in listener.stages
    assert draws.seen == []


def test_seen_pictures_may_be_allowed_and_are_named(
    data: Path, model: Path, tmp_path: Path
) -> None:
    other = copy(data, tmp_path)
    names = add_seen(model, other, count=24)
    seen = evaluate(model, other, device="cpu", allow_seen=True).seen
    assert sorted(picture.name for picture in seen) == sorted(names)
    card = evaluate(model, data, device="cpu").model
    uses = [picture.use for picture in seen]
    assert {use: uses.count(use) for use in set(uses)} == {
        "train": card.train,
        "validation": card.validation,
        "calibration": card.calibration,
    }


# --- what is wrong with the data ---


def evaluated(model: Path, data: Path) -> Result:
    result = evaluate(model, data, device="cpu")
    assert result.honest.mixed.images == len(result.pictures)
    return result


def test_what_cannot_be_read_is_counted(data: Path, model: Path, tmp_path: Path) -> None:
    other = copy(data, tmp_path)
    (other / "test/good/text.png").write_text("not a picture")
    Image.new("L", (5, 5), 255).save(other / "ground_truth/hole/0_mask.png")
    result = evaluated(model, other)
    assert len(result.pictures) == 9
    names = [name for name, _ in result.skipped]
    assert len(names) == 2
    assert any(name.endswith("good/text.png") for name in names)
    assert any(name.endswith("hole/0.png (its mask)") for name in names)
    assert [p.name for p in result.pictures if p.is_defect and not p.has_mask] == [
        "test/hole/0.png"
    ]


def test_grey_masks_are_read_and_empty_or_missing_ones_left_out(
    data: Path, model: Path, tmp_path: Path
) -> None:
    other = copy(data, tmp_path)
    masks = sorted((other / "ground_truth/hole").iterdir())
    grey = np.array(Image.open(masks[0])) // 3
    Image.fromarray(grey).save(masks[0])
    Image.new("L", (32, 36)).save(masks[1])
    masks[2].unlink()
    result = evaluated(model, other)
    assert [p.has_mask for p in result.pictures if p.is_defect] == [True, False, False, True]
    assert "without a mask left out of them: 2" in result.honest.protocol
    assert result.skipped == ()


@pytest.mark.parametrize("kept", ["good", "hole"])
def test_one_kind_of_pictures_has_no_ranking(
    data: Path, model: Path, tmp_path: Path, kept: str
) -> None:
    other = copy(data, tmp_path)
    shutil.rmtree(other / "test" / ("hole" if kept == "good" else "good"))
    result = evaluated(model, other)
    for figures in (result.honest.mean, result.honest.mixed, result.paper.mixed):
        assert (figures.image_auroc, figures.image_ap) == (None, None)
    assert result.curves[-1].image_roc is None
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result


def test_a_folder_whose_name_is_not_text_is_escaped(
    data: Path, model: Path, tmp_path: Path
) -> None:
    try:
        other = Path(shutil.copytree(data, tmp_path / "caf\udce9"))
    except OSError:
        pytest.skip("this file system takes text only")
    (other / "test/good/text.png").write_text("not a picture")
    result = evaluated(model, other)
    assert result.data == "caf\\udce9"
    assert "caf\\udce9" in result.skipped[0][1]
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result


def test_no_picture_that_can_be_read_is_refused(data: Path, model: Path, tmp_path: Path) -> None:
    other = copy(data, tmp_path)
    for path in other.glob("test/*/*.png"):
        path.write_text("not a picture")
    with pytest.raises(DatasetError, match=r"thing: no test picture can be read; the first: .*png"):
        evaluate(model, other, device="cpu")


def test_a_set_without_labels_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no labelled test pictures"):
        evaluate(model, write_pictures(tmp_path / "plain", 3))


@pytest.mark.parametrize("name", ["model", "data"])
def test_what_is_not_there_is_named(data: Path, model: Path, tmp_path: Path, name: str) -> None:
    given: Sequence[Path] = {
        "model": (tmp_path / "nowhere", data),
        "data": (model, tmp_path / "nowhere"),
    }[name]
    with pytest.raises((BundleError, DatasetError), match="nowhere: "):
        evaluate(given[0], given[1])


def test_the_package_itself_offers_the_three_verbs(model: Path, tmp_path: Path) -> None:
    assert normalis.fit is fit
    assert normalis.load(model).calibration == load(model).calibration
    assert normalis.evaluate is evaluate
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        _ = getattr(normalis, "predict")  # noqa: B009
    with pytest.raises(BundleError, match="not a normalis model"):
        normalis.load(tmp_path)
