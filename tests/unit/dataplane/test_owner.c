/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "owner.h"

static struct bgf_addr addr(const char *format, unsigned n)
{
	char text[BGF_ADDR_STRLEN];
	struct bgf_addr a;

	snprintf(text, sizeof(text), format, n / 250, n % 250 + 1);
	assert_int_equal(bgf_addr_parse(text, &a), 0);
	return a;
}

/* Both directions of a set come to one worker, every worker exists and each gets a fair part. */
static void both_directions_have_one_owner(void **state)
{
	(void)state;
	static const struct {
		const char *ue, *served;
		uint16_t workers;
	} rows[] = {{"10.45.%u.%u", "10.50.%u.%u", 1},
		    {"10.45.%u.%u", "10.50.%u.%u", 3},
		    {"fd00:45::%x:%x", "fd00:50::%x:%x", 4},
		    {"fd00:45::%x:%x", "fd00:50::%x:%x", 64}};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct bgf_addr served = addr(rows[r].served, 0);
		unsigned share[64] = {0};
		for (unsigned n = 0; n < 10000; n++) {
			struct bgf_addr ue = addr(rows[r].ue, n);
			uint8_t owner = owner_of(&ue, &served, rows[r].workers);
			assert_true(owner < rows[r].workers);
			assert_int_equal(owner, owner_of(&served, &ue, rows[r].workers));
			share[owner]++;
		}
		for (unsigned w = 0; w < rows[r].workers; w++)
			assert_true(share[w] > 10000u / rows[r].workers / 3);
	}
}

/* What the packet path reads off a frame is what the sets were given out by. */
static void frames_are_found_the_same_owner(void **state)
{
	static const uint16_t workers[] = {1, 2, 3, 7, 64};
	struct owner_map map;
	uint64_t word = 1;
	(void)state;

	for (unsigned i = 0; i < sizeof(workers) / sizeof(workers[0]); i++) {
		owner_map_fill(&map, workers[i]);
		for (unsigned n = 0; n < 2000; n++) {
			struct bgf_addr a = {.family = n % 2 ? 6 : 4}, b = a;
			uint8_t frame[32];
			uint16_t pairs = 0, pair;
			const uint32_t length = bgf_addr_len(&a);
			for (uint32_t o = 0; o < length; o++) {
				word = word * 6364136223846793005 + 1442695040888963407;
				a.octet[o] = (uint8_t)(word >> 56);
				b.octet[o] = (uint8_t)(word >> 48);
			}
			memcpy(frame, a.octet, length);
			memcpy(frame + length, b.octet, length);
			for (uint32_t o = 0; o < 2 * length; o += 2) {
				memcpy(&pair, frame + o, 2);
				pairs ^= pair;
			}
			assert_int_equal(owner_find(&map, pairs), owner_of(&a, &b, workers[i]));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(both_directions_have_one_owner),
					   cmocka_unit_test(frames_are_found_the_same_owner)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
