import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gristmill_kernel.places import Places
from gristmill_kernel.requests import adopt, modules, register


@pytest.fixture(autouse=True)
def stays_here() -> Any:
    here = Path.cwd()
    yield
    os.chdir(here)


def test_a_waiting_kernel_goes_where_the_project_is(places: Places) -> None:
    assert adopt(places) == {"status": "ok"}
    assert Path.cwd() == places.workspace


@pytest.mark.parametrize("place", ["workspace", "datasets", "packages"])
def test_a_sandbox_that_still_shows_nothing_is_refused(places: Places, place: str) -> None:
    here = Path.cwd()
    empty = {"workspace": places.workspace, "datasets": places.datasets, "packages": places.packages.parent}[place]
    (empty / ".waiting").touch()
    assert adopt(places)["status"] == "error"
    assert Path.cwd() == here


def test_modules_that_come_into_sight_can_be_imported(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(places.packages), *sys.path])
    with pytest.raises(ModuleNotFoundError):
        __import__("late_module")
    places.packages.mkdir()
    (places.packages / "late_module.py").write_text("x = 1\n")
    adopt(places)
    assert __import__("late_module").x == 1
    assert {"late_module", "os"} <= set(modules()["modules"])


def test_requests_are_answered_and_failures_too(places: Places) -> None:
    sent: list[tuple] = []
    session = SimpleNamespace(send=lambda *arguments: sent.append(arguments))
    shell = SimpleNamespace(user_ns={"x": 1, "helper": 2}, user_ns_hidden={"helper": 2})
    kernel = SimpleNamespace(shell_handlers={}, session=session, shell=shell)
    register(kernel, places)
    for name in ("modules", "adopt", "variables"):
        kernel.shell_handlers[f"gristmill_{name}_request"]("stream", "ident", {"content": {}})
    assert [message[1] for message in sent] == [f"gristmill_{name}_reply" for name in ("modules", "adopt", "variables")]
    assert sent[2][2] == {"variables": {"x": {"type": "builtins.int"}}}
    assert sent[2][3:] == ({"content": {}}, "ident")
    del kernel.shell
    kernel.shell_handlers["gristmill_variables_request"]("stream", "ident", {})
    assert sent[3][2]["status"] == "error"
