"""Blinding: Bang's index against published numbers, and effects by guess against SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc import atomic
from crossfc.quality.blinding import bang_index, blinding_table, effects_by_guess, guessed

TREATMENTS = {"active": "ketamine", "control": "placebo"}


def test_the_index_is_that_of_published_examples():
    """The example that the R package BI (Schwartz and Mercaldo) and BlindingIndex.jl print.

    Of 382 people with the treatment 48 guessed it, 4 guessed placebo and 330 did not know; of 371
    with placebo 30 guessed it, 22 guessed the treatment and 319 did not know.
    """
    given = bang_index(48, 4, 330)
    assert (round(given.index, 3), round(given.standard_error, 3)) == (0.115, 0.018)
    # Their interval is that of the standard error alone, which is nearly the same in a large trial.
    assert (round(given.low, 2), round(given.high, 2)) == (0.08, 0.15)
    assert round(given.index - 1.96 * given.standard_error, 2) == 0.08
    placebo = bang_index(30, 22, 319)
    assert (round(placebo.index, 3), round(placebo.standard_error, 3)) == (0.022, 0.019)
    own = placebo.index + np.array([-1.96, 1.96]) * placebo.standard_error
    assert own.round(3).tolist() == [-0.016, 0.06]
    assert [placebo.low, placebo.high] == pytest.approx(own.tolist(), abs=0.002)


def test_the_variance_is_that_of_the_multinomial_distribution():
    rng = np.random.default_rng(0)
    for others in (1, 2):
        draws = rng.multinomial(40, (0.5, 0.2, 0.3), 200_000)
        index = (draws[:, 0] - draws[:, 1] / others) / 40
        found = bang_index(20, 8, 12, others + 1)
        assert found.standard_error == pytest.approx(index.std(), rel=0.01)
        assert found.index == pytest.approx(index.mean(), abs=0.001)
    assert bang_index(10, 20, 0, 3).index == pytest.approx(0)
    # A share of right guesses without anybody who does not know: twice the binomial one.
    by_share = 2 * np.sqrt(0.7 * 0.3 / 30)
    assert bang_index(21, 9, 0).standard_error == pytest.approx(by_share)


def test_the_interval_is_that_of_agresti_and_min():
    """With b and c the people of two kinds, of n: of (b + .5) and (c + .5) among n + 2."""
    b, c, n = 15.5, 6.5, 26 + 2
    middle, error = (b - c) / n, np.sqrt(b + c - (b - c) ** 2 / n) / n
    found = bang_index(15, 6, 5)
    expected = middle - stats.norm.ppf(0.975) * error, middle + stats.norm.ppf(0.975) * error
    assert (found.low, found.high) == pytest.approx(expected)
    alike = bang_index(12, 0, 0)
    assert alike.index == alike.high == 1 and 0.5 < alike.low < 0.75
    assert np.isnan([bang_index(0, 0, 0).index, bang_index(0, 0, 0).low]).all()


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.0), (0.7, 0.3, 0.0), (0.35, 0.35, 0.3),
                                    (0.5, 0.2, 0.3), (0.85, 0.1, 0.05)])  # fmt: skip
@pytest.mark.parametrize("n", [12, 24, 29])
def test_the_interval_holds_the_truth(shares, n):
    """Summed over all outcomes of a trial, so this is no estimate; docs/statistics.md has more."""
    covered = 0.0
    for right in range(n + 1):
        for wrong in range(n - right + 1):
            counts = right, wrong, n - right - wrong
            found = bang_index(*counts)
            holds = found.low - 1e-12 <= shares[0] - shares[1] <= found.high + 1e-12
            covered += holds * stats.multinomial.pmf(counts, n, shares)
    assert 0.92 < covered < 0.99


def guess(person, treatment, told, group="TRD", occasion=None, session=None):
    return {
        "participant_id": person, "session_id": session or f"ses-{treatment[0]}", "group": group,
        "treatment": treatment, "occasion": occasion, "guess": told, "contrasts": ["drug"],
    }  # fmt: skip


def test_the_table_counts_every_person_once():
    told = [
        guess("sub-1", "ketamine", "ketamine"),
        guess("sub-1", "ketamine", "placebo", session="ses-again"),
        guess("sub-2", "ketamine", "placebo"),
        guess("sub-3", "ketamine", None, "HV"),
        guess("sub-1", "placebo", "ketamine"),
        guess("sub-2", "placebo", "placebo"),
        guess("sub-2", "placebo", None, occasion="later"),
    ]
    table = blinding_table(told, ["placebo", "ketamine"], ["TRD", "HV"])
    counts = ["treatment", "group", "n", "n_right", "n_wrong", "n_unknown"]
    assert table[counts].values.tolist() == [
        ["placebo", "all", 2, 1, 1, 0],
        ["placebo", "TRD", 2, 1, 1, 0],
        ["ketamine", "all", 3, 1, 1, 1],
        ["ketamine", "TRD", 2, 1, 1, 0],
        ["ketamine", "HV", 1, 0, 0, 1],
    ]  # fmt: skip
    assert blinding_table([], ["placebo", "ketamine"], ["TRD"]).empty
    assert guessed(told, "drug") == {"sub-1": "wrong", "sub-2": "wrong", "sub-3": "not known"}
    assert guessed(told[2:3], "another") == {}


def test_effects_by_guess_are_those_of_the_people_who_guessed_so(tmp_path):
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    people, edges, weights, told, scores = [], [], [], [], []
    for i in range(24):
        person, code = f"sub-{i:02d}", (-1.0, 1.0)[i % 2]
        people.append([person, "TRD", "n/a", code])
        kind = ("right", "right", "wrong", "not known")[i // 2 % 4]
        for treatment, weight in (("ketamine", 1.0), ("placebo", -1.0)):
            other = "placebo" if treatment == "ketamine" else "ketamine"
            say = {"right": treatment, "wrong": other, "not known": None}[kind]
            told.append(guess(person, treatment, say))
            weights.append([person, f"ses-{treatment[0]}", weight])
            edges.append([person, f"ses-{treatment[0]}", "sgACC", "PCC", rng.normal()])
        row = {"contrast": "drug", "scale": "MADRS", "group": "TRD", "participant_id": person}
        sides = {"active": rng.normal(), "control": rng.normal()}
        scores.append(row | {"sequence": "n/a", "sequence_code": code} | sides)
    keys = ["participant_id", "session_id"]
    tables = {
        "people": pd.DataFrame(
            people, columns=["participant_id", "group", "sequence", "sequence_code"]
        ),
        "edges": pd.DataFrame(edges, columns=[*keys, "seed", "target", "fisher_z"]),
        "sessions": pd.DataFrame(weights, columns=[*keys, "weight"]),
    }
    for name, table in tables.items():
        atomic.write_table(tmp_path / f"{name}.tsv", table)
    design = {"contrast": "drug", "baseline": None, "order": ["sequence_code"],
              "treatments": TREATMENTS, "groups": {"patients": "TRD"}}  # fmt: skip
    given = [design], [tmp_path], [("sgACC", "PCC")], scores, ["MADRS"]
    table = effects_by_guess(told, *given)
    kinds = ["right", "wrong", "not known", "right - wrong"]
    assert table["guess"].tolist() == kinds * 2
    assert table["n"].tolist() == [12, 6, 6, 18] * 2
    delta = np.array([s["active"] - s["control"] for s in scores])
    code = np.array([s["sequence_code"] for s in scores])
    right = np.array([i // 2 % 4 < 2 for i in range(24)])
    fit = sm.OLS(delta[right], sm.add_constant(code[right])).fit()
    row = table[table["scale"] == "MADRS"].iloc[0]
    told_numbers = row[["estimate", "low", "high", "p"]].tolist()
    assert told_numbers == pytest.approx([fit.params[0], *fit.conf_int()[0], fit.pvalues[0]])
    z = tables["edges"]["fisher_z"].to_numpy().reshape(24, 2)
    wrong = np.array([i // 2 % 4 == 2 for i in range(24)])
    fit = sm.OLS((z[:, 0] - z[:, 1])[wrong], sm.add_constant(code[wrong])).fit()
    assert table.iloc[1]["estimate"] == pytest.approx(fit.params[0])
    # Without the order, Student's and Welch's tests of SciPy.
    unknown = [s | {"sequence_code": np.nan} for s in scores]
    plain = effects_by_guess(told, *given[:3], unknown, ["MADRS"])
    plain = plain[plain["scale"] == "MADRS"].set_index("guess")
    assert plain["unadjusted_because"].notna().all()
    expected = stats.ttest_1samp(delta[right], 0)
    assert plain["p"]["right"] == pytest.approx(expected.pvalue)
    expected = stats.ttest_ind(delta[right], delta[wrong], equal_var=False)
    assert plain["p"]["right - wrong"] == pytest.approx(expected.pvalue)
    nobody = [own | {"guess": None} for own in told]
    assert effects_by_guess(nobody, *given).empty
