"""The matrix: every client, in each framing that it can be made to send, against each kind of target.

A cell is one of them. Its client carries out the operations that it has, with the settings of a user who knows nothing
of Tidegate's targets: an endpoint, a CA, credentials. What it was told is compared with what the store itself answers.

`cell` says what a cell is and checks it, `clients` lists who takes part, the other modules drive them, `limits` lists
what a target cannot do, `document` writes `docs/clients/matrix.md` from what was proven.
"""
