"""The one exception that stands for a mistake a user can put right."""


class UserError(Exception):
    """A wrong flag, file or folder.

    Its message is one sentence that names the flag or file and says what would work. Programs print it
    without a traceback and exit with status 1 (see `mrisynth.cli.app`).
    """
