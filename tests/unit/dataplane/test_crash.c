/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A change of the store, cut by a crash after each of its instructions: what a start makes of what is left is
 * the set before the change or after it, and nothing in between. A process makes the change step by step
 * (ptrace); whenever the store's octets differ, a copy of them is opened as a start would open it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "state_fixture.h"

enum { STEPS_MAX = 400000 };

struct outcome {
	unsigned before, after;
};

struct crash {
	const char *name;
	void (*change)(struct sets *sets); /* in the process that is stepped through */
	void (*judge)(struct state *left, struct outcome *outcome);
	bool is_proven; /* the newer set has the answers of the older (rule 6) */
};

static struct dpl_set_state older, newer; /* the sets that are there before */
static struct store *store_of_changer;

static const char KEY[] = "another key of 20 oct";

/* ---- the changes ---- */

static void never_done(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context, (void)ticket, (void)set;
}

static void add(struct sets *sets)
{
	struct dpl_set_add a = order(4);
	struct dpl_set_state clash;

	memcpy(a.auth_key, KEY, 20);
	if (sets_add(sets, &a, &(struct sets_ticket){.type = DPL_SET_ADD}, &clash) != 0)
		abort();
}

static struct dpl_set_update confirmed(void)
{
	struct dpl_set_update u = {.set_id = newer.set_id,
				   .expires = 4711,
				   .state = BGF_SET_ESTABLISHED,
				   .takes_over = 1,
				   .watch_first_use = 1,
				   .name = newer.name};

	u.name.expires_s = 600;
	u.name.last_reference = 99;
	u.name.replaces = 0;
	strcpy(u.name.registration_id, "another");
	return u;
}

static void confirm(struct sets *sets)
{
	struct dpl_set_update u = confirmed();

	if (sets_update(sets, &u, &(struct sets_ticket){.type = DPL_SET_UPDATE}) != 0)
		abort();
}

static void take_away(struct sets *sets)
{
	if (sets_remove(sets, older.set_id, &(struct sets_ticket){.type = DPL_SET_REMOVE}) != 0)
		abort();
	sets_poll(sets); /* no worker is online: it is wiped */
}

/* As the worker that sees the first good packet, and then the main lcore. */
static void show_keys(struct sets *sets, const struct store *store)
{
	const uint32_t slot = newer.set_id & (BGF_SPI_SLOTS - 1);

	store_hot(store)[slot].shared.flags &= (uint8_t)~SA_WATCH_KEYS;
	sets_proven(sets, slot);
}

static void prove(struct sets *sets)
{
	show_keys(sets, store_of_changer);
}

static void give_up(struct sets *sets)
{
	if (sets_remove(sets, newer.set_id, &(struct sets_ticket){.type = DPL_SET_REMOVE}) != 0)
		abort();
	sets_poll(sets);
}

/* ---- what is left ---- */

static uint8_t tuples_of(struct state *left, uint64_t set_id)
{
	return store_cold(left->store, (uint32_t)set_id & (BGF_SPI_SLOTS - 1))->tuples;
}

/* Of a set that is none there is no key. */
static bool has_stray_key(const struct state *left)
{
	uint8_t octets = 0;

	for (uint32_t slot = 0; slot < CAPACITY; slot++) {
		const struct store_cold *cold = store_cold(left->store, slot);
		for (unsigned i = 0; i < sizeof(cold->auth_key) && cold->record != STORE_LIVE; i++)
			octets |= cold->auth_key[i];
	}
	return octets != 0;
}

static void judge_add(struct state *left, struct outcome *outcome)
{
	struct dpl_set_state rows[CAPACITY];
	uint64_t next;
	uint32_t n = sets_list(left->sets, 0, rows, CAPACITY, &next);

	assert_false(has_stray_key(left));
	if (n == 2) {
		outcome->before++;
		return;
	}
	assert_int_equal(n, 3);
	struct dpl_set_add a = order(4);
	assert_memory_equal(&rows[2].name, &a.name, sizeof(a.name));
	assert_int_equal(rows[2].expires, a.expires);
	assert_int_equal(rows[2].state, a.state);
	assert_int_equal(tuples_of(left, rows[2].set_id), 3);
	outcome->after++;
}

static void judge_confirm(struct state *left, struct outcome *outcome)
{
	struct dpl_set_update u = confirmed();
	struct dpl_set_state set;

	assert_int_equal(sets_live(left->sets), 2);
	assert_int_equal(sets_get(left->sets, newer.set_id, &set), 0);
	const struct sa_hot *hot = &store_hot(left->store)[newer.set_id & (BGF_SPI_SLOTS - 1)];
	bool is_watched = hot->shared.flags & SA_WATCH_FIRST, is_temporary = hot->shared.flags & SA_TEMPORARY;
	if (set.state == BGF_SET_TEMPORARY) {
		assert_memory_equal(&set.name, &newer.name, sizeof(set.name));
		assert_int_equal(set.expires, newer.expires);
		assert_true(is_temporary && !is_watched);
		assert_int_equal(tuples_of(left, older.set_id), 3);
		assert_int_equal(tuples_of(left, newer.set_id), 0);
		outcome->before++;
		return;
	}
	assert_int_equal(set.state, BGF_SET_ESTABLISHED);
	assert_memory_equal(&set.name, &u.name, sizeof(set.name));
	assert_int_equal(set.expires, u.expires);
	assert_true(!is_temporary && is_watched);
	assert_int_equal(set.first_used, 0);
	assert_int_equal(tuples_of(left, older.set_id), 0);
	assert_int_equal(tuples_of(left, newer.set_id), 3);
	outcome->after++;
}

static void judge_take_away(struct state *left, struct outcome *outcome)
{
	struct dpl_set_state set;
	const struct store_cold *cold = store_cold(left->store, (uint32_t)older.set_id & (BGF_SPI_SLOTS - 1));

	if (sets_get(left->sets, older.set_id, &set) == 0) {
		assert_int_equal(sets_live(left->sets), 2);
		assert_memory_equal(cold->auth_key, "twenty octets of key", 20);
		outcome->before++;
		return;
	}
	assert_int_equal(sets_live(left->sets), 1);
	assert_int_equal(cold->auth_key[0] | cold->auth_key[19], 0);
	outcome->after++;
}

static void judge_prove(struct state *left, struct outcome *outcome)
{
	const bool has_moved = tuples_of(left, newer.set_id) == 1;

	assert_int_equal(sets_live(left->sets), 2);
	assert_int_equal(tuples_of(left, newer.set_id), has_moved ? 1 : 0);
	assert_int_equal(tuples_of(left, older.set_id), has_moved ? 2 : 3);
	*(has_moved ? &outcome->after : &outcome->before) += 1;
}

static void judge_give_up(struct state *left, struct outcome *outcome)
{
	struct dpl_set_state set;
	const bool is_there = sets_get(left->sets, newer.set_id, &set) == 0;

	assert_int_equal(sets_live(left->sets), is_there ? 2 : 1);
	assert_int_equal(tuples_of(left, older.set_id), is_there ? 2 : 3);
	if (is_there)
		assert_int_equal(tuples_of(left, newer.set_id), 1);
	*(is_there ? &outcome->before : &outcome->after) += 1;
}

static const struct crash crashes[] = {
	{"a new set", add, judge_add, false},
	{"CONFIRM of a set that takes over from another", confirm, judge_confirm, false},
	{"a set that goes", take_away, judge_take_away, false},
	{"the first good packet of a set that is to replace another", prove, judge_prove, false},
	{"such a set that goes unconfirmed", give_up, judge_give_up, true},
};

/* ---- the crashes ---- */

/* Two sets on the same ports: the newer waits for CONFIRM (rule 6). */
static void two_sets(struct state *s, bool is_proven)
{
	struct dpl_set_add a = order(2);
	struct dpl_set_state rows[CAPACITY], clash;
	uint64_t next;

	state_new(s);
	a.state = BGF_SET_ESTABLISHED;
	assert_int_equal(sets_add(s->sets, &a, &(struct sets_ticket){.type = DPL_SET_ADD}, &clash), 0);
	assert_int_equal(sets_list(s->sets, 0, rows, CAPACITY, &next), 1);
	a.state = BGF_SET_TEMPORARY;
	a.name.flags = BGF_SET_REPLACE;
	a.name.replaces = rows[0].set_id;
	a.selectors.spi_uc += 10;
	a.selectors.spi_us += 10;
	assert_int_equal(sets_add(s->sets, &a, &(struct sets_ticket){.type = DPL_SET_ADD}, &clash), 0);
	assert_int_equal(sets_list(s->sets, 0, rows, CAPACITY, &next), 2);
	older = rows[0];
	newer = rows[1];
	if (is_proven)
		show_keys(s->sets, s->store);
	state_close(s);
}

/* A process that stops before the change and after it. */
static pid_t changer(struct state *s, const struct crash *crash)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	state_open(s);
	store_of_changer = s->store;
	raise(SIGSTOP);
	crash->change(s->sets);
	raise(SIGSTOP);
	_exit(0);
}

static void crash_here(const uint8_t *octets, size_t size, const struct crash *crash, struct outcome *outcome)
{
	struct state left = {.workers = WORKERS};

	snprintf(left.path, sizeof(left.path), "/dev/shm/bgf-crash-%d", getpid());
	int fd = open(left.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0 && write(fd, octets, size) == (ssize_t)size);
	close(fd);
	state_serve(&left, "10.50.0.1");
	state_serve(&left, "fd00:50::1");
	state_open(&left);
	crash->judge(&left, outcome);
	state_close(&left);
	unlink(left.path);
}

static void step_through(struct state *s, const struct crash *crash, const uint8_t *store, size_t size)
{
	uint8_t *last = calloc(1, size);
	struct outcome outcome = {0};
	pid_t pid = changer(s, crash);
	int status, steps = 0;

	assert_non_null(last);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	do {
		if (memcmp(last, store, size) != 0) {
			memcpy(last, store, size);
			crash_here(last, size, crash, &outcome);
		}
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSTOPPED(status) && ++steps < STEPS_MAX);
	} while (WSTOPSIG(status) == SIGTRAP);
	crash_here(store, size, crash, &outcome);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	print_message("%s: %d instructions; %u crashes left it undone, %u done\n", crash->name, steps,
		      outcome.before, outcome.after);
	assert_true(outcome.before > 0 && outcome.after > 0);
	free(last);
}

static void a_crash_leaves_a_change_done_or_undone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
		struct state s = {.done = never_done};
		struct stat st;

		two_sets(&s, crashes[i].is_proven);
		int fd = open(s.path, O_RDONLY);
		assert_int_equal(fstat(fd, &st), 0);
		const uint8_t *store = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(store, MAP_FAILED);
		step_through(&s, &crashes[i], store, (size_t)st.st_size);
		munmap((void *)(uintptr_t)store, (size_t)st.st_size);
		close(fd);
		unlink(s.path);
		rmdir(s.folder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_crash_leaves_a_change_done_or_undone)};

	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
