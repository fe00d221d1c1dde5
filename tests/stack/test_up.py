"""What `make up` leaves behind for a second terminal, and takes away again."""

import pytest

from stack import up

ENVIRONMENT = {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_HOME": "/home", "OTHER": "x"}


@pytest.mark.parametrize(
    "before", [None, "AWS_ACCESS_KEY_ID=mine\n", "LAST=line", f"MINE=1\n{up.ADDED}PREFECT_API_URL=old\n"]
)
def test_the_users_own_lines_of_the_env_file_stay(tmp_path, monkeypatch, before):
    file = tmp_path / ".env"
    monkeypatch.setattr(up, "ENV_FILE", file)
    if before:
        file.write_text(before)
    own = before.partition(up.ADDED)[0].rstrip("\n") + "\n" if before else ""
    with up.env_file(ENVIRONMENT):
        added = "PREFECT_API_URL=http://127.0.0.1:4200/api\nPREFECT_HOME=/home\n"
        assert file.read_text() == own + up.ADDED + added
    assert (file.read_text() if file.exists() else "") == own
