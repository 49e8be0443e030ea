"""From a path to files: folders with their partitions, decompression, Parquet."""

import bz2
import gzip
import io
import lzma
import re
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet

from fairrun.config.check import InputError
from fairrun.data.memory import memory

DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"  # how Hive spells a missing value
PACKED = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
    b"\x28\xb5\x2f\xfd": lambda content: pa.CompressedInputStream(pa.BufferReader(content), "zstd").read(),
}
OF_CELL = 65  # bytes of memory that training needs for each cell of a table of numbers, measured
OF_PACKED = 0.3  # cells in a byte of a compressed file
SAMPLE = 2**18  # bytes that cells are counted in
SEPARATORS = (b",", b";", b"\t", b"|")
EXCEL = "an Excel workbook; save it as CSV"
SAVE = "save it as Parquet or CSV"
WEB = "a web page; download the file itself, or save its table as CSV"
FOREIGN = {  # how files begin that are no tables to us, as regular expressions
    rb"\xd0\xcf\x11\xe0": EXCEL,
    rb"ARROW1\0\0": f"an Arrow (Feather) file; {SAVE}",
    rb"ORC[^ -~\s]": f"an ORC file; {SAVE}",
    rb"SQLite format 3": "a database; save the table as CSV",
    rb"\x89HDF": "an HDF5 file; save the table as Parquet or CSV",
    rb"%PDF": "a PDF",
    rb"\x80[\x02-\x05]": f"a pickled Python object; {SAVE}",
    rb"\x93NUMPY": f"a NumPy array; {SAVE}",
    rb"\$FL[23]@": f"an SPSS file; {SAVE}",
    rb"<stata_dta>|[\x66-\x73][\x01\x02]\x01[\0\x01]": f"a Stata file; {SAVE}",
    rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}LIB": f"a SAS file; {SAVE}",
    rb"RD[AX][2-5]\n|X\n\0\0\0[\x02\x03]": f"an R file; {SAVE}",
    rb"MATLAB 5\.0 MAT-file": f"a MATLAB file; {SAVE}",
    rb"Obj\x01": f"an Avro file; {SAVE}",
    rb"version https://git-lfs": "a pointer of Git LFS to the file; fetch it by git lfs pull",
    rb"(\xef\xbb\xbf)?\s*(?i:<(!doctype html|html|head))": WEB,
    rb"(\xef\xbb\xbf)?\s*(?i:<(!--|(table|body|meta|title|style|script|div|pre|p|h[1-6]|center|font)\b[^>]*>"
    rb"(?!\"?[,;\t|])))": WEB,
    rb"(\xef\xbb\xbf)?\s*(?i:<\?xml)": f"an XML file; {SAVE}",
    rb'(\xef\xbb\xbf)?\s*(\[\s*[\[{]|{\s*")': f"a JSON file; {SAVE}",
    rb"(\s*%[^\n]*\n)*\s*(?i:@relation)": f"an ARFF file; {SAVE}",
}


class Part(NamedTuple):
    """One file of a table."""

    name: str  # below the path
    content: bytes
    partition: dict[str, str]  # of a Hive partition: column -> value, in the place of columns in the file

    @property
    def is_parquet(self) -> bool:
        """By its content, whatever its name."""
        return self.content[:4] == b"PAR1"


def parts(path: str | None) -> list[Part]:
    """The files at ``path``: a file, or a folder's in the order of their names.  Raises ``InputError``."""
    where = Path(path or "").expanduser()
    if path is None or not where.exists():
        raise InputError(f"dataset.path must be a CSV or Parquet file that exists, or a folder of them, got {path!r}")
    files = _below(where) if where.is_dir() else [where]
    refuse_too_large(files, path)
    found = [part for file in files for part in _opened(file, where)]
    if not found:
        raise InputError(f"dataset.path must be a folder with CSV or Parquet files, got {path!r}, which has none")
    kinds = {part.is_parquet: part.name for part in found}
    if len(kinds) == 2:
        raise InputError(
            f"dataset.path must be a folder of files of one kind, got {path!r} with Parquet and text files: "
            f"{kinds[True]}, {kinds[False]}"
        )
    return found


def refuse_too_large(files: Sequence[Path], path: str) -> None:
    """Raise ``InputError`` if training on the table in these files would need more memory than there is."""
    cells, there = sum(map(_cells, files)), memory()
    needed = OF_CELL * cells
    if needed > there:
        raise InputError(
            f"dataset.path={path!r} is too large to train on here: about {cells:.2g} cells need "
            f"{needed / 1e9:.3g} GB of memory, and this process may use {there / 1e9:.3g} GB: take a sample of the "
            "rows, keep fewer columns in the file, or use a machine with more memory"
        )


def _cells(file: Path) -> float:
    """About how many cells a file has, by its metadata or its first rows; of a compressed one by its size."""
    try:
        with file.open("rb") as content:
            head = content.read(SAMPLE)
        if head.startswith(b"PAR1"):
            found = pyarrow.parquet.read_metadata(file)
            return float(found.num_rows * found.num_columns)
    except (OSError, pa.ArrowException):  # reading it says what is wrong
        return 0.0
    size = file.stat().st_size
    if any(head.startswith(start) for start in (*PACKED, b"PK")):
        return size * OF_PACKED
    ends = (max(map(head.count, SEPARATORS)) or head.count(b" ")) + head.count(b"\n")
    return ends * size / max(1, len(head))


def _below(folder: Path) -> list[Path]:
    """All files but those that other tools take for their notes (_SUCCESS, .crc)."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return sorted(file for file in files if not any(p[0] in "._" for p in file.relative_to(folder).parts))


def _opened(file: Path, root: Path) -> Iterator[Part]:
    name = file.name if file == root else str(file.relative_to(root))
    folders = [] if file == root else list(file.relative_to(root).parts[:-1])
    pairs = (folder.partition("=") for folder in folders if "=" in folder)
    partition = {urllib.parse.unquote(key): urllib.parse.unquote(value) for key, _, value in pairs}
    partition = {key: "" if value == DEFAULT_PARTITION else value for key, value in partition.items()}
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"dataset.path must be files that can be read, got {file}: {error.strerror}") from None
    for member, unpacked in _unpacked(name, content):
        yield Part(member, unpacked, partition)


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The file, or the files of an archive, decompressed."""
    try:
        for start, decompress in PACKED.items():
            if content.startswith(start):
                content = decompress(content)
                break
        if content.startswith(b"PK\x03\x04"):
            yield from _zipped(name, content)
            return
    except InputError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        what = f"{name!r}, which cannot be decompressed: {error}"
        raise InputError(f"dataset.path must be a file that is whole, got {what}") from None
    for start, what in FOREIGN.items():
        if re.match(start, content[:SAMPLE]):
            raise InputError(f"dataset.path must be a CSV or Parquet file, got {name!r}, {what}")
    if content[257:262] == b"ustar":
        raise InputError(f"dataset.path must be a CSV or Parquet file, got {name!r}, a tar archive; unpack it")
    yield name, content


def _zipped(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if "[Content_Types].xml" in members:
            raise InputError(f"dataset.path must be a CSV or Parquet file, got {name!r}, {EXCEL}")
        for member in sorted(m for m in members if not any(p[:1] in ("_", ".") for p in m.split("/"))):
            yield from _unpacked(f"{name}/{member}", archive.read(member))
