"""Arrangements: distinct, exhaustive where they can be, within blocks, reproducible."""

from itertools import permutations

import numpy as np
import pytest

from crossfc.fault import Fault
from crossfc.group.arrangement import shuffles, sign_flips


def distinct(table):
    return len(np.unique(table, axis=0)) == len(table)


def test_all_sign_flips_are_listed_when_they_are_few():
    flips = sign_flips(4, 16, seed=1)
    assert flips.exhaustive and flips.possible == 16 and len(flips) == 16
    assert distinct(flips.table) and set(np.unique(flips.table)) == {-1, 1}
    assert (flips.table[0] == 1).all()


def test_random_sign_flips_are_distinct_with_the_identity_first():
    flips = sign_flips(5, 31, seed=1)  # 32 there are: all of them are drawn, at random
    assert not flips.exhaustive and len(flips) == 32
    assert distinct(flips.table) and (flips.table[0] == 1).all()


def test_the_seed_decides():
    same = [sign_flips(20, 100, seed).table for seed in (3, 3, 4)]
    assert np.array_equal(same[0], same[1]) and not np.array_equal(same[0], same[2])
    design = np.arange(12.0)[:, None]
    same = [shuffles(design, 100, seed).table for seed in (3, 3, 4)]
    assert np.array_equal(same[0], same[1]) and not np.array_equal(same[0], same[2])


def test_shuffles_enumerate_every_order_of_different_rows():
    found = shuffles(np.arange(5.0)[:, None], 120, seed=0)
    assert found.exhaustive and found.possible == 120
    assert {tuple(row) for row in found.table} == set(permutations(range(5)))
    assert found.table[0].tolist() == [0, 1, 2, 3, 4]


def test_shuffles_of_equal_rows_count_once():
    group = np.array([1.0, 0, 1, 0, 0, 1, 0])
    found = shuffles(group[:, None], 1000, seed=0)
    assert found.exhaustive and len(found) == found.possible == 35  # 7 choose 3
    labels = group[found.table]
    assert distinct(labels) and (labels.sum(1) == 3).all()
    assert (np.sort(found.table, axis=1) == np.arange(7)).all()
    assert np.array_equal(found.table[0], np.arange(7))


def test_random_shuffles_are_distinct_labellings():
    group = np.repeat([0.0, 1.0], 5)
    found = shuffles(group[:, None], 200, seed=0)  # 252 there are
    assert not found.exhaustive and len(found) == 201
    assert distinct(group[found.table])
    assert np.array_equal(found.table[0], np.arange(10))


def test_people_stay_in_their_block():
    blocks = np.array(["a", "b", "a", "b", "a", "b"])
    found = shuffles(np.arange(6.0)[:, None], 1000, seed=0, blocks=blocks)
    assert found.exhaustive and found.possible == 36
    assert (blocks[found.table] == blocks).all()
    random = shuffles(np.arange(6.0)[:, None], 20, seed=0, blocks=blocks)
    assert len(random) == 21 and (blocks[random.table] == blocks).all()
    assert distinct(random.table)


def test_each_arrangement_is_equally_likely():
    found = [shuffles(np.arange(4.0)[:, None], 12, seed).table[1:, 0] for seed in range(400)]
    counts = np.bincount(np.concatenate(found), minlength=4)
    # Without the identity, row 0 comes first in 5 and each other row in 6 of 23 orders.
    share = np.array([5, 6, 6, 6]) / 23
    error = np.sqrt(share * (1 - share) / counts.sum())
    assert (np.abs(counts / counts.sum() - share) < 4 * error).all()


def test_what_cannot_be_arranged_is_refused():
    with pytest.raises(Fault, match="no two people can change places"):
        shuffles(np.array([[0.0], [1.0]]), 10, seed=0, blocks=["a", "b"])
    with pytest.raises(Fault, match="at least two"):
        sign_flips(1, 10, seed=0)
    with pytest.raises(Fault, match="n_permutations is 0"):
        sign_flips(5, 0, seed=0)
    with pytest.raises(Fault, match="2 exchangeability blocks for 3 people"):
        shuffles(np.arange(3.0)[:, None], 10, seed=0, blocks=[1, 2])
