"""Names of files from free text."""

from hypothesis import example, given
from hypothesis import strategies as st

from fairrun.config.names import counted, file_name


def test_a_plain_name_is_the_text_itself():
    assert [file_name(text) for text in ("adult", "law_school", "größe.v2-x")] == ["adult", "law_school", "größe.v2-x"]


def test_names_that_read_alike_are_distinct():
    texts = ["a-b", "a/b", "a b", "a/b/", "A/b", "", ".", "..", "/", "x" * 300, "x" * 301, file_name("a/b")]
    assert len({file_name(text) for text in texts}) == len(texts)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("\U0001f600" * 300)
@example("größe" * 100)
def test_every_text_has_a_name_of_one_file_and_a_short_one(text):
    name = file_name(text)
    assert name not in ("", ".", "..") and "/" not in name and "\0" not in name
    assert len(name.encode()) <= 69


def test_one_of_a_thing_is_singular():
    assert [counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
