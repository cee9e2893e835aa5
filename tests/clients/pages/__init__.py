"""The pages of `docs/clients/`, tested: each client is set up by pasting what `tidegate snippet` prints.

`desk` is a user's machine, `objects`, `jobs` and `backups` have what each client is made to do, `catalogue` lists them.
"""
