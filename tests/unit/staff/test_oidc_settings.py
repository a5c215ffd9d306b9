"""What may be configured as the school's own login service."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from hub.settings.sections import OidcSettings

ISSUER = "https://login.school.example/realms/school"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"issuer": "http://login.school.example"}, "has to begin with https://"),
        ({"issuer": "login.school.example"}, "has to begin with https://"),
        ({"issuer": "https://"}, "has to begin with https://"),
        ({"client_id": ""}, "set it"),
        ({"issuer": ""}, "needs its issuer"),
        ({"second_factor": "none"}, "own"),
        ({"accounts": "name"}, "subject"),
        ({"deadline": 0}, "greater than 0"),
        ({"session_minutes": 721}, "less than or equal to 720"),
    ],
)
def test_what_lets_in_whom_it_should_not_is_refused(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        OidcSettings.model_validate({"issuer": ISSUER, "client_id": "qianda"} | changed)


def test_the_secret_is_that_of_its_file_and_does_not_show(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of the file\nanother line\n")
    options = OidcSettings(issuer=ISSUER, client_id="qianda", client_secret_file=file)
    assert options.read_client_secret() == "of the file"
    stated = OidcSettings.model_validate({"issuer": ISSUER, "client_id": "qianda", "client_secret": "stated"})
    assert stated.read_client_secret() == "stated" and "stated" not in repr(stated)
    assert OidcSettings(issuer="http://127.0.0.1:8081", client_id="qianda").read_client_secret() == ""
