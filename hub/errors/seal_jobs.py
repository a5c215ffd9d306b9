"""Refusals about jobs that seal files of other systems."""

from hub.errors.kinds import Conflict, NotFound, TooMany, Unavailable


class SealJobNotFound(NotFound):
    code = "seal-job-not-found"
    sentence = "There is no such seal job, or no such file in it."


class ManySealFiles(TooMany):
    code = "many-seal-files"
    sentence = "Too many files of this client are waiting to be sealed. Please try again later."


class ResultNotReady(Conflict):
    """The detail is the state of the file, or of the job."""

    code = "result-not-ready"
    sentence = "There is no sealed file to fetch: it is not sealed yet, has failed, or was deleted after its time."


class StoreDenied(Conflict):
    """The detail is the object's key."""

    code = "store-denied"
    sentence = "The object store refuses this object."


class StoreUnavailable(Unavailable):
    code = "store-unavailable"
    sentence = "The object store does not answer, or refuses access. Nothing was lost; we will try again automatically."
