/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_dataplane.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union request {
	struct dpl_header header;
	struct dpl_set_add add;
	struct dpl_set_update update;
	struct dpl_set_id id;
	struct dpl_cursor cursor;
	uint8_t room[4096];
};

static struct dpl_set_state *find(struct fake_dataplane *f, uint64_t id)
{
	for (uint32_t i = 0; i < f->capacity; i++)
		if (f->set[i].set_id == id && id != 0)
			return &f->set[i];
	return NULL;
}

static void drop_client(struct fake_dataplane *f)
{
	if (f->client < 0)
		return;
	event_free(f->reading);
	event_free(f->writing);
	evbuffer_free(f->answers);
	close(f->client);
	f->client = -1;
}

/* Control reads in the same loop, so nothing may wait for it. */
static void on_room(evutil_socket_t fd, short what, void *arg)
{
	struct fake_dataplane *f = arg;
	const struct dpl_header *h;

	(void)what;
	while (evbuffer_get_length(f->answers) > 0) {
		h = (const struct dpl_header *)(void *)evbuffer_pullup(f->answers, sizeof(*h));
		const size_t length = h->length;
		const uint8_t *record = evbuffer_pullup(f->answers, (ev_ssize_t)length);
		if (send(fd, record, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
			event_add(f->writing, NULL);
			return;
		}
		evbuffer_drain(f->answers, length);
	}
}

static void answer(struct fake_dataplane *f, const struct dpl_header *request, void *record, size_t length,
		   int status)
{
	struct dpl_header *h = record;

	*h = (struct dpl_header){.type = request->type | DPL_ANSWER,
				 .length = (uint16_t)length,
				 .status = status,
				 .txn = request->txn};
	if (f->is_deaf_after)
		fake_stop(f);
	else if (!f->is_mute && evbuffer_add(f->answers, record, length) == 0)
		on_room(f->client, 0, f);
}

static void answer_row(struct fake_dataplane *f, const struct dpl_header *request,
		       const struct dpl_set_state *set, int status)
{
	struct dpl_set_row row = {0};

	if (set != NULL)
		row.set = *set;
	answer(f, request, &row, sizeof(row), status);
}

static void add(struct fake_dataplane *f, const struct dpl_set_add *r)
{
	f->adds++;
	memcpy(f->last_key, r->auth_key, sizeof(f->last_key));
	f->last_key_length = r->key_length;
	for (uint32_t i = 0; i < f->capacity; i++) {
		struct dpl_set_state *set = &f->set[i];
		if (set->set_id != 0)
			continue;
		*set = (struct dpl_set_state){.set_id = ++f->next_id,
					      .selectors = r->selectors,
					      .name = r->name,
					      .expires = r->expires,
					      .state = r->state};
		set->selectors.spi_ps = 0x10000 + 2 * (uint32_t)f->next_id;
		set->selectors.spi_pc = set->selectors.spi_ps + 1;
		answer_row(f, &r->header, set, 0);
		return;
	}
	answer_row(f, &r->header, NULL, -ENOSPC);
}

static void update(struct fake_dataplane *f, const struct dpl_set_update *r)
{
	struct dpl_set_state *set = find(f, r->set_id);

	f->updates++;
	f->last_update = *r;
	if (set != NULL) {
		set->name = r->name;
		set->expires = r->expires;
		set->state = r->state;
	}
	answer_row(f, &r->header, set, set != NULL ? 0 : -ENOENT);
}

static void list(struct fake_dataplane *f, const struct dpl_cursor *r)
{
	/* Two at a time, so that the cursor is used. */
	static union {
		struct dpl_set_rows rows;
		uint8_t room[sizeof(struct dpl_set_rows) + 2 * sizeof(struct dpl_set_state)];
	} a;
	uint64_t slot = r->from;

	memset(&a, 0, sizeof(a));
	for (; slot < f->capacity && a.rows.count < 2; slot++)
		if (f->set[slot].set_id != 0)
			a.rows.set[a.rows.count++] = f->set[slot];
	a.rows.next = slot < f->capacity ? slot : 0;
	answer(f, &r->header, &a, sizeof(a.rows) + a.rows.count * sizeof(struct dpl_set_state), 0);
}

static void serve(struct fake_dataplane *f, const union request *r)
{
	struct dpl_hello_answer hello = {.version = DPL_VERSION,
					 .capacity = f->capacity,
					 .sets = fake_count(f),
					 .store_epoch = f->epoch};
	struct dpl_counters counters = {.port = (uint16_t)r->cursor.from,
					.rx_packets = 7,
					.next = !r->cursor.from,
					/* the second port's driver does not tell */
					.rx_queue = r->cursor.from == 0 ? 5 : UINT64_MAX};
	struct dpl_port port = {.port = (uint16_t)r->cursor.from, .device = "fake", .next = !r->cursor.from};
	struct dpl_set_state *set;

	memcpy(hello.boot_id, f->boot_id, sizeof(hello.boot_id));
	switch (r->header.type) {
	case DPL_HELLO:
		answer(f, &r->header, &hello, sizeof(hello), 0);
		break;
	case DPL_SET_ADD:
		add(f, &r->add);
		break;
	case DPL_SET_UPDATE:
		update(f, &r->update);
		break;
	case DPL_SET_REMOVE:
	case DPL_SET_GET:
		set = find(f, r->id.set_id);
		if (r->header.type == DPL_SET_GET && f->gets++ < FAKE_GETS)
			f->got[f->gets - 1] = r->id.set_id;
		if (set != NULL && r->header.type == DPL_SET_REMOVE && f->wipes_late && f->late_set == NULL) {
			f->late = r->header;
			f->late_set = set;
			break;
		}
		struct dpl_set_state was = set != NULL ? *set : (struct dpl_set_state){0};
		if (set != NULL && r->header.type == DPL_SET_REMOVE) {
			f->removes++;
			set->set_id = 0;
		}
		answer_row(f, &r->header, &was, set != NULL ? 0 : -ENOENT);
		break;
	case DPL_SET_LIST:
		list(f, &r->cursor);
		break;
	case DPL_COUNTERS:
		answer(f, &r->header, &counters, sizeof(counters), 0);
		break;
	case DPL_PORTS:
		answer(f, &r->header, &port, sizeof(port), 0);
		break;
	}
}

static void on_request(evutil_socket_t fd, short what, void *arg)
{
	struct fake_dataplane *f = arg;
	static uint8_t packet[DPL_PACKET_MAX];
	union request r;

	(void)what;
	while (f->client == fd) {
		ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (n == 0)
			drop_client(f);
		if (n <= 0)
			break;
		for (ssize_t at = 0; at < n && f->client == fd; at += r.header.length) {
			memcpy(&r.header, packet + at, sizeof(r.header));
			memcpy(&r, packet + at, r.header.length);
			serve(f, &r);
		}
	}
	if (f->client == fd && f->late_set != NULL) {
		struct dpl_set_state was = *f->late_set;
		f->removes++;
		f->late_set->set_id = 0;
		f->late_set = NULL;
		answer_row(f, &f->late, &was, 0);
	}
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct fake_dataplane *f = arg;

	(void)what;
	if (f->is_busy) {
		int second = accept(fd, NULL, NULL);
		struct dpl_hello_answer busy = {
			.header = {.type = DPL_HELLO | DPL_ANSWER, .length = sizeof(busy), .status = -EBUSY},
			.version = DPL_VERSION};
		send(second, &busy, sizeof(busy), MSG_NOSIGNAL);
		close(second);
		return;
	}
	f->client = accept(fd, NULL, NULL);
	f->reading = event_new(f->base, f->client, EV_READ | EV_PERSIST, on_request, f);
	f->writing = event_new(f->base, f->client, EV_WRITE, on_room, f);
	f->answers = evbuffer_new();
	event_add(f->reading, NULL);
}

void fake_start(struct fake_dataplane *f, struct event_base *base, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	f->base = base;
	if (f->capacity == 0)
		f->capacity = FAKE_CAPACITY;
	f->client = -1;
	f->is_deaf_after = f->is_mute = false;
	strncpy(f->path, path, sizeof(f->path) - 1);
	memcpy(address.sun_path, f->path, sizeof(address.sun_path));
	unlink(path);
	f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(f->listener, 4) != 0)
		return;
	f->accepting = event_new(base, f->listener, EV_READ | EV_PERSIST, on_client, f);
	event_add(f->accepting, NULL);
}

void fake_stop(struct fake_dataplane *f)
{
	if (f->accepting == NULL)
		return;
	drop_client(f);
	event_free(f->accepting);
	f->accepting = NULL;
	close(f->listener);
	unlink(f->path);
}

unsigned fake_count(const struct fake_dataplane *f)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < f->capacity; i++)
		count += f->set[i].set_id != 0;
	return count;
}

void fake_tell(struct fake_dataplane *f, const struct dpl_header *event)
{
	send(f->client, event, event->length, MSG_NOSIGNAL);
}

void fake_tell_first_used(struct fake_dataplane *f, uint64_t set_id)
{
	struct dpl_set_id event = {.header = {.type = DPL_FIRST_USED, .length = sizeof(event)},
				   .set_id = set_id};

	fake_tell(f, &event.header);
}
