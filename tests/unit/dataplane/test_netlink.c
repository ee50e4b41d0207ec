/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the kernel tells of a tap, and what is made of it. Needs root, else it is skipped.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "kernel_fixture.h"
#include "log.h"
#include "netlink.h"
#include "netns.h"
#include "nexthop.h"
#include "served.h"

static struct rte_rcu_qsbr *rcu;
static struct nexthop_table *table;
static struct netlink *netlink;
static struct served_table served;
static char said[16384];

void __wrap_dp_log(enum log_level level, const char *format, ...);

/* What the log says of errors, to be looked at. */
void __wrap_dp_log(enum log_level level, const char *format, ...)
{
	const size_t used = strlen(said);
	va_list a;

	if (level != DP_ERROR)
		return;
	va_start(a, format);
	vsnprintf(said + used, sizeof(said) - used, format, a);
	va_end(a);
}

ssize_t __real_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size);

static bool torn;	    /* every dump meets changes */
static unsigned reads_left; /* until the kernel falls silent */
static unsigned parts_told; /* of dumps */

/* The kernel, as slow and as busy as a test wants it. */
ssize_t __wrap_mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	if (reads_left == 0) {
		errno = EAGAIN;
		return -1;
	}
	ssize_t got = __real_mnl_socket_recvfrom(socket, buffer, size);
	int left = (int)got;

	if (got < 0)
		return got;
	reads_left--;
	for (struct nlmsghdr *h = buffer; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		parts_told += h->nlmsg_type == NLMSG_DONE;
		if (torn && h->nlmsg_flags & NLM_F_MULTI)
			h->nlmsg_flags |= NLM_F_DUMP_INTR;
	}
	return got;
}

static unsigned times_said(const char *words)
{
	unsigned n = 0;

	for (const char *at = said; (at = strstr(at, words)) != NULL; at++)
		n++;
	return n;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Runs until `done`, for half a minute at most. */
#define RUN_UNTIL(done)                                                   \
	do {                                                              \
		bool done_ = false;                                       \
		for (int turns_ = 0; turns_ < 6000 && !done_; turns_++) { \
			netlink_run(netlink, now_ms());                   \
			done_ = (done);                                   \
			usleep(done_ ? 0 : 5000);                         \
		}                                                         \
		assert_true(done_);                                       \
	} while (0)

static void open_netlink(void)
{
	char error[256] = "";
	int back;

	assert_int_equal(netns_enter("taps", &back), 0);
	const unsigned ifindex = if_nametoindex("t0");
	netns_leave(back);
	table = nexthop_table_new("t", 0, rcu);
	assert_non_null(table);
	assert_int_equal(netlink_open("taps", ifindex, table, &served, &netlink, error, sizeof(error)), 0);
}

static void close_netlink(void)
{
	netlink_close(netlink);
	nexthop_table_free(table);
}

static int setup(void **state)
{
	(void)state;
	said[0] = '\0';
	torn = false;
	reads_left = UINT_MAX;
	if (shell("ip -n taps link add t0 type veth peer name t1 && ip -n taps link set t0 up &&"
		  "ip -n taps link set t1 up && ip -n taps addr add 10.45.0.254/24 dev t0") != 0)
		return -1;
	open_netlink();
	RUN_UNTIL(netlink_filled(netlink));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_netlink();
	return shell("ip -n taps link del t0");
}

static bool is_local(const char *text)
{
	const struct bgf_addr a = addr(text);
	return nexthop_is_local(table, &a);
}

static bool routed(const char *destination, const char *neighbour)
{
	const struct bgf_addr d = addr(destination), expect = addr(neighbour);
	struct bgf_addr got;

	return nexthop_neighbour_for(table, &d, &got) && bgf_addr_equal(&got, &expect);
}

static void a_served_address_is_never_the_gateways_own(void **state)
{
	(void)state;
	const struct bgf_addr near = addr("10.50.0.7");
	struct bgf_addr source;

	shell("ip -n taps addr add 10.50.0.1/24 dev t0; ip -n taps addr add fd00:50::1/128 dev t0 nodad;"
	      "ip -n taps addr add 10.50.0.2/24 dev t0");
	RUN_UNTIL(is_local("10.50.0.2") && times_said("served address") == 2);
	assert_non_null(strstr(said, "tap t0: 10.50.0.1 is a served address"));
	assert_non_null(strstr(said, "tap t0: fd00:50::1 is a served address"));
	assert_false(is_local("10.50.0.1"));
	assert_false(is_local("fd00:50::1"));
	assert_true(is_local("10.45.0.254"));
	/* nor is it spoken from */
	shell("ip -n taps addr del 10.50.0.2/24 dev t0");
	RUN_UNTIL(!is_local("10.50.0.2"));
	assert_true(nexthop_local_for(table, &near, &source));
	assert_true(bgf_addr_equal(&source, &(struct bgf_addr){.octet = {10, 45, 0, 254}, .family = 4}));
	/* what comes for it has its way still */
	shell("ip -n taps route add 10.50.0.1/32 via 10.45.0.1 dev t0;"
	      "ip -n taps addr add fd00:45::fe/64 dev t0 nodad;"
	      "ip -n taps route add fd00:50::1/128 via fd00:45::1 dev t0 metric 1");
	RUN_UNTIL(routed("10.50.0.1", "10.45.0.1") && routed("fd00:50::1", "fd00:45::1"));
}

static void a_served_address_on_a_tap_is_said_once_each_time(void **state)
{
	(void)state;
	for (unsigned turn = 1; turn <= 3; turn++) {
		shell("ip -n taps addr add 10.50.0.1/32 dev t0");
		RUN_UNTIL(times_said("10.50.0.1 is a served address") == turn);
		for (int dumps = 0; dumps < 2; dumps++) { /* each tells it again */
			shell("ip -n taps route add 10.%u.%d.0/24 dev t0", 60 + turn, dumps);
			char inside[32];
			snprintf(inside, sizeof(inside), "10.%u.%d.1", 60 + turn, dumps);
			RUN_UNTIL(routed(inside, inside));
		}
		assert_int_equal(times_said("served address"), turn);
		shell("ip -n taps addr del 10.50.0.1/32 dev t0; ip -n taps route add 10.%u.9.0/24 dev t0",
		      60 + turn);
		char inside[32];
		snprintf(inside, sizeof(inside), "10.%u.9.1", 60 + turn);
		RUN_UNTIL(routed(inside, inside));
	}
	/* one that is there at the start */
	shell("ip -n taps addr add 10.50.0.1/32 dev t0");
	close_netlink();
	said[0] = '\0';
	open_netlink();
	RUN_UNTIL(netlink_filled(netlink));
	assert_int_equal(times_said("10.50.0.1 is a served address"), 1);
	assert_false(is_local("10.50.0.1"));
	assert_true(is_local("10.45.0.254"));
}

static bool leads_nowhere(const char *destination)
{
	const struct bgf_addr d = addr(destination);
	struct bgf_addr got;

	return !nexthop_neighbour_for(table, &d, &got);
}

/* The kernel asks one that it knows again and again: it is there until it is known not to be. */
static void a_neighbour_that_is_asked_again_is_there_meanwhile(void **state)
{
	static const char *const states[] = {"permanent", "noarp", "reachable", "stale", "delay", "probe"};
	const struct bgf_addr a = addr("10.45.0.2");
	(void)state;

	/* an answer is waited for longer than any test takes */
	shell("ip netns exec taps sysctl -qw net.ipv4.neigh.t0.retrans_time_ms=600000");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		assert_int_equal(
			shell("ip -n taps neigh replace 10.45.0.2 lladdr 02:00:00:00:00:07 nud %s dev t0",
			      states[i]),
			0);
		RUN_UNTIL(nexthop_neighbour_word(table, &a) != 0);
		assert_int_equal(shell("ip -n taps neigh change 10.45.0.2 nud failed dev t0"), 0);
		RUN_UNTIL(nexthop_neighbour_word(table, &a) == 0);
	}
}

/* Something flaps faster than a dump takes, so that none is ever whole. */
static void routes_are_followed_while_no_dump_is_whole(void **state)
{
	(void)state;
	torn = true;
	shell("ip -n taps route add 10.1.0.0/16 via 10.45.0.1 dev t0");
	RUN_UNTIL(routed("10.1.1.1", "10.45.0.1"));
	shell("ip -n taps route replace 10.1.0.0/16 via 10.45.0.2 dev t0;"
	      "ip -n taps route add 10.2.0.0/16 via 10.45.0.3 dev t0");
	RUN_UNTIL(routed("10.1.1.1", "10.45.0.2") && routed("10.2.1.1", "10.45.0.3"));
	shell("ip -n taps route del 10.1.0.0/16; ip -n taps addr add 10.46.0.254/24 dev t0");
	RUN_UNTIL(leads_nowhere("10.1.1.1") && is_local("10.46.0.254"));
	assert_true(routed("10.2.1.1", "10.45.0.3"));
	assert_true(is_local("10.45.0.254"));
	/* and at a start */
	close_netlink();
	open_netlink();
	RUN_UNTIL(netlink_filled(netlink));
	assert_true(routed("10.2.1.1", "10.45.0.3"));
	assert_true(is_local("10.45.0.254"));
}

/* A second's worth of dumps that are each asked for again. */
static void dumps_are_spaced(void **state)
{
	enum { PARTS = 4, A_SECOND = 5 /* dumps */ };
	(void)state;

	torn = true;
	shell("ip -n taps route add 10.1.0.0/16 via 10.45.0.1 dev t0");
	RUN_UNTIL(routed("10.1.1.1", "10.45.0.1"));
	parts_told = 0;
	const uint64_t begin = now_ms();
	for (unsigned ms = 0; ms < 1000; ms += 2, usleep(2000)) /* on a slow machine as many looks */
		netlink_run(netlink, begin + ms);
	assert_in_range(parts_told, 1, PARTS * (A_SECOND + 1));
}

/* A kernel that needs nearly a second for each answer, and so many for a dump. */
static void a_dump_that_takes_long_is_finished(void **state)
{
	uint64_t now = now_ms();
	(void)state;

	shell("ip -n taps route add 10.1.0.0/16 via 10.45.0.1 dev t0");
	for (int turns = 0; turns < 100 && !routed("10.1.1.1", "10.45.0.1"); turns++) {
		reads_left = 1;
		netlink_run(netlink, now += 900);
	}
	assert_true(routed("10.1.1.1", "10.45.0.1"));
	/* one that falls silent is asked again */
	shell("ip -n taps route add 10.2.0.0/16 via 10.45.0.1 dev t0");
	reads_left = 3;
	for (int turns = 0; turns < 9; turns++)
		netlink_run(netlink, now += 900);
	assert_true(leads_nowhere("10.2.1.1"));
	reads_left = UINT_MAX;
	for (int turns = 0; turns < 100 && !routed("10.2.1.1", "10.45.0.1"); turns++)
		netlink_run(netlink, now += 900);
	assert_true(routed("10.2.1.1", "10.45.0.1"));
}

int main(void)
{
	static char prefix[48];
	snprintf(prefix, sizeof(prefix), "--file-prefix=netlink%d", getpid());
	char *eal[] = {"test_netlink",	 "--no-huge",	      "-m",   "128", "--no-pci", "--no-shconf",
		       "--no-telemetry", "--log-level=error", prefix, NULL};
	if (geteuid() != 0 || private_netns() != 0 || rte_eal_init(9, eal) < 0)
		return SKIP;
	rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(8), 64);
	rte_rcu_qsbr_init(rcu, 8);
	for (unsigned i = 0; i < 2; i++) {
		struct served_address a = {0};
		if (bgf_addr_parse(i == 0 ? "10.50.0.1" : "fd00:50::1", &a.address) != 0 ||
		    served_add(&served, &a) != 0)
			return 1;
	}
#define ON_A_TAP(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ON_A_TAP(a_served_address_is_never_the_gateways_own),
		ON_A_TAP(a_served_address_on_a_tap_is_said_once_each_time),
		ON_A_TAP(a_neighbour_that_is_asked_again_is_there_meanwhile),
		ON_A_TAP(routes_are_followed_while_no_dump_is_whole),
		ON_A_TAP(dumps_are_spaced),
		ON_A_TAP(a_dump_that_takes_long_is_finished),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
