"""What every peer is asked: scores and maps of all test pictures, and how long one takes.

The peers' scripts lie beside this file and import it; it imports nothing of normalis.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["Peer", "prepared", "score", "timed"]

MOST = 24  # runs
WHOLE = (3, 3.0)  # runs that there must be, and seconds after which no more begin
PART = (2, 1.0)


@dataclass(frozen=True)
class Peer:
    """A fitted model of another library.

    Attributes:
        prepare: A picture's tensor, `3 h w`.
        backbone: Its network alone, on `b 3 h w`.
        whole: Scores `b` and maps `b h w` of `b 3 h w`.
        megabytes: Of what it keeps.
    """

    prepare: Callable[[Path], Tensor]
    backbone: Callable[[Tensor], object]
    whole: Callable[[Tensor], tuple[Tensor, Tensor]]
    megabytes: float


def prepared(
    path: Path, size: int, *, mean: Sequence[float] = (0.5,), std: Sequence[float] = (0.5,)
) -> Tensor:
    """As normalis prepares a picture and its backbone standardises it."""
    picture = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.asarray(picture, np.float32).copy()).permute(2, 0, 1) / 255
    return (values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


@torch.inference_mode()
def score(peer: Peer, data: Path, out: Path) -> None:
    """Write scores, and maps on every second pixel, of all test pictures in the order of paths."""
    paths = sorted(data.glob("*/test/*/*.*"))
    said = [peer.whole(peer.prepare(path)[None]) for path in paths]
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "maps.npy", np.stack([maps[0, ::2, ::2].numpy() for _, maps in said]))
    tree = {
        "pictures": [str(path.relative_to(data)) for path in paths],
        "scores": [float(scores[0]) for scores, _ in said],
        "versions": {name: version(name) for name in ("anomalib", "torch", "timm")},
    }
    (out / "scores.json").write_text(json.dumps(tree) + "\n", encoding="utf-8")


@torch.inference_mode()
def timed(peer: Peer, data: Path, batch: int) -> dict[str, Any]:
    """One row: wall times of a batch from files on, lowest processor times of the parts."""
    paths = sorted(data.glob("*/test/*/*.*"))
    chosen = (paths * (1 + batch // len(paths)))[:: max(1, len(paths) // batch)][:batch]

    def whole() -> object:
        return peer.whole(torch.stack([peer.prepare(path) for path in chosen]))

    whole()  # warms up
    walls, processor = _times(whole, bounds=WHOLE)
    x = torch.stack([peer.prepare(path) for path in chosen])
    _, decode = _times(lambda: [peer.prepare(path) for path in chosen])
    _, backbone = _times(lambda: peer.backbone(x))
    _, both = _times(lambda: peer.whole(x))
    return {
        "batch": batch,
        "p50": statistics.median(walls),
        "p95": float(np.quantile(walls, 0.95)),
        "pictures_a_second": 1e3 * batch / statistics.median(walls),
        "processor": processor / batch,
        "decode": decode / batch,
        "backbone": backbone / batch,
        "flow": (both - backbone) / batch,
        "peak_megabytes": _peak_megabytes(),
        "megabytes": peer.megabytes,
    }


def _times(
    work: Callable[[], object], *, bounds: tuple[int, float] = PART
) -> tuple[list[float], float]:
    """Wall times and the lowest processor time, ms."""
    walls: list[float] = []
    processors: list[float] = []
    least, seconds = bounds
    end = time.perf_counter() + seconds
    while len(walls) < least or (len(walls) < MOST and time.perf_counter() < end):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        walls.append(1e3 * (time.perf_counter() - wall))
        processors.append(1e3 * (time.process_time() - processor))
    return walls, min(processors)


def _peak_megabytes() -> float:
    """Highest memory of this process; `getrusage` would count what its parent held, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3
