"""What a person sees on a terminal of 80 or 120 columns: results that fit, and nothing that the terminal obeys."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from reelhouse.cli.main import main
from reelhouse.cli.reading.sql import _lists
from reelhouse.cli.terminal import display
from reelhouse.cli.terminal.display import span
from reelhouse.cli.terminal.result_table import show
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.verify import check_tables
from tests import serving
from tests.cli.terminal import Screen, Terminal, drawing, shown
from tests.warehouse.few import FEW
from tests.warehouse.landing import LakeInTheMaking, a_movie

# Clears the screen, colours, sets the title, rings, in one and in two bytes; a new line; text from right to left.
_EVIL = "\x1b[2J\x1b[31m\x1b]0;owned\x07\x9b31m\r\nlast\u202e\x7f"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = LakeInTheMaking(tmp_path_factory.mktemp("screen") / "lake", registry=FEW)
    made.land(*(a_movie(id_, popularity=id_ / 2) for id_ in range(1, 61)), a_movie(99, title=_EVIL))
    made.build()
    yield str(made.root)


def test_the_lake_keeps_the_log_of_every_command_that_works_on_it_and_status_says_what_is_not_built(
    tmp_path: Path,
) -> None:
    made = LakeInTheMaking(tmp_path / "lake")
    (tmp_path / "own.csv").write_text("id\n1\n")
    made.land(a_movie(1))

    def typed(*words: str) -> Result:
        return CliRunner().invoke(main, ["--lake", str(made.root), *words], input="", catch_exceptions=False)

    assert "1 answer not in the tables yet. To build: reelhouse build\n" in typed("status").stderr
    assert typed("build").exit_code == 0
    assert "answer" not in typed("status").stderr
    made.land(a_movie(2), a_movie(3))
    assert json.loads(typed("status", "--json").stdout)["unbuilt_answers"] == 2
    commands = [
        *("verify", f"export --to csv:{tmp_path}/out --tables movie", f"import own {tmp_path}/own.csv"),
        *("maintain", "maintain --dry-run", "purge --all --dry-run", "purge --all"),
        "purge --older-than 99999d --yes",
    ]
    for words in commands:
        typed(*words.split())
    kept = "".join(path.read_text() for path in sorted((made.root / "_reelhouse/logs").iterdir()))
    ended = re.findall(r"Z (?:INFO|WARNING) reelhouse (.*)", kept)
    ended = [text for text in ended if not text.endswith(" begins")]
    names = [text.partition(":")[0] for text in ended]
    assert names == ["build", "verify", "export", "import", "maintain"]
    assert ended[0] == "build: exit code 0"
    # A command that fails before there is a lake begins none.
    CliRunner().invoke(main, ["--lake", str(tmp_path / "other"), "import", "own", "nosuch.csv"], catch_exceptions=False)
    assert not (tmp_path / "other").exists()


def test_a_sequence_that_two_reads_share_is_one_sequence() -> None:
    for at in range(1, 8):
        screen = Screen(80)
        text = "a\x1b[?25hb\x1b[31mc"
        screen.feed(text[:at])
        screen.feed(text[at:])
        screen.close()
        assert screen.text == "abc"
    screen = Screen(80)
    screen.feed("a\x1b")
    with pytest.raises(AssertionError, match="at its end"):
        screen.close()
    with pytest.raises(AssertionError, match="the terminal got"):
        screen.feed("]0;title")


def _drawn(columns: int, *draw: Callable[[], None]) -> list[str]:
    """The lines on a screen of *columns* on which this process draws."""
    with drawing(columns) as screen:
        for each in draw:
            each()
    return screen.text.rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", [80, pytest.param(120, marks=pytest.mark.long)])
def test_a_wide_result_fits_with_its_first_and_last_columns(tmp_path: Path, lake: str, columns: int) -> None:
    code, screen = shown(["--lake", lake, "sql", "select * from movie limit 3"], columns=columns, cwd=tmp_path)
    lines = screen.rstrip("\n").split("\n")
    assert code == 0
    assert len(lines) == 8
    # What is left over is less than another column takes.
    assert columns - 23 <= len(lines[0]) == len(lines[4]) <= columns
    names = [name.strip() for name in lines[1].strip("┃").split("┃")]
    assert (names[0], names[-1]) == ("movie_id", "fetched_at")
    assert "…" in names
    assert lines[-1] == f"3 rows, 26 columns ({len(names) - 1} shown: --vertical shows all)"


@pytest.mark.parametrize("columns", [9, 80, *(pytest.param(one, marks=pytest.mark.long) for one in (1, 20, 120))])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    tables = [pa.table({f"c{n}": ["红色花园" * 30, None] for n in range(count)}) for count in (1, 2, 3, 7, 60)]
    lines = _drawn(columns, *(partial(show, "", table) for table in tables))
    assert sum(line.startswith("└") for line in lines) == 5
    # A line that was too wide would have been continued on the next one.
    if columns >= 80:
        assert len(lines) == 5 * 7


def test_numbers_are_right_nulls_are_named_and_long_cells_end_with_an_ellipsis() -> None:
    table = pa.table({"id": [7, None, 1234], "share": [0.5, 2.25, None], "text": ["x" * 90, None, ""]})
    lines = _drawn(80, partial(show, "", table))
    assert [line[:17] for line in lines[3:6]] == ["│    7 │   0.5 │ ", "│ NULL │  2.25 │ ", "│ 1234 │  NULL │ "]
    assert lines[3].endswith("xxx… │")
    assert len(lines[3]) == 80
    assert lines[4][17:].startswith("NULL")
    assert lines[-1] == "3 rows, 3 columns"


def test_of_many_rows_a_terminal_shows_the_first_and_last_and_says_so(tmp_path: Path, lake: str) -> None:
    query = "select movie_id from movie where movie_id < 99 order by 1"
    code, screen = shown(["--lake", lake, "sql", query], columns=80, cwd=tmp_path)
    cells = [line.strip("│ ") for line in screen.split("\n") if line.startswith("│")]
    assert code == 0
    assert cells == [*map(str, range(1, 21)), "…", *map(str, range(41, 61))]
    assert "60 rows (40 shown: --output FILE has all), 1 column\n" in f"{screen}\n"
    code, screen = shown(["--lake", lake, "sql", query, "--vertical"], columns=80, cwd=tmp_path)
    assert code == 0
    assert screen.index("─[ row 20 ]") < screen.index("…") < screen.index("─[ row 41 ]") < screen.index("─[ row 60 ]")


@pytest.mark.parametrize(("query", "rows"), [("show tables", 43), (" Describe x", 43), ("select 1", 41)])
def test_a_list_of_names_is_shown_whole(query: str, rows: int) -> None:
    names = pa.table({"n": range(43)})
    assert len(_drawn(80, lambda: show("", names, whole=_lists(query)))) == rows + 5


def test_a_prompt_without_a_place_for_its_history_works_and_says_so(tmp_path: Path, lake: str) -> None:
    (tmp_path / "cache").touch()
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    terminal = Terminal(["-m", "reelhouse", "--lake", lake, "sql"], columns=120, cwd=tmp_path, env=env)
    terminal.wait_for("reelhouse>")
    terminal.type("\\q\n")
    assert terminal.end(20) == 0
    assert "The history is not kept:" in " ".join(terminal.screen.text.split())


def test_nothing_is_cut_outside_of_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wide = pa.table({f"column_{n}": [f"{n}" * 300] * 50 for n in range(9)})
    show("", wide)
    show("", wide, tmp_path / "out.txt")
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "out.txt").read_text()
    assert [printed.count(f"{n}" * 300) for n in range(9)] == [50] * 9
    assert "…" not in printed
    show("", wide, tmp_path / "out.txt", vertical=True)
    assert (tmp_path / "out.txt").read_text().count("8" * 300) == 50


@pytest.mark.parametrize(
    "form",
    [
        [],
        *(
            pytest.param(form, marks=pytest.mark.long)
            for form in (["--vertical"], ["--format", "csv"], ["--format", "json"])
        ),
    ],
)
def test_control_characters_of_values_are_shown_and_not_obeyed(tmp_path: Path, lake: str, form: list[str]) -> None:
    query = "select title, title as `a\x1b[31m` from movie where movie_id = 99"
    with chdir(tmp_path), drawing(120) as screen:
        main(["--lake", lake, "sql", query, *form], standalone_mode=False)
    assert "\\u001b[2J\\u001b[31m" in screen.text
    assert "\\u009b31m" in screen.text
    assert [each for each in ("\x9b", "\u202e", "\x07", "\x7f", "\x1b[31m", "\x1b]") if each in screen.raw] == []
    if form[-1:] == ["json"]:
        assert json.loads(screen.text.replace("\n", ""))[0]["title"] == _EVIL


def test_control_characters_of_a_raw_answer_are_shown_and_not_obeyed() -> None:
    with drawing(120) as screen:
        display.text(f"{_EVIL}\n".encode() + b"\xff", None)
    assert "\\u009b31m" in screen.text
    assert [each for each in ("\x9b", "\u202e", "\x07", "\x7f", "\x1b[31m", "\x1b]") if each in screen.raw] == []


def test_control_characters_of_tmdb_s_messages_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    def denying(request: web.BaseRequest) -> web.StreamResponse:
        return serving.verdict(401, 7, f"Invalid {_EVIL} key")

    with serving.serving(denying) as server:
        env = {
            "TMDB_TOKEN": "eyJ.a.b",
            "REELHOUSE_TMDB_URL": f"{server.url}/3",
            "REELHOUSE_EXPORTS_URL": f"{server.url}/p/exports",
        }
        code, screen = shown(["collect", "--ids", "ids.txt"], columns=120, cwd=_with_ids(tmp_path), **env)
    assert code != 0
    assert "Invalid \\u001b[2J\\u001b[31m" in " ".join(screen.split())


def test_no_note_is_broken_within_a_word_and_a_command_to_copy_stays_whole() -> None:
    notes = ("a sentence of words " * 9, "  reelhouse " + "word " * 30)
    lines = _drawn(80, *(partial(display.note, note) for note in notes))
    assert [line.split()[-1] in ("a", "sentence", "of", "words") for line in lines[:3]] == [True] * 3
    assert len(lines[3]) == 80


@pytest.mark.parametrize(
    "words",
    [["sql", "drop table movie"], ["verify", "--layout", "some words " * 9], ["tables", "movei"]],
)
def test_no_error_is_broken_within_a_word(tmp_path: Path, lake: str, words: list[str]) -> None:
    words = ["--lake", lake, *words]
    without = CliRunner().invoke(main, words)
    code, screen = shown(words, columns=40, cwd=tmp_path)
    assert code == without.exit_code != 0
    said = without.stderr.split()
    # How the program was started is in the usage.
    said = said[said.index("Error:") :] if "Error:" in said else said
    assert screen.split()[-len(said) :] == said


def test_names_and_numbers_of_a_table_stay_whole_where_texts_are_wrapped() -> None:
    columns = ("entity", "known", "landed", "oldest", "listed", "next run", "")
    row = ("watch_provider_region", 1234567, 1234567, "59 min ago", "59 min ago", "in 23 h", "a long text " * 5)
    lines = _drawn(80, partial(display.table, "lake", columns, [row], lines=False))
    assert max(map(len, lines)) <= 80
    assert [line.count("1,234,567") for line in lines if "watch_provider_region" in line] == [2]


def test_times_to_come_are_in_one_unit_as_times_ago_are() -> None:
    assert [span(seconds) for seconds in (20, 61, 86399, 2 * 86400)] == ["1 min", "1 min", "23 h", "2 d"]


def _with_ids(folder: Path) -> Path:
    (folder / "ids.txt").write_text("603\n")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "[/x]",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("[red]x", "[bold]", ":smile:")),
        "\x1b[2Jx",
    ],
)
def test_names_that_look_like_markup_are_shown_as_they_are(name: str) -> None:
    seen = name.replace("\x1b", "\\u001b")
    lines = _drawn(80, partial(show, name, pa.table({name: [name]})))
    assert [lines[0], lines[2].strip("┃ "), lines[4].strip("│ ")] == [seen] * 3

    def spin() -> None:
        with display.spinner(name) as step:
            step(name)

    screen = _drawn(80, partial(display.table, name, [name, "n"], [[name, 1234]]), partial(display.note, name), spin)
    assert screen[0] == seen
    assert (screen[2].split()[1], screen[4].split()[1], screen[6]) == (seen, seen, seen)
    assert f"{seen}: done" in screen[7]


# Ends in the next century.
_SLOW = "select count(*) from movie a, movie b, movie c, movie d, movie e, movie f, movie g where a.title < g.title"


def test_ctrl_c_ends_a_slow_query_with_130_and_its_engine(tmp_path: Path, lake: str) -> None:
    terminal = Terminal(["-m", "reelhouse.cli.main", "--lake", lake, "sql", _SLOW], columns=80, cwd=tmp_path, env={})
    terminal.wait_for("the query runs; Ctrl-C interrupts it 0:00:01")
    # On a busy machine the query waits for its engine to start.
    while not (engines := psutil.Process(terminal.process.pid).children(recursive=True)):
        time.sleep(0.1)
    terminal.type("\x03")
    assert terminal.end(20) == 130
    assert terminal.screen.text.rstrip().endswith("reelhouse: interrupted")
    assert psutil.wait_procs(engines, 10)[1] == []


def test_ctrl_c_ends_other_commands_with_130_too(tmp_path: Path) -> None:
    terminal = Terminal(["-m", "reelhouse.cli.main", "emulate", "--port", "0"], columns=80, cwd=tmp_path, env={})
    terminal.wait_for("Stop it with Ctrl-C")
    terminal.type("\x03")
    assert terminal.end(20) in (0, 130)
    assert "Traceback" not in terminal.screen.text


def test_the_prompt_takes_queries_of_several_lines_completes_names_and_outlives_mistakes(
    tmp_path: Path, lake: str
) -> None:
    where = {"columns": 80, "cwd": tmp_path, "env": {"XDG_CACHE_HOME": str(tmp_path / "cache")}}
    terminal = Terminal(["-m", "reelhouse.cli.main", "--lake", lake, "sql"], **where)  # type: ignore[arg-type]
    terminal.wait_for("reelhouse>")
    terminal.type("select movie_id,\n")
    terminal.wait_for("...>")
    terminal.type("original_ti\t from movie order by 1 limit 2;\n")
    terminal.wait_for("2 rows, 2 columns")
    terminal.type("\\d movie_genre\n")
    terminal.wait_for("│ genre_id ")
    terminal.type("select ';\n")
    terminal.wait_for("reelhouse> select ';\n      ...>")
    terminal.type("' as mark -- why;\n")
    terminal.type(";\n")
    terminal.wait_for("│ ;\\n  │")
    terminal.type(";\nhelp\n")
    terminal.wait_for("reelhouse> ;\nreelhouse> help\nA query ends with a semicolon;")
    terminal.type("select titel from movie;\n")
    terminal.wait_for("did you mean 'title'?")
    terminal.type(f"{_SLOW};\n")
    terminal.wait_for("Ctrl-C interrupts it 0:00:01")
    terminal.type("\x03")
    terminal.wait_for("\ninterrupted\n")
    terminal.type("select 40 + 2 as answer;\n")
    terminal.wait_for("│     42 │")
    # The query has ended in the engine too, or with it.
    (engine,) = psutil.Process(terminal.process.pid).children()
    engine.cpu_percent()
    assert engine.cpu_percent(1) < 50
    terminal.type("\\x\nselect 1 as one;\n")
    terminal.wait_for("one │ 1")
    terminal.type("\\q\n")
    assert terminal.end(20) == 0
    again = Terminal(["-m", "reelhouse.cli.main", "--lake", lake, "sql"], **where)  # type: ignore[arg-type]
    again.wait_for("reelhouse>")
    again.type("\x1b[A\x1b[A")
    again.wait_for("reelhouse> select 1 as one;")
    again.type("\x15\x04")
    assert again.end(20) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "begun", "kept"),
    [
        (["build", "--full"], "building", "readers see the last complete build"),
        (["diff"], "comparing", "nothing was changed"),
        (["export", "--to", "csv:out"], "exporting", "no table is left half written"),
        (["import", "own", "own.csv"], "importing", "the table is what it was before"),
        (["maintain"], "checking", "no table lost anything"),
        (["purge", "--all", "--yes"], "purging", "what is purged by now is gone and recorded"),
        (["report"], "reporting", "no page was written"),
        (["verify", "--deep"], "verifying", "nothing was changed"),
    ],
)
def test_ctrl_c_stops_a_long_command_that_says_what_is_kept_and_how_to_go_on(
    tmp_path: Path, lake: str, words: list[str], begun: str, kept: str
) -> None:
    if words == ["report"]:
        pytest.importorskip("altair")
    shutil.copytree(lake, tmp_path / "lake")
    (tmp_path / "own.csv").write_text("id,text\n" + "".join(f"{n},{n * 7}\n" for n in range(400_000)))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {"REELHOUSE_EXPORTS_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/p/exports"}
        terminal = Terminal(["-m", "reelhouse.cli.main", *words], columns=80, cwd=tmp_path, env=env)
        terminal.wait_for(begun)
        started = psutil.Process(terminal.process.pid).children(recursive=True)
        terminal.type("\x03")
        assert terminal.end(60) == 130
    # The terminal wraps a line where it is full.
    screen = "".join(terminal.screen.text.split())
    assert "Traceback" not in screen
    assert f"reelhouse: interrupted; {kept}, and `reelhouse {words[0]}` ".replace(" ", "") in screen
    assert psutil.wait_procs(started, 10)[1] == []
    # Of a purge, some tables may be left to be erased, which the next purge does.
    completed = words if words[0] == "purge" else ["build"]
    assert shown(completed, columns=80, cwd=tmp_path)[0] == 0
    assert check_tables(FolderStorage(tmp_path / "lake"), deep=True) == []


@pytest.mark.long
@pytest.mark.parametrize("columns", [80, 120])
def test_the_demo_and_what_it_proposes_fit_and_ctrl_c_ends_long_commands(tmp_path: Path, columns: int) -> None:
    terminal = Terminal(["-m", "reelhouse.cli.main", "demo", "--movies", "300"], columns=columns, cwd=tmp_path, env={})
    assert terminal.end(120) == 0
    assert "Done in " in terminal.screen.text
    for words in (["status"], ["tables"], ["tables", "movie"], ["sql", "select * from movie_flat limit 3"]):
        code, screen = shown(["--lake", "demo-lake", *words], columns=columns, cwd=tmp_path)
        assert code == 0
        assert max(map(len, screen.split("\n"))) <= columns
    for words, begun in ((["build", "--full"], "building: "), (["export", "--to", "csv:out"], "exporting")):
        terminal = Terminal(
            ["-m", "reelhouse.cli.main", "--lake", "demo-lake", *words], columns=columns, cwd=tmp_path, env={}
        )
        terminal.wait_for(begun)
        terminal.type("\x03")
        assert terminal.end(30) == 130
        assert "Traceback" not in terminal.screen.text
    assert shown(["--lake", "demo-lake", "build"], columns=columns, cwd=tmp_path)[0] == 0


def test_a_path_of_tmdb_is_broken_after_dots_only(tmp_path: Path) -> None:
    code, screen = shown(["tables", "movie_offer_daily"], columns=80, cwd=tmp_path)
    assert code == 0
    parts = ("watch/providers.results.", "{iso_3166_1}.", "{monetization_type}[].", "provider_id")
    lines = iter(screen.splitlines())
    assert all(any(part in line.split() for line in lines) for part in parts), screen
    assert "position is the key" not in screen
