"""What crossfc changes in Snakemake holds for its own rules, wherever its Snakefile lies."""

from types import SimpleNamespace

from crossfc.jobs import own


def rule(path):
    return SimpleNamespace(snakefile=path)


def test_rules_of_crossfc_and_of_others(root, tmp_path):
    assert own.is_own(rule(root / "Snakefile"))
    assert own.is_own(rule(f"{root}/docs/../workflow/rules/group.smk"))
    assert not own.is_own(rule(root / "host/Snakefile"))
    assert not own.is_own(rule(tmp_path / "workflow/rules/group.smk"))


def test_rules_of_another_copy_are_own_once_it_is_read(root, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "_homes", set(own._homes))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "copy")
    jobs = [
        SimpleNamespace(rule=rule(root / "Snakefile")),
        SimpleNamespace(rule=rule(tmp_path / "copy/Snakefile")),
    ]
    assert not own.all_own(jobs)
    own.add_home(link)
    assert own.all_own(jobs)
    own._of_crossfc.cache_clear()
