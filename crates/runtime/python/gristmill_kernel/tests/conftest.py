from pathlib import Path

import pytest

from gristmill_kernel.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A sandbox's directories: two datasets of one name, seen by links as in a sandbox."""
    workspace, datasets = tmp_path / "workspace", tmp_path / "datasets"
    for name, text in (("one", "a,b\n1,x\n2,y\n"), ("two", "a,b\n3,z\n")):
        (datasets / name).mkdir(parents=True)
        (datasets / name / "original").write_text(text)
        (workspace / "datasets" / name).mkdir(parents=True)
        (workspace / "datasets" / name / "sales.csv").symlink_to(datasets / name / "original")
    (workspace / "datasets" / "sales.csv").symlink_to(datasets / "one" / "original")
    return Places(workspace=workspace, datasets=datasets, packages=tmp_path / "packages")
