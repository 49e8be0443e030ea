"""Text files: encodings, separators, headers, compression, folders."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile

import pandas as pd
import pyarrow as pa
import pytest

from fairrun.config.check import InputError
from fairrun.datasets.csv import Csv

TEXT = "name,age,hired\nZoë,31,yes\nJürgen,28,no\nAnn,40,yes\n"
READ = {"name": ["Zoë", "Jürgen", "Ann"], "age": [31, 28, 40], "hired": ["yes", "no", "yes"]}


def read(path, **options):
    return Csv(**options).read(str(path))[0]


def write(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path, *parts, **options):
    with pytest.raises(InputError) as error:
        read(path, **options)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_the_encoding_is_found(encoding, tmp_path):
    assert read(write(tmp_path, TEXT.encode(encoding))).to_dict("list") == READ


def test_bytes_that_cp1252_lacks_are_read_as_latin_1(tmp_path):
    frame, account = Csv().read(str(write(tmp_path, b"name,age\nA\x81\xfc,1\n")))
    assert frame["name"].tolist() == ["A\x81ü"] and "encoding latin-1" in account.remarks[0]


def test_the_encoding_may_be_given(tmp_path):
    path = write(tmp_path, "name,age\nŁódź,1\n".encode("cp1250"))
    assert read(path, encoding="cp1250")["name"].tolist() == ["Łódź"]
    refused(path, "dataset.rows.encoding must be the encoding of 'table.csv'", "got utf-8", "null", encoding="utf-8")
    refused(path, "dataset.rows.encoding must be a name that Python knows, got 'utf-88'", encoding="utf-88")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " ", "   "])
def test_the_separator_is_found(separator, tmp_path):
    assert read(write(tmp_path, TEXT.replace(",", separator))).to_dict("list") == READ


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_anywhere(line, tmp_path):
    assert read(write(tmp_path, TEXT.replace("\n", line).encode())).to_dict("list") == READ


def test_the_separator_may_be_given(tmp_path):
    path = write(tmp_path, "a^b\n1^2\n3^4\n")
    assert read(path, separator="^").to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    assert read(write(tmp_path, "a\tb\n1\t2\n"), separator=r"\t").to_dict("list") == {"a": [1], "b": [2]}
    with pytest.raises(InputError, match="separator must be null or one character"):
        Csv(separator="::")


def test_excels_first_line_names_the_separator(tmp_path):
    assert read(write(tmp_path, "sep=;\r\na;b\r\n1,5;2\r\n")).to_dict("list") == {"a": [1.5], "b": [2]}


def test_a_separator_within_quotes_is_none_and_text_with_commas_does_not_hide_semicolons(tmp_path):
    frame = read(write(tmp_path, 'a,"b, in years"\n"x, y",2\n"line\nbreak",3\n'))
    assert frame.to_dict("list") == {"a": ["x, y", "line\nbreak"], "b, in years": [2, 3]}
    frame = read(write(tmp_path, "town;note\nRome;a, b, c\nParis;d\nOslo;e, f\n"))
    assert frame["note"].tolist() == ["a, b, c", "d", "e, f"]


def test_spaces_around_fields_and_names_are_left_out(tmp_path):
    frame = read(write(tmp_path, 'name, age , hired\nAnn , 31, yes\nBob, 28,"no"\n'))
    assert frame.to_dict("list") == {"name": ["Ann", "Bob"], "age": [31, 28], "hired": ["yes", "no"]}


def test_a_column_without_name_and_values_is_none_and_one_with_values_gets_a_name(tmp_path):
    assert list(read(write(tmp_path, "a,b,\n1,2,\n3,4,\n"))) == ["a", "b"]
    assert list(read(write(tmp_path, ",a\n0,5\n1,6\n"))) == ["Unnamed: 0", "a"]


@pytest.mark.parametrize(
    "text",
    [
        "'a','b, c'\n'1','x, y'\n'2','z'\n",
        '# made by a tool, 2020\n# and more\na,"b, c"\n1,"x, y"\n2,z\n',
        '\n\na,"b, c"\n1,"x, y"\n\n2,z\n\n',
        'a,"b, c"\n1,"x, y",\n2,z,\n',
        'a,"b, c",\r\n1,"x, y",\r\n2,z,\r\n',
    ],
)
def test_other_marks_around_fields_comments_above_and_separators_at_the_end_are_read(text, tmp_path):
    assert read(write(tmp_path, text)).to_dict("list") == {"a": [1, 2], "b, c": ["x, y", "z"]}


@pytest.mark.parametrize("row", ["4,5,6,7", "4,5"])
def test_a_row_with_more_or_fewer_fields_than_the_header_is_refused(row, tmp_path):
    path = write(tmp_path, f"a,b,c\n1,2,3\n{row}\n7,8,9\n")
    refused(path, "every row must have 3 fields as the header", f"got {len(row.split(','))} in row 3", "comma")


def test_a_repeated_name_is_refused(tmp_path):
    refused(write(tmp_path, "a,b, a\n1,2,3\n"), "every column must have a name of its own, got 'a' twice")


@pytest.mark.parametrize("content", ["", "\n\n", "a,b\n"])
def test_a_file_without_rows_is_refused(content, tmp_path):
    refused(write(tmp_path, content), "dataset.path must be a table with", "'table.csv'")


@pytest.mark.parametrize("path", [None, "/does/not/exist.csv"])
def test_a_path_that_is_not_there_is_refused(path):
    with pytest.raises(InputError, match=r"dataset\.path must be a CSV or Parquet file that exists, or a folder"):
        Csv().read(path)


def zipped(*files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return content.getvalue()


def zstd(text):
    content = pa.BufferOutputStream()
    with pa.CompressedOutputStream(content, "zstd") as stream:
        stream.write(text)
    return content.getvalue().to_pybytes()


def stata(version):
    """A file as that version of Stata writes it."""
    found = io.BytesIO()
    pd.DataFrame({"age": [30, 40]}).to_stata(found, write_index=False, version=version)
    return found.getvalue()


PACKED = [gzip.compress, bz2.compress, lzma.compress, zstd, lambda text: zipped(("t.csv", text))]


@pytest.mark.parametrize("pack", PACKED)
@pytest.mark.parametrize("name", ["table.csv.gz", "table.csv"])
def test_a_compressed_file_is_known_by_its_content(pack, name, tmp_path):
    assert read(write(tmp_path, pack(TEXT.encode()), name)).to_dict("list") == READ


@pytest.mark.parametrize("pack", PACKED)
def test_a_compressed_file_that_was_cut_off_is_refused(pack, tmp_path):
    content = pack(TEXT.encode() * 50)
    refused(write(tmp_path, content[: len(content) // 2]), "dataset.path must be a file that is whole, got 'table.csv'")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (zipped(("[Content_Types].xml", ""), ("xl/workbook.xml", "")), "an Excel workbook"),
        (b"\xd0\xcf\x11\xe0 and more", "an Excel workbook"),
        (b"ARROW1\0\0 and more", "Feather"),
        (bytes(257) + b"ustar", "a tar archive"),
        (pickle.dumps(READ), "a pickled Python object"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>", "a web page; download the file itself"),
        (b"<?xml version='1.0'?>", "an XML file"),
        (json.dumps([READ]).encode(), "a JSON file"),
        (json.dumps(READ).encode(), "a JSON file"),
        (b"% of 1990\n@RELATION loans\n", "an ARFF file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (gzip.compress(b"RDX3\nX"), "an R file"),
        (gzip.compress(b"X\n\0\0\0\x03"), "an R file"),
        (stata(114), "a Stata file"),
        (stata(117), "a Stata file"),
        (b"m\x01\x01\0" + bytes(100), "a Stata file"),
        (b"<table border='1'>\n<tr><td>a</td>", "a web page"),
        (b"\xef\xbb\xbf  <TABLE><tr>", "a web page"),
        (b"<!-- saved from --><html>", "a web page"),
        (b"<title>Loans</title>", "a web page"),
        (b"HEADER RECORD*******LIBRARY HEADER RECORD", "a SAS file"),
        (b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file"),
        (b"Obj\x01\x04", "an Avro file"),
    ],
    ids="xlsx xls feather tar pickle web xml rows object arff lfs R rds stata114 stata117 stata109 table TABLE comment "
    "title xport matlab avro".split(),  # an archive's bytes hold the time
)
def test_a_file_of_another_kind_is_refused_by_name(content, what, tmp_path):
    refused(write(tmp_path, content), "dataset.path must be a CSV or Parquet file, got 'table.csv'", what)


@pytest.mark.parametrize("name", ["orcid", "Orchard", "ORC", "arrow1", "[age]", "{age}", "<DATE>", "<P>", "X", "Obj"])
def test_a_header_may_begin_as_a_file_of_another_kind(name, tmp_path):
    assert list(read(write(tmp_path, f"{name},b\n1,2\n3,4\n".encode()))) == [name, "b"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_is_its_files_in_order_and_folders_may_name_columns(kind, tmp_path):
    frame = pd.DataFrame(READ)
    for k, town in enumerate(["Rome", "S%C3%A3o Paulo", "__HIVE_DEFAULT_PARTITION__"]):
        part = frame.iloc[[k]]
        content = part.to_parquet(index=False) if kind == "parquet" else part.to_csv(index=False)
        write(tmp_path, content, f"t/town={town}/year={2020 + k}/part-0.{kind}")
    write(tmp_path, "", "t/_SUCCESS")
    write(tmp_path, "x", "t/.part-0.crc")
    found = read(tmp_path / "t").sort_values("year").reset_index(drop=True)
    assert found["town"].tolist()[:2] == ["Rome", "São Paulo"] and found["town"].isna().tolist() == [False, False, True]
    assert found[["name", "age", "hired"]].to_dict("list") == READ and found["year"].tolist() == [2020, 2021, 2022]


def test_the_files_of_an_archive_are_one_table(tmp_path):
    content = zipped(("a.csv", "x,y\n1,2\n"), ("b.csv", "y;x\n4;3\n"), ("__MACOSX/._a.csv", "??"))
    assert read(write(tmp_path, content, "t.zip")).to_dict("list") == {"x": [1, 3], "y": [2, 4]}


def test_a_folder_of_files_that_do_not_fit_is_refused(tmp_path):
    write(tmp_path, "x,y\n1,2\n", "t/a.csv")
    write(tmp_path, "x,z\n1,2\n", "t/b.csv")
    refused(tmp_path / "t", "every file must have the same columns, got b.csv", "y, z")
    (tmp_path / "t/b.csv").write_bytes(pd.DataFrame({"x": [1], "y": [2]}).to_parquet())
    refused(tmp_path / "t", "files of one kind", "b.csv, a.csv")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "a folder with CSV or Parquet files", "which has none")
