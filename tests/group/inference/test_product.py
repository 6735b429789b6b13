"""Products of arranged columns with data, looked up or multiplied, against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfc.group.design.arrangement import shuffles, sign_flips
from crossfc.group.inference.product import Products

MAKE = {
    "sign flips": lambda columns, n, seed: sign_flips(len(columns), n, seed),
    "shuffles": shuffles,
}


def design(rng, n_people, n_columns, levels):
    """Columns of so many different rows; None for all different."""
    if levels is None:
        return rng.standard_normal((n_people, n_columns))
    rows = rng.standard_normal((levels, n_columns))
    kind = np.concatenate([np.arange(levels), rng.integers(0, levels, n_people - levels)])
    return rows[rng.permutation(kind)]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(MAKE)),
    n_people=st.integers(4, 23),
    n_columns=st.integers(1, 4),
    levels=st.sampled_from([2, 3, 4, None]),
    seed=st.integers(0, 2**32 - 1),
)
def test_products_are_sums_of_arranged_columns_times_data(kind, n_people, n_columns, levels, seed):
    rng = np.random.default_rng(seed)
    columns = design(rng, n_people, n_columns, levels)
    arrangements = MAKE[kind](columns, 30, seed)
    data = rng.standard_normal((n_people, 37)).astype(np.float32)
    found = Products(columns, arrangements)(data)
    expected = np.einsum("aci,iv->acv", arrangements.arranged(columns).astype(float), data)
    scale = np.abs(columns).sum() * np.abs(data).max()
    np.testing.assert_allclose(found, expected, atol=1e-6 * scale)


@pytest.mark.parametrize("width", [1, 512, 100])
def test_blocks_of_any_width_one_after_the_other(width):
    rng = np.random.default_rng(0)
    columns = np.column_stack([np.ones(29), np.where(np.arange(29) < 12, -1.0, 1.0)])
    arrangements = sign_flips(29, 100, 0)
    products = Products(columns, arrangements)
    for _ in range(2):
        data = rng.standard_normal((29, width)).astype(np.float32)
        expected = np.einsum("aci,iv->acv", arrangements.arranged(columns), data)
        np.testing.assert_allclose(products(data), expected, atol=2e-5)
        products(np.zeros((29, 3), dtype=np.float32))


def test_the_identity_gives_the_plain_products():
    rng = np.random.default_rng(1)
    columns, data = design(rng, 12, 2, 2), rng.standard_normal((12, 5)).astype(np.float32)
    for make in MAKE.values():
        found = Products(columns, make(columns, 40, 0))(data)
        np.testing.assert_allclose(found[0], columns.T @ data, atol=1e-5)


def test_designs_of_few_different_rows_are_looked_up():
    # Otherwise the tables would be dead code that every other test passes without.
    two = np.column_stack([np.ones(30), np.arange(30) < 14]).astype(float)
    # Made orthogonal, its rows are equal up to rounding only.
    orthogonal = np.linalg.qr(two)[0]
    continuous = np.column_stack([np.ones(30), np.linspace(-1, 1, 30)])
    for columns in (two, orthogonal):
        assert Products(columns, sign_flips(30, 100, 0)).looked_up
        assert Products(columns, shuffles(columns, 100, 0)).looked_up
    assert not Products(continuous, shuffles(continuous, 100, 0)).looked_up
