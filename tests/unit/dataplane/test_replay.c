/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The replay window against a naive model that remembers every number it ever accepted.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "replay.h"

enum { NUMBERS = 5000 };

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % limit;
}

/* Counts from `base`, so that high numbers are tried too. */
struct model {
	uint32_t base, top;
	bool seen[NUMBERS];
};

static bool model_accepts(struct model *m, uint32_t n)
{
	const uint64_t seq = (uint64_t)m->base + n;
	if (seq == 0 || m->seen[n] || (m->top > seq && m->top - seq >= SA_WINDOW))
		return false;
	m->seen[n] = true;
	if (seq > m->top)
		m->top = (uint32_t)seq;
	return true;
}

static void compare(struct sa_in *sa, struct model *m, uint32_t n)
{
	const uint32_t seq = m->base + n;
	const bool check = replay_check(sa, seq), want = model_accepts(m, n);

	assert_int_equal(check, want);
	assert_int_equal(replay_update(sa, seq), want);
	assert_false(replay_check(sa, seq));
	assert_int_equal(sa->top, m->top);
}

static void window_agrees_with_a_naive_model_in_random_orders(void **state)
{
	/* how far behind and ahead of the top numbers come */
	static const uint32_t spread[][2] = {{1, 2},   {3, 3},	   {127, 1}, {128, 130},
					     {200, 5}, {300, 300}, {5, 1000}};
	static const uint32_t base[] = {0, 1, 63, 1000, UINT32_MAX - NUMBERS};
	(void)state;

	for (size_t b = 0; b < sizeof(base) / sizeof(base[0]); b++) {
		for (size_t s = 0; s < sizeof(spread) / sizeof(spread[0]); s++) {
			struct sa_in sa = {.top = 0};
			struct model m = {.base = base[b]};
			for (int i = 0; i < 4000; i++) {
				uint32_t at = m.top > m.base ? m.top - m.base : 0;
				uint32_t n = at + random_below(spread[s][1] + 1);
				uint32_t back = random_below(spread[s][0] + 1);
				n = n > back ? n - back : 0;
				if (n < NUMBERS)
					compare(&sa, &m, n);
			}
		}
	}
}

static void window_agrees_with_a_naive_model_in_adversarial_orders(void **state)
{
	static const uint32_t order[][8] = {
		{1, 1, 2, 2, 1, 3, 3, 1},
		{128, 1, 1, 129, 1, 2, 2, 3},
		{1, 129, 1, 2, 130, 2, 3, 257},
		{200, 73, 72, 201, 73, 74, 74, 328},
		{64, 65, 63, 127, 128, 64, 192, 65},
		{1000, 1000 - 127, 1000 - 128, 2000, 1000, 1000 - 127, 2000 - 127, 2000},
		{4999, 1, 4999, 4998, 4872, 4871, 4872, 4998},
	};
	(void)state;

	for (size_t row = 0; row < sizeof(order) / sizeof(order[0]); row++) {
		struct sa_in sa = {.top = 0};
		struct model m = {.base = 0};
		for (int i = 0; i < 8; i++)
			compare(&sa, &m, order[row][i]);
	}
}

static void every_number_of_the_window_is_accepted_once(void **state)
{
	(void)state;
	for (uint32_t top = 1; top < 400; top++) {
		struct sa_in sa = {.top = 0};
		assert_true(replay_update(&sa, top));
		for (uint32_t seq = 1; seq < top; seq++)
			assert_int_equal(replay_update(&sa, seq), top - seq < SA_WINDOW);
		for (uint32_t seq = 0; seq <= top; seq++)
			assert_false(replay_update(&sa, seq));
	}
}

static void rule_9_number_0_is_never_accepted_and_the_last_is(void **state)
{
	struct sa_in sa = {.top = 0};
	(void)state;

	assert_false(replay_check(&sa, 0));
	assert_false(replay_update(&sa, 0));
	assert_true(replay_update(&sa, UINT32_MAX));
	assert_false(replay_update(&sa, UINT32_MAX));
	assert_false(replay_check(&sa, 0));
	assert_true(replay_update(&sa, UINT32_MAX - 127));
	assert_false(replay_update(&sa, UINT32_MAX - 128));
}

/* A crash after the new top is stored and before the bits are: nothing that was accepted is accepted again.
 */
static void a_crash_between_top_and_bits_accepts_nothing_twice(void **state)
{
	(void)state;
	for (uint32_t jump = 1; jump < 300; jump++) {
		struct sa_in sa = {.top = 0};
		for (uint32_t seq = 1; seq <= 150; seq++)
			assert_true(replay_update(&sa, seq));
		sa.top += jump;
		for (uint32_t seq = 0; seq <= 150; seq++)
			assert_false(replay_check(&sa, seq));
	}
}

static bool accepts_again(const struct sa_in *sa, uint32_t upto)
{
	for (uint32_t seq = 0; seq <= upto; seq++)
		if (replay_check(sa, seq))
			return true;
	return false;
}

/* Updates a window in a child, one instruction at a time, and looks at what kill -9 there would leave. How
 * many instructions after which one of the first `seen` numbers would pass again. */
static unsigned unsafe_instructions(struct sa_in *shared, uint32_t seen, uint32_t seq)
{
	unsigned unsafe = 0;
	int status;
	const pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(replay_update(shared, seq) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	while (WIFSTOPPED(status)) {
		unsafe += accepts_again(shared, seen);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(shared->top, seq);
	assert_false(replay_check(shared, seq));
	return unsafe;
}

static void rule_9_no_instruction_is_one_that_a_crash_must_not_follow(void **state)
{
	static const uint32_t jumps[] = {1, 63, 64, 65, 127, 128, 200};
	struct sa_in *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)state;

	assert_ptr_not_equal(shared, MAP_FAILED);
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		memset(shared, 0, sizeof(*shared));
		for (uint32_t seq = 1; seq <= 150; seq++)
			assert_true(replay_update(shared, seq));
		assert_int_equal(unsafe_instructions(shared, 150, 150 + jumps[i]), 0);
	}
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_agrees_with_a_naive_model_in_random_orders),
		cmocka_unit_test(window_agrees_with_a_naive_model_in_adversarial_orders),
		cmocka_unit_test(every_number_of_the_window_is_accepted_once),
		cmocka_unit_test(rule_9_number_0_is_never_accepted_and_the_last_is),
		cmocka_unit_test(a_crash_between_top_and_bits_accepts_nothing_twice),
		cmocka_unit_test(rule_9_no_instruction_is_one_that_a_crash_must_not_follow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
