/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Who gives way. In each row the last claim is the newcomer's.
 */
#include "cmocka_all.h"

#include <string.h>

#include "control/quota.h"

enum { CLAIMS_MAX = 10, NAMES = 256 };

static const struct {
	const char *what;
	struct {
		uint32_t uid;
		char peer; /* 0: no more claims */
		int32_t pid;
		uint64_t heard;
	} claims[CLAIMS_MAX];
	size_t gives_way;
	bool is_own;
} rows[] = {
	{"the user who has the most, to root",
	 {{107, 'a', 1, 3}, {107, 'a', 1, 2}, {107, 'a', 1, 4}, {0, 'b', 9, 5}},
	 1,
	 false},
	{"the peer that has the most, to another of the same user",
	 {{0, 'a', 1, 4}, {0, 'a', 2, 2}, {0, 'a', 3, 3}, {0, 'b', 9, 5}},
	 1,
	 false},
	{"the process that has the most, to another of the same peer",
	 {{107, 'a', 1, 1}, {107, 'a', 2, 3}, {107, 'a', 2, 2}, {107, 'a', 3, 5}},
	 2,
	 false},
	{"many names are one user's",
	 {{108, 'b', 2, 4},
	  {108, 'c', 2, 3},
	  {108, 'd', 2, 5},
	  {108, 'e', 2, 6},
	  {107, 'a', 1, 1},
	  {107, 'a', 1, 2},
	  {107, 'a', 3, 7}},
	 1,
	 false},
	{"many users: the one who has most, however silent the others",
	 {{1, 'a', 1, 1}, {2, 'b', 2, 2}, {3, 'c', 3, 6}, {3, 'c', 3, 5}, {4, 'd', 4, 7}},
	 3,
	 false},
	{"of two with as much not root",
	 {{0, 'a', 1, 1}, {0, 'a', 1, 2}, {107, 'b', 2, 3}, {107, 'b', 2, 4}, {108, 'c', 3, 5}},
	 2,
	 false},
	{"with as much as the newcomer: its own",
	 {{107, 'a', 1, 1}, {107, 'a', 1, 2}, {108, 'b', 2, 3}, {108, 'b', 2, 4}},
	 2,
	 true},
	{"of another root, if that has as much: still its own",
	 {{108, 'a', 1, 1}, {108, 'a', 1, 2}, {0, 'b', 2, 3}, {0, 'b', 2, 4}},
	 2,
	 true},
	{"one each of one peer's processes",
	 {{107, 'a', 1, 3}, {107, 'a', 2, 1}, {107, 'a', 3, 2}, {107, 'a', 4, 4}},
	 1,
	 true},
	{"one each of one user's peers",
	 {{0, 'a', 1, 3}, {0, 'b', 1, 1}, {0, 'c', 1, 2}, {0, 'd', 1, 4}},
	 1,
	 true},
	{"one each of all users", {{3, 'a', 1, 3}, {2, 'b', 1, 1}, {1, 'c', 1, 4}}, 1, true},
	{"its process has the most", {{0, 'a', 1, 1}, {0, 'a', 2, 2}, {0, 'a', 2, 3}}, 1, true},
	{"never itself, however silent", {{0, 'a', 2, 2}, {0, 'a', 2, 3}, {0, 'a', 2, 1}}, 0, true},
	{"only two", {{0, 'a', 1, 1}, {0, 'a', 1, 2}}, 0, true},
};

static void who_gives_way(void **state)
{
	static const char names[NAMES], sessions[CLAIMS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct claim claims[CLAIMS_MAX];
		size_t count = 0;
		bool is_own = !rows[i].is_own;
		for (; count < CLAIMS_MAX && rows[i].claims[count].peer != 0; count++)
			claims[count] = (struct claim){.uid = rows[i].claims[count].uid,
						       .pid = rows[i].claims[count].pid,
						       .peer = &names[(int)rows[i].claims[count].peer],
						       .heard = rows[i].claims[count].heard,
						       .session = (void *)&sessions[count]};
		const struct claim *pick = quota_pick(claims, count, &sessions[count - 1], &is_own);
		if (pick == NULL || pick->session != &sessions[rows[i].gives_way] || is_own != rows[i].is_own)
			fail_msg("%s: number %td, own %d", rows[i].what,
				 pick != NULL ? (const char *)pick->session - sessions : -1, is_own);
	}
}

/* Two who want all of them: from any start it ends with equal shares, and then nobody loses any more. */
static void who_wants_all_gets_half(void **state)
{
	enum { PLACES = 256, ROUNDS = 4 * PLACES };
	static struct claim claims[PLACES + 1], copy[PLACES + 1];
	static char sessions[PLACES + 1 + ROUNDS];
	unsigned second = 0, moved = 0;

	(void)state;
	for (unsigned i = 0; i < PLACES; i++)
		claims[i] = (struct claim){.uid = 107, .pid = 1, .heard = i, .session = &sessions[i]};
	for (unsigned round = 0; round < ROUNDS; round++) {
		bool is_own, is_second = round % 3 != 0;
		claims[PLACES] = (struct claim){.uid = is_second ? 108 : 107,
						.pid = 1,
						.heard = PLACES + round,
						.session = &sessions[PLACES + round]};
		memcpy(copy, claims, sizeof(copy));
		const struct claim *pick = quota_pick(copy, PLACES + 1, &sessions[PLACES + round], &is_own);
		assert_int_equal(is_own, second >= PLACES / 2 || !is_second);
		for (unsigned i = 0; i < PLACES && !is_own; i++)
			if (claims[i].session == pick->session) {
				claims[i] = claims[PLACES];
				moved++;
			}
		second += !is_own;
	}
	assert_int_equal(second, PLACES / 2);
	assert_int_equal(moved, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_gives_way),
					   cmocka_unit_test(who_wants_all_gets_half)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
