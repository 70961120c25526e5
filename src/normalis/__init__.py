"""Visual anomaly detection: one model for every product, learned from good pictures only.

::

    import normalis

    normalis.fit("pictures/good", "model")
    for answer in normalis.load("model").score(["new.png"]):
        print(answer.score, answer.decision.p_value, answer.decision.is_anomaly, answer.box)
    print(normalis.evaluate("model", "testset").honest.mean.image_auroc)

Importing this package is quick and has no effect; torch is imported when a name is first used.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from normalis.errors import NormalisError

if TYPE_CHECKING:
    from normalis.answering import AbstractScorer
    from normalis.api import evaluate, fit

__all__ = ["NormalisError", "evaluate", "fit", "load"]


def load(path: Path | str, *, device: str = "auto") -> "AbstractScorer":
    """Open a saved model, or an exported one, ready to score pictures; the latter needs no torch.

    Args:
        path: The folder that `fit` or `normalis export` wrote.
        device: "cpu", "cuda", or "auto"; an exported model runs on the cpu.

    Raises:
        NormalisError: Neither, of a newer format, or altered, or what runs it is not installed.
    """
    from normalis.export.info import is_export

    if is_export(Path(path)):
        from normalis.export.runtimes import require_cpu
        from normalis.export.scorer import load_export

        require_cpu(path, device)
        return load_export(Path(path))
    from normalis.api.load import load as load_model

    return load_model(path, device=device)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """The names of `normalis.api`, imported when they are first used."""
    if name in __all__:
        from normalis import api

        return getattr(api, name)
    raise AttributeError(f"module 'normalis' has no attribute '{name}'")
