"""Keep the answers of a set-up in progress, encrypted in the data folder, so that it can continue after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag

from hub.durable_files import write_durably
from hub.errors import BadInput
from hub.installation.data_folder import master_key
from hub.setup.answers import SetupAnswers
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys

FILE = "setup.sealed"
# The name that is authenticated together with the content.
NAME = FILE.encode()


class AnswersFile:
    """The answers, encrypted with the master key of the data folder, which is made with the first answer."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = data / FILE

    @property
    def keys(self) -> Path:
        """The folder for secrets, as an absolute path."""
        return (self._data / "keys").resolve()

    def read(self) -> dict[str, dict[str, str]]:
        """Return the answers; empty before the first was kept. Raises BadInput if another master key encrypted it."""
        if not self._path.exists():
            return {}
        try:
            found: dict[str, dict[str, str]] = self._cipher().decrypt_json(self._path.read_bytes(), NAME)
        except (InvalidTag, ValueError):
            raise BadInput(
                f"{self._path} was encrypted with another master key: bring keys/master.key back, or remove that file "
                "and answer anew"
            ) from None
        return found

    def keep(self, answers: SetupAnswers) -> None:
        values = {step: dict(given) for step, given in answers.items()}
        self._data.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_durably(self._path, self._cipher().encrypt_json(values, NAME))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def write_files(self, files: Mapping[Path, bytes]) -> None:
        """Write the secrets and certificates to which the configuration refers. Only their owner can read them."""
        for path, content in files.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, content)

    def delete_files(self, files: Mapping[Path, bytes]) -> None:
        for path in files:
            path.unlink(missing_ok=True)

    def _cipher(self) -> Cipher:
        return Cipher(Keys.load_or_create(master_key(self._data)))
