"""How small a defect a model catches, tried on good pictures that it did not learn from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from normalis.api.load import load
from normalis.bundle.load import picture_uses
from normalis.bundle.sealed import file_digest
from normalis.datasets.layouts import open_dataset
from normalis.datasets.sample import Sample, printable
from normalis.errors import BundleError, DatasetError
from normalis.progress import Observer, Silent
from normalis.sensitivity.card import Sensitivity
from normalis.sensitivity.measure import Example, HeldOut, examples, measure
from normalis.sensitivity.plan import Plan

__all__ = ["sensitivity"]

Use = Literal["never seen", "validation", "calibration"]


def sensitivity(
    model: Path | str,
    data: Path | str,
    *,
    plan: Plan | None = None,
    layout: str = "auto",
    draw: Callable[[Example], None] | None = None,
    device: str = "auto",
    observer: Observer | None = None,
) -> Sensitivity:
    """Plant defects of graded size on good pictures, and find the smallest that are caught.

    Pictures that the model learned from are recognised by the bytes of their files and left out.
    Those it has never seen are taken first, then those that stopped its training, then those that
    its threshold comes from: as they are these lie at most as high as the threshold, but for the
    rate's share, so that they are a little slower to alarm than new pictures.

    Args:
        model: The folder that `fit` wrote.
        data: Folder or manifest; all it holds is taken for good that is not known to be defective.
        plan: What is tried.
        layout: Of the data set; "auto" recognises it.
        draw: Draws an example of each product and kind of defect.
        device: "cpu", "cuda", or "auto".
        observer: Hears of the progress.

    Raises:
        BundleError: Not a model, of a newer format, or altered.
        DatasetError: No good picture that the model did not learn from.
        SettingsError: There is no such device or layout.
    """
    plan, observer = plan or Plan(), observer or Silent()
    scorer = load(model, device=device)
    dataset = open_dataset(Path(data), layout=layout)
    for warning in dataset.warnings:
        observer.say(warning)
    good = [sample for sample in dataset.samples if not sample.is_defect]
    pictures = _held_out(good, picture_uses(Path(model)), seed=plan.seed, observer=observer)
    if not pictures:
        raise DatasetError(
            f"{data}: the model learned from all of its {len(good)} good pictures, so that they "
            "say nothing of new ones; give pictures that it has not learned from."
        )
    name = printable(Path(data).resolve().name)
    card = measure(scorer, pictures, data=name, plan=plan, observer=observer)
    if draw is not None:
        for example in examples(scorer, pictures, card=card, plan=plan):
            draw(example)
    return card


def _held_out(
    samples: Sequence[Sample], uses: dict[str, str], *, seed: int, observer: Observer
) -> list[HeldOut]:
    """Each picture that training did not learn from once: by use, and within a use by chance."""
    observer.stage("looking for pictures that the model did not learn from", len(samples))
    found: dict[str, HeldOut] = {}
    order = np.random.default_rng(seed).permutation(len(samples))
    for sample in (samples[index] for index in order):
        digest = _digest(sample)
        for use in get_args(Use):
            if uses.get(digest, "never seen") == use:
                found.setdefault(digest, _named(sample, use))
        observer.advance()
    return sorted(found.values(), key=lambda picture: get_args(Use).index(picture.use))


def _digest(sample: Sample) -> str:
    """sha256 of the file; of one that cannot be read its name: it is skipped when it is scored."""
    try:
        return file_digest(sample.path)
    except BundleError:
        return sample.name


def _named(sample: Sample, use: Use) -> HeldOut:
    """A sample under names that every program can read."""
    product = None if sample.category is None else printable(sample.category)
    return HeldOut(sample.path, printable(sample.name), product, use)
