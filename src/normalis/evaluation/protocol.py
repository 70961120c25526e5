"""What an evaluation allows itself: the published protocol, and the honest one (METHODS §4)."""

from dataclasses import dataclass

__all__ = ["HONEST", "PAPER", "EvaluationProtocol"]


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """A set of rules under which figures may be compared.

    Attributes:
        name: "honest" or "paper".
        epoch: Which epoch of the training it allows.
        normalisation: Over what it allows scores to be normalised.
        labels: Which labels it allows at test.
        test_set: Whether a score may depend on other test pictures.
        test_labels: Whether a score may depend on the test picture's label.
    """

    name: str
    epoch: str
    normalisation: str
    labels: str
    test_set: bool
    test_labels: bool

    @property
    def sentence(self) -> str:
        """The line that stands under every table."""
        return f"{self.name} protocol: {self.epoch}; {self.normalisation}; {self.labels}"


HONEST = EvaluationProtocol(
    name="honest",
    epoch="the last epoch or the best by held-out normal pictures",
    normalisation="a score depends on one picture and the fitted model, nothing else",
    labels="no label at test",
    test_set=False,
    test_labels=False,
)

PAPER = EvaluationProtocol(
    name="paper",
    epoch="the best epoch on the test set is allowed",
    normalisation="normalised over each picture or over the test set, as published",
    labels="the test picture's class where the published form needs it",
    test_set=True,
    test_labels=True,
)
