"""`docs/clients/matrix.md` says what this run proved, neither more nor less. Collected behind what it is written from."""

import pytest

from matrix import document
from matrix.document import Proven
from test_matrix import CELLS
from test_stores import QUESTIONS


def test_documentation_of_clients_is_what_was_proven(request: pytest.FixtureRequest, proven: Proven) -> None:
    if len(proven.cells) < len(CELLS) or len(proven.answers) < len(QUESTIONS):
        pytest.skip("only a run of all cells and questions can tell")
    page = document.written(proven)
    if request.config.getoption("write_docs"):
        document.write(page)
    assert document.agrees(page), "docs/clients/matrix.md is not what was proven: run tests/clients/run --write-docs, and look"
