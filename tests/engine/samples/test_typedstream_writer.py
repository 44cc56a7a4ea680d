"""The typedstream writer, against bytes as Messages writes them."""

from __future__ import annotations

from typedstream_writer import FILE, PART, Run, Url, Value, encode, utf16_length

HELLO = bytes.fromhex(
    "040b73747265616d747970656481e803840140848484124e534174747269627574656453747269"
    "6e67008484084e534f626a656374008592848484084e53537472696e67019484012b"
    "0548656c6c6f"
    "86840269490105928484840c4e5344696374696f6e617279009484016901928496961d"
    "5f5f6b494d4d657373616765506172744174747269627574654e616d65"
    "86928484 84084e534e756d626572008484074e5356616c756500948401 2a84999900868686".replace(" ", "")
)


def test_a_plain_text_is_byte_for_byte_what_messages_writes() -> None:
    assert encode("Hello") == HELLO


def test_lengths_take_one_two_or_four_bytes() -> None:
    for size, prefix in (
        (127, b"\x7f"),
        (128, b"\x81\x80\x00"),
        (300, b"\x81\x2c\x01"),
        (70_000, b"\x82\x70\x11\x01\x00"),
    ):
        assert b"\x84\x01+" + prefix + b"a" * size + b"\x86" in encode("a" * size)


def test_runs_count_utf16_units_and_repeat_no_dictionary() -> None:
    bold = {PART: 0, "bold": 1}
    body = encode([Run("🥖é", {PART: 0}), Run("b", bold), Run("x", {PART: 0})])
    assert utf16_length("🥖é") == 3
    assert b"\x86\x84\x02iI\x01\x03" in body
    assert body.endswith(b"\x97\x01\x01\x86")  # the third run refers to the first dictionary
    assert body.count(b"bold") == 1


def test_values_of_every_type() -> None:
    attributes: dict[str, Value] = {
        FILE: "at_0",
        "u": Url("https://example.org"),
        "d": b"\x00\x01",
        "f": 0.5,
        "q": 2**40,
        "m": {"code": "12"},
    }
    body = encode([Run("x", attributes)], mutable=True)
    for piece in (
        b"NSMutableString\x01",
        b"NSURL",
        b"[2c]\x00\x01",
        b"\x83" + b"\0" * 6 + b"\xe0\x3f",
        b"\x87\0\0\0\0\0\x01\0\0",
    ):
        assert piece in body
