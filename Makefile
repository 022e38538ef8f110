# Two commands matter: `make run` and `make test`. Each installs what it needs first.

SHELL := /bin/bash
.DEFAULT_GOAL := run
.PHONY: run run-packages test-packages models test lint screenshots figures clean

# Everything that is fetched or made beside the source; git ignores it.
OUT := $(CURDIR)/out
# The tests bring their own data folder, so that they never touch the user's.
TEST_DATA := $(OUT)/data
# One feature set for every build that tests use, so that nothing is compiled twice.
TEST_FEATURES := --features inspect

run: run-packages
	@scripts/run.sh

run-packages:
	@scripts/packages.sh run

test-packages:
	@scripts/packages.sh run test

# The default language model, in the folder the tests look in. The program is the one that the tests
# are built with: `cargo build` alone would compile half the tree again, with other features.
models:
	@cargo test --locked $(TEST_FEATURES) --no-run
	@FORMANT_DATA=$(TEST_DATA) $${CARGO_TARGET_DIR:-target}/debug/formant models fetch smollm2-135m-instruct

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets $(TEST_FEATURES) -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --locked --no-deps --document-private-items --quiet

# Fast first: what is wrong is said as early as it can be known; then everything, on the real models.
test: test-packages lint models
	FORMANT_DATA=$(TEST_DATA) cargo test --locked $(TEST_FEATURES)

# The pictures in screenshots/, from the real window with the real models.
screenshots: test-packages models
	FORMANT_DATA=$(TEST_DATA) FORMANT_SCREENSHOTS=screenshots cargo test --locked $(TEST_FEATURES) --test it window

# The figures that the README states, measured on this machine in release.
figures: test-packages
	cargo build --release --locked
	target/release/formant models fetch smollm2-135m-instruct
	python3 scripts/figures.py target/release/formant

clean:
	rm -rf $(OUT)
	cargo clean
