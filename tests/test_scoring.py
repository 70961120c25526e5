"""Scoring: answers in order, in original pixels, one picture's independent of the others."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from normalis.backbones.pyramid import AbstractPyramid
from normalis.calibration import Calibration
from normalis.datasets.sample import Sample
from normalis.detectors.contract import AbstractDetector
from normalis.detectors.records import Batch, Losses, PaperScores, ParameterGroup, Scores
from normalis.errors import ImageError, SettingsError
from normalis.features.extract import extract_features
from normalis.images.decode import read_picture
from normalis.images.prepare import Preparation
from normalis.results import MapRange, Result, Skipped
from normalis.scoring import Scorer

SIDE = 16


@final
class Blocks(AbstractPyramid):
    """Block means of the pixels."""

    name, channels, strides, fingerprint = "blocks", (3,), (2,), "b" * 64

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def check_size(self, height: int, width: int) -> None:
        """Take any size."""

    def extract(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        self.batches.append(len(pixels))
        return [avg_pool2d(pixels, 2)]


@final
class Brightness(AbstractDetector):
    """Bright is anomalous; red pictures are concept 1."""

    def initialise(
        self,
        batches: Callable[[], Iterator[list[Tensor]]],
        *,
        seed: int,
        label: Int[Tensor, " n"] | None = None,
    ) -> None:
        """Nothing to set."""

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        return ()

    def loss(self, batch: Batch) -> Losses:
        raise NotImplementedError

    def update_codebooks(self, losses: Losses, generator: torch.Generator) -> None:
        """Nothing to move."""

    def set_scale(self, batches: Iterable[list[Tensor]]) -> None:
        """Nothing to set."""

    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        means = maps[0].mean((2, 3))
        return (means[:, 0] > means[:, 2]).long()

    def score(self, maps: list[Tensor]) -> Scores:
        full = interpolate(maps[0].mean(1, keepdim=True), [SIDE, SIDE], mode="bilinear")[:, 0]
        return Scores(full, full.amax((1, 2)), self.concepts(maps))

    def paper_scores(self, maps: list[Tensor]) -> PaperScores:
        full = self.score(maps).maps
        highest = full.amax((1, 2), keepdim=True)
        return PaperScores(highest - full, full / highest, highest[:, 0, 0])


def scorer(*, batch_size: int = 4) -> Scorer:
    return Scorer(
        Blocks(),
        Preparation(height=SIDE, width=SIDE),
        detector=Brightness().eval(),
        calibration=Calibration(far=0.2, scores=(0.2, 0.3, 0.4, 0.5)),
        map_range=MapRange(0.1, 0.6),
        batch_size=batch_size,
    )


def draw(path: Path, *, row: int = 30, col: int = 70, brightness: int = 255) -> Path:
    """A dark picture of 48 rows and 96 columns with a bright square around a place."""
    pixels = np.full((48, 96, 3), 20, np.uint8)
    pixels[:, :, 2] = 40
    pixels[row - 6 : row + 6, col - 12 : col + 12] = brightness
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    return [draw(tmp_path / f"{i}.png", col=20 + 8 * i, brightness=100 + 20 * i) for i in range(7)]


def results(answers: Iterable[Result | Skipped]) -> list[Result]:
    found = list(answers)
    assert all(isinstance(answer, Result) for answer in found)
    return [answer for answer in found if isinstance(answer, Result)]


def test_answers_are_in_original_pixels(tmp_path: Path) -> None:
    (answer,) = results(scorer().score([draw(tmp_path / "a.png")]))
    assert answer.map.shape == (48, 96)
    assert answer.map.dtype == np.float32
    assert abs(answer.peak.row - 30) <= 5
    assert abs(answer.peak.col - 70) <= 10
    assert answer.box is not None
    assert answer.box.x0 < 70 < answer.box.x1
    assert answer.box.y0 < 30 < answer.box.y1
    assert answer.map[answer.box.y0 : answer.box.y1, answer.box.x0 : answer.box.x1].max() > 0.6
    assert answer.map[:20].max() < 0.6
    assert answer.picture.pixels.shape == (48, 96, 3)
    assert answer.peak.value == answer.map.max()


def test_nothing_is_boxed_where_the_map_stays_low(tmp_path: Path) -> None:
    (answer,) = results(scorer().score([draw(tmp_path / "a.png", brightness=120)]))
    assert answer.box is None


def test_a_score_is_that_of_stored_features(tmp_path: Path) -> None:
    """The calibration reads the store, a new picture comes from the network: one and the same."""
    model, path = scorer(), draw(tmp_path / "a.png", brightness=133)
    (answer,) = results(model.score([path]))
    table = extract_features(
        [Sample(path, path.name, category=None, split="train", defect=None, mask=None)],
        pyramid=model.pyramid,
        preparation=model.preparation,
        cache=tmp_path / "cache",
    )
    assert answer.score == float(model.detector.score(table.batch([0])).image[0])


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_the_batch_changes_no_answer(pictures: list[Path], batch_size: int) -> None:
    expected = [results(scorer().score([path]))[0] for path in pictures]
    order = [4, 0, 6, 2, 5, 1, 3]
    answers = results(scorer(batch_size=batch_size).score([pictures[i] for i in order]))
    for i, answer in zip(order, answers, strict=True):
        assert answer.path == pictures[i]
        assert answer.score == expected[i].score
        assert (answer.map == expected[i].map).all()
        assert answer.decision == expected[i].decision


@pytest.mark.parametrize("workers", [1, 3, None])
def test_workers_change_no_answer(tmp_path: Path, pictures: list[Path], workers: int) -> None:
    given = [*pictures[:2], tmp_path / "missing.png", *pictures[2:]] * 3
    expected = list(scorer().score(given, paper=True))
    answers = list(scorer(batch_size=2).score(given, paper=True, workers=workers))
    assert [answer.path for answer in answers] == given
    for answer, same in zip(answers, expected, strict=True):
        if isinstance(answer, Skipped) or isinstance(same, Skipped):
            assert answer == same
        else:
            assert (answer.score, answer.decision) == (same.score, same.decision)
            assert (answer.map == same.map).all()
            assert answer.paper is not None
            assert same.paper is not None
            assert answer.paper.score == same.paper.score


def test_decisions_are_the_calibrations(tmp_path: Path) -> None:
    model = scorer()
    paths = [draw(tmp_path / "a.png", brightness=110), draw(tmp_path / "b.png", brightness=250)]
    good, bad = results(model.score(paths))
    assert (good.decision.is_anomaly, bad.decision.is_anomaly) == (False, True)
    for answer in (good, bad):
        assert answer.decision == model.calibration.decide(answer.score, answer.concept)
    assert bad.decision.p_value == 0.2
    (strict,) = results(model.score(paths[:1], far=0.9))
    assert strict.decision.far_promised == 0.8


@pytest.mark.parametrize("far", [0.0, 1.0, -3.0, float("nan")])
def test_a_rate_that_is_none_is_refused(pictures: list[Path], far: float) -> None:
    with pytest.raises(SettingsError, match="far"):
        list(scorer().score(pictures, far=far))


def test_the_concept_is_the_detectors(tmp_path: Path) -> None:
    red = np.full((20, 20, 3), 10, np.uint8)
    red[:, :, 0] = 200
    Image.fromarray(red).save(tmp_path / "red.png")
    found = results(scorer().score([tmp_path / "red.png", draw(tmp_path / "blue.png")]))
    assert [answer.concept for answer in found] == [1, 0]


def test_paper_scores_come_where_asked_for(pictures: list[Path]) -> None:
    assert all(answer.paper is None for answer in results(scorer().score(pictures)))
    for answer in results(scorer().score(pictures, paper=True)):
        assert answer.paper is not None
        assert answer.paper.additive.shape == answer.paper.multiplicative.shape == (48, 96)
        assert answer.paper.score == answer.score


# --- what cannot be read ---


def test_broken_pictures_are_skipped_in_their_place(tmp_path: Path, pictures: list[Path]) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    whole = pictures[3].read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    broken = [tmp_path / name for name in ("text.png", "empty.png", "cut.png", "missing.png")]
    given = [broken[0], *pictures[:4], broken[1], broken[2], pictures[4], broken[3]]
    answers = list(scorer(batch_size=3).score(given))
    assert [answer.path for answer in answers] == given
    skipped = [answer for answer in answers if isinstance(answer, Skipped)]
    assert [answer.path for answer in skipped] == broken
    assert all(answer.path.name in answer.reason for answer in skipped)


def test_a_batch_of_broken_pictures_alone_is_skipped(tmp_path: Path) -> None:
    answers = list(scorer().score([tmp_path / "a.png", tmp_path / "b.png"]))
    assert [type(answer) for answer in answers] == [Skipped, Skipped]


def test_strict_raises_at_the_first(tmp_path: Path, pictures: list[Path]) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ImageError, match=r"text\.png"):
        list(scorer().score([*pictures[:2], tmp_path / "text.png"], strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_strict_gives_what_came_before(pictures: list[Path], workers: int) -> None:
    missing = pictures[0].with_name("missing.png")
    answers = scorer(batch_size=2).score([*pictures, missing], strict=True, workers=workers)
    assert [next(answers).path for _ in range(6)] == pictures[:6]
    with pytest.raises(ImageError, match=r"missing\.png"):
        next(answers)


# --- streaming ---


def test_pictures_are_read_as_they_are_needed(pictures: list[Path]) -> None:
    taken: list[Path] = []

    def endless() -> Iterator[Path]:
        while True:
            path = pictures[len(taken) % len(pictures)]
            taken.append(path)
            yield path

    model = scorer(batch_size=3)
    answers = model.score(endless())
    assert taken == []
    next(answers)
    assert len(taken) == 3
    for _ in range(3):
        next(answers)
    assert len(taken) == 6
    assert isinstance(model.pyramid, Blocks)
    assert model.pyramid.batches == [3, 3]


def test_no_pictures_give_no_answers() -> None:
    assert list(scorer().score([])) == []


def test_paths_may_be_text(pictures: list[Path]) -> None:
    (answer,) = results(scorer().score([str(pictures[0])]))
    assert answer.path == pictures[0]


def test_decoded_pictures_get_the_answers_of_their_files(pictures: list[Path]) -> None:
    decoded = [read_picture(path) for path in pictures]
    expected = results(scorer().score(pictures, far=0.9))
    answers = list(scorer(batch_size=3).score_pictures(iter(decoded), far=0.9))
    assert len(answers) == len(pictures)
    for answer, picture, same in zip(answers, decoded, expected, strict=True):
        assert answer.picture is picture
        assert answer.path == Path()
        assert (answer.score, answer.decision) == (same.score, same.decision)
        assert (answer.map == same.map).all()
