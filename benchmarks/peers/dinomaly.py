"""Dinomaly of anomalib over DINOv2 ViT-S/14, with the size and the pictures of `vqflow-dinov2`.

    python benchmarks/peers/dinomaly.py learn DATA STATE.pt --weights DINOV2 --minutes 5
    python benchmarks/peers/dinomaly.py score DATA STATE.pt OUT --weights DINOV2
    python benchmarks/peers/dinomaly.py time DATA STATE.pt --weights DINOV2 --batches 1 8

Runs in an environment of its own (README.md beside this file) and imports nothing of normalis.
anomalib would fetch its encoder's weights from a hub, by default those of ViT-B/14 with registers;
here it is given the weights that normalis has, of ViT-S/14 without. One model learns all good
training pictures of DATA, seen whole at 392 pixels.

**It learns for minutes, not for the 5,000 steps of batches that anomalib sets**, so that its
accuracy is no statement about Dinomaly; its latency is. anomalib's model, loss, optimiser, start
and schedule are used as they are, over as many steps as come to about the minutes asked for; the
frozen encoder runs once over every picture, and products are in bfloat16 where the processor has
it.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from anomalib.models.components.feature_extractors import (  # pyright: ignore[reportMissingImports]
    TimmFeatureExtractor,
)
from anomalib.models.image.dinomaly import (  # pyright: ignore[reportMissingImports]
    lightning_model,
    torch_model,
)
from anomalib.models.image.dinomaly.components import (  # pyright: ignore[reportMissingImports]
    StableAdamW,
    WarmCosineScheduler,
)
from peer import Peer, prepared, score, timed
from safetensors.torch import load_file
from torch import Tensor, nn

BACKBONE = "vit_small_patch14_dinov2"
SIZE = 392
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 8
GROUPS = (range(2, 6), range(6, 10))  # of the encoder's blocks, whose means are compared


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description="anomalib's Dinomaly.")
    parser.add_argument("task", choices=("learn", "score", "time"))
    parser.add_argument("data", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--weights", required=True, help="Of DINOv2 ViT-S/14, by timm's names.")
    parser.add_argument("--minutes", type=float, default=5.0, help="To learn; 0 for times alone.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, nargs="*", default=[1])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = _model(options.weights)
    if options.task == "learn":
        if options.minutes:
            _learn(model, sorted(options.data.glob("*/train/good/*.*")), minutes=options.minutes)
        torch.save(_learned_part(model).state_dict(), options.state)
        return
    _learned_part(model).load_state_dict(torch.load(options.state, weights_only=True))
    model.eval()
    if options.task == "score":
        score(_peer(model), options.data, options.out)
        return
    for batch in options.batches:
        print(json.dumps(timed(_peer(model), options.data, batch)), flush=True)


def _model(weights: str) -> nn.Module:
    """The library's model over the weights given, its other half as it starts."""

    def without_weights(**settings: object) -> nn.Module:
        return TimmFeatureExtractor(**{**settings, "pre_trained": False})

    with patch.object(torch_model, "TimmFeatureExtractor", without_weights):
        model = torch_model.DinomalyModel(encoder_name=BACKBONE)
    inner = model.get_submodule("encoder.feature_extractor")
    state = {name: value.float() for name, value in load_file(weights).items()}
    inner.load_state_dict({name: state[name] for name in inner.state_dict()})
    lightning_model.Dinomaly._initialize_trainable_modules(_learned_part(model))
    return model


def _learned_part(model: nn.Module) -> nn.ModuleList:
    return nn.ModuleList([model.get_submodule(name) for name in ("bottleneck", "decoder")])


class _Known(nn.Module):
    """In the encoder's place: what it said of these pictures before.

    Only means over groups of blocks are ever read, so that each block may say its group's.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.patch_size = encoder.patch_size
        self.num_register_tokens = encoder.num_register_tokens
        self.kept: list[Tensor] = []
        self.rows: list[int] = []
        self.dtype = nn.Parameter(torch.zeros(()), requires_grad=False)  # which the model asks for

    @torch.inference_mode()
    def keep(self, encoder: nn.Module, x: Tensor) -> None:
        """Remember a batch."""
        with _coarse():
            features = encoder(x)
        means = [torch.stack([features[f"blocks.{i}"] for i in group]).mean(0) for group in GROUPS]
        self.kept += torch.stack(means, dim=1).half()

    def forward(self, _x: Tensor) -> dict[str, Tensor]:
        """What was said of the rows that are set."""
        groups = torch.stack([self.kept[row].float() for row in self.rows], dim=1)
        return {f"blocks.{i}": groups[g] for g, group in enumerate(GROUPS) for i in group}


def _coarse() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def _learn(model: nn.Module, paths: list[Path], *, minutes: float) -> None:
    """As many steps as take about so long."""
    encoder = model.get_submodule("encoder")
    known = _Known(encoder)
    for first in range(0, len(paths), BATCH):
        x = torch.stack([_prepared(path) for path in paths[first : first + BATCH]])
        known.keep(encoder, x)
    model.encoder = known
    model.train()
    settings = lightning_model.TRAINING_CONFIG
    optimizer = StableAdamW(_learned_part(model).parameters(), **settings["optimizer"])
    order = torch.randperm(len(paths)).tolist() * 100
    start, steps, done = time.monotonic(), 0, 0
    schedule = None
    while schedule is None or done < steps:
        known.rows = order[done * BATCH : (done + 1) * BATCH]
        with _coarse():
            loss = model(torch.empty(len(known.rows), 3, SIZE, SIZE), global_step=done)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(
            _learned_part(model).parameters(), settings["trainer"]["gradient_clip_val"]
        )
        if schedule is None:  # the first step says how many there can be
            steps = max(2, int(60 * minutes / (time.monotonic() - start)))
            warm = max(1, min(100, steps // 10))
            given = {**settings["scheduler"], "total_iters": steps, "warmup_iters": warm}
            schedule = WarmCosineScheduler(optimizer, **given)
        optimizer.step()
        schedule.step()
        done += 1
        if done % 10 == 0:
            print(f"step {done} of {steps}: {float(loss.detach()):.4f}", flush=True)
    model.encoder = encoder


def _peer(model: nn.Module) -> Peer:
    def whole(x: Tensor) -> tuple[Tensor, Tensor]:
        said = model(x)
        return said.pred_score, said.anomaly_map[:, 0]

    megabytes = sum(tensor.nbytes for tensor in model.state_dict().values()) / 1e6
    return Peer(_prepared, model.get_submodule("encoder"), whole, megabytes)


_prepared = partial(prepared, size=SIZE, mean=MEAN, std=STD)


if __name__ == "__main__":
    main()
