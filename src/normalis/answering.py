"""What every scorer of pictures does alike, whatever runs its model.

Nothing here needs torch: an exported model is scored by the same code as a model in the library.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from normalis.ahead import ahead, threads_for
from normalis.calibration import Calibration
from normalis.errors import ImageError
from normalis.images.decode import Picture, read_picture
from normalis.images.prepare import Frame, Preparation, prepare
from normalis.images.regions import hot_box, peak
from normalis.progress import Stopwatch
from normalis.results import MapRange, PaperAnswer, Result, Skipped

__all__ = ["AbstractScorer", "Measured", "MeasuredPaper", "OpenedPicture"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class MeasuredPaper:
    """The published scores of a batch, on the grid of the prepared picture.

    Attributes:
        additive: float32 `b h w`.
        multiplicative: float32 `b h w`.
        image: float32 `b`.
    """

    additive: Float32[np.ndarray, "b h w"]
    multiplicative: Float32[np.ndarray, "b h w"]
    image: Float32[np.ndarray, " b"]


@dataclass(frozen=True)
class Measured:
    """What a model says of a batch of prepared pictures.

    Attributes:
        maps: float32 `b h w`, on the grid of the prepared picture.
        image: float32 `b`, the image scores.
        concept: int64 `b`.
        probability: float32 `b`, how sure the concept is; None where the method is silent.
        restored: float32 `b 3 h w`, RGB in [0, 1], the prepared pictures without what is unusual in
            them; None where the method does not say.
        paper: The published scores, where they were asked for.
    """

    maps: Float32[np.ndarray, "b h w"]
    image: Float32[np.ndarray, " b"]
    concept: Int64[np.ndarray, " b"]
    probability: Float32[np.ndarray, " b"] | None = None
    restored: Float32[np.ndarray, "b 3 i j"] | None = None
    paper: MeasuredPaper | None = None


@dataclass(frozen=True)
class OpenedPicture:
    """A decoded picture on its way to the model.

    Attributes:
        path: Its file.
        picture: The picture itself.
        pixels: float32 CHW RGB in [0, 1], prepared.
        frame: How the prepared picture lies over the original.
    """

    path: Path
    picture: Picture
    pixels: Float32[np.ndarray, "3 h w"]
    frame: Frame


class AbstractScorer(ABC):
    """A fitted model, ready for pictures.

    Args:
        preparation: How pictures come to the model's size.
        calibration: Turns scores into p-values and decisions.
        map_range: What the map's values mean.
        concept_names: What each concept is called; () where concepts have numbers alone.
        batch_size: Pictures scored together; it bounds the memory and changes no answer.

    Attributes:
        watch: Counts how long "reading" keeps the model waiting, and the time for "scoring", which
            runs beside whatever else there is to do.
    """

    def __init__(
        self,
        preparation: Preparation,
        *,
        calibration: Calibration,
        map_range: MapRange,
        concept_names: tuple[str, ...] = (),
        batch_size: int = 8,
    ) -> None:
        self.preparation = preparation
        self.calibration = calibration
        self.map_range = map_range
        self.concept_names = concept_names
        self.batch_size = batch_size
        self.watch = Stopwatch()

    @abstractmethod
    def measure(
        self,
        pixels: Float32[np.ndarray, "b 3 h w"],
        *,
        paper: bool = False,
        position: Float32[np.ndarray, " b"] | None = None,
    ) -> Measured:
        """Score prepared pictures together.

        Args:
            pixels: RGB in [0, 1].
            paper: Give the published scores too.
            position: Where in its volume each slice lies; for a model that is `located`.
        """

    @property
    def located(self) -> bool:
        """Whether the model must be told where in its volume each slice lies."""
        return False

    @property
    def at_once(self) -> int:
        """Batches that the model may be asked for at once, each in a thread; no answer changes."""
        return 1

    def score(
        self,
        paths: Iterable[Path | str],
        *,
        far: float | None = None,
        strict: bool = False,
        paper: bool = False,
        workers: int | None = 0,
        positions: Mapping[Path, float] | None = None,
    ) -> Iterator[Result | Skipped]:
        """Score pictures one after another, in their order.

        With workers, the next batch is in the model and the one after it is read while an answer
        is looked at; no answer is another for it.

        Args:
            paths: Files of pictures; read as they are needed.
            far: False-alarm rate of the decisions; the calibration's own by default.
            strict: Raise at the first picture that cannot be read, and do not skip it.
            paper: Give the published scores too.
            workers: Threads that read ahead of the model; with 0 all is done in the caller's, when
                it is asked for; None is by the number of cores.
            positions: Where in its volume each slice lies, where its file does not say it.

        Raises:
            ImageError: With `strict`, a picture that cannot be read.
            SettingsError: The model's only score is relative to a whole test set.
        """
        self.check()
        threads, places = threads_for(workers), positions or {}
        asking = min(self.at_once, threads)
        opened = ahead(
            map(Path, paths),
            lambda path: self.open(path, strict=strict, at=places.get(path)),
            threads=threads,
            most=self.batch_size * max(1, asking),
        )
        answered = ahead(
            self._batches(opened),
            lambda items: self._answers(items, far=far, paper=paper),
            threads=asking,
            most=1 + asking,
        )
        for answers in answered:
            yield from answers

    def score_pictures(
        self, pictures: Iterable[Picture], *, far: float | None = None
    ) -> Iterator[Result]:
        """Score decoded pictures one after another, in their order; their path is ".".

        Args:
            pictures: Taken as they are needed, a batch at a time.
            far: False-alarm rate of the decisions; the calibration's own by default.

        Raises:
            SettingsError: The model's only score is relative to a whole test set.
        """
        self.check()
        opened = (self._prepared(Path(), picture) for picture in pictures)
        for items in self._batches(opened):
            for answer in self._answers(items, far=far, paper=False):
                assert isinstance(answer, Result)
                yield answer

    def check(self) -> None:  # noqa: B027
        """Refuse where no picture has a score of its own; most models give every picture one."""

    def open(self, path: Path, *, strict: bool, at: float | None = None) -> OpenedPicture | Skipped:
        """Decode and prepare one picture, a slice that lies there in its volume."""
        try:
            picture = read_picture(path)
            told = picture if at is None else replace(picture, position=at)
            return self._prepared(path, told)
        except ImageError as error:
            if strict:
                raise
            return Skipped(path, str(error))

    def _prepared(self, path: Path, picture: Picture) -> OpenedPicture:
        """Bring a picture to the model's size."""
        if self.located and picture.position is None:
            raise ImageError(
                f"{path}: does not say where in its volume it lies, which this model of slices "
                "must know; score the volume itself with 'normalis volumes score', or slices that "
                "'normalis volumes slices' wrote."
            )
        prepared = prepare(picture, self.preparation)
        return OpenedPicture(path, picture, prepared.pixels, prepared.frame)

    def _batches(self, opened: Iterable[_T]) -> Iterator[list[_T]]:
        """Lists of as many as are scored together, the last one shorter."""
        source = iter(opened)
        while True:
            with self.watch.measure("reading"):
                batch = list(islice(source, self.batch_size))
            if not batch:
                return
            yield batch

    def _answers(
        self, items: Sequence[OpenedPicture | Skipped], *, far: float | None, paper: bool
    ) -> list[Result | Skipped]:
        """Score a batch and put every answer back into its picture's own frame."""
        good = [item for item in items if isinstance(item, OpenedPicture)]
        if not good:
            return [item for item in items if isinstance(item, Skipped)]
        places = [item.picture.position for item in good]
        with self.watch.measure("scoring"):
            measured = self.measure(
                np.stack([item.pixels for item in good]),
                paper=paper,
                position=np.array(places, np.float32) if self.located else None,
            )
            answers = iter(
                [self.answer(item, measured, index=i, far=far) for i, item in enumerate(good)]
            )
        return [item if isinstance(item, Skipped) else next(answers) for item in items]

    def answer(
        self, item: OpenedPicture, measured: Measured, *, index: int, far: float | None
    ) -> Result:
        """One picture's result."""
        values = item.frame.to_original(measured.maps[index])
        sure = measured.probability
        score, concept = float(measured.image[index]), int(measured.concept[index])
        return Result(
            path=item.path,
            picture=item.picture,
            map=values,
            score=score,
            decision=self.calibration.decide(score, concept, far=far),
            concept=concept,
            peak=peak(values),
            box=hot_box(values, self.map_range.high),
            concept_name=self.concept_names[concept] if self.concept_names else None,
            concept_probability=None if sure is None else float(sure[index]),
            restored=None
            if measured.restored is None
            else _restored(item, measured.restored[index]),
            paper=measured.paper and _paper_answer(item, measured.paper, index),
        )


def _restored(
    item: OpenedPicture, planes: Float32[np.ndarray, "3 i j"]
) -> UInt8[np.ndarray, "h w 3"]:
    """A prepared picture in the original's pixels."""
    original = [item.frame.to_original(plane) for plane in planes]
    return (255 * np.stack(original, 2)).round().astype(np.uint8)


def _paper_answer(item: OpenedPicture, published: MeasuredPaper, index: int) -> PaperAnswer:
    """The published scores of one picture of a batch."""
    return PaperAnswer(
        additive=item.frame.to_original(published.additive[index]),
        multiplicative=item.frame.to_original(published.multiplicative[index]),
        score=float(published.image[index]),
    )
