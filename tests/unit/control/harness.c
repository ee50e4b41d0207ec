/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit_check.h"
#include "control/sets.h"
#include "control/sync.h"
#include "control/trouble.h"

enum { PATIENCE_MS = 60000 };

static void make_control(struct harness *h)
{
	struct control *c = &h->control;

	*c = (struct control){.config = &h->config, .base = c->base, .timer_fd = -1};
	TAILQ_INIT(&c->peers);
	LIST_INIT(&c->sessions);
	assert_int_equal(sets_init(c), 0);
	struct dplink_handlers handlers = {.up = sync_up,
					   .down = sync_down,
					   .first_used = sync_first_used,
					   .trouble = trouble_of_set,
					   .stray = trouble_of_stray,
					   .arg = c};
	c->link = dplink_new(c->base, h->config.dataplane.link, &handlers);
	assert_non_null(c->link);
}

static void free_control(struct harness *h)
{
	assert_int_equal(audit_check(&h->control), 0); /* whatever the test did */
	session_free_all(&h->control);
	dplink_free(h->control.link);
	sets_free(&h->control);
}

int harness_setup(void **state)
{
	struct harness *h = calloc(1, sizeof(*h));

	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	h->begun = timers_now();
	h->config = sample_config();
	strcpy(h->folder, "/tmp/bgf-control-XXXXXX");
	assert_non_null(mkdtemp(h->folder));
	snprintf(h->config.dataplane.link, sizeof(h->config.dataplane.link), "%s/link", h->folder);
	h->control.base = event_base_new();
	h->fake.epoch = 11;
	fake_start(&h->fake, h->control.base, h->config.dataplane.link);
	make_control(h);
	harness_serving(h, true);
	*state = h;
	return 0;
}

int harness_teardown(void **state)
{
	struct harness *h = *state;

	fake_stop(&h->fake);
	free_control(h);
	event_base_free(h->control.base);
	rmdir(h->folder);
	free(h);
	return 0;
}

void harness_restart(struct harness *h)
{
	free_control(h);
	make_control(h);
	harness_serving(h, true);
}

void harness_run(struct harness *h, bool (*done)(void *arg), void *arg, const char *what)
{
	uint64_t deadline = timers_now() + PATIENCE_MS * UINT64_C(1000000);

	while (!done(arg)) {
		if (timers_now() > deadline)
			fail_msg("waited in vain for: %s", what);
		event_base_loop(h->control.base, EVLOOP_NONBLOCK);
		usleep(200);
	}
}

struct span {
	uint64_t end;
	unsigned turns_left;
};

static bool is_over(void *arg)
{
	struct span *s = arg;

	s->turns_left -= s->turns_left > 0;
	return s->turns_left == 0 && timers_now() > s->end;
}

/* A machine that stands still meanwhile takes no turns of the loop away. */
void harness_run_for(struct harness *h, unsigned ms)
{
	struct span span = {.end = timers_now() + ms * UINT64_C(1000000), .turns_left = 2 * ms};

	harness_run(h, is_over, &span, "time to pass");
}

static bool is_serving(void *arg)
{
	return ((struct harness *)arg)->control.serving;
}

static bool is_not_serving(void *arg)
{
	return !is_serving(arg);
}

void harness_serving(struct harness *h, bool serving)
{
	harness_run(h, serving ? is_serving : is_not_serving, h, "the data plane link to come or go");
}

/* --- clients --- */

void client_open_as(struct client *c, struct harness *h, uint32_t uid, int32_t pid)
{
	struct origin origin = {.is_local = true, .uid = uid, .pid = pid};
	int fds[2];

	*c = (struct client){.h = h};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	c->fd = fds[0];
	assert_int_equal(session_new(&h->control, fds[1], &origin), 0);
}

void client_open(struct client *c, struct harness *h)
{
	client_open_as(c, h, 0, 1);
}

void client_put_hello(struct client *c, const char *name, uint64_t instance, enum zb_role role)
{
	client_begin(c, ZB_MSG_HELLO);
	zb_put_string(&c->out, ZB_ATTR_NAME, name);
	zb_put_number(&c->out, ZB_ATTR_INSTANCE_ID, instance);
	zb_put_number(&c->out, ZB_ATTR_ROLE, role);
}

void client_hello(struct client *c, struct harness *h, const char *name, uint64_t instance, enum zb_role role,
		  bool restart)
{
	client_open(c, h);
	client_put_hello(c, name, instance, role);
	zb_put_number(&c->out, ZB_ATTR_RESTART, restart);
}

void client_close(struct client *c)
{
	zb_stream_clear(&c->in);
	close(c->fd);
	harness_run_for(c->h, 20);
}

void client_begin(struct client *c, enum zb_message type)
{
	zb_frame_begin(&c->out, c->frame, sizeof(c->frame), type, 0, ++c->txn);
}

void client_send(struct client *c)
{
	int length = zb_frame_finish(&c->out);

	assert_true(length > 0);
	assert_int_equal(send(c->fd, c->frame, (size_t)length, MSG_NOSIGNAL), length);
}

static void take_frame(struct client *c, const uint8_t *frame, const struct zb_header *header)
{
	struct zb_fault fault;

	if (header->flags & ZB_FLAG_EVENT) {
		assert_true(header->length <= sizeof(c->event_frame));
		memcpy(c->event_frame, frame, header->length);
		assert_int_equal(zb_message_parse(c->event_frame, header->length, &c->event, &fault), 0);
		c->events++;
	} else if (header->flags & ZB_FLAG_ANSWER) {
		/* The stream wipes it later: a copy in the frame buffer, whose request is out. */
		memcpy(c->frame, frame, header->length);
		assert_int_equal(zb_message_parse(c->frame, header->length, &c->answer, &fault), 0);
	} else if (header->type == ZB_MSG_BYE) {
		struct zb_message_in bye;
		assert_int_equal(zb_message_parse(frame, header->length, &bye, &fault), 0);
		c->bye = (unsigned)zb_get_number(&bye.attrs, ZB_ATTR_CAUSE, 0);
	}
}

/* 0: the other end closed. */
static ssize_t pump(struct client *c)
{
	struct zb_header header;
	struct zb_fault fault;
	const uint8_t *frame;
	size_t room;
	void *into = zb_stream_room(&c->in, &room);
	ssize_t n = recv(c->fd, into, room, MSG_DONTWAIT);

	if (n > 0) {
		zb_stream_add(&c->in, (size_t)n);
		while (zb_stream_next(&c->in, &frame, &header, &fault) == 1)
			take_frame(c, frame, &header);
	}
	return n < 0 && errno == ECONNRESET ? 0 : n;
}

static bool is_answered(void *arg)
{
	struct client *c = arg;

	pump(c);
	return c->answer.header.txn == c->txn;
}

unsigned client_wait(struct client *c)
{
	harness_run(c->h, is_answered, c, "an answer");
	return (unsigned)zb_get_number(&c->answer.attrs, ZB_ATTR_CAUSE, 0);
}

unsigned client_call(struct client *c)
{
	client_send(c);
	return client_wait(c);
}

static bool is_closed(void *arg)
{
	return pump(arg) == 0;
}

bool client_is_closed(struct client *c)
{
	harness_run(c->h, is_closed, c, "the connection's end");
	return true;
}

struct expected_event {
	struct client *client;
	enum zb_message type;
};

static bool has_event(void *arg)
{
	struct expected_event *e = arg;

	pump(e->client);
	return e->client->events > 0 && e->client->event.header.type == e->type;
}

void client_wait_event(struct client *c, enum zb_message type)
{
	struct expected_event e = {c, type};

	harness_run(c->h, has_event, &e, zb_message_name(type));
}

unsigned client_bad_attribute(const struct client *c)
{
	return (unsigned)zb_get_number(&c->answer.attrs, ZB_ATTR_BAD_ATTRIBUTE, 0);
}

struct zb_set client_set(const struct client *c)
{
	struct zb_attrs group;
	struct zb_set set = {0};
	size_t position = 0;

	assert_true(zb_group_next(&c->answer.attrs, ZB_ATTR_SET, &position, &group));
	zb_get_set(&group, &set);
	return set;
}

void client_send_install(struct client *c, const struct install *in)
{
	const struct bgf_set_selectors *s = &in->selectors;

	client_begin(c, ZB_MSG_INSTALL);
	zb_put_number(&c->out, ZB_ATTR_REFERENCE, in->reference);
	zb_put_string(&c->out, ZB_ATTR_SUBSCRIBER, in->subscriber);
	zb_put_string(&c->out, ZB_ATTR_REGISTRATION_ID, in->registration_id);
	zb_put_addr(&c->out, ZB_ATTR_UE_ADDRESS, &s->ue);
	zb_put_addr(&c->out, ZB_ATTR_SERVED_ADDRESS, &s->served);
	zb_put_number(&c->out, ZB_ATTR_PORT_UC, s->port_uc);
	zb_put_number(&c->out, ZB_ATTR_PORT_US, s->port_us);
	zb_put_number(&c->out, ZB_ATTR_PORT_PC, s->port_pc);
	zb_put_number(&c->out, ZB_ATTR_PORT_PS, s->port_ps);
	zb_put_number(&c->out, ZB_ATTR_SPI_UC, s->spi_uc);
	zb_put_number(&c->out, ZB_ATTR_SPI_US, s->spi_us);
	zb_put_number(&c->out, ZB_ATTR_ALG, in->alg);
	zb_put_octets(&c->out, ZB_ATTR_IK, in->ik, sizeof(in->ik));
	zb_put_number(&c->out, ZB_ATTR_FLAGS, in->flags);
	if (in->await_auth_s != 0)
		zb_put_number(&c->out, ZB_ATTR_AWAIT_AUTH, in->await_auth_s);
	if (in->via_set != 0)
		zb_put_number(&c->out, ZB_ATTR_VIA_SET, in->via_set);
	client_send(c);
}

unsigned client_install(struct client *c, const struct install *in)
{
	client_send_install(c, in);
	return client_wait(c);
}

unsigned client_confirm(struct client *c, uint64_t set_id, uint64_t reference, uint32_t expires_s)
{
	client_begin(c, ZB_MSG_CONFIRM);
	zb_put_number(&c->out, ZB_ATTR_SET_ID, set_id);
	zb_put_number(&c->out, ZB_ATTR_REFERENCE, reference);
	zb_put_number(&c->out, ZB_ATTR_EXPIRES, expires_s);
	return client_call(c);
}

unsigned client_release(struct client *c, uint64_t set_id, uint64_t reference, uint32_t drain_s)
{
	client_begin(c, ZB_MSG_RELEASE);
	if (set_id != 0)
		zb_put_number(&c->out, ZB_ATTR_SET_ID, set_id);
	else
		zb_put_number(&c->out, ZB_ATTR_ALL_SETS, 1);
	zb_put_number(&c->out, ZB_ATTR_REFERENCE, reference);
	zb_put_number(&c->out, ZB_ATTR_DRAIN, drain_s);
	return client_call(c);
}

void client_subscribe(struct client *c)
{
	client_begin(c, ZB_MSG_SUBSCRIBE);
	zb_put_number(&c->out, ZB_ATTR_EVENTS, ZB_EVENTS_ALL);
	assert_int_equal(client_call(c), ZB_CAUSE_DONE);
}
