/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The link's server over a real socket: every request, what is no record, a second client, a client that
 * does not read.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "ctl.h"
#include "state_fixture.h"

static struct state s;
static struct ctl *ctl;
static char path[96], error[256];
static union {
	struct dpl_header header;
	struct dpl_hello_answer hello;
	struct dpl_set_row row;
	struct dpl_set_rows rows;
	struct dpl_counters counters;
	struct dpl_port port;
	struct dpl_set_id id;
	uint8_t octets[UINT16_MAX];
} answer;

static int counters(void *context, uint64_t n, struct dpl_counters *ret)
{
	(void)context;
	ret->port = (uint16_t)(n / WORKERS);
	ret->worker = (uint16_t)(n % WORKERS);
	return n < 2 * WORKERS ? 0 : -ENOENT;
}

static int port(void *context, uint64_t n, struct dpl_port *ret)
{
	(void)context;
	ret->port = (uint16_t)n;
	return n < 2 ? 0 : -ENOENT;
}

static void done(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context;
	ctl_done(ctl, ticket, set);
}

static struct ctl_args args_of(void)
{
	return (struct ctl_args){.path = path,
				 .store = s.store,
				 .workers = WORKERS,
				 .ports = 2,
				 .counters = counters,
				 .port = port};
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.done = done;
	state_new(&s);
	snprintf(path, sizeof(path), "%s/link", s.folder);
	struct ctl_args args = args_of();
	if (ctl_new(&args, &ctl, error, sizeof(error)) != 0)
		return -1;
	ctl_set_sets(ctl, s.sets);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ctl_free(ctl);
	state_free(&s);
	return 0;
}

static int connected(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* One turn of the main loop. */
static void turn(void)
{
	ctl_run(ctl);
	sets_poll(s.sets);
	ctl_run(ctl);
}

/* Sends n octets and takes the answer: its length, 0 at an end, or -errno. */
static ssize_t ask(int fd, const void *record, size_t n)
{
	memset(&answer, 0xee, sizeof(answer));
	assert_int_equal(send(fd, record, n, MSG_NOSIGNAL), n);
	turn();
	ssize_t got = recv(fd, &answer, sizeof(answer), 0);
	return got < 0 ? -errno : got;
}

static struct dpl_header header(uint16_t type, size_t length)
{
	return (struct dpl_header){.type = type, .length = (uint16_t)length, .txn = 0x1234567890};
}

static void expect(ssize_t got, uint16_t type, size_t length, int status)
{
	assert_int_equal(got, length);
	assert_int_equal(answer.header.type, type | DPL_ANSWER);
	assert_int_equal(answer.header.length, length);
	assert_int_equal(answer.header.status, status);
	assert_int_equal(answer.header.txn, 0x1234567890);
}

static int greeted(void)
{
	struct dpl_hello hello = {.header = header(DPL_HELLO, sizeof(hello)), .version = DPL_VERSION};
	int fd = connected();

	expect(ask(fd, &hello, sizeof(hello)), DPL_HELLO, sizeof(struct dpl_hello_answer), 0);
	return fd;
}

static ssize_t ask_id(int fd, uint16_t type, uint64_t id)
{
	struct dpl_set_id r = {.header = header(type, sizeof(r)), .set_id = id};
	return ask(fd, &r, sizeof(r));
}

static ssize_t ask_cursor(int fd, uint16_t type, uint64_t from)
{
	struct dpl_cursor r = {.header = header(type, sizeof(r)), .from = from};
	return ask(fd, &r, sizeof(r));
}

static uint64_t install(int fd, unsigned n)
{
	struct dpl_set_add add = order(n);

	add.header = header(DPL_SET_ADD, sizeof(add));
	expect(ask(fd, &add, sizeof(add)), DPL_SET_ADD, sizeof(struct dpl_set_row), 0);
	assert_true(answer.row.set.selectors.spi_ps >= BGF_SPI_MIN);
	return answer.row.set.set_id;
}

static void hello_tells_what_this_is(void **state)
{
	(void)state;
	struct stat st;
	int fd = greeted();

	assert_int_equal(answer.hello.version, DPL_VERSION);
	assert_int_equal(answer.hello.capacity, CAPACITY);
	assert_int_equal(answer.hello.workers, WORKERS);
	assert_int_equal(answer.hello.store_epoch, store_epoch(s.store));
	assert_memory_equal(answer.hello.boot_id, store_boot_id(s.store), 16);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(fd);
}

static void every_request_is_answered(void **state)
{
	(void)state;
	int fd = greeted();
	uint64_t id = install(fd, 0);

	expect(ask_id(fd, DPL_SET_GET, id), DPL_SET_GET, sizeof(struct dpl_set_row), 0);
	assert_int_equal(answer.row.set.set_id, id);
	assert_int_equal(answer.row.set.state, BGF_SET_TEMPORARY);
	assert_null(memmem(&answer, sizeof(answer.row), "twenty octets", 13));
	expect(ask_id(fd, DPL_SET_GET, id + 1), DPL_SET_GET, sizeof(struct dpl_set_row), -ENOENT);

	struct dpl_set_add add = order(0);
	add.header = header(DPL_SET_ADD, sizeof(add));
	expect(ask(fd, &add, sizeof(add)), DPL_SET_ADD, sizeof(struct dpl_set_row), -EEXIST);
	assert_int_equal(answer.row.set.clash, DPL_CLASH_PORT_UC);
	assert_int_equal(answer.row.set.set_id, id);

	struct dpl_set_update update = {.header = header(DPL_SET_UPDATE, sizeof(update)),
					.set_id = id,
					.state = BGF_SET_ESTABLISHED,
					.name = order(0).name,
					.expires = 99};
	expect(ask(fd, &update, sizeof(update)), DPL_SET_UPDATE, sizeof(struct dpl_set_row), 0);
	assert_int_equal(answer.row.set.expires, 99);
	update.state = 9;
	expect(ask(fd, &update, sizeof(update)), DPL_SET_UPDATE, sizeof(struct dpl_set_row), -EINVAL);

	expect(ask_cursor(fd, DPL_SET_LIST, 0), DPL_SET_LIST,
	       sizeof(struct dpl_set_rows) + sizeof(struct dpl_set_state), 0);
	assert_int_equal(answer.rows.count, 1);
	assert_int_equal(answer.rows.next, 0);
	for (uint64_t n = 0; n < 2 * WORKERS; n++) {
		expect(ask_cursor(fd, DPL_COUNTERS, n), DPL_COUNTERS, sizeof(struct dpl_counters), 0);
		assert_int_equal(answer.counters.port * WORKERS + answer.counters.worker, n);
		assert_int_equal(answer.counters.next, n + 1 < 2 * WORKERS ? n + 1 : 0);
	}
	expect(ask_cursor(fd, DPL_COUNTERS, 4), DPL_COUNTERS, sizeof(struct dpl_counters), -ENOENT);
	expect(ask_cursor(fd, DPL_PORTS, 0), DPL_PORTS, sizeof(struct dpl_port), 0);
	assert_int_equal(answer.port.next, 1);
	expect(ask_cursor(fd, DPL_PORTS, 1), DPL_PORTS, sizeof(struct dpl_port), 0);
	assert_int_equal(answer.port.next, 0);

	expect(ask_id(fd, DPL_SET_REMOVE, id), DPL_SET_REMOVE, sizeof(struct dpl_set_row), 0);
	assert_int_equal(answer.row.set.set_id, id);
	expect(ask_id(fd, DPL_SET_REMOVE, id), DPL_SET_REMOVE, sizeof(struct dpl_set_row), -ENOENT);
	close(fd);
}

static void what_is_no_record_ends_the_connection(void **state)
{
	(void)state;
	struct dpl_set_add add = order(0);
	static uint8_t large[4096];
	struct dpl_header large_header = header(DPL_SET_ADD, sizeof(large));
	struct dpl_set_id event = {.header = header(DPL_FIRST_USED, sizeof(event))};
	struct dpl_cursor answered = {.header = header(DPL_PORTS | DPL_ANSWER, sizeof(answered))};
	struct dpl_cursor unknown = {.header = header(10, sizeof(unknown))};

	add.header = header(DPL_SET_ADD, sizeof(add));
	memcpy(large, &large_header, sizeof(large_header));
	/* every length at which a SET_ADD can be cut, and records that are none */
	for (size_t n = 1; n < sizeof(add) + 5; n++) {
		struct {
			const void *record;
			size_t length;
		} row = {&add, n};
		if (n == sizeof(add))
			row.record = large, row.length = sizeof(large);
		if (n > sizeof(add))
			row.record = n == sizeof(add) + 1   ? (void *)&event
				     : n == sizeof(add) + 2 ? (void *)&answered
							    : (void *)&unknown,
			row.length = 24;
		int fd = greeted();
		assert_int_equal(ask(fd, row.record, row.length), sizeof(struct dpl_header));
		assert_int_equal(answer.header.status, -EPROTO);
		assert_int_equal(recv(fd, &answer, sizeof(answer), 0), 0);
		close(fd);
	}
	assert_int_equal(sets_live(s.sets), 0);
}

static void hello_comes_first_and_in_this_version(void **state)
{
	(void)state;
	struct dpl_hello hello = {.header = header(DPL_HELLO, sizeof(hello)), .version = DPL_VERSION + 1};
	int fd = connected();

	expect(ask(fd, &hello, sizeof(hello)), DPL_HELLO, sizeof(struct dpl_header), -EPROTO);
	assert_int_equal(recv(fd, &answer, sizeof(answer), 0), 0);
	close(fd);
	fd = connected();
	expect(ask_cursor(fd, DPL_PORTS, 0), DPL_PORTS, sizeof(struct dpl_header), -EPROTO);
	close(fd);
}

static void a_second_client_is_told_and_closed(void **state)
{
	(void)state;
	int first = greeted(), second = connected();

	turn();
	assert_int_equal(recv(second, &answer, sizeof(answer), 0), sizeof(struct dpl_hello_answer));
	assert_int_equal(answer.header.status, -EBUSY);
	assert_int_equal(recv(second, &answer, sizeof(answer), 0), 0);
	close(second);
	install(first, 0); /* the first goes on */
	close(first);
	second = greeted(); /* and a restarted control finds the place free at once, and its sets */
	assert_int_equal(answer.hello.sets, 1);
	close(second);
}

static void an_answer_to_a_dead_client_goes_nowhere(void **state)
{
	(void)state;
	int fd = greeted();
	struct dpl_set_add add = order(0);

	add.header = header(DPL_SET_ADD, sizeof(add));
	rte_rcu_qsbr_thread_register(s.rcu, 0);
	rte_rcu_qsbr_thread_online(s.rcu, 0);
	assert_int_equal(send(fd, &add, sizeof(add), 0), sizeof(add));
	turn();
	close(fd);
	turn();
	fd = greeted();
	rte_rcu_qsbr_quiescent(s.rcu, 0);
	turn();
	assert_int_equal(recv(fd, &answer, sizeof(answer), 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(sets_live(s.sets), 1);
	close(fd);
}

/* How many records a packet of n octets has. */
static unsigned records_in(const uint8_t *packet, ssize_t n)
{
	struct dpl_header h;
	unsigned count = 0;

	for (ssize_t at = 0; at < n; at += h.length, count++) {
		memcpy(&h, packet + at, sizeof(h));
		assert_true(h.length >= sizeof(h) && h.length <= n - at);
	}
	return count;
}

/* Many requests in one packet are taken as if they came one by one, and their answers come together. */
static void several_records_in_one_packet(void **state)
{
	(void)state;
	static uint8_t packet[DPL_PACKET_MAX];
	struct dpl_cursor r = {.header = header(DPL_PORTS, sizeof(r))};
	const unsigned count = 200; /* more than are taken in one run */
	unsigned taken = 0;
	int fd = greeted();

	for (unsigned i = 0; i < count; i++)
		memcpy(packet + i * sizeof(r), &r, sizeof(r));
	assert_int_equal(send(fd, packet, count * sizeof(r), MSG_NOSIGNAL), count * sizeof(r));
	assert_true(ctl_run(ctl)); /* some are left, and no descriptor tells of them */
	assert_false(ctl_run(ctl));
	for (ssize_t n; (n = recv(fd, packet, sizeof(packet), 0)) > 0;)
		taken += records_in(packet, n);
	assert_int_equal(taken, count);
	close(fd);
}

/* Requests without end, no answer taken: what is kept is bounded, nothing is lost or blocks. */
static void a_client_that_does_not_read_is_not_read(void **state)
{
	(void)state;
	int fd = greeted();
	struct dpl_cursor r = {.header = header(DPL_SET_LIST, sizeof(r))};
	static uint8_t packet[65536];
	unsigned sent = 0, taken = 0, idle = 0;

	for (unsigned n = 0; n < CAPACITY; n++)
		install(fd, n);
	while (idle < 10) {
		idle = send(fd, &r, sizeof(r), MSG_NOSIGNAL) == sizeof(r) ? 0 : idle + 1;
		sent += idle == 0;
		turn();
	}
	assert_true(sent < 20000);
	while (taken < sent) {
		for (ssize_t n; (n = recv(fd, packet, sizeof(packet), 0)) > 0;)
			taken += records_in(packet, n);
		turn();
	}
	expect(ask_cursor(fd, DPL_PORTS, 0), DPL_PORTS, sizeof(struct dpl_port), 0);
	close(fd);
}

static void first_use_is_an_event(void **state)
{
	(void)state;
	ctl_first_used(ctl, 5); /* nobody there */
	int fd = connected();
	turn();
	ctl_first_used(ctl, 5); /* not greeted */
	ctl_flush(ctl);
	assert_int_equal(recv(fd, &answer, sizeof(answer), 0), -1);
	close(fd);
	fd = greeted();
	ctl_first_used(ctl, 77);
	ctl_flush(ctl);
	assert_int_equal(recv(fd, &answer, sizeof(answer), 0), sizeof(struct dpl_set_id));
	assert_int_equal(answer.header.type, DPL_FIRST_USED);
	assert_int_equal(answer.header.txn, 0);
	assert_int_equal(answer.id.set_id, 77);
	close(fd);
}

static void places_for_the_socket(void **state)
{
	(void)state;
	struct ctl *other = NULL;
	struct ctl_args args = args_of();

	assert_int_equal(ctl_new(&args, &other, error, sizeof(error)), -EADDRINUSE);
	assert_non_null(strstr(error, "another process serves there"));
	args.path = s.path;
	assert_int_equal(ctl_new(&args, &other, error, sizeof(error)), -EEXIST);
	assert_non_null(strstr(error, "no socket"));
	args.path = "/dev/shm/bgf-no-such-folder/link";
	assert_int_equal(ctl_new(&args, &other, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "make its folder"));
	assert_null(other);

	/* what a killed process left is taken over */
	char stale[96];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(stale, sizeof(stale), "%s/stale", s.folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", stale);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	args.path = stale;
	assert_int_equal(ctl_new(&args, &other, error, sizeof(error)), 0);
	ctl_free(other);
	assert_int_equal(access(stale, F_OK), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(hello_tells_what_this_is),
		T(every_request_is_answered),
		T(what_is_no_record_ends_the_connection),
		T(hello_comes_first_and_in_this_version),
		T(a_second_client_is_told_and_closed),
		T(an_answer_to_a_dead_client_goes_nowhere),
		T(a_client_that_does_not_read_is_not_read),
		T(several_records_in_one_packet),
		T(first_use_is_an_event),
		T(places_for_the_socket),
	};
	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
