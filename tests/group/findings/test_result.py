"""The record of an analysis is read back, or it is said why not."""

import pytest

from crossfc.fault import Fault
from crossfc.group.findings.result import read_result


def test_a_record_that_is_not_there_or_not_whole_is_refused(tmp_path):
    with pytest.raises(Fault, match="result.json is missing; run this analysis"):
        read_result(tmp_path)
    (tmp_path / "result.json").write_text('{"estimable": tr')
    with pytest.raises(Fault, match="result.json is not JSON .*; remove it and run its rule again"):
        read_result(tmp_path)
