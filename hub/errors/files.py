"""What may be wrong with an uploaded file, or with its upload."""

from hub.errors.kinds import BadInput, TooMany, Unavailable


class UnreadableFile(BadInput):
    code = "unreadable-file"
    sentence = "The file could not be read."


class StoredFileUnreadable(UnreadableFile):
    """A file that the hub has stored is missing or was changed."""

    code = "stored-file-unreadable"
    sentence = "This file cannot be read here. The operator of this service has to look into it."


class FileErased(StoredFileUnreadable):
    code = "file-erased"
    sentence = "This file does not exist any more: a person was erased from this contract."


class FilesUnavailable(Unavailable):
    """The folder or the object store of stored files does not answer, or refuses us."""

    code = "files-unavailable"
    sentence = "The stored files cannot be reached right now. Nothing was lost. Please try again later."

    def __init__(self, reason: str) -> None:
        """Create the error. `reason`: for the log and the command line only, because it may name folders and hosts."""
        super().__init__(reason)
        self.detail = ""


class ManyChecks(Unavailable):
    code = "many-checks"
    sentence = "Many files are being checked right now. Please try again in a minute."


class ManyFiles(TooMany):
    code = "many-files"
    sentence = "Several files from your network are being checked already. Please try again in a minute."


class ManyUploads(TooMany):
    code = "many-uploads"
    sentence = "Two of your files are being received already. Please wait a moment, then try again."


class ManyKeyUploads(TooMany):
    code = "many-key-uploads"
    sentence = "Several files are being received with this key already. Please wait a moment, then try again."


class DiskFull(Unavailable):
    code = "disk-full"
    sentence = "The server has no space left on its disk. Nothing was lost. Please try again later."


class UploadTooSlow(Unavailable):
    code = "upload-too-slow"
    sentence = "The file arrived too slowly, so we stopped waiting. Please try again with a better connection."
