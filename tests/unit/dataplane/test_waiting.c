/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets whose neighbour's MAC address is not known: they wait while the kernel finds it out, and whoever
 * answers in time loses none of them. Needs root and /dev/net/tun, else it is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "hold.h"
#include "taps_fixture.h"

/* ---- the time of those that wait, and what is heard of the kernel, as a test wants it ---- */

static uint64_t hold_ms; /* 0: the time that it is */
static bool deaf;	 /* to what the kernel says */

bool __real_hold_put(struct hold *h, uint8_t side, const struct bgf_addr *neighbour, struct rte_mbuf *m,
		     uint64_t now, bool *ret_first);
bool __wrap_hold_put(struct hold *h, uint8_t side, const struct bgf_addr *neighbour, struct rte_mbuf *m,
		     uint64_t now, bool *ret_first);
bool __real_hold_next(const struct hold *h, uint32_t *cursor, uint64_t now, struct hold_key *ret_key,
		      bool *ret_late);
bool __wrap_hold_next(const struct hold *h, uint32_t *cursor, uint64_t now, struct hold_key *ret_key,
		      bool *ret_late);
bool __real_hold_ask(struct hold *h, uint32_t cursor, uint64_t now);
bool __wrap_hold_ask(struct hold *h, uint32_t cursor, uint64_t now);
ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);

bool __wrap_hold_put(struct hold *h, uint8_t side, const struct bgf_addr *neighbour, struct rte_mbuf *m,
		     uint64_t now, bool *ret_first)
{
	return __real_hold_put(h, side, neighbour, m, hold_ms ? hold_ms : now, ret_first);
}

bool __wrap_hold_next(const struct hold *h, uint32_t *cursor, uint64_t now, struct hold_key *ret_key,
		      bool *ret_late)
{
	return __real_hold_next(h, cursor, hold_ms ? hold_ms : now, ret_key, ret_late);
}

bool __wrap_hold_ask(struct hold *h, uint32_t cursor, uint64_t now)
{
	return __real_hold_ask(h, cursor, hold_ms ? hold_ms : now);
}

ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	ssize_t got = __real_mnl_socket_recvfrom(socket, buffer, size);

	while (deaf && got >= 0)
		got = __real_mnl_socket_recvfrom(socket, buffer, size);
	return got;
}

static int setup(void **state)
{
	hold_ms = 0;
	deaf = false;
	if (taps_up(state) != 0)
		return -1;
	/* The kernel gives up when a test says so, however slow the machine is, and changes nothing by
	 * itself. */
	return shell("ip netns exec taps sysctl -q -w net.ipv4.neigh.t-acc.mcast_solicit=100000 "
		     "net.ipv6.conf.all.disable_ipv6=1");
}

static void packets_wait_for_their_neighbour(void **state)
{
	(void)state;
	uint8_t frame[2048];

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc");
	RUN_UNTIL(routed("10.45.0.2", "10.45.0.2"));
	hold_ms = 1000;
	for (uint8_t i = 0; i < HOLD_EACH + 5; i++) {
		struct udp_frame f = udp_frame("10.50.0.1", "10.45.0.2", i);
		to_main(&f, sizeof(f), EXCEPTION_NEIGHBOUR);
	}
	RUN_UNTIL(next_frame(is_arp, frame) && frame[21] == ARPOP_REQUEST);
	assert_int_equal(drops(BGF_DROP_NO_NEIGHBOUR), 5);
	send_arp(ARPOP_REPLY, "10.45.0.2", "10.45.0.254");
	for (uint8_t i = 0; i < HOLD_EACH; i++) {
		RUN_UNTIL(next_frame(is_udp, frame));
		assert_int_equal(frame[34], i);
		assert_memory_equal(frame, phone_mac, 6);
		assert_memory_equal(frame + 6, access_mac, 6);
	}
	/* Known now: sent at once. */
	struct udp_frame f = udp_frame("10.50.0.1", "10.45.0.2", 99);
	to_main(&f, sizeof(f), EXCEPTION_NEIGHBOUR);
	exceptions_run(exceptions);
	assert_true(next_frame(is_udp, frame));
	assert_int_equal(frame[34], 99);
	assert_int_equal(drops(BGF_DROP_NO_NEIGHBOUR), 5);
	/* And without a route nothing is asked for. */
	f = udp_frame("10.50.0.1", "10.99.0.2", 1);
	to_main(&f, sizeof(f), EXCEPTION_NEIGHBOUR);
	exceptions_run(exceptions);
	assert_int_equal(drops(BGF_DROP_NO_ROUTE), 1);
}

static void packets_do_not_wait_for_ever_nor_without_bound(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	char to[32];

	shell("ip -n taps addr add 10.45.255.254/16 dev t-acc");
	RUN_UNTIL(routed("10.45.1.1", "10.45.1.1"));
	hold_ms = 1000;
	for (int i = 0; i < MANY; i++) {
		snprintf(to, sizeof(to), "10.45.%d.%d", 1 + i / 250, 1 + i % 250);
		struct udp_frame f = udp_frame("10.50.0.1", to, 1);
		to_main(&f, sizeof(f), EXCEPTION_NEIGHBOUR);
		exceptions_run(exceptions);
	}
	assert_int_equal(drops(BGF_DROP_NO_NEIGHBOUR), MANY - HOLD_NEIGHBOURS);
	hold_ms += HOLD_MS;
	RUN_UNTIL(drops(BGF_DROP_NO_NEIGHBOUR) == MANY);
}

static bool is_arp_request(const uint8_t *frame, uint16_t length)
{
	return is_arp(frame, length) && frame[21] == ARPOP_REQUEST;
}

static bool is_arp_to_phone(const uint8_t *frame, uint16_t length)
{
	return is_arp_request(frame, length) && memcmp(frame, phone_mac, 6) == 0;
}

static bool is_arp_request_or_udp(const uint8_t *frame, uint16_t length)
{
	return is_arp_request(frame, length) || is_udp(frame, length);
}

/* Whether the packet comes; the phone answers who asks for its address. */
static bool comes_if_answered(uint8_t *ret_frame)
{
	if (!next_frame(is_arp_request_or_udp, ret_frame))
		return false;
	if (is_udp(ret_frame, UINT16_MAX))
		return true;
	send_arp(ARPOP_REPLY, "10.45.0.2", "10.45.0.254");
	return false;
}

/* A packet waits, and the phone was asked for its address. */
static void begin_to_wait(void)
{
	struct udp_frame f = udp_frame("10.50.0.1", "10.45.0.2", 7);
	uint8_t frame[2048];

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc");
	RUN_UNTIL(routed("10.45.0.2", "10.45.0.2"));
	for (int turns = 0; turns < 100;
	     turns++) { /* until the dumps for that are over, or they would tell */
		exceptions_run(exceptions);
		usleep(5000);
	}
	hold_ms = 1000;
	to_main(&f, sizeof(f), EXCEPTION_NEIGHBOUR);
	RUN_UNTIL(next_frame(is_arp_request, frame));
}

/* The kernel forgets whom it asks for: it gave up, an operator flushed, or its table was full. */
static void who_is_waited_for_is_asked_for_again(void **state)
{
	(void)state;
	uint8_t frame[2048];

	begin_to_wait();
	shell("ip -n taps neigh del 10.45.0.2 dev t-acc");
	hold_ms += HOLD_ASK_MS;
	RUN_UNTIL(comes_if_answered(frame));
	assert_int_equal(frame[34], 7);
	assert_memory_equal(frame, phone_mac, 6);
	assert_int_equal(drops(BGF_DROP_NO_NEIGHBOUR), 0);
}

/* The kernel has learned the address, and that it did so was not heard. It does not say so again by itself.
 */
static void an_answer_that_was_not_heard_is_asked_for(void **state)
{
	(void)state;
	uint8_t frame[2048];

	begin_to_wait();
	deaf = true;
	send_arp(ARPOP_REPLY, "10.45.0.2", "10.45.0.254");
	RUN_UNTIL(says("ip -n taps neigh show 10.45.0.2", "lladdr 02:00:00:00:ee:01"));
	exceptions_run(exceptions);
	deaf = false;
	hold_ms += HOLD_ASK_MS;
	exceptions_run(exceptions); /* asks, and has its answer at once */
	exceptions_run(exceptions);
	assert_true(next_frame(is_udp, frame));
	assert_memory_equal(frame, phone_mac, 6);
	assert_int_equal(drops(BGF_DROP_NO_NEIGHBOUR), 0);
}

/* RFC 4861 7.3.3: an address that is verified is used. Three requests in a row go unanswered in any restart.
 */
static void a_known_neighbour_is_not_given_up_after_three_requests(void **state)
{
	(void)state;
	uint8_t frame[2048];
	unsigned asked = 0;

	shell("ip -n taps addr add 10.45.0.254/24 dev t-acc;"
	      "ip -n taps neigh add 10.45.0.2 lladdr 02:00:00:00:ee:01 dev t-acc nud probe");
	RUN_UNTIL((asked += next_frame(is_arp_to_phone, frame)) > 3);
}

int main(void)
{
	if (taps_begin() != 0)
		return SKIP;
#define WAITING(f) cmocka_unit_test_setup_teardown(f, setup, taps_down)
	const struct CMUnitTest tests[] = {
		WAITING(packets_wait_for_their_neighbour),
		WAITING(packets_do_not_wait_for_ever_nor_without_bound),
		WAITING(who_is_waited_for_is_asked_for_again),
		WAITING(an_answer_that_was_not_heard_is_asked_for),
		WAITING(a_known_neighbour_is_not_given_up_after_three_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
