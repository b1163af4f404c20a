"""What the demo says when it is interrupted."""

import os
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infra.demo import __main__ as demo
from infra.local import record as records
from infra.local import services
from infra.local.pids import identify


def interrupted(root: Path, *, simulator: bool) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("runs", [True, False])
def test_an_interrupt_says_whether_anything_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, runs: bool
) -> None:
    screen, here = StringIO(), identify(os.getpid())
    assert here
    (tmp_path / "logs").mkdir()
    record = records.load_or_create(tmp_path)
    record.processes = {"kafka": here if runs else here.model_copy(update={"born": "long ago"})}
    records.save(tmp_path, record)
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr(demo, "console", Console(file=screen, width=200))
    monkeypatch.setattr(services, "up", interrupted)
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 130
    assert ("goes on until make stop" in screen.getvalue(), "Nothing was left running" in screen.getvalue()) == (
        runs,
        not runs,
    )
