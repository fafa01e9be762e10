# demo · build · test · lab · clean: the names that CI uses. `make lab KERNEL=6.12 SCENARIO=stale-cross` runs one of many, `make bench SUITE=replay` one suite.
TOOL := .build/release/vfioscope
KERNEL ?= all
SCENARIO ?= all
SUITE ?=
swift_flags := -c release -Xswiftc -static-executable --product vfioscope

.PHONY: demo build test unit lab fixtures bench dependencies lab-dependencies clean

build: dependencies
	swift build $(swift_flags)
	strip -o $(TOOL).stripped $(TOOL)
	mv $(TOOL).stripped $(TOOL)
	@ls -l $(TOOL) | awk '{ printf "%s: %.1f MB, static, the BPF object inside\n", "$(TOOL)", $$5 / 1e6 }'

demo: lab-dependencies build
	Tests/Lab/demo

test: unit lab

unit: dependencies
	swift test

lab: lab-dependencies build
	Tests/Lab/lab.py --kernel $(KERNEL) --scenario $(SCENARIO)

fixtures: lab-dependencies build
	Tests/Lab/lab.py --kernel all --scenario all --fixtures Tests/Fixtures

bench: lab-dependencies build
	@.ci/install-dependencies bench
	Benchmarks/bench $(SUITE)

dependencies:
	@.ci/install-dependencies build

lab-dependencies:
	@.ci/install-dependencies lab

clean:
	rm -rf .build .lab demo-out
