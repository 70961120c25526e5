"""The training loop: one detector, stored features, any number of processes."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from normalis.ahead import ahead
from normalis.detectors.contract import AbstractDetector, LearnsInStages
from normalis.detectors.records import Batch, Losses
from normalis.errors import FitError
from normalis.images.write import replacing
from normalis.progress import Observer
from normalis.training.data import TrainingData, load_batch
from normalis.training.log import EpochRecord, Tally, record_from
from normalis.training.optimizer import clip_gradient, optimizer_of, set_rate, use_bfloat16
from normalis.training.processes import average_gradients, this_process
from normalis.training.settings import TrainingSettings

__all__ = ["train"]

VALIDATED_TOGETHER = 16  # held-out pictures whose features are in memory together


def train(
    detector: AbstractDetector,
    data: TrainingData,
    *,
    settings: TrainingSettings,
    checkpoint: Path,
    observer: Observer,
) -> tuple[EpochRecord, ...]:
    """Train a detector in place; it ends as it was at its best epoch, in evaluation mode.

    Every epoch ends in a checkpoint, and a run that finds one goes on behind it: an interrupted
    run and an uninterrupted one give the same detector. Under `torchrun` each process takes its
    share of every batch, and gradients and codebook statistics are those of the whole batch.

    A detector that learns in stages is trained so in each, from the best epoch of the one before.

    Args:
        detector: An initialised detector.
        data: Features and the rows that train.
        settings: See there.
        checkpoint: File of the checkpoint, written by the first process.
        observer: Hears of every step.

    Returns:
        The log, one record an epoch, those before an interruption too.

    Raises:
        FitError: No picture to train on, or a loss that is not a number.
    """
    run = _Run(detector, data, settings, checkpoint)
    run.resume()
    run.one_stage(observer)
    while run.next_stage():
        run.one_stage(observer)
    detector.eval()
    return tuple(run.records)


class _Run:
    """A training run: everything that an interruption must not lose."""

    def __init__(
        self,
        detector: AbstractDetector,
        data: TrainingData,
        settings: TrainingSettings,
        checkpoint: Path,
    ) -> None:
        self.detector = detector
        self.data = data
        self.settings = settings
        self.checkpoint = checkpoint
        process = this_process()
        self.rank, self.world = process.rank, process.world
        self.batch_size = self._batch_size()
        self.steps = len(data.train) // self.batch_size
        self.epochs = max(settings.epochs, math.ceil(settings.least_steps / self.steps))
        self.stages = detector.stages if isinstance(detector, LearnsInStages) else ("",)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.device = next(detector.parameters()).device
        self.autocast = use_bfloat16(settings.precision, self.device)
        self.records: list[EpochRecord] = []
        self._enter(0)

    def _enter(self, stage: int) -> None:
        """Begin a stage."""
        if isinstance(self.detector, LearnsInStages):
            self.detector.enter(self.stages[stage])
        self.stage = stage
        self.optimizer = optimizer_of(self.detector.parameter_groups(), self.settings)
        self.epoch = 0
        self.stale = 0
        self.best = math.inf
        self.best_state = _copy(self.detector.state_dict())

    def next_stage(self) -> bool:
        """Begin the next stage, if there is one."""
        if self.stage + 1 == len(self.stages):
            return False
        self._enter(self.stage + 1)
        return True

    def one_stage(self, observer: Observer) -> None:
        """The rest of a stage; the detector ends as it was at the stage's best epoch."""
        name = self.stages[self.stage]
        if self.epochs > self.settings.epochs and not self.records:
            observer.say(
                f"{len(self.data.train)} pictures are few: there are {self.epochs} passes over "
                f"them and not {self.settings.epochs}, as training.least_steps asks for "
                f"{self.settings.least_steps} steps."
            )
        observer.stage(f"training the {name}" if name else "training", self.epochs * self.steps)
        observer.advance(self.epoch * self.steps)
        while self.epoch < self.epochs and self.stale < self.settings.patience:
            record = self.one_epoch(observer)
            self.save()
            observer.advance(0, note=_describe(record))
        self.detector.load_state_dict(self.best_state)

    def one_epoch(self, observer: Observer) -> EpochRecord:
        """One pass over the training pictures, and the held-out likelihood after it."""
        start = time.perf_counter()
        self.detector.train()
        tally = Tally(self.data.categories, self.stages[self.stage])
        with torch.random.fork_rng(devices=[]):
            # What a network draws, as dropout does: a resumed run repeats it.
            torch.manual_seed(self._seed() + self.rank)
            numbered = enumerate(self._order(), start=self.epoch * self.steps)
            # While a step is made, the next one's features are read.
            for step, own, batch in ahead(numbered, self._shown, threads=1, most=2):
                losses = self._step(batch, step)
                tally.add(losses, own)
                observer.advance(note=f"{float(losses.nll.detach()):.4f}")
        validation = self._validate()
        self.epoch += 1
        seconds = time.perf_counter() - start
        record = tally.record(self.epoch, validation=validation, seconds=seconds)
        self.records.append(record)
        self._keep_best(validation)
        return record

    def resume(self) -> None:
        """Go on where the checkpoint ends, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self._enter(state["stage"])
        self.detector.load_state_dict(state["detector"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.best_state, self.best = state["best_state"], state["best"]
        self.epoch, self.stale = state["epoch"], state["stale"]
        self.records = [record_from(fields) for fields in state["records"]]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        if self.rank:
            return
        state = {
            "detector": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "best_state": self.best_state,
            "best": self.best,
            "stage": self.stage,
            "epoch": self.epoch,
            "stale": self.stale,
            "records": [asdict(record) for record in self.records],
        }
        try:
            with replacing(self.checkpoint) as temporary:
                torch.save(state, temporary)
        except (OSError, RuntimeError) as error:  # torch's own writer raises the latter
            said = getattr(error, "strerror", None) or "as on a full disk"
            raise FitError(
                f"{self.checkpoint}: cannot be written ({said}); make room there, and go on with "
                "--resume."
            ) from error

    def _shown(self, numbered: tuple[int, list[int]]) -> tuple[int, list[int], Batch]:
        """A step's number, this process's rows of it, and what the detector is shown."""
        step, rows = numbered
        own = self._share(rows)
        return step, own, self._batch(own, step)

    def _step(self, batch: Batch, step: int) -> Losses:
        """One step of the optimiser and of the codebooks."""
        set_rate(self.optimizer, self.settings, done=step, total=self.epochs * self.steps)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            losses: Losses = self.detector.loss(batch)
        if not torch.isfinite(losses.total):
            raise FitError(
                f"The loss is not a number at step {step + 1} of epoch {self.epoch + 1}: lower "
                "training.learning_rate, or set training.precision to float32."
            )
        self.optimizer.zero_grad()
        losses.total.backward()
        average_gradients(self.detector, self.world)
        clip_gradient(self.detector, self.settings)
        self.optimizer.step()
        self.detector.update_codebooks(losses, self.generator)
        return losses

    def _batch(self, rows: Sequence[int], step: int) -> Batch:
        """What the detector is shown at a step."""
        labels = self.data.labels
        return Batch(
            load_batch(self.data.table, rows, device=self.device),
            label=torch.tensor([labels[row] for row in rows]).to(self.device) if labels else None,
            done=step / (self.epochs * self.steps),
        )

    def _order(self) -> Iterator[list[int]]:
        """The epoch's batches, drawn from seed and epoch alone: a resumed run repeats them."""
        generator = torch.Generator().manual_seed(self._seed())
        order = torch.randperm(len(self.data.train), generator=generator).tolist()
        for step in range(self.steps):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield [self.data.train[i] for i in chosen]

    def _seed(self) -> int:
        """Of everything that is drawn in an epoch."""
        return 1_000_003 * self.settings.seed + 1000 * self.stage + self.epoch

    def _share(self, rows: list[int]) -> list[int]:
        """This process's rows of a batch: a run of them, so that all shares in turn are the batch.

        Codes are revived from the inputs by their number, which is then that of a single process.
        """
        count = len(rows) // self.world
        return rows[self.rank * count : (self.rank + 1) * count]

    @torch.no_grad()
    def _validate(self) -> float | None:
        """Mean loss of the held-out pictures, each on its own, with frozen codes."""
        if not self.data.validation:
            return None
        self.detector.eval()
        rows, total = self.data.validation, 0.0
        for start in range(0, len(rows), VALIDATED_TOGETHER):
            some = rows[start : start + VALIDATED_TOGETHER]
            batch = self._batch(some, (self.epoch + 1) * self.steps)
            total += float(self.detector.loss(batch).nll) * len(some)
        return total / len(rows)

    def _keep_best(self, validation: float | None) -> None:
        """Remember the epoch of the highest held-out likelihood, or the last without one."""
        if validation is None or validation < self.best:
            self.best = self.best if validation is None else validation
            self.best_state, self.stale = _copy(self.detector.state_dict()), 0
        else:
            self.stale += 1

    def _batch_size(self) -> int:
        """Pictures in a step: a multiple of the processes, and no more than there are."""
        size = min(self.settings.batch_size, len(self.data.train))
        size -= size % self.world
        if not size:
            raise FitError(
                f"{len(self.data.train)} pictures to train on are too few for {self.world} "
                "processes: add pictures, or start fewer processes."
            )
        return size


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state that further training does not change."""
    return {name: value.clone() for name, value in state.items()}


def _describe(record: EpochRecord) -> str:
    """One line about an epoch."""
    held_out = "" if record.validation is None else f", held out {record.validation:.4f}"
    return f"epoch {record.epoch}: {record.nll:.4f}{held_out}"
