"""The servers behind the client suite, and what its tests share.

A test meets these in this order: `gateway` (where clients point), `identities` (who they are), `programs` and `sdk` (how
they are run), `payloads` (what they carry), `store` (what really arrived). The rest starts the servers.
"""
