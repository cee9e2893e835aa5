"""Every client, in each framing that it can be made to send, against each kind of target; then the page about it."""

from collections.abc import Iterator

import pytest

from harness.identities import Identities
from harness.targets import Target
from harness.tidegate import Tidegate
from matrix import document
from matrix.clients import ROWS, TARGETS
from matrix.limits import limits_of
from matrix.run import Matrix, Result

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


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], Result]:
    """Filled by the tests of the cells."""
    return {}


@pytest.mark.parametrize("cell", CELLS, ids=["-at-".join(cell) for cell in CELLS])
def test_matrix(cell: tuple[str, str], matrix: Matrix, results: dict[tuple[str, str], Result]) -> None:
    result = matrix.result(*cell)
    results[cell] = result
    limits = limits_of(*cell)
    unexpected = [f"{step}: {error}" for step, error in result.failed.items() if step not in limits]
    assert not unexpected, "\n".join(unexpected)
    for step, limit in limits.items():
        assert limit.reports in result.failed.get(step, "it worked"), f"{step}: {result.failed.get(step, 'it worked')}"
    assert result.done and result.framings


def test_matrix_is_what_the_documentation_says(
    request: pytest.FixtureRequest, results: dict[tuple[str, str], Result]
) -> None:
    if len(results) < len(CELLS):
        pytest.skip("only a whole run can tell")
    page = document.written(results, "")
    if request.config.getoption("write_docs"):
        document.write(page)
    assert document.agrees(page), "docs/clients.md is not what was proven: tests/clients/run --write-docs, and look at it"
