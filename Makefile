# SPDX-License-Identifier: Apache-2.0
# mod_banlist.  `make help` lists the targets.

BUILD  ?= build
PREFIX ?= /usr/local
APXS   ?= $(shell command -v apxs || command -v apxs2)
JOBS   ?= 2

VERSION := $(or $(shell sed -n \
    's/^.define BANLIST_VERSION *"\(.*\)".*/\1/p' \
    httpd/banlist_httpd.h 2>/dev/null),0)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all demo test unit oracle bench fuzz asan tsan soak lint install \
    uninstall deb package-test dist clean help tests benches sanitized \
    memcheck memchecked \
    analyzer cppcheck tidy shellcheck

# --- What apxs says ---------------------------------------------------------
# Asked at the first use and kept, because `make help` needs no apxs.

no_apxs = $(error apxs is not here: run `make demo`, which installs what is \
missing, or `apt-get install gcc libc6-dev apache2-dev` (Red Hat: `dnf \
install gcc httpd-devel redhat-rpm-config`))
ask  = $(shell $(or $(APXS),$(no_apxs)) -q $1 | sed 's/;;/ /g')
keep = $(eval $1 := $2)$($1)

# -D_GNU_SOURCE comes back below as a plain "#define _GNU_SOURCE" has it, so
# that a source which needs it may say so.
APXS_FLAGS = $(call keep,APXS_FLAGS,$(filter-out \
    -specs=% -flto% -D_GNU_SOURCE,\
    $(call ask,EXTRA_CPPFLAGS CPPFLAGS EXTRA_CFLAGS CFLAGS)))
INCLUDES   = $(call keep,INCLUDES,$(patsubst %,-isystem %,\
    $(sort $(call ask,INCLUDEDIR APR_INCLUDEDIR APU_INCLUDEDIR))))
MODULES    = $(call keep,MODULES,$(call ask,LIBEXECDIR))
SYSCONF    = $(call keep,SYSCONF,$(call ask,SYSCONFDIR))
ifeq ($(origin CC),default)
CC         = $(call keep,CC,$(call ask,CC))
endif

# --- Flags ------------------------------------------------------------------

WERROR   ?= -Werror
WARNINGS  = -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes
SANITIZED = $(if $(SANITIZE),-O1 -U_FORTIFY_SOURCE -fsanitize=$(SANITIZE) \
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
COMPILE   = $(CC) $(APXS_FLAGS) -D_GNU_SOURCE= -std=gnu11 -O2 -g -fPIC \
    -pthread $(WARNINGS) $(CPPFLAGS) $(CFLAGS) $(SANITIZED) -I. $(INCLUDES)
LINK      = -pthread -Wl,-z,relro -Wl,-z,now $(LDFLAGS) $(SANITIZED)

# Whole command lines with V=1.
SHOW      = $(if $(V),,@echo "$1"; )

# --- Build ------------------------------------------------------------------

object = $(patsubst %.c,$(BUILD)/obj/%.o,$1)
ENGINE := $(call object,$(wildcard banlist/*.c))
MODULE := $(call object,mod_banlist.c $(wildcard httpd/*.c))
COMMAND := $(call object,$(wildcard tools/*.c))
UNITS  := $(patsubst %.c,$(BUILD)/%,$(wildcard t/unit/*.c))
REPLAY := $(addprefix $(BUILD)/t/fuzz/,prefix reader table)
UNITS_O := $(call object,$(wildcard t/unit/*.c t/fuzz/*.c t/fault/*.c))
BENCH_O := $(call object,$(wildcard t/bench/*.c))
BENCH   := $(patsubst $(BUILD)/obj/t/%.o,$(BUILD)/%,\
    $(filter-out %_peers.o,$(BENCH_O))) $(BUILD)/bench/lookup_peers.so

all: $(BUILD)/mod_banlist.so $(BUILD)/banlist ## the module and the command
	@:

tests: all $(UNITS) $(REPLAY) $(BUILD)/t/resolver.so \
    $(BUILD)/t/soak-client $(if $(SANITIZE),,$(BUILD)/t/fault.so \
    $(BUILD)/t/fault/engine)

benches: all $(BENCH)

# APR loads modules with RTLD_GLOBAL: any other visible name could take the
# place of another module's.  (__odr_asan: the sanitizer's own.)
$(BUILD)/mod_banlist.so: $(MODULE) $(ENGINE)
	$(call SHOW,link    $@)$(CC) -shared -o $@.new $^ $(LINK)
	@names=`nm -D --defined-only -f posix $@.new | cut -d' ' -f1 | \
	    grep -v '^__odr_asan' | xargs`; \
	if [ "$$names" != banlist_module ]; then \
	    echo "$@: exports other than banlist_module: $$names" >&2; \
	    rm -f $@.new; exit 1; \
	fi
	@mv $@.new $@

$(BUILD)/banlist: $(COMMAND) $(ENGINE)
	$(call SHOW,link    $@)$(CC) -o $@ $^ $(LINK)

$(UNITS): $(BUILD)/t/unit/%: $(BUILD)/obj/t/unit/%.o $(ENGINE)
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -o $@ $^ $(LINK)

$(REPLAY): $(BUILD)/t/fuzz/%: $(BUILD)/obj/t/fuzz/%.o \
    $(BUILD)/obj/t/fuzz/replay.o $(ENGINE)
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -o $@ $^ $(LINK)

# Takes the place of the C library's resolver in one test.
$(BUILD)/t/resolver.so: $(BUILD)/obj/t/httpd/resolver.o
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -shared -o $@ $^ $(LINK) -ldl

# The sanitizers have a malloc of their own.
FAULT := $(if $(SANITIZE),,$(BUILD)/t/fault/engine)

$(BUILD)/t/fault/engine: $(call object,t/fault/engine.c t/fault/fault.c) \
    $(ENGINE)
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -o $@ $^ $(LINK) -ldl

$(BUILD)/t/fault.so: $(call object,t/fault/fault.c)
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -shared -o $@ $^ $(LINK) -ldl

$(BUILD)/t/soak-client: $(BUILD)/obj/t/system/soak-client.o
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -o $@ $^ $(LINK)

$(BUILD)/obj/tools/banlist.o: CPPFLAGS += -DBANLIST_VERSION='"$(VERSION)"'

$(BUILD)/bench/%: $(BUILD)/obj/t/bench/%.o $(ENGINE)
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -o $@ $^ $(LINK)

$(BUILD)/bench/%.so: $(BUILD)/obj/t/bench/%.o
	@mkdir -p $(@D)
	$(call SHOW,link    $@)$(CC) -shared -o $@ $^ $(LINK)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call SHOW,compile $<)$(COMPILE) -MMD -MP -c -o $@ $<

.SECONDARY: $(UNITS_O) $(BENCH_O)
-include $(patsubst %.o,%.d,$(ENGINE) $(MODULE) $(UNITS_O) \
    $(BENCH_O) $(COMMAND))

# --- Demo and tests ---------------------------------------------------------
# t/setup may install apxs, so what follows it is a make of its own.

# prove runs Perl's .t files and compiled programs alike.
PROVE = BANLIST_MODULE=$(abspath $(BUILD))/mod_banlist.so \
    BANLIST_COMMAND=$(abspath $(BUILD))/banlist \
    prove -It/lib -j$(JOBS) --timer
T ?= $(UNITS) $(REPLAY) $(FAULT) $(wildcard t/*.t t/model/*.t t/fault/*.t \
    t/httpd/*.t t/tools/*.t t/system/*.t)

demo: ## see a client banned and served again (installs what is missing)
	@t/setup demo
	@$(MAKE) --no-print-directory all
	@BANLIST_MODULE=$(abspath $(BUILD))/mod_banlist.so t/demo

test: ## every test, or T=FILES (installs what is missing)
	@t/setup test
	@$(MAKE) --no-print-directory tests
	$(PROVE) $(T)

unit: tests ## the engine's tests alone
	$(PROVE) $(UNITS) $(REPLAY)

oracle: tests ## the engine against the oracle, LOOKUPS=10000000
	$(BUILD)/t/unit/oracle $(or $(LOOKUPS),10000000)

asan: ## unit and httpd tests under the address and UB sanitizers
	@t/setup test
	@$(MAKE) --no-print-directory BUILD=build/asan \
	    SANITIZE=address,undefined sanitized

sanitized: tests
	BANLIST_PRELOAD=`$(CC) -print-file-name=libasan.so` \
	    $(PROVE) $(UNITS) $(REPLAY) $(wildcard t/httpd/*.t)

tsan: ## unit tests under the thread sanitizer
	@t/setup test
	@BANLIST_SECONDS=10 $(MAKE) --no-print-directory BUILD=build/tsan \
	    SANITIZE=thread unit

memcheck: ## unit and httpd tests under valgrind (MPM=worker: that one)
	@t/setup test
	@$(MAKE) --no-print-directory memchecked

# An MPM with threads and the one without: worker's would find what event's
# do.  The longest tests come first.
SLOWEST = $(BUILD)/t/unit/oracle $(patsubst %,t/httpd/%.t,config-errors \
    loader-process graceful-restart matrix until status hostnames)
WATCHED = $(SLOWEST) $(filter-out $(SLOWEST),$(UNITS) $(REPLAY) \
    $(wildcard t/httpd/*.t))

memchecked: tests
	BANLIST_MPM="$(or $(MPM),event prefork)" BANLIST_SECONDS=10 \
	    ORACLE_LOOKUPS=450000 $(PROVE) --exec t/memcheck $(WATCHED)

# Switched off: swappable parameters (every comparison of two addresses has
# them), narrowing (httpd's own interfaces mix int and size_t), reserved
# names (_GNU_SOURCE is one), branch clones (a chain of reasons has some), and
# the check that wants C11's Annex K, which glibc has not.
TIDY = -*,clang-analyzer-*,bugprone-*,-bugprone-easily-swappable-parameters,$\
    -bugprone-narrowing-conversions,-bugprone-reserved-identifier,$\
    -bugprone-branch-clone,$\
    -clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
C_FILES = mod_banlist.c $(wildcard httpd/*.c banlist/*.c tools/*.c)
# Those whose first line says so; a program may have one inside it.
SCRIPTS = $(shell grep -rlPz --exclude-dir=build --exclude-dir=.git \
    '\A.!/bin/(ba)?sh' .)

# Each part runs, and analyses every file, whatever the others found.
lint: ## gcc -fanalyzer, cppcheck, clang-tidy, shellcheck
	@t/setup ci
	@$(MAKE) --no-print-directory -k analyzer cppcheck tidy shellcheck
	@echo 'lint: nothing found'

analyzer:
	@$(MAKE) --no-print-directory -k BUILD=build/analyzer \
	    CFLAGS=-fanalyzer tests

cppcheck:
	cppcheck -q --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --error-exitcode=1 -I. $(C_FILES)

# Whatever it prints is a finding, except how many it hid in system headers.
tidy:
	! clang-tidy --quiet --checks='$(TIDY)' $(C_FILES) -- $(APXS_FLAGS) \
	    -D_GNU_SOURCE= -std=gnu11 -I. $(INCLUDES) 2>&1 | \
	    grep -v 'warnings\? generated\.$$'

shellcheck:
	shellcheck $(SCRIPTS)

fuzz: ## each fuzz target for SECONDS=60, or PART=NAME alone
	@t/setup fuzz
	@t/fuzz/run $(or $(SECONDS),60) $(PART)

soak: ## the oracle under fire for SECONDS=3600
	@t/setup test
	@$(MAKE) --no-print-directory tests
	@t/system/soak $(or $(SECONDS),3600) $(PART)

bench: ## measure beside other servers; PART=NAME for one part
	@t/setup bench
	@$(MAKE) --no-print-directory benches
	@t/bench/run $(PART)

# --- Install ----------------------------------------------------------------
# Debian's layout where apxs says /etc/apache2, Red Hat's otherwise.

BIN       = $(DESTDIR)$(PREFIX)/bin
MAN       = $(DESTDIR)$(PREFIX)/share/man
ACTIONS   = $(DESTDIR)/etc/fail2ban/action.d
HTTPD_ETC = $(patsubst %/conf,%,$(SYSCONF))
DEBIAN    = $(filter %/apache2,$(SYSCONF))
LOAD_FILE = $(DESTDIR)$(HTTPD_ETC)/$(if $(DEBIAN),mods-available/banlist.load,$\
    conf.modules.d/10-banlist.conf)
CONF_DIR  = $(DESTDIR)$(HTTPD_ETC)/$(if $(DEBIAN),mods-available,conf.d)
CONF_FILE = $(CONF_DIR)/banlist.conf
ENABLED   = $(DESTDIR)$(HTTPD_ETC)/mods-enabled/banlist
MAN1     := $(wildcard docs/*.1)
MAN8     := $(wildcard docs/*.8)
ACTION    = apache-banlist.conf

# A file of conf/ with the paths and the user of this layout.
LOCAL = sed -e 's|^LoadModule.*|LoadModule banlist_module $\
    $(MODULES)/mod_banlist.so|' -e 's|/etc/apache2/|$(HTTPD_ETC)/|g' \
    $(if $(DEBIAN),,-e 's|= www-data$$|= apache|')

install: all ## into DESTDIR, PREFIX and apxs's paths
	install -d "$(BIN)" "$(DESTDIR)$(MODULES)" "$(dir $(LOAD_FILE))" \
	    "$(CONF_DIR)" "$(ACTIONS)" "$(MAN)/man1" "$(MAN)/man8"
	install -m 644 $(BUILD)/mod_banlist.so "$(DESTDIR)$(MODULES)"
	install -m 755 $(BUILD)/banlist "$(BIN)"
	install -m 644 $(MAN1) "$(MAN)/man1"
	install -m 644 $(MAN8) "$(MAN)/man8"
	$(LOCAL) conf/banlist.load >"$(LOAD_FILE)"
	$(LOCAL) conf/fail2ban/action.d/$(ACTION) >"$(ACTIONS)/$(ACTION)"
	@if [ -e "$(CONF_FILE)" ]; then echo "kept: $(CONF_FILE)"; \
	else echo "install $(CONF_FILE)"; \
	    $(LOCAL) conf/banlist.conf >"$(CONF_FILE)"; fi
	chmod 644 "$(LOAD_FILE)" "$(CONF_FILE)" "$(ACTIONS)/$(ACTION)"

# A configuration that was edited stays; a link to what is gone would keep
# httpd from starting.
uninstall: ## take away what install put there
	rm -f "$(DESTDIR)$(MODULES)/mod_banlist.so" "$(BIN)/banlist" \
	    "$(LOAD_FILE)" "$(ACTIONS)/$(ACTION)" \
	    $(patsubst docs/%,"$(MAN)/man1/%",$(MAN1)) \
	    $(patsubst docs/%,"$(MAN)/man8/%",$(MAN8)) \
	    $(if $(DEBIAN),"$(ENABLED).load")
	@if $(LOCAL) conf/banlist.conf | cmp -s - "$(CONF_FILE)"; then \
	    rm "$(CONF_FILE)" $(if $(DEBIAN),&& rm -f "$(ENABLED).conf"); \
	elif [ -e "$(CONF_FILE)" ]; then echo "kept: $(CONF_FILE)"; fi

# --- Packages ---------------------------------------------------------------

NAME    := mod_banlist-$(VERSION)
TARBALL := $(BUILD)/$(NAME).tar.gz

dist: ## a tarball that builds alone
	@mkdir -p $(BUILD)
	@if [ -e .git ] && git rev-parse -q --verify HEAD >/dev/null 2>&1; then \
	    git archive --prefix=$(NAME)/ -o $(TARBALL) HEAD; \
	else \
	    tar -czf $(TARBALL) --exclude=./build --exclude=./.git \
	        --transform='s,^\.,$(NAME),' .; \
	fi
	@echo $(TARBALL)

deb: ## the Debian package, in build/deb, and what lintian says of it
	@t/setup deb
	@rm -rf build/deb && mkdir -p build/deb/tree
	@tar -cf - --exclude=./build --exclude=./.git . | \
	    tar -xf - -C build/deb/tree
	cd build/deb/tree && dpkg-buildpackage -us -uc
	@rm -rf build/deb/tree
	lintian --fail-on error,warning build/deb/*.changes
	@ls build/deb/*.deb

package-test: deb ## install, use and purge the package in a clean system
	@t/setup package
	$(PROVE) t/system/package

clean: ## remove all that was built
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' \
	    Makefile
