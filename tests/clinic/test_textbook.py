"""Crossovers of textbooks: the tables have what is printed, or else what R gives.

R 4.2.2; where it says "printed", the digits are those of the source.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from crossfc.clinic.cells import cell_model
from crossfc.clinic.change import clinical_change
from crossfc.trial.contrast import Cell, contrast
from crossfc.trial.session import Session
from crossfc.trial.visit import visit_columns, visits
from tests.clinic.test_cells import against, design, edges, terms
from tests.clinic.test_reml import read


def change(x, active, control, n_periods):
    """The row of the table of changes of a contrast of two treatments."""
    compared = contrast("drug", {Cell(active, None): 1.0, Cell(control, None): -1.0})
    rows = []
    for name, own in x.astype({"person": str}).groupby("person", sort=False):
        value = own.set_index("treatment")["value"]
        order = list(own.sort_values("period")["treatment"])
        sessions = [
            (Session(name, f"ses-{row.period}", row.treatment, row.period, [], {}, False, None, 1),
             1.0 if row.treatment == active else -1.0)
            for row in own.itertuples() if row.treatment in (active, control)
        ]  # fmt: skip
        columns = visits(compared, SimpleNamespace(order=order), sessions, n_periods)
        rows.append({"participant_id": name, "group": "HV", "sequence": "-".join(order),
                     "scale": "s", "active": value[active], "control": value[control],
                     **columns})  # fmt: skip
    table, notes = clinical_change(
        pd.DataFrame(rows), {"active": active, "control": control}, ["HV"], ["s"],
        visit_columns(compared, n_periods),
    )  # fmt: skip
    assert notes == []
    return table.iloc[0]


def test_a_bioequivalence_trial():
    """Printed: the analysis of variance of log values in "Statistical aspects of two-way cross-over
    studies" (Wiekvoet, R-bloggers, 3 November 2013), with the data of a presentation by H. Schütz:

                Df  Sum Sq  Mean Sq F value Pr(>F)          (between people)
    seqa         1  0.0023   0.0023   0.014  0.907
    Residuals   10  1.5943   0.1594
    aperiod      1 0.02050 0.020501   3.784 0.0804          (within)
    trta         1 0.00040 0.000397   0.073 0.7921
    Residuals   10 0.05417 0.005417
    """
    test_first = [1, 4, 6, 7, 9, 12], "TR"
    reference_first = [2, 3, 5, 8, 10, 11], "RT"
    first = [28.39, 33.36, 24.29, 28.61, 59.49, 42.30], [39.86, 32.75, 34.97, 45.44, 27.87, 24.26]
    second = [35.44, 33.40, 24.65, 31.77, 65.29, 37.01], [49.42, 36.78, 34.81, 45.54, 28.23, 25.71]
    rows = [
        (person, period, order[period - 1], np.log(value))
        for number, (people, order) in enumerate((test_first, reference_first))
        for period, values in ((1, first[number]), (2, second[number]))
        for person, value in zip(people, values, strict=True)
    ]
    x = pd.DataFrame(rows, columns=["person", "period", "treatment", "value"])
    row = change(x, "T", "R", 2)
    assert row["adjusted_n"] == 12 and row["adjusted_df"] == 10
    assert round(row["adjusted_t"] ** 2, 3) == 0.073 and round(row["adjusted_p"], 4) == 0.7921
    assert round(row["period_t"] ** 2, 3) == 3.784 and round(row["period_p"], 4) == 0.0804
    assert round(row["carryover_t"] ** 2, 3) == 0.014 and round(row["carryover_p"], 3) == 0.907
    # Mean squares: of treatments n/2 of the squared effect, of what is left that of its error.
    error = row["adjusted_estimate"] / row["adjusted_t"]
    assert round(6 * row["adjusted_estimate"] ** 2, 6) == 0.000397
    assert round(6 * row["period_estimate"] ** 2, 6) == 0.020501
    assert round(6 * error**2, 6) == 0.005417
    # The mixed model of people with both sessions is the same test.
    found = terms(cell_model(edges(x), design(against("R", "T"), n_periods=2))).loc["T_HV"]
    np.testing.assert_allclose(
        found[["estimate", "low", "high", "t", "df", "p"]].astype(float),
        row[[f"adjusted_{name}" for name in ("estimate", "low", "high", "t", "df", "p")]]
        .astype(float),
        rtol=1e-7,
    )  # fmt: skip


def test_a_latin_square_of_four_treatments():
    """Printed: `lmer(wear ~ material + (1 | run) + (1 | position), abrasion)` in Faraway, "Crossed
    Effects Design using Frequentist Methods" (2024), on his Extending the Linear Model with R:

                Estimate Std. Error t value
    materialB     -45.75       5.53   -8.27
    materialC     -24.00       5.53   -4.34
    materialD     -35.25       5.53   -6.37

    with 6.0 degrees of freedom by pbkrtest. Positions are random there, and here the periods are
    not: in a Latin square that makes no difference for the materials.
    """
    asked = design(against("A", "B", "C", "D"), n_periods=4)
    found = terms(cell_model(edges(read("abrasion")), asked))
    rows = {"B_HV": (-45.75, 5.53, -8.27), "C_HV": (-24.00, 5.53, -4.34),
            "D_HV": (-35.25, 5.53, -6.37)}  # fmt: skip
    assert found.index.tolist() == list(rows)
    for term, printed in rows.items():
        row = found.loc[term, ["estimate", "se", "t"]].astype(float)
        assert tuple(row.round(2)) == printed
        assert round(found["df"][term], 1) == 6.0
    assert found["note"].eq("").all()


def test_a_williams_design_of_two_latin_squares():
    """R, on the data of Cochran and Cox:

    x <- read("cows")
    coef(summary(lm(value ~ person + period + treatment, x)))
    w <- merge(x[x$treatment == "B", ], x[x$treatment == "A", ], by = "person")    # and "C"
    D <- w$value.x - w$value.y
    P <- sapply(2:3, function(k) (w$period.x == k) - (w$period.y == k))
    summary(lm(D ~ P))
    """
    x = read("cows")
    found = terms(cell_model(edges(x), design(against("A", "B", "C"), n_periods=3)))
    theirs = {"B": (12.3333333333, 5.86104528662, 8), "C": (27.5, 5.86104528662, 8)}
    for label, values in theirs.items():
        row = found.loc[f"{label}_HV", ["estimate", "se", "df"]].astype(float)
        np.testing.assert_allclose(row, values, rtol=1e-8)
    # The table of changes has an error of each contrast's own.
    theirs = {"B": (12.3333333333, 2.43179088563, 3, 0.09318075514037),
              "C": (27.5, 5.86919845552, 3, 0.00986534314591)}  # fmt: skip
    for label, values in theirs.items():
        row = change(x, label, "A", 3)
        names = [f"adjusted_{name}" for name in ("estimate", "t", "df", "p")]
        np.testing.assert_allclose(row[names].astype(float), values, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "active", "control", "estimate", "low", "high", "t", "p", "period", "carryover_p"),
    [
        ("pef", "F", "S", 46.6071428571, 22.8880950013, 70.3261907130, 4.32486288683,
         0.00120484753983, (15.8928571429, 0.16831407857053), 0.861075636555),
        ("fev1", "B", "A", 0.256527777778, 0.00366843748089, 0.50938711807467, 2.16237222926,
         0.0471550388544, (-0.139027777778, 0.2595077009154), 0.125312694054),
    ],
)  # fmt: skip
def test_two_treatments_in_two_periods(
    name, active, control, estimate, low, high, t, p, period, carryover_p
):
    """R, on the data of Senn's and of Patel's trials:

    x <- read("pef")                                                                # and "fev1"
    w <- merge(x[x$treatment == "F", ], x[x$treatment == "S", ], by = "person")     # and "B", "A"
    D <- w$value.x - w$value.y; code <- w$period.x - w$period.y
    m <- lm(D ~ code); coef(summary(m)); confint(m)
    t.test(w$value.x + w$value.y ~ code, var.equal = TRUE)$p.value
    """
    x = read(name)
    row = change(x, active, control, 2)
    names = ["adjusted_estimate", "adjusted_low", "adjusted_high", "adjusted_t", "adjusted_p"]
    np.testing.assert_allclose(row[names].astype(float), (estimate, low, high, t, p), rtol=1e-9)
    found = row[["period_estimate", "period_p", "carryover_p"]].astype(float)
    np.testing.assert_allclose(found, (*period, carryover_p), rtol=1e-9)
    model = terms(cell_model(edges(x), design(against(control, active), n_periods=2)))
    # Everybody has both sessions, so the mixed model is the same test.
    row = model.loc[f"{active}_HV", ["estimate", "low", "high", "t", "p"]].astype(float)
    np.testing.assert_allclose(row, (estimate, low, high, t, p), rtol=1e-7)
