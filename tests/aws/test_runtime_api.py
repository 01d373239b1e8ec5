"""The Lambda of these tests treats a function as AWS does: its limits are real before anything is said about ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.lambda_service import FunctionError, Invocation, LambdaService, RequestTooLargeError

_CODE = """
import os, pathlib, signal, sys, tempfile, time
count = 0

def handler(event, context):
    global count
    count += 1
    do = event.get("do")
    if do == "sleep":
        try:
            time.sleep(event["seconds"])
        finally:
            pathlib.Path(event["note"]).write_text("cleaned up")
    if do == "exit":
        os._exit(7)
    if do == "raise":
        raise ValueError("no such thing")
    if do == "grow":
        held = bytearray(os.urandom(1 << 20) * event["megabytes"])
    if do == "answer":
        return "x" * event["bytes"]
    if do == "write":
        pathlib.Path(tempfile.gettempdir(), "some").write_bytes(b"x" * event["bytes"])
    if do == "import":
        __import__(event["module"])
    print("printed", count)
    return {"count": count, "pid": os.getpid(), "left": context.get_remaining_time_in_millis(), "path": sys.path}
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    (folder / "small.py").write_text(_CODE)
    return folder


@pytest.fixture
def function(code: Path) -> Iterator[LambdaService]:
    with LambdaService(code, handler="small.handler", timeout=20, memory=128, tmp=1) as made:
        yield made


def test_a_process_stays_warm_and_its_log_is_split_by_invocation(function: LambdaService) -> None:
    first, second = function.invoke({}), function.invoke({})
    assert (first.cold, second.cold) == (True, False)
    assert (first.answer["count"], second.answer["count"]) == (1, 2)
    assert first.answer["pid"] == second.answer["pid"]
    assert (first.log, second.log) == ("printed 1\n", "printed 2\n")
    assert 15_000 < second.answer["left"] <= 20_000


def test_a_process_over_its_time_is_killed_and_does_not_clean_up(function: LambdaService, tmp_path: Path) -> None:
    note = tmp_path / "note"
    late = function.invoke({"do": "sleep", "seconds": 30, "note": str(note)}, timeout=0.5)
    assert late.error == "Sandbox.Timedout"
    assert late.seconds < 10
    assert not note.exists()
    after = function.invoke({})
    assert after.cold
    assert after.answer["count"] == 1


def test_errors_have_the_form_of_lambdas(function: LambdaService) -> None:
    raised = function.invoke({"do": "raise"})
    assert (raised.error, raised.message) == ("ValueError", "no such thing")
    assert not function.invoke({}).cold
    gone = function.invoke({"do": "exit"})
    assert gone.error == "Runtime.ExitError"
    assert "exit status 7" in gone.message
    with pytest.raises(FunctionError, match="ExitError"):
        _ = gone.answer
    assert function.invoke({}).cold


def test_a_process_over_its_memory_is_killed(function: LambdaService) -> None:
    fits = function.invoke({"do": "grow", "megabytes": 40})
    assert fits.answer
    assert 40 << 20 < fits.peak < 128 << 20
    assert function.invoke({"do": "grow", "megabytes": 300}).error == "Runtime.OutOfMemory"


def test_an_answer_of_more_than_six_megabytes_is_refused(function: LambdaService) -> None:
    assert len(function.invoke({"do": "answer", "bytes": 5 << 20}).answer) == 5 << 20
    assert function.invoke({"do": "answer", "bytes": 7 << 20}).error == "Function.ResponseSizeTooLarge"
    assert function.invoke({}).answer["count"] == 1


def test_large_events_are_refused(function: LambdaService) -> None:
    large = {"ids": "x" * (300 << 10)}
    assert function.invoke(large).answer
    with pytest.raises(RequestTooLargeError):
        function.invoke(large, later=True)
    with pytest.raises(RequestTooLargeError):
        function.invoke({"ids": "x" * (7 << 20)})


def test_tmp_has_an_end(function: LambdaService) -> None:
    assert function.invoke({"do": "write", "bytes": 1000}).answer
    assert function.invoke({"do": "write", "bytes": 3 << 20}).error == "OSError"


def test_nothing_that_is_installed_here_can_be_imported_but_what_lambda_has(function: LambdaService) -> None:
    assert function.invoke({"do": "import", "module": "boto3"}).answer
    for absent in ("reelhouse", "aiohttp", "pyspark", "pytest"):
        assert function.invoke({"do": "import", "module": absent}).error == "ModuleNotFoundError"


def test_invocations_at_the_same_time_have_processes_of_their_own(function: LambdaService, tmp_path: Path) -> None:
    done: list[Invocation] = []
    event = {"do": "sleep", "seconds": 0.5, "note": str(tmp_path / "note")}
    threads = [threading.Thread(target=lambda: done.append(function.invoke(event))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.answer["pid"] for each in done}) == 2


def test_a_handler_that_is_not_there_is_an_error_of_the_start(code: Path) -> None:
    with LambdaService(code, handler="none.handler") as function:
        assert function.invoke({}).error == "Runtime.ImportModuleError"


def test_writing_into_the_code_is_detected(code: Path) -> None:
    with pytest.raises(AssertionError), LambdaService(code, handler="small.handler"):
        (code / "left").write_text("")
    (code / "left").unlink()
