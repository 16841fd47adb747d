"""Text in byte streams, however its bytes are cut, and however much of it is read at once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.unit.streams.support import Sink, drain, later, settle, source_of
from treadle import TreadleError
from treadle.streams import Readable

TEXT = "aé€😀z"
WHOLE = {
    "utf8": (TEXT.encode(), TEXT),
    "utf16le": (TEXT.encode("utf-16-le"), TEXT),
    "latin1": (bytes(range(250, 256)), "úûüýþÿ"),
    "ascii": (b"a\xe9\x80z", "ai\x00z"),  # the eighth bit is not looked at
    "base64": (b"\xff\xfe\xfd\x00\x01", "//79AAE="),
    "base64url": (b"\xff\xfe\xfd\x00\x01", "__79AAE"),
    "hex": (b"\x00\x7f\xff", "007fff"),
}
SAME = {"utf-8": "utf8", "UTF8": "utf8", "ucs2": "utf16le", "ucs-2": "utf16le", "utf-16le": "utf16le", "binary": "latin1"}


async def text_of(pieces: Any, encoding: str) -> str:
    stream = source_of(pieces, encoding=encoding)
    return "".join([piece async for piece in stream])


@pytest.mark.parametrize("encoding", WHOLE)
async def test_cut_at_every_two_bytes(encoding: str) -> None:
    data, text = WHOLE[encoding]
    for first, second in itertools.combinations_with_replacement(range(len(data) + 1), 2):
        pieces = data[:first], data[first:second], data[second:]
        assert await text_of(pieces, encoding) == text, (first, second)


@pytest.mark.parametrize("mark", [1, 64])  # with none, Node waits for ever, too
@pytest.mark.parametrize("encoding", WHOLE)
async def test_byte_by_byte(encoding: str, mark: int) -> None:
    # Later, since a byte that is pushed at once and makes no character yet may be the last one that is asked for, as in Node.
    data, text = WHOLE[encoding]
    left = [data[index : index + 1] for index in range(len(data))]
    stream = Readable(
        read=lambda size: later(lambda: stream.push(left.pop(0) if left else None)), encoding=encoding, high_water_mark=mark
    )
    assert "".join([piece async for piece in stream]) == text


@pytest.mark.parametrize(
    "data", [b"\xff\xfe", b"a\x80b", b"\xe2\x82", b"\xf0\x9f\x98", b"\xc3(", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"]
)
async def test_what_is_no_utf8_is_replaced_alike_wherever_it_is_cut(data: bytes) -> None:
    whole = data.decode("utf-8", "replace")
    for cut in range(len(data) + 1):
        assert await text_of((data[:cut], data[cut:]), "utf8") == whole, cut


@pytest.mark.parametrize(("given", "name"), SAME.items())
def test_names_of_encodings(given: str, name: str) -> None:
    assert Readable(encoding=given).readable_encoding == name
    assert Readable().set_encoding(given).readable_encoding == name


def test_an_encoding_that_nobody_knows() -> None:
    for make in (
        lambda: Readable(encoding="utf7"),
        lambda: Readable().set_encoding("utf7"),
        lambda: Readable(default_encoding="utf7"),
        lambda: Sink(default_encoding="utf7"),
        lambda: Sink().set_default_encoding("utf7"),
        lambda: Sink().write("a", "utf7"),
    ):
        with pytest.raises(TreadleError) as caught:
            make()
        assert (caught.value.code, caught.value.data["encoding"]) == ("ERR_UNKNOWN_ENCODING", "utf7")


async def test_set_encoding_decodes_what_is_buffered() -> None:
    stream = Readable(read=lambda size: None)
    stream.push("é".encode()[:1])
    stream.push("é".encode()[1:] + b"z")
    assert stream.readable_length == 3
    stream.set_encoding("utf8")
    assert (stream.readable_length, stream.read()) == (2, "éz")
    stream.destroy()


async def test_a_wide_character_is_two_units() -> None:
    # As in Node, whose strings are UTF-16: lengths count so, and read(n) may cut one in two.
    stream = Readable(read=lambda size: None, encoding="utf8")
    stream.push("a😀b".encode())
    assert stream.readable_length == 4
    assert [stream.read(2), stream.read(1), stream.read()] == ["a\ud83d", "\ude00", "b"]
    stream.push("😀".encode())
    assert stream.read() == "😀"
    stream.destroy()


@pytest.mark.parametrize("size", range(1, 7))
async def test_pieces_of_any_size_join_to_the_text(size: int) -> None:
    stream = source_of([TEXT.encode()[index : index + 2] for index in range(0, 10, 2)] + [TEXT.encode()[10:]], encoding="utf8")
    seen: list[str] = []
    stream.on("readable", lambda: seen.extend(iter(lambda: stream.read(size), None)))
    await settle()
    assert all(len(piece) <= size for piece in seen)
    assert "".join(seen).encode("utf-16-le", "surrogatepass").decode("utf-16-le") == TEXT


async def test_text_that_is_pushed_is_encoded() -> None:
    stream = Readable(read=lambda size: None)
    for chunk, encoding in (("é", None), ("é", "latin1"), ("aGk=", "base64"), ("6869", "hex"), ("h", "utf16le")):
        stream.push(chunk, encoding)
    assert stream.read() == b"\xc3\xa9" + b"\xe9" + b"hi" + b"hi" + b"h\0"
    stream.destroy()


async def test_text_of_the_streams_own_encoding_is_not_decoded_again() -> None:
    stream = Readable(read=lambda size: None, encoding="utf8")
    stream.push("é")
    stream.push("é".encode())
    stream.push("é", "utf8")
    assert stream.read() == "ééé"
    stream.destroy()


@pytest.mark.parametrize(("chunk", "encoding"), [("c3a9", "hex"), ("é".encode(), "utf8"), ("é".encode(), "hex")])
async def test_what_comes_with_another_encoding_is_decoded(chunk: Any, encoding: str) -> None:
    stream = Readable(read=lambda size: None, encoding="utf8")
    stream.push("a")
    stream.push(chunk, encoding)
    try:
        assert stream.read() == "aé"
    finally:
        stream.destroy()


async def test_the_default_encoding_counts_for_push_and_for_write() -> None:
    stream = Readable(read=lambda size: None, default_encoding="latin1")
    stream.push("é")
    assert stream.read() == b"\xe9"
    stream.destroy()
    sink = Sink(is_open=True, default_encoding="latin1")
    sink.write("é")
    sink.set_default_encoding("hex").write("ff")
    sink.write("é", "utf8")
    assert sink.chunks == [b"\xe9", b"\xff", "é".encode()]
    assert sink.encodings == ["buffer"] * 3
    sink.destroy()


async def test_strings_that_are_not_decoded_reach_the_hook_with_their_encoding() -> None:
    sink = Sink(is_open=True, decode_strings=False)
    sink.write("é")
    sink.write("ff", "HEX")
    sink.write(b"z")
    assert sink.chunks == ["é", "ff", b"z"]
    assert sink.encodings == ["utf8", "hex", "buffer"]
    sink.destroy()


@pytest.mark.parametrize(
    ("text", "encoding", "data"),
    [
        ("zz", "hex", b""), ("61zz62", "hex", b"a"), ("616", "hex", b"a"), ("", "hex", b""),
        ("aGk", "base64", b"hi"), ("aG k=\n", "base64", b"hi"), ("_-8=", "base64", b"\xff\xef"), ("a", "base64", b""),
        ("aGk=aGk=", "base64", b"hi"), ("€", "latin1", b"\xac"), ("é", "ascii", b"\xe9"), ("\ud83d", "utf8", b"\xef\xbf\xbd"),
    ],
)  # fmt: skip
async def test_text_that_is_not_quite_of_its_encoding(text: str, encoding: str, data: bytes) -> None:
    # Recorded with Buffer.from(text, encoding) of Node 24.
    sink = Sink(is_open=True, object_mode=False)
    sink.write(text, encoding)
    assert b"".join(sink.chunks) == data
    sink.destroy()


async def test_unshift_of_text_and_of_bytes_where_text_is_given_out() -> None:
    stream = Readable(read=lambda size: None, encoding="utf8")
    stream.push(b"c")
    stream.unshift("b")
    stream.unshift(b"a")
    assert drain(stream) == ["abc"]
    stream.destroy()


async def test_a_character_that_is_cut_waits_and_is_replaced_at_the_end() -> None:
    stream = Readable(read=lambda size: None, encoding="utf8")
    stream.push("€".encode()[:2])
    assert (stream.readable_length, stream.read()) == (0, None)
    stream.push(None)
    assert stream.read() == "\ufffd"
    stream.resume()
    await settle()
    assert stream.readable_ended


async def test_objects_are_not_decoded_but_for_bytes() -> None:
    stream = Readable(read=lambda size: None, object_mode=True, encoding="utf8")
    stream.push("é".encode()[:1])
    stream.push("é".encode()[1:])
    assert drain(stream) == ["", "é"]
    stream.destroy()


async def test_bytes_put_back_are_text_where_they_are_the_last_that_is_held() -> None:
    """Recorded with Node 24."""
    alone, behind, cut = (Readable(encoding="utf8", read=lambda size: None) for _ in range(3))
    alone.unshift("aé".encode())
    assert alone.read() == "aé"
    flowed: list[object] = []
    behind.unshift(b"a")
    behind.unshift(b"b")
    behind.on("data", flowed.append)
    await settle()
    assert flowed == [b"b", "a"]
    cut.unshift(b"abc")
    assert [cut.read(1) for _ in range(3)] == [b"a", b"b", "c"]
