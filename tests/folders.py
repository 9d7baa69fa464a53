"""Fills folders, and says what one holds."""


def contents(folder):
    """Gives the bytes of every file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def touch(folder, *names):
    """Makes empty files of these names, with the folders that they are in; gives the folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder
