/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The link's server as a guard of keys: who may give orders, and where a key is left.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "ctl.h"
#include "state_fixture.h"

enum { NOBODY = 65534, KEY = 20 };

static struct state s;
static struct ctl *ctl;
static char path[96], error[256];
static uint8_t inverted[KEY]; /* the test itself is not to be found with the key */

static void done(void *context, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	(void)context;
	ctl_done(ctl, ticket, set);
}

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.done = done;
	state_new(&s);
	snprintf(path, sizeof(path), "%s/link", s.folder);
	struct ctl_args args = {.path = path, .store = s.store, .workers = WORKERS};
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

static void turn(void)
{
	ctl_run(ctl);
	sets_poll(s.sets);
	ctl_run(ctl);
}

static int connected(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

static void send_hello(int fd)
{
	struct dpl_hello hello = {.header = {.type = DPL_HELLO, .length = sizeof(hello), .txn = 1},
				  .version = DPL_VERSION};

	send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
}

/* What a process of this user gets for its HELLO: octets, 0 at an end, or -1. */
static int child_as(unsigned uid)
{
	struct dpl_hello_answer answer;
	struct timeval patience = {.tv_sec = 60};

	if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		return -1;
	int fd = connected();
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	send_hello(fd);
	ssize_t n = recv(fd, &answer, sizeof(answer), 0);
	return n < 0 && errno == ECONNRESET ? 0 : (int)n;
}

static int answered_to(unsigned uid)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(child_as(uid) & 0x7f);
	while (waitpid(child, &status, WNOHANG) == 0) {
		turn();
		usleep(1000);
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The socket's mode keeps strangers out; should it be opened one day, the user at the other end is asked. */
static void only_root_and_the_own_user_may_give_orders(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(s.folder, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(answered_to(NOBODY), 0);
	assert_int_equal(answered_to(0), sizeof(struct dpl_hello_answer) & 0x7f);
}

static unsigned count_in(const uint8_t *from, const uint8_t *to)
{
	unsigned count = 0;

	for (const uint8_t *at = from; at + KEY <= to; at++) {
		unsigned i = 0;
		while (i < KEY && (at[i] ^ inverted[i]) == 0xff)
			i++;
		count += i == KEY;
	}
	return count;
}

/* How often the key lies in the memory that this process can write. */
static unsigned copies_of_the_key(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[512], mode[8];
	uintptr_t from, to;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, mode) == 3 &&
		    strncmp(mode, "rw", 2) == 0)
			count += count_in((const uint8_t *)from, (const uint8_t *)to);
	fclose(maps);
	return count;
}

/* A SET_ADD with the key, or another type of the same content. */
static void send_key(int fd, uint16_t type, uint16_t key_length)
{
	struct dpl_set_add add = order(0);

	add.header = (struct dpl_header){.type = type, .length = sizeof(add), .txn = 2};
	add.key_length = (uint8_t)key_length;
	for (unsigned i = 0; i < KEY; i++)
		add.auth_key[i] = (uint8_t)~inverted[i];
	assert_int_equal(send(fd, &add, sizeof(add), 0), sizeof(add));
	explicit_bzero(&add, sizeof(add));
	turn();
}

static uint64_t install(int fd, uint16_t key_length)
{
	struct dpl_set_row row;

	send_key(fd, DPL_SET_ADD, key_length);
	assert_int_equal(recv(fd, &row, sizeof(row), MSG_DONTWAIT), sizeof(row));
	return row.header.status == 0 ? row.set.set_id : 0;
}

static void a_key_is_in_the_store_and_nowhere_else(void **state)
{
	(void)state;
	uint8_t answer[4096];
#ifdef __SANITIZE_ADDRESS__
	skip(); /* which keeps what was freed, and lets nobody look at its own memory */
#endif
	int fd = connected();

	assert_int_equal(getrandom(inverted, sizeof(inverted), 0), sizeof(inverted));
	send_hello(fd);
	turn();
	assert_true(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0);
	assert_int_equal(copies_of_the_key(), 0);
	assert_int_equal(install(fd, KEY - 1), 0); /* one that is refused */
	assert_int_equal(copies_of_the_key(), 0);
	uint64_t id = install(fd, KEY);
	assert_true(id != 0);
	assert_int_equal(copies_of_the_key(), 1);
	struct dpl_set_id gone = {.header = {.type = DPL_SET_REMOVE, .length = sizeof(gone), .txn = 3},
				  .set_id = id};
	assert_int_equal(send(fd, &gone, sizeof(gone), 0), sizeof(gone));
	turn();
	assert_true(recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0);
	assert_int_equal(copies_of_the_key(), 0);
	send_key(fd, 99, KEY); /* what is no SET_ADD may hold one, too; it ends the connection */
	assert_int_equal(copies_of_the_key(), 0);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(only_root_and_the_own_user_may_give_orders),
		T(a_key_is_in_the_store_and_nowhere_else),
	};
	if (eal_up() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
