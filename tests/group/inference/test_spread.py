"""How much groups vary, and the warning about arms that do not vary alike."""

import numpy as np
import pytest

from crossfc.group.design.question import question
from crossfc.group.findings.record import unequal_arms
from crossfc.group.inference.spread import spread

GROUPS = {"patients": "drug", "controls": "placebo"}
SIDES = {"active": "after", "control": "before"}


def test_variances_are_those_about_each_groups_mean():
    rng = np.random.default_rng(1)
    arms = np.array(["drug"] * 6 + ["placebo"] * 14)
    data = rng.normal(size=(20, 40001)) * np.where(arms == "drug", 3.0, 1.0)[:, None] + 5
    first = (arms == "drug").astype(float)
    found = spread(data, np.column_stack([np.ones(20), first]), arms)
    assert found == pytest.approx([9, 1], rel=0.05)  # also of the six, whose median is lower
    expected = found
    both = np.stack([data, 100 * data], axis=1)
    assert spread(both, np.column_stack([np.ones(20), first]), arms, None, 1) == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("name", "sizes", "variances", "said"),
    [
        ("group_by_time", (6, 14), (4.1, 1.0), True),  # the smaller arm varies more
        ("group_by_time", (14, 6), (4.1, 1.0), False),  # shuffles then err less often
        ("group_by_time", (6, 14), (1.5, 1.0), False),
        ("group_by_time_by_subregion", (10, 10), (1.0, 4.1), True),
        ("group_by_time", (6, 14), (np.nan, np.nan), False),
    ],
)
def test_arms_that_vary_unequally_are_told(name, sizes, variances, said):
    arms = np.array(["drug"] * sizes[0] + ["placebo"] * sizes[1])
    asked = question(name, GROUPS, SIDES, "time", "change from before to after")
    notes = unequal_arms(asked, arms, np.array(variances))
    assert bool(notes) == said
    if said:
        more, less = ("drug", "placebo") if variances[0] > variances[1] else ("placebo", "drug")
        n = dict(zip(("drug", "placebo"), sizes, strict=True))
        assert f"4.1 times as much (variance) in {more} (n = {n[more]}) as in {less}" in notes[0]
