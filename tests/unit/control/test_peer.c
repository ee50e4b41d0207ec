/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmocka_all.h"

#include <errno.h>
#include <unistd.h>

#include "sample.h"

enum { OTHER_UID = 4711 };

static const struct {
	const char *name;
	enum zb_role role;
	uint32_t uid;
	bool is_listed; /* control.peers is not empty */
	unsigned cause;
} rows[] = {
	{"anyone", ZB_ROLE_PEER, OTHER_UID, false, 0},
	{"pcscf1", ZB_ROLE_PEER, OTHER_UID, true, 0},
	{"pcscf1", ZB_ROLE_PEER, 0, true, ZB_CAUSE_NOT_ALLOWED},
	{"pcscf2", ZB_ROLE_PEER, 0, true, 0},
	{"pcscf2", ZB_ROLE_PEER, OTHER_UID, true, ZB_CAUSE_NOT_ALLOWED},
	{"pcscf3", ZB_ROLE_PEER, 0, true, ZB_CAUSE_NOT_ALLOWED},
	{"watcher", ZB_ROLE_OBSERVER, OTHER_UID, true, 0},
	{"root", ZB_ROLE_OPERATOR, 0, true, 0},
	{"other", ZB_ROLE_OPERATOR, OTHER_UID, false, ZB_CAUSE_NOT_ALLOWED},
	{"two\nlines", ZB_ROLE_OBSERVER, 0, false, ZB_CAUSE_BAD_VALUE},
};

static void who_may_be_whom(void **state)
{
	struct bgf_config config = sample_config();

	(void)state;
	config.control.peers[0] = (struct config_peer){.name = "pcscf1", .uid = OTHER_UID};
	config.control.peers[1] = (struct config_peer){.name = "pcscf2", .uid = -1};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct origin origin = {.is_local = true, .uid = rows[i].uid};
		struct refusal r = {0};
		config.control.peer_count = rows[i].is_listed ? 2 : 0;
		int error = peer_allow(&config, &origin, rows[i].name, rows[i].role, &r);
		if (error != (rows[i].cause != 0 ? -EREMOTEIO : 0) || r.fault.cause != rows[i].cause)
			fail_msg("row %zu: %d, cause %u", i, error, r.fault.cause);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_may_be_whom)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
