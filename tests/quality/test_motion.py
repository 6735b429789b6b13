"""Motion of the group: against scipy, and who is in it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crossfc import measure as registry
from crossfc.fault import Fault
from crossfc.quality.motion import COLUMNS, excluded_sessions, motion, quality_connectivity

# The measures of the whole scan, and those of one seed and one target.
MEASURES = [measure.of("sgACC", "PCC").name for measure in registry.MEASURES]
TREATMENTS = {"active": "ketamine", "control": "placebo"}


def sessions(rng, n_patients=12, n_controls=9):
    rows = []
    for group, n in (("TRD", n_patients), ("HV", n_controls)):
        for i in range(n):
            for treatment, session in (("placebo", "ses-p2"), ("ketamine", "ses-d2")):
                row = {"participant_id": f"sub-{group}{i:02d}", "group": group}
                row |= {"sequence": ("ketamine-placebo", "placebo-ketamine")[i % 3 == 0]}
                row |= {"session_id": session, "treatment": treatment}
                row |= {"excluded": False, "exclusion_reasons": ""}
                row |= {measure: rng.gamma(2, 0.1) for measure in MEASURES}
                rows.append(row)
    return pd.DataFrame(rows)


def test_every_test_is_that_of_scipy():
    import statsmodels.api as sm

    table_of = sessions(np.random.default_rng(0))
    table = motion(table_of, TREATMENTS, ["TRD", "HV"])
    assert list(table.columns) == COLUMNS
    assert table["group"].tolist() == ["TRD", "HV", "group_by_drug"] * len(MEASURES)
    assert table["measure"].drop_duplicates().tolist() == list(MEASURES)
    for measure in MEASURES:
        deltas = []
        for group, n in (("TRD", 12), ("HV", 9)):
            wide = table_of[table_of["group"] == group].pivot(
                index="participant_id", columns="treatment", values=measure
            )
            paired = stats.ttest_rel(wide["ketamine"], wide["placebo"])
            deltas.append(wide["ketamine"] - wide["placebo"])
            row = table[(table["measure"] == measure) & (table["group"] == group)].iloc[0]
            assert row["n"] == row["adjusted_n"] == n and row["unadjusted_df"] == n - 1
            plain = row["unadjusted_t"], row["unadjusted_p"]
            assert plain == pytest.approx((paired.statistic, paired.pvalue))
            code = np.where(np.arange(n) % 3 == 0, 1.0, -1.0)
            fit = sm.OLS(deltas[-1].to_numpy(), sm.add_constant(code)).fit()
            told = row["adjusted_difference"], row["adjusted_t"], row["adjusted_p"]
            assert told == pytest.approx((fit.params[0], fit.tvalues[0], fit.pvalues[0]))
            assert row["adjusted_df"] == n - 2 and 0 < row["adjusted_wilcoxon_p"] <= 1
            assert row["mean_active"] == pytest.approx(wide["ketamine"].mean())
            assert row["mean_control"] == pytest.approx(wide["placebo"].mean())
            assert row["mean_difference"] == pytest.approx(deltas[-1].mean())
            assert row["unadjusted_wilcoxon_p"] == pytest.approx(stats.wilcoxon(deltas[-1]).pvalue)
        expected = stats.ttest_ind(*deltas, equal_var=False)
        row = table[(table["measure"] == measure) & (table["group"] == "group_by_drug")].iloc[0]
        plain = ["unadjusted_t", "unadjusted_df", "unadjusted_p"]
        assert tuple(row[plain]) == pytest.approx(
            (expected.statistic, expected.df, expected.pvalue)
        )
        assert row["mean_difference"] == pytest.approx(deltas[0].mean() - deltas[1].mean())
        assert row["n"] == 21


def test_excluded_and_unpaired_sessions_are_not_in_it():
    table_of = sessions(np.random.default_rng(1))
    table_of.loc[[0, 5], "excluded"] = True
    table_of.loc[0, "exclusion_reasons"] = "mean FD above 0.5 mm"
    table_of.loc[8, "mean_dvars"] = np.nan
    table_of = table_of.drop(index=11)
    table = motion(table_of, TREATMENTS, ["TRD", "HV"]).set_index(["measure", "group"])
    assert table["n"]["mean_fd", "TRD"] == 9 and table["n"]["mean_dvars", "TRD"] == 8
    assert table["n"]["mean_fd", "HV"] == 9
    scrubbed = table_of.assign(exclusion_reasons="", excluded=False)
    scrubbed.loc[0, ["excluded", "exclusion_reasons"]] = [True, "mean FD above 0.5 mm"]
    scrubbed.loc[3, ["excluded", "exclusion_reasons"]] = [True, "2 residual degrees of freedom"]
    listed = excluded_sessions({"primary": table_of, "gsr": table_of, "scrub": scrubbed})
    assert listed[["participant_id", "exclusion_reasons", "pipelines"]].values.tolist() == [
        ["sub-TRD00", "mean FD above 0.5 mm", "primary, gsr, scrub"],
        ["sub-TRD02", "", "primary, gsr"],
        ["sub-TRD01", "2 residual degrees of freedom", "scrub"],
    ]


def test_nobody_excluded_is_a_table_without_rows():
    listed = excluded_sessions({"primary": sessions(np.random.default_rng(5))})
    assert len(listed) == 0 and list(listed.columns)[-2:] == ["exclusion_reasons", "pipelines"]


@pytest.mark.filterwarnings("error")
def test_one_group_absent_measures_and_nothing_to_test():
    table_of = sessions(np.random.default_rng(2), n_controls=2).drop(columns="tsnr_median")
    table_of["volumes_censored"] = 0
    table_of["median_fd"] = np.nan
    table = motion(table_of, TREATMENTS, ["TRD"])
    assert table["group"].unique().tolist() == ["TRD"]
    gone = ("median_fd", "tsnr_median")
    assert table["measure"].tolist() == [m for m in MEASURES if m not in gone]
    censored = table.set_index("measure").loc["volumes_censored"]
    assert censored["mean_difference"] == 0
    assert np.isnan(
        censored[
            [
                c
                for c in COLUMNS[5:]
                if "because" not in c and c not in ("adjusted_n", "mean_difference")
            ]
        ].astype(float)
    ).all()
    both = motion(table_of, TREATMENTS, ["TRD", "HV"]).set_index(["measure", "group"])
    assert both["n"]["mean_fd", "HV"] == 2 and np.isnan(both["unadjusted_t"]["mean_fd", "HV"])
    assert np.isfinite(both["unadjusted_t"]["mean_fd", "group_by_drug"])
    assert np.isnan(both["unadjusted_t"]["volumes_censored", "group_by_drug"])
    absent = motion(table_of, TREATMENTS, ["TRD", "BP"]).set_index(["measure", "group"])
    assert absent["n"]["mean_fd", "BP"] == 0
    assert np.isnan(absent["unadjusted_p"]["mean_fd", "group_by_drug"])


def test_two_sessions_alike_are_refused():
    table_of = sessions(np.random.default_rng(3))
    again = table_of.iloc[[1]].assign(session_id="ses-d10")
    with pytest.raises(Fault, match="two sessions of sub-TRD00 with ketamine, the second ses-d10"):
        motion(pd.concat([table_of, again]), TREATMENTS, ["TRD", "HV"])
    excluded = pd.concat([table_of, again.assign(excluded=True)])
    pd.testing.assert_frame_equal(
        motion(excluded, TREATMENTS, ["TRD"]), motion(table_of, TREATMENTS, ["TRD"])
    )


def test_quality_connectivity_is_pearson_of_the_changes():
    rng = np.random.default_rng(4)
    people = pd.DataFrame(
        {
            "participant_id": [f"sub-{i}" for i in range(14)],
            "group": ["TRD"] * 8 + ["HV"] * 6,
            "sequence": ["ketamine-placebo", "ketamine-placebo", "placebo-ketamine"] * 4
            + ["placebo-ketamine", "ketamine-placebo"],
            "delta_mean_fd": rng.normal(0, 0.1, 14),
        }
    )
    delta = rng.normal(0, 0.2, 14)
    rows = [
        (person, treatment, "sgACC", "PCC", 0.1 + (d if treatment == "ketamine" else 0))
        for person, d in zip(people["participant_id"], delta, strict=True)
        for treatment in ("placebo", "ketamine")
    ]
    rows.append(("sub-one", "ketamine", "sgACC", "PCC", 9.0))  # nobody's pair
    columns = ["participant_id", "treatment", "seed", "target", "fisher_z"]
    targets = pd.DataFrame(rows, columns=columns)
    targets["session_id"] = "ses-" + targets["treatment"]
    table = quality_connectivity(targets, people, TREATMENTS, ["TRD", "HV"])
    assert table[["group", "n"]].values.tolist() == [["all", 14], ["TRD", 8], ["HV", 6]]
    for row, who in zip(table.itertuples(), (slice(14), slice(8), slice(8, 14)), strict=True):
        code = np.where(people["sequence"][who] == "ketamine-placebo", -1.0, 1.0)
        x, y = people["delta_mean_fd"][who].to_numpy(), delta[who]
        r_xy, r_xc, r_yc = (np.corrcoef(p)[0, 1] for p in ((x, y), (x, code), (y, code)))
        given = (r_xy - r_xc * r_yc) / np.sqrt((1 - r_xc**2) * (1 - r_yc**2))
        assert row.r == pytest.approx(given) and 0 < row.p <= 1 and row.unadjusted_because == ""
    unknown = quality_connectivity(targets, people.assign(sequence="n/a"), TREATMENTS, ["TRD"])
    expected = stats.pearsonr(people["delta_mean_fd"][:8], delta[:8]).statistic
    assert unknown["r"][0] == pytest.approx(expected)
    assert unknown["unadjusted_because"][0] == "the order of treatments is not known for anybody"
    still = people.assign(delta_mean_fd=0.0)
    table = quality_connectivity(targets, still, TREATMENTS, ["TRD"])
    assert table["group"].tolist() == ["TRD"] and table["r"].isna().all()
