"""The README's table of what loaders lose: made by its command, and able to show a loss."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("what_is_lost", ROOT / "tests/benchmarks/what_is_lost.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_readme_shows_what_the_command_prints(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    script.main()
    assert f"```text\n{capsys.readouterr().out}```" in (ROOT / "README.md").read_text("utf-8")


def test_every_kind_of_loss_is_seen(script: ModuleType) -> None:
    truth = [("Zoë", "one"), ("Zoë", "two"), ("Ida", "three"), ("Ida", "same"), ("Ida", "same")]
    truth = [(script.address(who), text) for who, text in truth]
    read = [
        ("Zo\u00c3\u00ab", "one"),
        ("Ida", "three"),
        ("Ida", "three"),
        ("Zoë", "same"),
        ("Ida", "same"),
        ("Ida", "Ida called you."),
        ("Ida", "418207"),
    ]
    assert script.compare(read, truth, {"418207"}) == script.Figures(
        read=6, lost=1, multiplied=1, mojibake=1, no_speech=1, wrong_sender=1
    )
