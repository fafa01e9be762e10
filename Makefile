# demo · build · test · lab · docs · lint · clean: the names that CI uses. `make lab KERNEL=6.12
# SCENARIO=stale-cross` runs one of many, `make bench SUITE=replay` one suite.
TOOL := .build/release/vfioscope
KERNEL ?= all
SCENARIO ?= all
SUITE ?=
swift_flags := -c release -Xswiftc -static-executable

swift_files := Sources Tests Plugins Benchmarks Package.swift
c_files = $(shell git ls-files '*.c' '*.h' '*.cpp')
guest_scripts := batch commands demo functions init random
shell_files := .ci/run .ci/install-dependencies $(addprefix Tests/Lab/guest/, $(guest_scripts))
ruff := .tools/bin/ruff

.PHONY: demo build test unit docs lab cutter fixtures bench fmt lint dependencies lab-dependencies \
	lint-dependencies clean

build: dependencies
	swift build $(swift_flags) --product vfioscope
	strip -o $(TOOL).stripped $(TOOL)
	mv $(TOOL).stripped $(TOOL)
	@ls -l $(TOOL) | awk '{ printf "%s: %.1f MB, static, the BPF object inside\n", "$(TOOL)", $$5 / 1e6 }'

demo: lab-dependencies build
	Tests/Lab/demo

test: unit lab

# Ends with its counts, which swift test writes to a file if it came to run tests.
unit: dependencies
	@rm -f .build/unit*.xml
	@swift test --xunit-output .build/unit.xml; status=$$?; \
	cat .build/unit-swift-testing.xml 2>/dev/null | tr ' ' '\n' | \
	awk -F'"' '/^tests=/ { all += $$2 } /^(errors|failures)=/ { failed += $$2 } \
		END { printf "unit: %d passed, %d failed\n", all - failed, failed }'; \
	exit $$status

# Writes what documents contain of the rules: docs/rules, tables, lists of the schema. The same test
# fails in `make unit` when one of them is stale.
docs: dependencies
	UPDATE_DOCS=1 swift test --filter RuleDocumentsTests

lab: lab-dependencies build cutter
	Tests/Lab/lab.py --kernel $(KERNEL) --scenario $(SCENARIO)

# Test-only: cuts the recording that the lab's scenarios share.
cutter: dependencies
	@swift build $(swift_flags) --product cut-recording

fixtures: lab-dependencies build
	Tests/Lab/lab.py --kernel all --scenario all --fixtures Tests/Fixtures

bench: lab-dependencies build
	@.ci/install-dependencies bench
	Benchmarks/bench $(SUITE)

# Changes files; `lint` only reports.
fmt: lint-dependencies
	@swift format --in-place --parallel --recursive $(swift_files)
	@clang-format -i $(c_files)
	@$(ruff) format -q . && $(ruff) check -q --fix .

lint: lint-dependencies
	@swift format lint --strict --parallel --recursive $(swift_files)
	@clang-format --dry-run -Werror $(c_files)
	@$(ruff) format -q --check . && $(ruff) check -q .
	@shellcheck -x -S warning $(shell_files)
	@.ci/check-text

dependencies:
	@.ci/install-dependencies build

lab-dependencies:
	@.ci/install-dependencies lab

lint-dependencies:
	@.ci/install-dependencies lint

clean:
	rm -rf .build .lab .tools demo-out
