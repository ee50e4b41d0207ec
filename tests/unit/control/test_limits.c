/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one end may ask of the daemon: bounds of an association, and a data plane that says no, or says the
 * wrong thing.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct client client;

static void hello(struct client *c, struct harness *h, const char *name, uint64_t instance, enum zb_role role,
		  unsigned expected)
{
	client_hello(c, h, name, instance, role, false);
	assert_int_equal(client_call(c), expected);
}

static struct session *session_of(struct harness *h, const char *name)
{
	struct session *s;

	LIST_FOREACH (s, &h->control.sessions, next)
		if (s->peer != NULL && strcmp(s->peer->name, name) == 0)
			return s;
	fail();
	return NULL;
}

/* Whoever only looks harms nobody, so it may be there twice. */
static void only_peers_of_one_name_exclude_each_other(void **state)
{
	static const enum zb_role roles[] = {ZB_ROLE_OBSERVER, ZB_ROLE_OPERATOR, ZB_ROLE_PEER};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		struct client first, second;
		hello(&first, h, "twice", 1, roles[i], ZB_CAUSE_DONE);
		hello(&second, h, "twice", 2, roles[i],
		      roles[i] == ZB_ROLE_PEER ? ZB_CAUSE_INSTANCE_CLASH : ZB_CAUSE_DONE);
		client_close(&second);
		client_close(&first);
	}
}

static void send_confirm(struct client *c, uint64_t set_id, uint64_t reference)
{
	client_begin(c, ZB_MSG_CONFIRM);
	zb_put_number(&c->out, ZB_ATTR_SET_ID, set_id);
	zb_put_number(&c->out, ZB_ATTR_REFERENCE, reference);
	zb_put_number(&c->out, ZB_ATTR_EXPIRES, 600);
	client_send(c);
}

/* As many requests as the bound are under way, no more; when they are answered it goes on. */
static void requests_under_way_are_bounded(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();
	unsigned extra = 100;

	hello(&client, h, "pcscf1", 1, ZB_ROLE_PEER, ZB_CAUSE_DONE);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	uint64_t id = client_set(&client).set_id;
	h->fake.is_mute = true;
	for (unsigned i = 0; i < SESSION_OPS_MAX + extra; i++) {
		send_confirm(&client, id, 1000 + i);
		if (i % 64 == 0)
			harness_run_for(h, 1);
	}
	harness_run_for(h, 50);
	struct session *s = session_of(h, "pcscf1");
	assert_int_equal(s->ops_weight, SESSION_OPS_MAX);
	assert_int_equal(h->fake.updates, SESSION_OPS_MAX);
	assert_true(s->paused);
	fake_stop(&h->fake); /* all are answered, and what waited is read */
	assert_int_equal(client_wait(&client), ZB_CAUSE_DATAPLANE_DOWN);
	assert_int_equal(s->ops_weight, 0);
	client_close(&client);
}

/* What is not taken stays small: requests wait at the sender's side. */
static void a_peer_that_takes_no_answers_is_not_read(void **state)
{
	enum { REQUESTS = 60000 };
	struct harness *h = *state;
	int idle = 0, sent = 0;

	hello(&client, h, "pcscf1", 1, ZB_ROLE_PEER, ZB_CAUSE_DONE);
	struct session *s = session_of(h, "pcscf1");
	while (sent < REQUESTS && idle < 20) {
		client_begin(&client, ZB_MSG_QUERY);
		int length = zb_frame_finish(&client.out);
		assert_true(length > 0);
		ssize_t n = send(client.fd, client.frame, (size_t)length, MSG_NOSIGNAL);
		assert_true(n == length || (n < 0 && errno == EAGAIN));
		sent += n == length;
		idle = n == length ? 0 : idle + 1;
		if (n < 0) {
			client.txn--;
			harness_run_for(h, 2);
		}
	}
	harness_run_for(h, 20);
	assert_true(s->paused);
	assert_in_range(evbuffer_get_length(s->out), SESSION_OUT_PAUSE, SESSION_OUT_PAUSE + (64 << 10));
	assert_true(sent < REQUESTS);
	client_wait(&client); /* and when it takes them all come */
	assert_false(s->paused);
	client_close(&client);
}

static void what_is_never_taken_ends_an_association(void **state)
{
	static const uint8_t chunk[64 << 10];
	struct harness *h = *state;

	hello(&client, h, "pcscf1", 1, ZB_ROLE_PEER, ZB_CAUSE_DONE);
	struct session *s = session_of(h, "pcscf1");
	for (unsigned i = 0; i < SESSION_OUT_MAX / sizeof(chunk); i++)
		session_send(s, chunk, sizeof(chunk));
	assert_false(s->dead);
	session_send(s, chunk, 1);
	assert_true(s->dead);
	client_close(&client);
}

/* --- the data plane's link --- */

static bool has_ended(void *arg)
{
	return ((struct harness *)arg)->fake.client < 0;
}

static void an_answer_to_a_request_of_before_answers_none_of_now(void **state)
{
	struct harness *h = *state;
	struct install in = sample_install();

	hello(&client, h, "pcscf1", 1, ZB_ROLE_PEER, ZB_CAUSE_DONE);
	assert_int_equal(client_install(&client, &in), ZB_CAUSE_DONE);
	uint64_t id = client_set(&client).set_id;
	assert_int_equal(client_confirm(&client, id, 7, 600), ZB_CAUSE_DONE);
	struct dpl_set_row stale = {.header = h->fake.last_update.header};
	stale.header.type |= DPL_ANSWER;
	stale.header.length = sizeof(stale);
	h->fake.is_mute = true;
	send_confirm(&client, id, 8);
	harness_run_for(h, 20);
	/* the request's place among those that wait is the former one's */
	assert_int_equal((uint32_t)h->fake.last_update.header.txn, (uint32_t)stale.header.txn);
	fake_tell(&h->fake, &stale.header);
	assert_int_equal(client_wait(&client), ZB_CAUSE_DATAPLANE_DOWN);
	harness_run(h, has_ended, h, "the link's end");
	client_close(&client);
}

/* Runs the loop with the log in a file; what it says. */
static const char *log_of(struct harness *h, unsigned ms)
{
	static char text[4096];
	char path[] = "/tmp/bgf-limits-XXXXXX";
	int file = mkstemp(path), kept = dup(STDERR_FILENO);

	assert_true(file >= 0 && unlink(path) == 0);
	dup2(file, STDERR_FILENO);
	harness_run_for(h, ms);
	dup2(kept, STDERR_FILENO);
	close(kept);
	ssize_t n = pread(file, text, sizeof(text) - 1, 0);
	close(file);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void note_up(void *arg, const struct dpl_hello_answer *hello)
{
	(void)hello;
	(*(unsigned *)arg)++;
}

static void ignore_down(void *arg)
{
	(void)arg;
}

static bool is_up(void *arg)
{
	return *(unsigned *)arg > 0;
}

/* A second daemon by mistake: it says why it does not serve, harms nothing, and serves when it may. */
static void a_data_plane_that_serves_another_control_says_so(void **state)
{
	struct harness *h = *state;
	unsigned ups = 0;
	struct dplink_handlers handlers = {.up = note_up, .down = ignore_down, .arg = &ups};

	h->fake.is_busy = true;
	struct dplink *second = dplink_new(h->control.base, h->fake.path, &handlers);
	assert_non_null(second);
	assert_non_null(strstr(log_of(h, 300), "another bgf-control serves it"));
	assert_int_equal(ups, 0);
	assert_true(h->control.serving);
	h->fake.is_busy = false;
	fake_stop(&h->fake);
	harness_serving(h, false);
	dplink_free(h->control.link);
	h->control.link = second;
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	harness_run(h, is_up, &ups, "the second one to be served");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		T(only_peers_of_one_name_exclude_each_other),
		T(requests_under_way_are_bounded),
		T(a_peer_that_takes_no_answers_is_not_read),
		T(what_is_never_taken_ends_an_association),
		T(an_answer_to_a_request_of_before_answers_none_of_now),
		T(a_data_plane_that_serves_another_control_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
