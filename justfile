# The one door to everyday work.

# Formatting, lints, unit and integration tests: a few minutes.
quick:
    tests/run --quick

# Everything, with the suite of real clients.
test:
    tests/run

# The embedded quickstart.
dev:
    cargo run --release -- dev

# Dependencies: licences, bans, sources.
deny:
    cargo deny check bans licenses sources
