"""A file is text by its content, whatever its name says."""

import codecs
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.files import check_count, check_size, read_file, shown_name
from engine import FileNotText, FilesConfig, FileTooLarge, TooManyFiles

CONFIG = FilesConfig()
TEXTS = [
    "hello\n",
    "Grüße, 世界 🌍",
    "a,b\r\n1,2\r\n",
    "def f():\n\treturn 1\n",
    "\x1b[31mERROR\x1b[0m disk " + "x" * 999,
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_text_is_read_in_its_encoding(text, bom, encoding):
    assert read_file("a.log", bom + text.encode(encoding), CONFIG).text == text


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "text " * 100)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n\n",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"GIF89a\x01\x00\x01\x00",
        b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n",
        b"{\\rtf1 hello}",
        b"\x7fELF\x02\x01\x01\x00",
        b"MZ\x90\x00\x03",
        zipped(),
        "hello".encode("utf-16-le"),
        codecs.BOM_UTF16_LE + b"a\x00b",
        "Grüße".encode("latin-1"),
        b"text\x00text",
        b"text " * 100 + b"\x00",
        b"\x01\x02\x03text",
    ],
    ids=lambda content: repr(content[:8]),
)
def test_what_is_no_text_is_refused_whatever_it_is_called(content):
    for name in ("notes.txt", "notes.md", "x"):
        with pytest.raises(FileNotText) as refused:
            read_file(name, content, CONFIG)
        assert refused.value.name == name


@given(st.binary(max_size=200), st.text(max_size=300))
def test_whatever_comes_is_a_text_with_a_name_of_one_line_or_refused(content, name):
    try:
        found = read_file(name, content, FilesConfig(max_file_bytes=150))
    except (FileNotText, FileTooLarge) as refused:
        assert refused.name == shown_name(name)  # noqa: PT017 - it may be refused, and need not
        return
    assert found.text.strip()
    assert "\x00" not in found.text
    assert len(content) <= 150
    assert 0 < len(found.name) <= 100
    assert found.name.isprintable()
    assert "/" not in found.name


def test_a_file_may_be_as_large_as_the_settings_say_and_no_larger():
    config = FilesConfig(max_file_bytes=10)
    assert read_file("a", b"x" * 10, config).text == "x" * 10
    for refuse in (lambda: read_file("a", b"x" * 11, config), lambda: check_size("a", 11, config)):
        with pytest.raises(FileTooLarge) as refused:
            refuse()
        assert refused.value.max_bytes == 10
    check_size("a", 10, config)


def test_as_many_files_as_the_settings_say_and_no_more():
    check_count(4, CONFIG)
    check_count(0, FilesConfig(max_files=0))
    for number, config in ((5, CONFIG), (1, FilesConfig(max_files=0))):
        with pytest.raises(TooManyFiles):
            check_count(number, config)


def test_a_name_leads_nowhere():
    assert shown_name("../../etc/passwd") == "passwd"
    assert shown_name("C:\\Temp\\a b.txt") == "a b.txt"
    assert shown_name("a\nb\u202e.txt") == "a b .txt"
    assert shown_name("") == shown_name("/") == "file"
