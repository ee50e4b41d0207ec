/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_gateway.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bgf_drop.h"
#include "zb/digest.h"
#include "zb/frame.h"
#include "zb/records.h"

static const struct zb_set sample = {
	.set_id = 1,
	.reference = 7,
	.peer = "pcscf1",
	.subscriber = "user@ims.example",
	.selectors = {.ue = {.octet = {10, 45, 0, 2}, .family = 4},
		      .served = {.octet = {10, 50, 0, 1}, .family = 4},
		      .port_uc = 5062,
		      .port_us = 5064,
		      .port_pc = 6060,
		      .port_ps = 6062,
		      .spi_uc = 1001,
		      .spi_us = 1002,
		      .spi_pc = 0x00800001,
		      .spi_ps = 0x00800000},
	.alg = 1,
	.state = 1,
	.remaining_ms = 240000,
	.packets = {10, 0, 4, 0},
	.drops = {{.reason = BGF_DROP_ICV, .count = 3}},
	.drop_count = 1,
};

static void must_send(int fd, const void *data, size_t length)
{
	const uint8_t *at = data;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
		if (n <= 0)
			return; /* the client has gone, which some tests want */
		at += n;
		length -= (size_t)n;
	}
}

static void send_event(int fd, uint64_t set_id)
{
	uint8_t buffer[2048];
	struct zb_frame e;
	struct zb_set set = sample;

	set.set_id = set_id;
	zb_frame_begin(&e, buffer, sizeof(buffer), ZB_MSG_FIRST_USED, ZB_FLAG_EVENT, 0);
	zb_put_set(&e, &set);
	int length = zb_frame_finish(&e);
	assert(length > 0);
	must_send(fd, buffer, (size_t)length);
}

static void put_hello(struct zb_frame *a, struct fake *f)
{
	static const uint8_t boot_id[16] = {1};

	zb_put_string(a, ZB_ATTR_NAME, "bgf1");
	zb_put_octets(a, ZB_ATTR_BOOT_ID, boot_id, sizeof(boot_id));
	zb_put_number(a, ZB_ATTR_STORE_EPOCH, f->store_epoch);
	zb_put_number(a, ZB_ATTR_CAPACITY, 100);
	zb_put_number(a, ZB_ATTR_SET_COUNT, 2);
	zb_put_number(a, ZB_ATTR_DATAPLANE_UP, 1);
	zb_put_number(a, ZB_ATTR_ENDED_AWAY, f->ended_away);
}

/* Three sets, two an answer. */
static void put_sets(struct zb_frame *a, const struct zb_message_in *m)
{
	struct zb_set set = sample;
	uint64_t from = zb_get_number(&m->attrs, ZB_ATTR_CURSOR, 0);
	uint64_t only = zb_get_number(&m->attrs, ZB_ATTR_SET_ID, 0);

	for (set.set_id = from + 1; set.set_id <= 3 && (only != 0 || set.set_id <= from + 2); set.set_id++)
		if (only == 0 || only == set.set_id)
			zb_put_set(a, &set);
	if (from == 0 && only == 0)
		zb_put_number(a, ZB_ATTR_CURSOR, 2);
}

static const struct zb_port ports[] = {
	{.port = 0,
	 .access = 1,
	 .up = 1,
	 .mtu = 1500,
	 .device = "net_af_xdp0",
	 .tap = "bgf-acc",
	 .rx_packets = 7},
	{.port = 1, .access = 0, .up = 0, .mtu = 1500, .device = "net_af_xdp1", .tap = "bgf-core"},
};

static const struct zb_stat stats[] = {
	{.port = 0, .worker = 0, .name = "rx_packets", .value = 5},
	{.port = 0, .worker = 1, .name = "rx_packets", .value = 2},
	{.port = 1, .worker = 0, .name = "rx_packets", .value = 0},
	{.port = 0, .worker = 0, .name = "icv", .value = 3},
	{.port = 0, .worker = 0, .name = "replay", .value = 0},
};

static void put_rows(struct zb_frame *a, struct fake *f, const struct zb_message_in *m)
{
	struct zb_peer peer = {.name = "pcscf1", .instance_id = 9, .connections = 17, .sets = 3};

	for (size_t i = 0; m->header.type == ZB_MSG_PORTS && i < sizeof(ports) / sizeof(ports[0]); i++)
		zb_put_port(a, &ports[i]);
	for (size_t i = 0; m->header.type == ZB_MSG_COUNTERS && i < sizeof(stats) / sizeof(stats[0]); i++)
		zb_put_stat(a, &stats[i]);
	if (m->header.type == ZB_MSG_PEERS && f->leaving > 0)
		peer.sets = --f->leaving;
	if (m->header.type == ZB_MSG_PEERS)
		zb_put_peer(a, &peer);
}

static void put64(uint8_t *at, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(number >> (56 - 8 * i));
}

static struct fake_row audit_row(const struct fake *f, size_t i)
{
	struct zb_set set = sample;

	if (f->audit != NULL)
		return f->audit[i];
	set.set_id = i + 1;
	return (struct fake_row){set.set_id, zb_set_digest(&set)};
}

static void put_audit(struct zb_frame *a, const struct fake *f, const struct zb_message_in *m)
{
	static uint8_t octets[DIGEST_BUCKETS * DIGEST_LEN];
	static uint64_t sum[DIGEST_BUCKETS];
	size_t count = f->audit != NULL ? f->audit_count : 3, length = 0;
	uint64_t bucket = zb_get_number(&m->attrs, ZB_ATTR_BUCKET, DIGEST_BUCKETS);

	memset(sum, 0, sizeof(sum));
	for (size_t i = 0; i < count; i++) {
		struct fake_row row = audit_row(f, i);
		sum[digest_bucket(row.set_id)] += row.digest;
		if (digest_bucket(row.set_id) != bucket)
			continue;
		put64(octets + length, row.set_id);
		put64(octets + length + 8, row.digest);
		length += DIGEST_ROW_LEN;
	}
	zb_put_number(a, ZB_ATTR_SET_COUNT, count);
	if (f->audit_is_bare)
		return;
	if (bucket < DIGEST_BUCKETS) {
		zb_put_octets(a, ZB_ATTR_ROWS, octets, length);
		return;
	}
	for (size_t i = 0; i < DIGEST_BUCKETS; i++)
		put64(octets + i * DIGEST_LEN, sum[i]);
	zb_put_octets(a, ZB_ATTR_DIGESTS, octets, sizeof(octets));
}

static void put_answer(struct zb_frame *a, struct fake *f, const struct zb_message_in *m)
{
	switch (m->header.type) {
	case ZB_MSG_HELLO:
		put_hello(a, f);
		break;
	case ZB_MSG_SUBSCRIBE:
		zb_put_number(a, ZB_ATTR_EVENTS, zb_get_number(&m->attrs, ZB_ATTR_EVENTS, 0));
		break;
	case ZB_MSG_INSTALL:
	case ZB_MSG_CONFIRM:
		zb_put_set(a, &sample);
		break;
	case ZB_MSG_RELEASE:
		zb_put_number(a, ZB_ATTR_SET_COUNT, zb_has(&m->attrs, ZB_ATTR_ALL_SETS) ? 5 : 1);
		break;
	case ZB_MSG_QUERY:
		put_sets(a, m);
		break;
	case ZB_MSG_AUDIT:
		put_audit(a, f, m);
		break;
	default:
		put_rows(a, f, m);
	}
}

static void count(struct fake *f, const struct zb_message_in *m)
{
	if (m->header.flags & ZB_FLAG_ANSWER) {
		f->heartbeat_answers++;
		return;
	}
	f->hellos += m->header.type == ZB_MSG_HELLO;
	f->installs += m->header.type == ZB_MSG_INSTALL;
	f->audits += m->header.type == ZB_MSG_AUDIT;
	f->byes += m->header.type == ZB_MSG_BYE;
	if (m->header.type == ZB_MSG_HELLO)
		f->restarts += zb_get_number(&m->attrs, ZB_ATTR_RESTART, 0) == 1;
	if (m->header.type == ZB_MSG_SUBSCRIBE) {
		f->events = (unsigned)zb_get_number(&m->attrs, ZB_ATTR_EVENTS, 0);
		f->subscribes++;
	}
}

static bool take_one(atomic_int *counter)
{
	return *counter > 0 && atomic_fetch_sub(counter, 1) > 0;
}

static void send_before_answer(struct fake *f, int fd)
{
	uint8_t buffer[64];
	struct zb_frame e;

	for (int i = 0; i < f->events_first; i++)
		send_event(fd, (uint64_t)i + 1);
	if (f->ask) {
		zb_frame_begin(&e, buffer, sizeof(buffer), ZB_MSG_HEARTBEAT, 0, 4711);
		must_send(fd, buffer, (size_t)zb_frame_finish(&e));
	}
}

/* False: the connection is to be closed. */
static bool serve_frame(struct fake *f, int fd, const uint8_t *frame, size_t length)
{
	static uint8_t held[ZB_FRAME_MAX];
	static size_t held_length;
	uint8_t buffer[ZB_FRAME_MAX];
	struct zb_message_in m;
	struct zb_fault fault;
	struct zb_frame a;

	int r = zb_message_parse(frame, length, &m, &fault);
	assert(r == 0);
	count(f, &m);
	bool greeting = m.header.type == ZB_MSG_HELLO || m.header.type == ZB_MSG_SUBSCRIBE;
	if ((m.header.flags & ZB_FLAG_ANSWER) || (!greeting && take_one(&f->ignore)))
		return true;
	if (!greeting && take_one(&f->hang_up))
		return false;
	if (m.header.type == ZB_MSG_HELLO && f->hello_cause != 0) {
		fault = (struct zb_fault){.cause = (uint16_t)f->hello_cause,
					  .attribute = ZB_ATTR_INSTANCE_ID};
		zb_answer_refuse(&a, buffer, sizeof(buffer), &m.header, fault, "no");
	} else {
		zb_answer_begin(&a, buffer, sizeof(buffer), &m.header);
		put_answer(&a, f, &m);
	}
	r = zb_frame_finish(&a);
	assert(r > 0);
	if (!greeting && take_one(&f->hold)) {
		memcpy(held, buffer, (size_t)r);
		held_length = (size_t)r;
		return true;
	}
	if (m.header.type != ZB_MSG_HELLO)
		send_before_answer(f, fd);
	must_send(fd, held, held_length);
	held_length = 0;
	for (int i = 0; i <= f->twice; i++)
		must_send(fd, buffer, (size_t)r);
	return true;
}

static void serve_connection(struct fake *f, int fd)
{
	struct zb_stream in = {0};
	struct zb_header header;
	struct zb_fault fault;
	const uint8_t *frame;
	bool on = true;

	while (on && !f->stop) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		size_t room;
		if (poll(f->deaf ? NULL : &p, f->deaf ? 0 : 1, 20) <= 0)
			continue;
		void *to = zb_stream_room(&in, &room);
		ssize_t n = recv(fd, to, room, 0);
		if (n <= 0)
			break;
		zb_stream_add(&in, (size_t)n);
		while (on && zb_stream_next(&in, &frame, &header, &fault) == 1)
			on = serve_frame(f, fd, frame, header.length);
	}
	zb_stream_clear(&in);
}

static void *run(void *arg)
{
	struct fake *f = arg;

	while (!f->stop) {
		struct pollfd p = {.fd = f->listener, .events = POLLIN};
		if (poll(&p, 1, 20) <= 0)
			continue;
		int fd = accept(f->listener, NULL, NULL);
		if (fd < 0)
			continue;
		f->connection = fd;
		serve_connection(f, fd);
		f->connection = -1;
		close(fd);
	}
	return NULL;
}

void fake_return(struct fake *f)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	strcpy(at.sun_path, f->path);
	f->stop = 0;
	f->connection = -1;
	f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int r = bind(f->listener, (struct sockaddr *)&at, sizeof(at));
	assert(r == 0);
	r = listen(f->listener, 16);
	assert(r == 0);
	r = pthread_create(&f->thread, NULL, run, f);
	assert(r == 0);
}

void fake_start(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/zb-test-XXXXXX");
	char *dir = mkdtemp(f->dir);
	assert(dir != NULL);
	snprintf(f->path, sizeof(f->path), "%s/zb.sock", f->dir);
	f->store_epoch = 42;
	fake_return(f);
}

void fake_vanish(struct fake *f)
{
	f->stop = 1;
	pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
}

void fake_stop(struct fake *f)
{
	fake_vanish(f);
	rmdir(f->dir);
}

void fake_send_events(struct fake *f, unsigned count_of)
{
	for (unsigned i = 1; i <= count_of; i++)
		send_event(f->connection, i);
}

void fake_send_raw(struct fake *f, const void *data, size_t length)
{
	must_send(f->connection, data, length);
}
