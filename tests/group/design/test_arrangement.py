"""Arrangements: distinct, exhaustive where they can be, within or of whole blocks, uniform."""

from collections import Counter
from itertools import permutations, product
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from crossfc.fault import Fault
from crossfc.group.design import arrangement
from crossfc.group.design.arrangement import SHUFFLES, shuffles, sign_flips
from crossfc.group.design.options import SIGN_FLIPS
from crossfc.group.design.unit import Unarrangeable

KINDS = [SIGN_FLIPS, SHUFFLES]
SCHEMES = {
    "no blocks": (None, False),
    "within blocks": (["a", "b", "a", "b", "a", "a"], False),
    "whole blocks": (["a", "b", "b", "c", "c", "a"], True),
}


def arrange(kind, design, n_permutations, seed=0, blocks=None, whole=False):
    if kind == SIGN_FLIPS:
        return sign_flips(len(design), n_permutations, seed, blocks, whole)
    return shuffles(design, n_permutations, seed, blocks, whole)


def designs(found, design):
    """What each arrangement makes of the design, as something that can be put into a set."""
    arranged = found.arranged(design)
    return [tuple(row) for row in arranged.reshape(len(found), -1).tolist()]


def orders_allowed(n, blocks, whole):
    """Every permitted order, without a thought about which of them are the same."""
    blocks = [0] * n if blocks is None else list(blocks)
    members = [[i for i in range(n) if blocks[i] == block] for block in dict.fromkeys(blocks)]
    if not whole:
        for choice in product(*(permutations(people) for people in members)):
            order = [0] * n
            for people, taken in zip(members, choice, strict=True):
                for i, j in zip(people, taken, strict=True):
                    order[i] = j
            yield order
        return
    for taken in permutations(members):
        if all(len(a) == len(b) for a, b in zip(members, taken, strict=True)):
            order = [0] * n
            for people, others in zip(members, taken, strict=True):
                for i, j in zip(people, others, strict=True):
                    order[i] = j
            yield order


def signs_allowed(n, blocks, whole):
    labels = list(blocks) if whole else list(range(n))
    names = list(dict.fromkeys(labels))
    for choice in product([1, -1], repeat=len(names)):
        yield [choice[names.index(label)] for label in labels]


def brute_force(kind, design, blocks, whole):
    """The set of signed designs that can be reached."""
    n = len(design)
    orders = [list(range(n))] if kind == SIGN_FLIPS else orders_allowed(n, blocks, whole)
    signs = [[1] * n] if kind == SHUFFLES else list(signs_allowed(n, blocks, whole))
    return {
        tuple((design[order] * np.array(sign)[:, None]).T.ravel().tolist())
        for order in orders
        for sign in signs
    }


@st.composite
def cases(draw):
    n = draw(st.integers(2, 5))
    n_columns = draw(st.integers(1, 2))
    entries = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=n_columns, max_size=n_columns)
    design = np.array(draw(st.lists(entries, min_size=n, max_size=n)))
    whole = draw(st.booleans())
    labels = st.lists(st.sampled_from(["x", "y", "z"]), min_size=n, max_size=n)
    blocks = draw(labels) if whole else draw(st.none() | labels)
    return draw(st.sampled_from(KINDS)), design, blocks, whole


@settings(max_examples=300, deadline=None)
@given(cases())
def test_all_arrangements_are_those_of_brute_force(case):
    kind, design, blocks, whole = case
    if kind == SIGN_FLIPS:
        design = np.ones((len(design), 1))
    expected = brute_force(kind, design, blocks, whole)
    if len(expected) == 1 or (whole and len(set(blocks)) == 1):
        with pytest.raises(Unarrangeable):
            arrange(kind, design, 10_000, 0, blocks, whole)
        return
    found = arrange(kind, design, 10_000, 0, blocks, whole)
    assert found.possible == len(found) == len(expected) and found.exhaustive
    assert set(designs(found, design)) == expected
    assert designs(found, design)[0] == tuple(design.T.ravel())


@settings(max_examples=200, deadline=None)
@given(cases(), st.integers(1, 40), st.integers(0, 5))
def test_random_arrangements_are_distinct_and_among_all(case, n_permutations, seed):
    kind, design, blocks, whole = case
    if kind == SIGN_FLIPS:
        design = np.ones((len(design), 1))
    try:
        found = arrange(kind, design, n_permutations, seed, blocks, whole)
    except Unarrangeable:
        return
    made = designs(found, design)
    assert len(made) == min(found.possible, n_permutations + 1) == len(set(made))
    assert set(made) <= brute_force(kind, design, blocks, whole)
    assert found.exhaustive == (len(found) == found.possible)
    assert found.order is None or (np.sort(found.order, axis=1) == np.arange(len(design))).all()
    assert found.order is None or (found.order[0] == np.arange(len(design))).all()
    assert found.signs is None or (np.abs(found.signs) == 1).all()
    assert found.signs is None or (found.signs[0] == 1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("share", ["most", "few"])
def test_each_arrangement_is_equally_likely(kind, scheme, share, monkeypatch):
    blocks, whole = SCHEMES[scheme]
    design = np.array([[1.0], [1], [0], [3], [-3], [5]])  # two rows are equal
    if kind == SIGN_FLIPS:
        design = np.ones((6, 1))
    everything = brute_force(kind, design, blocks, whole) - {tuple(design.ravel())}
    # Both ways to draw, whatever the number of arrangements there are.
    monkeypatch.setattr(arrangement, "_FEW", 0 if share == "few" else 10**9)
    n_permutations = len(everything) // 3
    counts = Counter()
    for seed in range(60):
        found = arrange(kind, design, n_permutations, seed, blocks, whole)
        counts.update(designs(found, design)[1:])
    assert set(counts) == everything
    assert chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_which_come_together_is_random_too(kind, monkeypatch):
    monkeypatch.setattr(arrangement, "_FEW", 0)
    design = np.ones((3, 1)) if kind == SIGN_FLIPS else np.arange(1.0, 4)[:, None]
    n = 7 if kind == SIGN_FLIPS else 5
    counts = Counter(
        tuple(designs(arrange(kind, design, 2, seed), design)[1:])
        for seed in range(6 * n * (n - 1))
    )
    seen = list(counts.values()) + [0] * (n * (n - 1) - len(counts))
    assert chisquare(seen).pvalue > 1e-3


def test_all_sign_flips_are_listed_when_they_are_few():
    flips = sign_flips(4, 16, seed=1)
    assert flips.exhaustive and flips.possible == 16 and len(flips) == 16
    assert flips.order is None and flips.signs.dtype == np.int8 and flips.n_people == 4
    assert {tuple(row) for row in flips.signs} == set(product([-1, 1], repeat=4))
    assert (flips.signs[0] == 1).all()


def test_all_are_listed_when_as_many_are_asked_for_beside_the_identity():
    assert sign_flips(5, 31, seed=1).exhaustive
    found = sign_flips(5, 30, seed=1)
    assert not found.exhaustive and len(found) == 31 and found.possible == 32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [7, 30])
def test_the_seed_decides(kind, n):
    design = np.arange(1.0, n + 1)[:, None]
    one, same, other = (designs(arrange(kind, design, 100, seed), design) for seed in (3, 3, 4))
    assert one == same and one != other


def test_shuffles_enumerate_every_order_of_different_rows():
    found = shuffles(np.arange(5.0)[:, None], 120, seed=0)
    assert found.exhaustive and found.possible == 120
    assert found.signs is None and found.order.dtype == np.int32
    assert {tuple(row) for row in found.order} == set(permutations(range(5)))
    assert found.order[0].tolist() == [0, 1, 2, 3, 4]


def test_shuffles_of_equal_rows_count_once():
    group = np.array([1.0, 0, 1, 0, 0, 1, 0])
    found = shuffles(group[:, None], 1000, seed=0)
    assert found.exhaustive and len(found) == found.possible == comb(7, 3)
    labels = group[found.order]
    assert len(np.unique(labels, axis=0)) == 35 and (labels.sum(1) == 3).all()
    assert (np.sort(found.order, axis=1) == np.arange(7)).all()
    assert np.array_equal(found.order[0], np.arange(7))


def test_the_many_are_counted_exactly():
    group = np.repeat([1.0, 0], [24, 17])[:, None]
    assert shuffles(group, 5, 0).possible == comb(41, 24)
    assert shuffles(np.arange(41.0)[:, None], 5, 0).possible == factorial(41)
    sites = np.repeat(["a", "b"], [20, 21])
    assert shuffles(group, 5, 0, sites).possible == comb(21, 4)  # all of a are patients
    assert sign_flips(41, 5, 0).possible == 2**41
    families = np.arange(41) // 2  # 20 pairs and one alone
    score = np.arange(1.0, 42)[:, None]
    assert sign_flips(41, 5, 0, families, whole=True).possible == 2**21
    assert shuffles(score, 5, 0, families, whole=True).possible == factorial(20)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_one_person_move_like_people(kind):
    design = np.arange(1.0, 6)[:, None]
    alone = arrange(kind, design, 10**4, 0, blocks=range(5), whole=True)
    free = arrange(kind, design, 10**4, 0)
    assert alone.possible == free.possible
    assert set(designs(alone, design)) == set(designs(free, design))


def test_people_stay_in_their_block():
    blocks = np.array(["a", "b", "a", "b", "a", "b"])
    score = np.arange(6.0)[:, None]
    found = shuffles(score, 1000, seed=0, blocks=blocks)
    assert found.exhaustive and found.possible == 36
    assert (blocks[found.order] == blocks).all()
    many = np.random.default_rng(0).integers(0, 7, 60)
    found = shuffles(np.arange(60.0)[:, None], 500, seed=0, blocks=many)
    assert len(found) == 501 and (many[found.order] == many).all()
    flipped = sign_flips(60, 500, seed=0, blocks=many)
    assert len(flipped) == 501 and (np.abs(flipped.signs.mean(0)) < 0.3).all()


@pytest.mark.parametrize("n_permutations", [20, 10**4])  # random and all
def test_whole_blocks_move_whole(n_permutations):
    families = np.array([5, 3, 3, 5, 4, 1, 4, 1, 2, 2, 2])  # four of two people, one of three
    score = np.arange(1.0, 12)[:, None]
    found = shuffles(score, n_permutations, 0, families, whole=True)
    assert found.exhaustive == (n_permutations == 10**4) and found.possible == 24
    members = {family: np.flatnonzero(families == family).tolist() for family in set(families)}
    for order in found.order:
        assert sorted(order) == list(range(11))
        for people in members.values():
            assert order[people].tolist() in members.values()  # in the order of that family
        assert order[members[2]].tolist() == members[2]
    together = sign_flips(11, n_permutations, 0, families, whole=True)
    assert together.possible == 2**5 and len(together) == min(n_permutations + 1, 2**5)
    for people in members.values():
        assert (together.signs[:, people] == together.signs[:, people[:1]]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [False, True])
def test_many_people(kind, whole):
    n, families = 300, np.repeat(np.arange(100), 3)
    design = np.column_stack([np.random.default_rng(0).standard_normal(n), np.ones(n)])
    found = arrange(kind, design, 400, 0, families if whole else None, whole)
    assert len(set(designs(found, design))) == 401 == len(found) and found.n_people == n
    if found.order is not None:
        assert (np.sort(found.order, axis=1) == np.arange(n)).all()
        # Everybody takes everybody's row equally often, on average over people.
        assert abs(np.corrcoef(found.order[1:].mean(0), np.arange(n))[0, 1]) < 0.2
    if found.signs is not None:
        assert abs(found.signs[1:].mean()) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_work_in_pieces_changes_nothing_that_counts(kind, monkeypatch):
    design = np.arange(1.0, 7)[:, None]
    whole = arrange(kind, design, 10**5)
    monkeypatch.setattr(arrangement, "_CHUNK", 25)
    assert designs(arrange(kind, design, 10**5), design) == designs(whole, design)
    monkeypatch.setattr(arrangement, "_FEW", 0)
    few = designs(arrange(kind, design, 40), design)
    assert len(set(few)) == 41 and set(few) < set(designs(whole, design))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 30), st.integers(0, 30), st.integers(0, 9))
def test_part_and_arranged(kind, start, stop, seed):
    rng = np.random.default_rng(seed)
    design = rng.standard_normal((7, 3))
    found = arrange(kind, design, 25, seed)
    part = found.part(slice(start, stop))
    assert len(part) == len(range(*slice(start, stop).indices(26))) and part.n_people == 7
    assert (part.kind, part.exhaustive, part.possible) == (kind, False, found.possible)
    everything = found.arranged(design)
    assert everything.dtype == np.float32 and everything.shape == (26, 3, 7)
    np.testing.assert_array_equal(part.arranged(design), everything[start:stop])
    for number in (0, 7, 25):
        for person in range(7):
            row = person if found.order is None else found.order[number, person]
            sign = 1 if found.signs is None else found.signs[number, person]
            expected = np.float32(sign * design[row])
            np.testing.assert_array_equal(everything[number, :, person], expected)


def test_zeros_have_one_sign():
    design = np.array([[0.0, 1], [-0.0, 1], [0.0, 2]])
    assert shuffles(design, 10, 0).possible == 3


def test_what_cannot_be_arranged_is_refused():
    two = np.array([[0.0], [1.0]])
    with pytest.raises(Unarrangeable, match="no two people can change places"):
        shuffles(two, 10, seed=0, blocks=["a", "b"])
    with pytest.raises(Unarrangeable, match="no two exchangeability blocks can change places"):
        shuffles(np.arange(3.0)[:, None], 10, seed=0, blocks=["a", "a", "b"], whole=True)
    for kind in KINDS:
        with pytest.raises(Unarrangeable, match="^1 people cannot be rearranged; at least two"):
            arrange(kind, two[:1], 10)
        with pytest.raises(Unarrangeable, match="^1 exchangeability block cannot be rearranged"):
            arrange(kind, two, 10, 0, ["a", "a"], True)
        with pytest.raises(Fault, match="n_permutations is 0") as caught:
            arrange(kind, two, 0)
        assert not isinstance(caught.value, Unarrangeable)
        with pytest.raises(Fault, match="2 exchangeability blocks for 3 people"):
            arrange(kind, np.arange(3.0)[:, None], 10, 0, [1, 2])
        with pytest.raises(Fault, match="no exchangeability blocks to move as wholes"):
            arrange(kind, two, 10, 0, None, True)
