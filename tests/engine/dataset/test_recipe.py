"""Recipes as values and as TOML files."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dataset.recipe import KEYS, PRESETS, Recipe, from_toml, preset, read_recipe, to_toml
from engine.errors import StudioError


def test_the_default_is_the_studio_preset() -> None:
    assert preset("studio") == Recipe() == from_toml("")
    assert preset("studio").system == "You are {ai}, talking with {others}."


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(StudioError, match='no preset "stdio"') as caught:
        preset("stdio")
    assert "studio" in caught.value.hint


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_its_file(name: str, tmp_path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(preset(name)), encoding="utf-8")
    assert read_recipe(path) == preset(name)


@given(
    st.builds(
        Recipe,
        gap_minutes=st.integers(1, 10_000),
        join=st.text(max_size=5),
        max_tokens=st.integers(64, 100_000),
        system=st.text(),
        valid=st.floats(0, 0.5),
        seed=st.integers(0, 2**31 - 1),
        groups=st.booleans(),
    )
)
def test_any_recipe_survives_its_text(recipe: Recipe) -> None:
    assert from_toml(to_toml(recipe)) == recipe


def test_a_file_changes_only_what_it_names(tmp_path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xef\xbb\xbf# mine\ngap_minutes = 30\nvalid = 0\n")
    assert read_recipe(path) == msgspec.structs.replace(preset("studio"), gap_minutes=30, valid=0.0)
    assert isinstance(read_recipe(path).valid, float)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("gap_minutes = 30\ngap_minuets = 5\n", 'line 2: "gap_minuets" is not a key of the studio preset'),
        ("\nsize = 8\n", 'line 2: "size" means nothing in the studio preset'),
        ('preset = "langchain"\ngap_minutes = 5\n', 'line 2: "gap_minutes" means nothing in the langchain'),
        ('preset = "lang"\n', "line 1: there is no preset 'lang'"),
        ("preset = []\n", "line 1: there is no preset"),
        ('gap_minutes = "60"\n', 'line 1: "gap_minutes" is not a whole number'),
        ("gap_minutes = 1.5\n", '"gap_minutes" is not a whole number'),
        ("gap_minutes = true\n", '"gap_minutes" is not a whole number'),
        ("gap_minutes = 0\n", '"gap_minutes" is out of range'),
        ("groups = 1\n", '"groups" is not true or false'),
        ("valid = true\n", '"valid" is not a number'),
        ("valid = nan\n", '"valid" is out of range'),
        ("test = 0.9\n", '"test" is out of range'),
        ("join = 1\n", '"join" is not a text in quotes'),
        ("max_tokens = 10\n", '"max_tokens" is out of range'),
        ("[chunks]\nsize = 1\n", 'line 1: "chunks" is not a key'),
        ('preset = "langchain"\nsize = 3\noverlap = 3\n', 'line 3: "overlap" must be smaller than "size"'),
        ("gap_minutes = \n", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, wrong: str, tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(StudioError) as caught:
        read_recipe(path)
    assert wrong in caught.value.message
    assert "mine.toml" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read(content: bytes | None, tmp_path) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudioError, match=r"mine\.toml"):
        read_recipe(path)


def test_every_key_belongs_to_a_preset() -> None:
    used = {key for keys in KEYS.values() for key in keys} | {"preset"}
    assert used == set(Recipe.__struct_fields__)
