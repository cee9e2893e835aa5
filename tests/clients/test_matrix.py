"""Every client, in each framing that it can be made to send, against each kind of target."""

from collections.abc import Iterator

import pytest

from harness.identities import Identities
from harness.targets import Target
from harness.tidegate import Tidegate
from matrix.clients import ROWS, TARGETS
from matrix.document import Proven
from matrix.limits import limits_of
from matrix.run import Matrix

CELLS = [(row.id, target) for row in ROWS for target in TARGETS]


@pytest.fixture(scope="module")
def matrix(
    request: pytest.FixtureRequest,
    matrix_tidegate: Tidegate,
    matrix_targets: list[Target],
    matrix_identities: Identities,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Matrix]:
    """The cells that this run is about, all under way."""
    own = [item for item in request.session.items if item.module is request.module]
    cells = [item.callspec.params["cell"] for item in own if hasattr(item, "callspec")]
    directory = tmp_path_factory.mktemp("matrix")
    matrix = Matrix(matrix_tidegate, matrix_targets, matrix_identities, directory, cells)
    yield matrix
    matrix.stop()


@pytest.mark.parametrize("cell", CELLS, ids=["-at-".join(cell) for cell in CELLS])
def test_matrix(cell: tuple[str, str], matrix: Matrix, proven: Proven) -> None:
    result = matrix.result(*cell)
    proven.cells[cell] = result
    limits = limits_of(*cell)
    unexpected = [f"{step}: {error}" for step, error in result.failed.items() if step not in limits]
    assert not unexpected, "\n".join(unexpected)
    for step, limit in limits.items():
        assert limit.reports in result.failed.get(step, "it worked"), f"{step}: {result.failed.get(step, 'it worked')}"
    assert result.done and result.framings
