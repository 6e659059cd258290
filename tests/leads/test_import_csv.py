"""Tests of reading CSV files: encodings, dialects, line numbers, and invalid files."""

import csv
import json
import tracemalloc
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from crm.exceptions import InvalidInput
from leads.importing.files.reading import open_csv

SHARED = settings.BASE_DIR.parent / "shared" / "data" / "csv"
SPECTRUM = sorted((SHARED / "csv-spectrum" / "csvs").glob("*.csv"))
PEOPLE = "name,city\nJosé Núñez,Málaga\nZoë Groß,Köln\n"


@pytest.fixture
def write_file(tmp_path):
    """Return a function that writes a file; text is UTF-8 unless another encoding is given."""

    def write(content: str | bytes, encoding: str = "utf-8") -> Path:
        path = tmp_path / "leads.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def read_cells(path: Path, encoding: str | None = None) -> list[list[str]]:
    file = open_csv(path, encoding)
    return [file.header, *(row.cells for row in file.rows())]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"],
)
def test_western_text_is_read_in_any_encoding(write_file, encoding):
    people = [["name", "city"], ["José Núñez", "Málaga"], ["Zoë Groß", "Köln"]]
    assert read_cells(write_file(PEOPLE, encoding)) == people


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "Łukasz Wójcik,Kraków\nŻółć Świętosława,Łódź\n"),
        ("cp1251", "Анна Лебедева,Омск\n"),
        ("cp1251", "Иван Петров,Москва\nМария Иванова,Казань\n"),
        ("cp1253", "Γιώργος Παπαδόπουλος,Αθήνα\n"),
        ("cp932", "山田太郎,東京都\n佐藤花子,大阪府\n"),
        ("gb18030", "张伟,北京市汽车保险\n王芳,上海市\n"),
        ("cp1252", "“Smart” – quotes…,€5 Zoë\n"),
    ],
)
def test_other_alphabets_are_detected(write_file, encoding, text):
    path = write_file("name,city\n" + text, encoding)
    assert read_cells(path)[1:] == [line.split(",") for line in text.splitlines()]


def test_encoding_can_be_set_explicitly(write_file):
    path = write_file("name,city\nŞükrü Öztürk,İstanbul\n", "cp1254")
    assert read_cells(path, "cp1254")[1] == ["Şükrü Öztürk", "İstanbul"]


def test_unknown_encoding_is_refused(write_file):
    with pytest.raises(InvalidInput, match="There is no encoding “klingon”"):
        open_csv(write_file(PEOPLE), "klingon")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_separators_and_newlines_are_detected(write_file, delimiter, newline):
    rows = [["name", "note"], ["Ann", "a, b; c | d"], ["Bob", ""]]
    text = newline.join(delimiter.join(f'"{cell}"' if cell else "" for cell in row) for row in rows)
    assert read_cells(write_file(text)) == rows


def test_excel_separator_line_is_used_and_skipped(write_file):
    file = open_csv(write_file("sep=;\r\nname;note\r\nAnn;1,5\r\n"))
    assert file.header == ["name", "note"]
    assert [row.line for row in file.rows()] == [3]


def test_commas_in_text_are_not_separators(write_file):
    path = write_file("name;notes\nAnn;tall, kind, rich\nBob;short, sly, poor\n")
    assert read_cells(path)[1] == ["Ann", "tall, kind, rich"]


def test_single_and_backslashed_quotes_are_read(write_file):
    assert read_cells(write_file("'name','note'\n'Ann','so, so'\n"))[1] == ["Ann", "so, so"]
    assert read_cells(write_file('name,note\nAnn,"the \\"big\\" one"\n'))[1] == ["Ann", 'the "big" one']


def test_row_has_its_first_line_number(write_file):
    file = open_csv(write_file('name,note\n\nAnn,"one\ntwo\n\nfour"\n,\nBob,x\n'))
    assert [(row.line, row.cells[0]) for row in file.rows()] == [(3, "Ann"), (8, "Bob")]


def test_row_in_quotes_as_a_whole_is_unwrapped(write_file):
    text = 'name,company,note\n"Ann,""One, Inc"",hello"\nBob,Two,fine\n'
    assert read_cells(write_file(text))[1:] == [["Ann", "One, Inc", "hello"], ["Bob", "Two", "fine"]]


def test_unclosed_quote_spoils_only_its_line(write_file):
    file = open_csv(write_file('name,note\nAnn,"oops\nBob,fine\nCid,fine\n'))
    rows = list(file.rows())
    assert [(row.line, row.cells) for row in rows] == [(2, ['Ann,"oops']), (3, ["Bob", "fine"]), (4, ["Cid", "fine"])]
    assert "never closed" in rows[0].fault
    assert not rows[1].fault


def test_unclosed_quote_in_large_file_spoils_only_its_line(write_file):
    lines = [f"Name {number},{'x' * 80}\n" for number in range(5000)]
    file = open_csv(write_file('name,note\nAnn,"oops\n' + "".join(lines)))
    rows = list(file.rows())
    assert len(rows) == 5001
    assert [row.line for row in rows if row.fault] == [2]


def test_text_after_closing_quote_is_a_row_error(write_file):
    rows = list(open_csv(write_file('name,note\n"Ann"x,1\nBob,2\n')).rows())
    assert rows[0].fault == "has text after a closing quote"
    assert rows[1].cells == ["Bob", "2"]


def test_invalid_utf8_spoils_only_its_row(write_file):
    good = "".join(f"Zoë {number},Köln\n" for number in range(20))
    rows = read_cells(write_file(f"name,city\n{good}".encode() + b"Jos\xe9,X\n"))
    assert rows[1] == ["Zoë 0", "Köln"]
    assert "\udcff" in rows[-1][0]


def test_column_names_are_made_unique(write_file):
    assert open_csv(write_file("Name, Name ,,Name\nAnn,b,c,d\n")).header == ["Name", "Name (2)", "Column 3", "Name (3)"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "leads.csv is empty."),
        (b" \r\n\t\n", "leads.csv is empty."),
        (b"\xff\xfe", "leads.csv is empty."),
        (bytes(range(256)) * 20, "leads.csv is a binary file"),
        (b"\x7fELF\x02\x01\x01" + bytes(500), "leads.csv is a binary file"),
        (b"%PDF-1.7", "leads.csv is a PDF"),
        (b'"name,city\nAnn,X\n', "column names of leads.csv cannot be read: line 1 has an opening quote"),
        (b"na\x01me,city\nAnn,X\n", "name of column 1 has an invalid character"),
        (b"name,city\nAnn," + b"x" * 1_100_000, "The row on line 2 has more than 1,048,576 characters"),
        (b"name,city\nAnn,X\n" + b'y","z\n' * 200_000, "The row on line 3 has more than 1,048,576 characters"),
    ],
)
def test_invalid_csv_file_is_refused_with_reason(write_file, content, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read_cells(write_file(content))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        open_csv(tmp_path / "nowhere.csv")
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        open_csv(tmp_path)


@pytest.mark.skipif(not SPECTRUM, reason="the public CSV corner cases are absent")
@pytest.mark.parametrize("path", SPECTRUM, ids=lambda path: path.stem)
def test_public_corner_cases_are_read(path):
    expected = json.loads((SHARED / "csv-spectrum" / "json" / f"{path.stem}.json").read_text())
    header, *rows = read_cells(path)
    if isinstance(expected, dict):
        # The expected values of this file belong to another row.
        assert (list(expected), len(rows)) == (header, 1)
        return
    assert [dict(zip(header, row, strict=True)) for row in rows] == expected


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
tables = st.lists(st.lists(text, min_size=3, max_size=3).filter(lambda row: any(map(str.strip, row))), max_size=6)


@trying(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=tables,
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_any_written_csv_is_read_back(tmp_path, rows, delimiter, newline, quoting, encoding):
    path = tmp_path / "any.csv"
    if quoting == csv.QUOTE_MINIMAL:
        # With any other line terminator, the writer does not quote a cell with a line break.
        newline = "\r\n"
    # Plain rows are added, because a file full of control characters counts as binary.
    plain = [["Ann", "ann@example.com", "plain text of some length"]] * 40
    assume(sum(character < " " for row in rows for cell in row for character in cell) <= 16)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=newline, quoting=quoting)
        writer.writerows([["name", "email", "notes"], *plain, *rows])
    csv_file = open_csv(path)
    assert csv_file.header == ["name", "email", "notes"]
    assert [row.cells for row in csv_file.rows()] == plain + rows


def test_large_file_uses_little_memory(write_file):
    path = write_file("name,note\n" + "".join(f"Name {number},{'x' * 150}\n" for number in range(100_000)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in open_csv(path).rows())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100_000
    assert peak < 5_000_000 < path.stat().st_size


def test_file_of_rows_in_quotes_as_a_whole_is_unwrapped(write_file):
    file = open_csv(write_file('"Name;Notes"\n"Ann;""x; y"""\n"Bob;z"\n'))
    assert (file.header, [row.cells for row in file.rows()]) == (["Name", "Notes"], [["Ann", "x; y"], ["Bob", "z"]])
