"""Visual anomaly detection: one model for every product, learned from good pictures only.

::

    import normalis

    normalis.fit("pictures/good", "model")
    for answer in normalis.load("model").score(["new.png"]):
        print(answer.score, answer.decision.p_value, answer.decision.is_anomaly, answer.box)
    print(normalis.evaluate("model", "testset").honest.mean.image_auroc)

Importing this package is quick and has no effect; torch is imported when a name is first used.
"""

from typing import TYPE_CHECKING, Any

from normalis.errors import NormalisError

if TYPE_CHECKING:
    from normalis.api import evaluate, fit
    from normalis.opening import load

__all__ = ["NormalisError", "evaluate", "fit", "load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """The names of the package, imported when they are first used."""
    if name == "load":
        from normalis import opening

        return opening.load
    if name in __all__:
        from normalis import api

        return getattr(api, name)
    raise AttributeError(f"module 'normalis' has no attribute '{name}'")
