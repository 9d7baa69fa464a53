"""The exceptions that stand for mistakes a user can put right."""


class UserError(Exception):
    """A wrong flag, file or folder.

    Its message is one sentence that names the flag or file and says what would work. Programs print it
    without a traceback and exit with status 1 (see `mrisynth.cli.app`).
    """


class UnusableScanError(UserError):
    """A scan that cannot be trained on; the message is the reason, without the file's name."""
