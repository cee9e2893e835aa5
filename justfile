# The one door to everyday work.

# Formatting, lints, unit and integration tests: a few minutes.
quick:
    tests/run --quick

# Everything, with the suite of real clients.
test:
    tests/run

# The properties of framing, with many more cases than the everyday 256.
properties cases="1000000":
    PROPTEST_CASES={{cases}} cargo test --release --lib any_chunking

# The embedded quickstart.
dev:
    cargo run --release -- dev

# Dependencies: licences, bans, sources.
deny:
    cargo deny check bans licenses sources
