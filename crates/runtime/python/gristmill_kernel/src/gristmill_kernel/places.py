"""Where things are in a sandbox."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Directories that the helpers use; tests have their own."""

    #: The project's files: writable, kept between kernels.
    workspace: Path = Path("/workspace")
    #: The project's datasets by id, read only: ``<id>/original``.
    datasets: Path = Path("/datasets")
    #: Installed packages; a link that changes with each installation.
    packages: Path = Path("/opt/gristmill/packages/current")

    @property
    def links(self) -> Path:
        """The project's datasets by name, read only: ``<name>`` and ``<id>/<name>``."""
        return self.workspace / "datasets"

    def writable(self, dataset_id: str | None) -> Path:
        """Where copies of a dataset's file belong. Two datasets of one name do not meet."""
        return self.workspace / "data" / plain_name(dataset_id) if dataset_id else self.workspace

    @property
    def exports(self) -> Path:
        """What the server takes over into the project."""
        return self.workspace / "_exports"


def plain_name(name: str) -> str:
    """Gives the last part of a path: a name that stays where it is put.

    Raises:
        ValueError: when nothing is left.
    """
    plain = Path(str(name)).name
    if plain in {"", ".", ".."} or "\0" in plain:
        raise ValueError(f"{name!r} is not a file name")
    return plain
