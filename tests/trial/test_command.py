"""A command in a sentence works when it is typed as it stands."""

import shlex

from snakemake.cli import parse_args

from crossfc.trial.command import snakemake


def test_a_command_carries_the_config_and_quotes_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert snakemake("sheets") == "snakemake --cores 1 sheets"
    files = [tmp_path / "my study.yaml", "/etc/more.yaml"]
    told = snakemake("sheets", files)
    assert told == "snakemake --cores 1 sheets --configfile 'my study.yaml' /etc/more.yaml"
    _, args = parse_args(shlex.split(told)[1:])
    assert list(args.targets) == ["sheets"]
    assert list(map(str, args.configfile)) == ["my study.yaml", "/etc/more.yaml"]
