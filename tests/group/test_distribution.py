"""What is computed without scipy.stats, whose import takes long, is what scipy.stats computes."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from scipy.special._ufuncs import _nct_ppf

from crossfc.group.inference.tail import pareto_logs
from crossfc.significance import false_discovery_rate


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_false_discovery_rate(kind):
    p = np.random.default_rng(0).random((3, 500)).astype(kind)
    p[0, :5] = p[1, :5]
    expected = stats.false_discovery_control(p, axis=None).reshape(p.shape)
    found = false_discovery_rate(p)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.2, 0.5])
def test_generalised_pareto(shape):
    z = np.sort(np.random.default_rng(1).exponential(size=300) * 2)
    known = stats.genpareto(shape)
    below, above = pareto_logs(z, shape)
    np.testing.assert_array_equal(below, known.logcdf(z))
    np.testing.assert_array_equal(above, known.logsf(z))


@pytest.mark.parametrize("df", [3, 22, 60])
def test_noncentral_t(df):
    grid = np.linspace(-20, 20, 601)
    for quantile in (0.025, 0.975):
        expected = stats.nct.ppf(quantile, df, grid)
        np.testing.assert_array_equal(_nct_ppf(quantile, df, grid), expected)


def test_an_analysis_does_not_import_scipy_stats(root):
    code = (
        "import sys; import crossfc.group.analysis; "
        "from crossfc.group.inference import effect, fisher, statistic, tail, welch; "
        "effect.hedges_g(__import__('numpy').zeros(3), 20, 0.1); "
        "sys.exit('scipy.stats' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=False)
    assert done.returncode == 0
