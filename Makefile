# kvferry - one Makefile, not recursive.  `make help` lists the targets.
# User's choices: CC CFLAGS LDFLAGS PREFIX DESTDIR V=1 WERROR=1 VARIANT=...

VERSION   := 0.1.0
VARIANT   ?= release
B         := build/$(VARIANT)
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
MANDIR    ?= $(PREFIX)/share/man
Q         := $(if $(V),,@)
JOBS      ?= $(shell nproc 2>/dev/null || echo 1)
# Another make inside a recipe, with as many jobs as there are processors
# unless the user chose.
jobs       = --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
say        = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# Debian 12's msgpack-c has the pkg-config name `msgpack`, newer ones `msgpack-c`.
MSGPACK   := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
PKGS      := libzstd $(MSGPACK) sqlite3 libpq yaml-0.1 jansson libxxhash libcrypto
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CMOCKA     = $(shell pkg-config --cflags --libs cmocka 2>/dev/null)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wcast-qual -Wwrite-strings -Wformat=2 -Wswitch-enum
STD  := -std=c11 -D_GNU_SOURCE -fvisibility=hidden -fPIC -pthread

FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
FLAGS_debug   := -O0 -g3
FLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
FLAGS_tsan    := -O1 -g -fsanitize=thread
FLAGS_cov     := -O0 -g --coverage
FLAGS_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
FLAGS_clang   := -O2 -g -D_FORTIFY_SOURCE=2
LINK_release  := -Wl,-z,relro,-z,now
ifeq ($(VARIANT),fuzz)
CC := clang
endif
ifeq ($(VARIANT),clang)
CC := clang
endif

ALL_CFLAGS  = $(STD) $(WARN) $(if $(WERROR),-Werror) $(FLAGS_$(VARIANT)) -Iinclude -Isrc \
              -DKVF_VERSION='"$(VERSION)"' $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(FLAGS_$(VARIANT)) $(LINK_$(VARIANT)) -pthread $(LDFLAGS)

LIB_SRC  := $(sort $(filter-out src/cli/%,$(wildcard src/*/*.c)))
CLI_SRC  := $(sort $(wildcard src/cli/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o)
CLI_OBJ  := $(CLI_SRC:%.c=$(B)/%.o)
LIB_A    := $(B)/libkvferry.a
LIB_SO   := $(B)/libkvferry.so.0
BIN      := $(B)/kvferry
SUPPORT  := $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
CTESTS   := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*.c tests/conform/*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZRUN  := $(patsubst %,$(B)/tests/fuzz/replay_%,$(FUZZ))
BENCHES  := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
TOOLS    := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))
BENCHOBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/bench/common/*.c))
SAMPLES  := $(patsubst %.c,$(B)/%,$(wildcard samples/*/*.c))
# kvferry with named failpoints (src/base/failpoint.h), for tests: the files that name
# one, compiled once more.
FAIL_OBJ := $(patsubst %.c,$(B)/fail/%.o,$(shell grep -l '^.include "base/failpoint.h"' src/*/*.c))
FAILBIN  := $(B)/tests/kvferry
PRELOADS := $(patsubst tests/support/preload/%.c,$(B)/tests/support/%.so,$(wildcard tests/support/preload/*.c))

all: $(BIN) $(LIB_A) $(LIB_SO) ## build the binary and the library (build/release)

$(B)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB_A): $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIB_OBJ)

$(LIB_SO): $(LIB_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-soname,libkvferry.so.0 $(ALL_LDFLAGS) -o $@ $(LIB_OBJ) $(PKG_LIBS)

$(BIN): $(CLI_OBJ) $(LIB_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(CLI_OBJ) $(LIB_A) $(PKG_LIBS)

$(CTESTS): $(B)/%: $(B)/%.o $(SUPPORT) $(LIB_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(SUPPORT) $(LIB_A) $(PKG_LIBS) $(CMOCKA)

$(B)/fail/%.o: %.c
	$(call say,CC,$< with failpoints)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DKVF_FAILPOINTS -MMD -MP -c -o $@ $<

$(FAILBIN): $(FAIL_OBJ) $(CLI_OBJ) $(LIB_A)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(FAIL_OBJ) $(CLI_OBJ) $(LIB_A) $(PKG_LIBS)

# Programs that shell tests use.
$(TOOLS): $(B)/%: $(B)/%.o $(SUPPORT) $(LIB_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(SUPPORT) $(LIB_A) $(PKG_LIBS) $(CMOCKA)

# The peers know nothing of the library.
$(BENCHES): $(B)/%: $(B)/%.o $(BENCHOBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(BENCHOBJ) $(PKG_LIBS)

# Programs that embed the library see what a user of the shared one sees.
$(SAMPLES): $(B)/%: $(B)/%.o $(LIB_SO)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB_SO) -Wl,-rpath,'$$ORIGIN/../..'

# A fuzz target alone, with a driver that replays files: part of `make test`.
$(FUZZRUN): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(LIB_A)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Libraries for LD_PRELOAD that make the n-th call fail.
$(PRELOADS): $(B)/tests/support/%.so: tests/support/preload/%.c tests/support/preload/fault.h
	$(call say,PRELOAD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) $(if $(WERROR),-Werror) -shared -fPIC -o $@ $< -ldl -pthread

tests-build: all $(FAILBIN) $(CTESTS) $(TOOLS) $(FUZZRUN) $(SAMPLES) $(PRELOADS)

deps: ## install what is missing (Debian packages; sudo where needed)
	@sh tests/support/deps.sh

test: deps ## everything that must pass: unit, golden, conformance, cli, integration
	@$(MAKE) $(jobs) tests-build
	@B=$(B) sh tests/run.sh

check: tests-build ## as test, without looking for packages; T=pattern selects
	@B=$(B) sh tests/run.sh $(T)

demo: deps ## a legacy shop becomes a verified key-value store, before your eyes
	@$(MAKE) $(jobs) all
	@KVFERRY=$(BIN) sh samples/catalog/demo.sh

asan tsan: ## the tests under a sanitizer
	@$(MAKE) $(jobs) VARIANT=$@ tests-build
	@B=build/$@ sh tests/run.sh $(T)

clang: ## build with clang, and run the tests
	@$(MAKE) $(jobs) VARIANT=clang tests-build
	@B=build/clang sh tests/run.sh $(T)

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	@$(MAKE) $(jobs) VARIANT=fuzz build/fuzz/libkvferry.a
	@for f in $(FUZZ); do FLAGS='$(STD) $(FLAGS_fuzz) -Iinclude -Isrc $(PKG_CFLAGS)' \
	  LIBS='build/fuzz/libkvferry.a $(PKG_LIBS)' sh tests/fuzz/run.sh $$f || exit 1; done

bench: all $(BENCHES) ## the benchmarks against the peers; ratios of one run
	@B=$(B) sh tests/bench/run.sh

bench-pg: ## the same on a PostgreSQL server of its own; BENCH_BIG=1 adds 20 million rows
	@sh tests/support/deps.sh base peers
	@$(MAKE) $(jobs) all $(BENCHES)
	@B=$(B) sh tests/bench/run_pg.sh

bench-lakefs: ## lakeFS: rows per second of each package, and what COPY needs
	@sh tests/support/deps.sh base
	@$(MAKE) $(jobs) all $(BENCHES)
	@B=$(B) sh tests/bench/run_lakefs.sh

model: ## the import protocol's model: every variant (spin; about ten minutes)
	@sh tests/support/deps.sh model || true
	@JOBS=$(JOBS) sh docs/model/check.sh all

model-quick: ## one sound and every bad variant for stores with transactions
	@sh tests/support/deps.sh model || true
	@JOBS=$(JOBS) sh docs/model/check.sh quick

torture: ## faults at every occurrence (about 20 minutes; CASES=..., EVERY=k, MOST=n: tests/torture/run.sh)
	@sh tests/support/deps.sh
	@$(MAKE) $(jobs) all $(FAILBIN) $(TOOLS) $(PRELOADS) $(B)/tests/conform/store_cockroach
	@B=$(B) sh tests/torture/run.sh
	@case "$${CASES:-lakefs}" in *lakefs*) B=$(B) sh tests/torture/lakefs.sh;; esac

cov: ## line and branch coverage of the tests
	@$(MAKE) $(jobs) VARIANT=cov tests-build
	@B=build/cov sh tests/run.sh && sh tests/support/cov.sh build/cov

lint: check-layers ## layers, headers, banned calls, format, clang-tidy, cppcheck, manuals
	@CFLAGS='$(STD) -Iinclude -Isrc $(PKG_CFLAGS) -DKVF_VERSION="\"x\""' sh tests/support/lint.sh

check-layers: ## hold every #include to src/LAYERS
	@sh tests/support/check-layers.sh

fmt: ## let clang-format lay out the code
	@clang-format -i $$(git ls-files '*.c' '*.h')

install: all ## install binary, library, headers, manuals, completions
	@VERSION=$(VERSION) B=$(B) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) MANDIR=$(MANDIR) \
	  PKGS='$(PKGS)' sh tests/support/install.sh install

uninstall: ## remove what install brought
	@VERSION=$(VERSION) B=$(B) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) MANDIR=$(MANDIR) \
	  sh tests/support/install.sh uninstall

clean: ## remove build/
	$(Q)rm -rf build

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "  %-12s %s\n",$$1,$$2}'

.PHONY: all tests-build deps test check demo asan tsan clang fuzz torture model model-quick bench bench-pg bench-lakefs cov lint check-layers fmt \
        install uninstall clean help
.SECONDARY:
.DEFAULT_GOAL := all

-include $(shell find $(B) -name '*.d' 2>/dev/null)
