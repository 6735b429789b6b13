"""Python's path in commands for a shell: quoted, and quoted once."""

import shlex

from snakemake.script import PythonScript

from crossfc.jobs import executable


class Runner:
    path = "/home/somebody/OneDrive - Uni/bin/python"

    def _execute_cmd(self, command, **given):
        return command.format(**given)


def test_a_path_with_a_space_is_one_word_for_the_shell():
    class Own(Runner):
        pass

    for _ in range(2):
        executable._quote_argument(Own, "_execute_cmd", "py_exec")
    command = Own()._execute_cmd("{py_exec} -m this", py_exec=Own.path)
    assert shlex.split(command) == [Own.path, "-m", "this"]
    assert Own()._execute_cmd("echo $PATH", read=True) == "echo $PATH"


def test_snakemake_still_has_what_is_mended(monkeypatch):
    # So that it is as it was afterwards.
    monkeypatch.setattr(PythonScript, "_execute_cmd", PythonScript._execute_cmd)
    executable.quoted()
    assert PythonScript._execute_cmd.quoted
