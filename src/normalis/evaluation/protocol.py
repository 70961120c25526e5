"""What an evaluation allows itself: the published protocol, and the honest one (METHODS §4)."""

from dataclasses import dataclass

from normalis.errors import SettingsError

__all__ = ["HONEST", "PAPER", "EvaluationProtocol", "Needs"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a score is made from, beyond the picture and the fitted model.

    Attributes:
        test_set: Other pictures of the test set.
        test_labels: The test picture's class.
    """

    test_set: bool = False
    test_labels: bool = False


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

    def accept(self, needs: Needs, *, score: str) -> None:
        """Refuse a score that is made from more than these rules allow.

        Args:
            needs: What the score is made from.
            score: What it is called.

        Raises:
            SettingsError: It needs what is not allowed.
        """
        wanted = {
            "other pictures of the test set": needs.test_set and not self.test_set,
            "the test picture's class": needs.test_labels and not self.test_labels,
        }
        refused = " and ".join(what for what, is_refused in wanted.items() if is_refused)
        if refused:
            raise SettingsError(
                f"The {score} needs {refused}, which the {self.name} protocol does not allow; "
                "evaluate it by the paper protocol."
            )


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
