"""The operator's command refuses what it does not understand before it asks anyone."""

import pytest

from services import skip


@pytest.mark.parametrize("arguments", [[], ["group", "topic", "0"], ["group", "topic", "first", "7"]])
def test_wrong_usage_is_told_and_changes_nothing(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["skip", *arguments])
    with pytest.raises(SystemExit) as ended:
        skip.main()
    assert ended.value.code == 2
    assert "GROUP TOPIC PARTITION OFFSET" in capsys.readouterr().err
