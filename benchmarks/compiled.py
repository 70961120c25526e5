"""The compiled condition of VQ-Flow against its dense form, at the published widths.

    python benchmarks/compiled.py

Random weights, codes from made features of the published shapes (ConvNeXtV2-Base at 384 pixels);
no backbone runs. Both forms score the same features in one run; times are the lowest processor
time of several, so that other work on the machine counts little. The same run measures the
machine's matrix throughput and copy bandwidth, and sets against them what both forms compute and
move: the roofline is the sum, over all operations, of the longer of the two times that each needs
at least. Writes benchmarks/results/compiled.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from normalis.detectors.contract import PictureShapes
from normalis.detectors.vqflow.build import build_vqflow
from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.evaluation.machine import machine
from normalis.images.write import write_text
from normalis.presets import preset

RESULTS = Path(__file__).parent / "results"
SHAPES = PictureShapes((384, 384), ((128, 48, 48), (256, 24, 24), (512, 12, 12), (1024, 12, 12)))


class Ledger(TorchDispatchMode):
    """Adds up what operations compute and move, and the least time that they need.

    Args:
        throughput: Of the machine, operations a second.
        bandwidth: Of its memory, bytes a second.
    """

    def __init__(self, throughput: float, bandwidth: float) -> None:
        super().__init__()
        self.throughput, self.bandwidth = throughput, bandwidth
        self.operations = self.bytes = 0
        self.seconds = 0.0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 (torch's own kinds of things)
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: Any = None,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Run one operation and count it; a view costs nothing."""
        out = func(*args, **(kwargs or {}))
        if any(value.alias_info is not None for value in func._schema.returns):
            return out
        operations = _operations(func, args, out)
        moved = _moved(str(func), args, out)
        self.operations += operations
        self.bytes += moved
        self.seconds += max(operations / self.throughput, moved / self.bandwidth)
        return out


@dataclass(frozen=True)
class Form:
    """One form's cost for one picture.

    Attributes:
        milliseconds: Lowest processor time.
        gflop: Floating-point operations, in thousands of millions.
        megabytes: Read and written by all operations together.
        roofline_milliseconds: The least time that the machine's throughput and bandwidth allow.
        from_roofline: How many times as long it takes.
    """

    milliseconds: float
    gflop: float
    megabytes: float
    roofline_milliseconds: float
    from_roofline: float


def main() -> None:
    """Build both forms, compare them, and write the table."""
    parser = argparse.ArgumentParser(description="Dense and compiled VQ-Flow.")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--name", default="compiled")
    options = parser.parse_args()
    with torch.no_grad():
        throughput, bandwidth = _throughput(), _bandwidth()
        meter = Meter(throughput, bandwidth, options.runs)
        dense = _detector()
        compiled = dense.compile()
        rows = [_row(dense, compiled, _features(size, seed=9), meter) for size in options.batches]
    result = {
        "machine": machine(),
        "gflops": throughput / 1e9,
        "gigabytes_a_second": bandwidth / 1e9,
        "weights_megabytes": {"dense": _size(dense), "compiled": _size(compiled)},
        "batches": rows,
    }
    text = json.dumps(result, indent=1) + "\n"
    write_text(RESULTS / f"{options.name}.json", text)
    print(text)


@dataclass(frozen=True)
class Meter:
    """Measures forms against the machine's limits.

    Attributes:
        throughput: Operations a second.
        bandwidth: Bytes a second.
        runs: Of which the shortest counts.
    """

    throughput: float
    bandwidth: float
    runs: int

    def measure(self, work: Callable[[], object], *, pictures: int) -> Form:
        """Time, count, and compare."""
        milliseconds = 1e3 * _shortest(work, self.runs) / pictures
        with Ledger(self.throughput, self.bandwidth) as ledger:
            work()
        least = 1e3 * ledger.seconds / pictures
        return Form(
            milliseconds=milliseconds,
            gflop=ledger.operations / pictures / 1e9,
            megabytes=ledger.bytes / pictures / 1e6,
            roofline_milliseconds=least,
            from_roofline=milliseconds / least,
        )


def _row(dense: VQFlow, compiled: VQFlow, maps: list[Tensor], meter: Meter) -> dict[str, Any]:
    """Both forms on a batch: how far apart, the flows alone, and all of the detector."""
    pictures = len(maps[0])
    one, other = dense.score(maps), compiled.score(maps)
    row: dict[str, Any] = {
        "batch": pictures,
        "map_difference": float((one.maps - other.maps).abs().max() / one.maps.abs().max()),
        "score_difference": float(((one.image - other.image) / one.image).abs().max()),
    }
    for name, work in (("flows", _flows), ("detector", _score)):
        forms = [meter.measure(work(form, maps), pictures=pictures) for form in (dense, compiled)]
        row[name] = {
            "dense": asdict(forms[0]),
            "compiled": asdict(forms[1]),
            "times_faster": forms[0].milliseconds / forms[1].milliseconds,
        }
    return row


def _flows(detector: VQFlow, maps: list[Tensor]) -> Callable[[], object]:
    """Level flows and fusion, from features and their condition."""
    condition = detector.conditioner(maps)
    xs = [maps[i] for i in detector.levels]

    def work() -> object:
        pairs = zip(detector.flows, xs, condition.levels, strict=True)
        zs = [flow(x, context)[0] for flow, x, context in pairs]
        assert detector.fusion is not None
        return detector.fusion(zs, condition.fusion)

    return work


def _score(detector: VQFlow, maps: list[Tensor]) -> Callable[[], object]:
    """From features to maps and scores."""
    return lambda: detector.score(maps)


def _detector() -> VQFlow:
    """The published widths; codes from data, so that all of them are used."""
    published = preset("vqflow-paper").method
    assert isinstance(published, VQFlowSettings)
    # Absolute scores compare more than the published ones, which end at 1.
    settings = replace(published, data_codes=True, absolute_score=True, score_log_det=True)
    detector = build_vqflow(settings, SHAPES, concepts=15, seed=0).train()
    detector.initialise(lambda: iter([_features(8, seed=seed) for seed in (0, 1)]), seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in detector.parameters():
        if not parameter.any():  # couplings start as the identity, which would compare nothing
            parameter.copy_(0.01 * torch.randn(parameter.shape, generator=generator))
    return detector.eval()


def _features(count: int, *, seed: int) -> list[Tensor]:
    """Features of pictures, channels last as a store gives them."""
    chance = torch.Generator().manual_seed(seed)
    levels = [torch.randn(count, *shape, generator=chance) for shape in SHAPES.maps]
    return [level.contiguous(memory_format=torch.channels_last) for level in levels]


def _throughput() -> float:
    """Operations a second of a large product of matrices."""
    side = 2048
    x = torch.randn(side, side)
    return 2 * side**3 / _shortest(lambda: x @ x, 10)


def _bandwidth() -> float:
    """Bytes a second read and written by a copy that no cache holds."""
    x = torch.randn(64 * 2**20)
    y = torch.empty_like(x)
    return 2 * x.nbytes / _shortest(lambda: y.copy_(x), 10)


def _shortest(work: Callable[[], object], runs: int) -> float:
    """Lowest processor time of several runs, seconds, after one that warms up."""
    work()
    times: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def _operations(func: Any, args: tuple[Any, ...], out: Any) -> int:  # noqa: ANN401
    """Multiplications and additions of products of matrices and of convolutions."""
    if "convolution" in str(func):
        return 2 * out.numel() * args[1][0].numel()
    count = flop_registry.get(func.overloadpacket)
    return count(*args, out_val=out) if count else 0


def _moved(operation: str, args: object, out: object) -> int:
    """Bytes that an operation reads and writes; of a table, the rows that it looks up."""
    tensors = [leaf for leaf in tree_leaves((args, out)) if isinstance(leaf, Tensor)]
    if "embedding_bag" in operation:
        table, rows, *_ = tensors
        return rows.nbytes + (rows.numel() + len(rows)) * table[0].nbytes
    return sum(tensor.nbytes for tensor in tensors)


def _size(detector: VQFlow) -> float:
    """Megabytes of weights and tables."""
    return sum(tensor.nbytes for tensor in detector.state_dict().values()) / 1e6


if __name__ == "__main__":
    main()
