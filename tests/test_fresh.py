"""Memory that benchmarks measure is that of the command, not of whoever starts it."""

import sys

import pytest


@pytest.fixture
def fresh(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import fresh

    return fresh


def test_memory_of_a_command_is_its_own(fresh):
    held = bytearray(b"x" * 300_000_000)
    _, small, code, said = fresh.fresh([sys.executable, "-S", "-c", "print(3)"])
    assert (code, said) == (0, "3\n") and small < 60
    _, large, code, _ = fresh.fresh([sys.executable, "-c", "b = b'x' * 200_000_000; raise OSError"])
    assert code == 1 and 200 < large < 290
    assert fresh.peak() > 0.28 and len(held)
