"""The words by which labels and tables of a data set tell treatments, occasions and periods."""

from crossfc.trial.configuration import Configuration, SessionMapping, SessionSource
from crossfc.trial.treatment import treatment_labels

FIELDS = ("treatment", "occasion", "period")


class Words:
    """What labels and tables call treatments and occasions.

    Without a mapping, they have the labels of the config themselves.
    """

    def __init__(self, config: Configuration, source: SessionSource):
        treatments = [*treatment_labels(config), *config["unused"]["treatments"]]
        self._known = {
            "treatment": source["treatments"] or {label: label for label in treatments},
            "occasion": source["occasions"] or {label: label for label in config["occasions"]},
            "period": {str(number): str(number) for number in range(1, 10)},
        }

    def of(self, what: str) -> list[str]:
        """List the words for treatments, occasions or periods."""
        return list(self._known[what])

    def meant(self, what: str, word: str) -> str | None:
        """Return the label that a word means; None if it means none."""
        return self._known[what].get(word)

    def mapping(self, told: dict[str, str]) -> SessionMapping:
        """Return what words, by what they tell, say of a session."""
        meant = {what: self._known[what][word] for what, word in told.items()}
        how: SessionMapping = {}
        if "treatment" in meant:
            how["treatment"] = meant["treatment"]
        if "occasion" in meant:
            how["occasion"] = meant["occasion"]
        if "period" in meant:
            how["period"] = int(meant["period"])
        return how
