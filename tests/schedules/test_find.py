"""A schedule is found along the target's path, and a user's file comes before ours."""

import re
from types import SimpleNamespace

import pytest

from sparsetvm import schedules
from sparsetvm.errors import FileError, TargetError
from sparsetvm.schedules import Rule, find, load_file, rule


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A schedules/ folder with a rule for 'soft' on 'base' only, and for 'both' on two targets."""
    for target, kernel in [("base", "soft"), ("base", "both"), ("special", "both")]:
        file = tmp_path / target / f"{kernel}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(_source(kernel, target))
    monkeypatch.setattr(schedules, "__path__", [str(tmp_path)])
    return tmp_path


@pytest.fixture
def phone():
    return SimpleNamespace(name="phone", schedule_path=("special", "base"))


def test_a_rule_is_called_with_schedule_and_pick():
    seen = []
    declared = rule("soft", "base")(lambda sch, pick: seen.append((sch, pick)))
    declared("sch", "pick")
    assert seen == [("sch", "pick")]


def test_the_most_special_folder_wins(folder, phone):
    assert find("both", phone).target == "special"
    assert find("soft", phone).target == "base"


def test_a_users_rule_wins_in_its_folder(folder, phone, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(_source("both", "special") + _source("soft", "special", "other"))
    mine = load_file(file)
    assert find("both", phone, mine) is mine[0]
    assert find("soft", phone, mine) is mine[1]


def test_the_checkouts_schedules_are_importable():
    rules = find("gather_gemm", SimpleNamespace(name="cpu", schedule_path=("cpu",)))
    assert (rules.kernel, rules.target) == ("gather_gemm", "cpu")


def test_a_kernel_without_schedule_is_said(folder, phone):
    with pytest.raises(TargetError, match="no schedule of hard for target phone"):
        find("hard", phone)


def test_what_a_schedule_misses_is_not_hidden(folder, phone):
    (folder / "special" / "broken.py").write_text("import not_installed_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        find("broken", phone)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent.py", None, "is no Python file"),
        ("rule.txt", "", "is no Python file"),
        ("empty.py", "", "declares no rule"),
        ("fails.py", "1 / 0", "fails: ZeroDivisionError"),
        ("syntax.py", "def", "fails: SyntaxError"),
    ],
)
def test_a_file_without_rules_is_refused(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(FileError, match=re.escape(message)):
        load_file(tmp_path / name)


def test_rules_of_a_file_are_rules(tmp_path):
    (tmp_path / "mine.py").write_text(_source("soft", "base"))
    (mine,) = load_file(tmp_path / "mine.py")
    assert isinstance(mine, Rule)


def _source(kernel, target, name="schedule"):
    return (
        "from sparsetvm.schedules import rule\n"
        f"@rule({kernel!r}, {target!r})\n"
        f"def {name}(sch, pick): ...\n"
    )
