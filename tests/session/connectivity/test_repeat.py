"""The choice among repeat runs."""

import pytest

from crossfc.fault import Fault
from crossfc.session.connectivity.repeat import choose_repeat


def chosen(**runs):
    """Choose among runs given as (usable volumes, mean FD), or as what is wrong with them."""

    def open_run(run):
        found = runs[run["scan"]]
        if isinstance(found, str):
            raise Fault(found)
        return found

    index, opened, considered, passed_over = choose_repeat(
        [{"scan": scan} for scan in runs], open_run, lambda opened: opened
    )
    name = list(runs)[index]
    assert opened == runs[name]
    return name, considered, {run["scan"]: run["reason"] for run in passed_over}


def test_the_run_with_less_motion_is_chosen_whatever_the_order():
    name, considered, passed_over = chosen(first=(160, 0.2), second=(160, 0.1))
    assert (name, passed_over) == ("second", {})
    assert considered == [{"scan": "first", "mean_fd": 0.2}, {"scan": "second", "mean_fd": 0.1}]
    assert chosen(second=(160, 0.1), first=(160, 0.2))[0] == "second"
    # A tie goes to the earlier one; a volume more or less is none.
    assert chosen(a=(160, 0.1), b=(161, 0.1))[0] == "a"
    assert chosen(a=(160, None), b=(160, 0.9))[0] == "b"
    assert chosen(only=(10, 0.1)) == ("only", [{"scan": "only", "mean_fd": 0.1}], {})


@pytest.mark.parametrize("volumes", [10, 60, 122, 143])
def test_a_run_that_was_broken_off_is_passed_over_whatever_its_motion(volumes):
    name, considered, passed_over = chosen(short=(volumes, 0.05), whole=(160, 0.2))
    assert name == "whole"
    assert len(considered) == 2
    assert passed_over == {"short": f"{volumes} usable volumes where another repeat has 160"}


def test_of_the_whole_ones_the_stillest():
    runs = {"a": (160, 0.3), "b": (150, 0.2), "c": (40, 0.1), "d": (144, 0.25)}
    name, _, passed_over = chosen(**runs)
    assert (name, list(passed_over)) == ("b", ["c"])


def test_a_run_at_fault_is_passed_over_by_name_and_several_are_told_together():
    name, considered, passed_over = chosen(torn="torn is truncated; copy it", whole=(20, 0.9))
    assert name == "whole"
    assert considered == [{"scan": "whole", "mean_fd": 0.9}]
    assert passed_over == {"torn": "torn is truncated; copy it"}
    with pytest.raises(Fault, match="x is gone\ny is blank"):
        chosen(x="x is gone", y="y is blank")
    with pytest.raises(Fault, match="x is gone"):
        chosen(x="x is gone")
