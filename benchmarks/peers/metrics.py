"""AUPRO of anomalib and exact AUROC of torchmetrics, on the arrays that benchmarks/metrics.py made.

    python benchmarks/peers/metrics.py FOLDER

Runs in an environment of its own (README.md beside this file) and imports nothing of normalis.
The environment that the type checker sees has neither library.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from anomalib.metrics.aupro import _AUPRO  # pyright: ignore[reportMissingImports]
from torchmetrics.classification import BinaryAUROC  # pyright: ignore[reportMissingImports]


def main() -> None:
    """Print the processor time of both metrics, and what they found."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    maps = torch.from_numpy(np.load(folder / "maps.npy"))
    masks = torch.from_numpy(np.load(folder / "masks.npy")).int()
    start = time.process_time()
    aupro = _AUPRO(fpr_limit=0.3)  # the plain metric below anomalib's AUPRO, without its batches
    aupro.update(maps, masks)
    overlap = float(aupro.compute())
    middle = time.process_time()
    auroc = BinaryAUROC(thresholds=None)
    auroc.update(maps, masks)
    area = float(auroc.compute())
    end = time.process_time()
    result = {
        "seconds": end - start,
        "seconds_of": {"anomalib AUPRO": middle - start, "torchmetrics BinaryAUROC": end - middle},
        "figures": {"auroc": area, "aupro_0.3": overlap},
        "versions": {name: version(name) for name in ("anomalib", "torchmetrics", "torch")},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
