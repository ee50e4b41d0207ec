/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/dplink.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/log.h"
#include "control/timers.h"

enum {
	RECORD_MAX = 65536,
	PACKETS_AT_ONCE = 16, /* then the loop may do something else */
	RETRY_MS = 200,
	/* Together less than a client's usual wait, so that it hears DATAPLANE_DOWN in time. Looked at in
	 * between, so that the data plane has time to answer where this machine stood still for longer. */
	SILENCE_MS = 500,
	SILENCES = 3,
	SLOT_BITS = 32,
};

/* A request whose answer is awaited; its place is the low half of the txn. */
struct waiting {
	dplink_done done;
	void *arg;
	uint32_t generation;
	uint32_t next_free;
	enum dplink_looker looker; /* DPLINK_LOOKERS: it changes something */
};
enum { NO_SLOT = UINT32_MAX };

/* A record that only looks, and waits until fewer do. */
struct look {
	STAILQ_ENTRY(look) next;
	struct dpl_cursor record;
	dplink_done done;
	bool (*is_wanted)(const void *arg);
	void *arg;
};

/* One record is as good as the other where only its type differs. */
static_assert(sizeof(struct dpl_cursor) == sizeof(struct dpl_set_id) &&
		      offsetof(struct dpl_cursor, from) == offsetof(struct dpl_set_id, set_id),
	      "a cursor and a set's id are alike");

/* Records that go together, or that the socket did not take yet. */
struct packet {
	TAILQ_ENTRY(packet) next;
	size_t used;
	uint8_t octets[DPL_PACKET_MAX] __attribute__((aligned(8)));
};

struct dplink {
	struct event_base *base;
	struct sockaddr_un address;
	struct dplink_handlers handlers;
	int fd;
	bool up; /* HELLO was answered */
	bool complained;
	struct event *readable, *writable, *flush, *retry, *silence;
	unsigned silences; /* times that nothing came, one after the other */
	struct waiting *waiting;
	uint32_t room, first_free, outstanding;
	uint32_t looks[DPLINK_LOOKERS]; /* of those outstanding */
	uint32_t generation;
	STAILQ_HEAD(look_queue, look) later[DPLINK_LOOKERS];
	/* One request that changes something is timed at a time, which tells how long all of them wait. */
	uint32_t timed;		  /* its place; NO_SLOT: none */
	uint64_t timed_at, delay; /* when it was sent; what the last one took; ns */
	TAILQ_HEAD(packet_queue, packet) queue;
	struct packet *spare; /* the last one that went out, for the next; or NULL */
	uint8_t *record;
};

static void free_packet(struct dplink *l, struct packet *p)
{
	OPENSSL_cleanse(p->octets, p->used);
	if (l->spare == NULL)
		l->spare = p;
	else
		free(p);
}

static struct packet *new_packet(struct dplink *l)
{
	struct packet *p = l->spare != NULL ? l->spare : malloc(sizeof(*p));

	l->spare = NULL;
	if (p != NULL) {
		p->used = 0;
		TAILQ_INSERT_TAIL(&l->queue, p, next);
	}
	return p;
}

static void arm(struct event *e, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(e, &tv);
}

static void await_word(struct dplink *l)
{
	l->silences = 0;
	arm(l->silence, SILENCE_MS);
}

/* --- outstanding requests --- */

static int grow_waiting(struct dplink *l)
{
	uint32_t room = l->room == 0 ? 256 : l->room * 2;
	struct waiting *waiting = realloc(l->waiting, room * sizeof(*waiting));

	if (waiting == NULL)
		return -ENOMEM;
	for (uint32_t i = room; i-- > l->room;) {
		waiting[i] = (struct waiting){.next_free = l->first_free};
		l->first_free = i;
	}
	l->waiting = waiting;
	l->room = room;
	return 0;
}

/* There is a free place. Returns the txn. */
static uint64_t await(struct dplink *l, dplink_done done, void *arg, enum dplink_looker looker)
{
	uint32_t slot = l->first_free;
	struct waiting *w = &l->waiting[slot];

	l->first_free = w->next_free;
	*w = (struct waiting){.done = done, .arg = arg, .generation = ++l->generation, .looker = looker};
	if (looker != DPLINK_LOOKERS)
		l->looks[looker]++;
	if (l->outstanding++ == 0)
		await_word(l);
	if (l->timed == NO_SLOT && looker == DPLINK_LOOKERS) {
		l->timed = slot;
		l->timed_at = timers_now();
	}
	return (uint64_t)w->generation << SLOT_BITS | slot;
}

static struct waiting take(struct dplink *l, uint32_t slot)
{
	struct waiting w = l->waiting[slot];

	l->waiting[slot] = (struct waiting){.next_free = l->first_free};
	l->first_free = slot;
	if (w.looker != DPLINK_LOOKERS)
		l->looks[w.looker]--;
	if (--l->outstanding == 0)
		evtimer_del(l->silence);
	if (l->timed == slot) {
		l->timed = NO_SLOT;
		l->delay = timers_now() - l->timed_at;
	}
	return w;
}

/* --- the link's life --- */

static void lose_looks(struct dplink *l)
{
	struct look *look;

	for (unsigned who = 0; who < DPLINK_LOOKERS; who++) {
		while ((look = STAILQ_FIRST(&l->later[who])) != NULL) {
			STAILQ_REMOVE_HEAD(&l->later[who], next);
			look->done(look->arg, -ENOTCONN, NULL);
			free(look);
		}
	}
}

static void close_link(struct dplink *l)
{
	if (l->fd < 0)
		return;
	if (l->readable != NULL)
		event_free(l->readable);
	if (l->writable != NULL)
		event_free(l->writable);
	l->readable = l->writable = NULL;
	event_del(l->flush);
	close(l->fd);
	l->fd = -1;
	l->up = false;
	while (!TAILQ_EMPTY(&l->queue)) {
		struct packet *p = TAILQ_FIRST(&l->queue);
		TAILQ_REMOVE(&l->queue, p, next);
		free_packet(l, p);
	}
	for (uint32_t slot = 0; slot < l->room; slot++) {
		if (l->waiting[slot].done == NULL)
			continue;
		struct waiting w = take(l, slot);
		w.done(w.arg, -ENOTCONN, NULL);
	}
	lose_looks(l);
}

static void lose(struct dplink *l, const char *why)
{
	bool was_up = l->up;

	if (was_up || !l->complained)
		log_line(LOG_LEVEL_WARNING, "data plane link %s: %s; trying again", l->address.sun_path, why);
	l->complained = true;
	close_link(l);
	if (was_up)
		l->handlers.down(l->handlers.arg);
	arm(l->retry, RETRY_MS);
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
	struct dplink *l = arg;

	(void)fd, (void)what;
	if (++l->silences < SILENCES)
		arm(l->silence, SILENCE_MS);
	else
		lose(l, "it does not answer");
}

/* --- sending --- */

static void flush(struct dplink *l)
{
	struct packet *p;

	while ((p = TAILQ_FIRST(&l->queue)) != NULL) {
		if (send(l->fd, p->octets, p->used, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
			if (errno == EINTR)
				continue;
			/* Another failure shows itself to the reader, which ends the link. */
			if (errno == EAGAIN)
				event_add(l->writable, NULL);
			return;
		}
		TAILQ_REMOVE(&l->queue, p, next);
		free_packet(l, p);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	flush(arg);
}

/* What this turn of the loop has to say goes out at its end, together. */
static int submit(struct dplink *l, const struct dpl_header *record, dplink_done done, void *arg,
		  enum dplink_looker looker)
{
	bool was_empty = TAILQ_EMPTY(&l->queue);
	struct packet *p = TAILQ_LAST(&l->queue, packet_queue);

	/* Before there is a packet: an empty one in the queue would be taken for the end, or never go. */
	if (l->first_free == NO_SLOT && grow_waiting(l) != 0)
		return -ENOMEM;
	if (p == NULL || p->used + record->length > sizeof(p->octets))
		p = new_packet(l);
	if (p == NULL)
		return -ENOMEM;
	uint64_t txn = await(l, done, arg, looker);
	memcpy(p->octets + p->used, record, record->length);
	((struct dpl_header *)(void *)(p->octets + p->used))->txn = txn;
	p->used += record->length;
	if (was_empty)
		event_active(l->flush, EV_TIMEOUT, 0);
	return 0;
}

int dplink_send(struct dplink *l, const struct dpl_header *record, dplink_done done, void *arg)
{
	return l->up ? submit(l, record, done, arg, DPLINK_LOOKERS) : -ENOTCONN;
}

static uint32_t all_looks(const struct dplink *l)
{
	return l->looks[DPLINK_PEER] + l->looks[DPLINK_WATCHER];
}

int dplink_look(struct dplink *l, enum dplink_looker who, unsigned type, uint64_t number, dplink_done done,
		bool (*is_wanted)(const void *arg), void *arg)
{
	const struct dpl_cursor record = {.header = DPLINK_RECORD((uint16_t)type, record), .from = number};

	if (!l->up)
		return -ENOTCONN;
	if (all_looks(l) < DPLINK_LOOKS)
		return submit(l, &record.header, done, arg, who);
	struct look *look = malloc(sizeof(*look));
	if (look == NULL)
		return -ENOMEM;
	*look = (struct look){.record = record, .done = done, .is_wanted = is_wanted, .arg = arg};
	STAILQ_INSERT_TAIL(&l->later[who], look, next);
	return 0;
}

static void look_on_for(struct dplink *l, enum dplink_looker who, uint32_t most)
{
	struct look *look;

	while (l->up && all_looks(l) < DPLINK_LOOKS && l->looks[who] < most &&
	       (look = STAILQ_FIRST(&l->later[who])) != NULL) {
		STAILQ_REMOVE_HEAD(&l->later[who], next);
		int error = look->is_wanted(look->arg)
				    ? submit(l, &look->record.header, look->done, look->arg, who)
				    : -ECANCELED;
		if (error != 0)
			look->done(look->arg, error, NULL);
		free(look);
	}
}

/* There is room for those that wait. */
static void look_on(struct dplink *l)
{
	/* Of all places those who watch have a few for themselves, or many P-CSCFs would keep them waiting.
	 */
	look_on_for(l, DPLINK_WATCHER, DPLINK_WATCHER_LOOKS);
	look_on_for(l, DPLINK_PEER, DPLINK_LOOKS);
	look_on_for(l, DPLINK_WATCHER, DPLINK_LOOKS);
}

void dplink_flush(struct dplink *l)
{
	if (l->up)
		flush(l);
}

uint64_t dplink_delay(const struct dplink *l, uint64_t now)
{
	uint64_t age = l->timed != NO_SLOT && now > l->timed_at ? now - l->timed_at : 0;

	return dplink_under_way(l) == 0 ? 0 : age > l->delay ? age : l->delay;
}

uint32_t dplink_under_way(const struct dplink *l)
{
	return l->outstanding - all_looks(l);
}

/* --- receiving --- */

/* Each answer's least size: a shorter one would be read beyond its end. */
static size_t answer_size(unsigned type)
{
	switch (type) {
	case DPL_HELLO:
		return sizeof(struct dpl_hello_answer);
	case DPL_SET_ADD:
	case DPL_SET_UPDATE:
	case DPL_SET_REMOVE:
	case DPL_SET_GET:
		return sizeof(struct dpl_set_row);
	case DPL_SET_LIST:
		return sizeof(struct dpl_set_rows);
	case DPL_COUNTERS:
		return sizeof(struct dpl_counters);
	case DPL_PORTS:
		return sizeof(struct dpl_port);
	}
	return SIZE_MAX;
}

static bool is_whole(const struct dpl_header *h)
{
	unsigned type = h->type & ~(unsigned)DPL_ANSWER;

	if (h->status != 0 && h->status != -EEXIST)
		return true; /* nobody reads beyond the header */
	if (h->length < answer_size(type))
		return false;
	if (type == DPL_SET_LIST) {
		const struct dpl_set_rows *rows = (const struct dpl_set_rows *)h;
		return rows->count <= DPL_BATCH &&
		       h->length >= sizeof(*rows) + rows->count * sizeof(rows->set[0]);
	}
	return true;
}

/* What nobody asked for; what is not known is an event of a newer data plane. */
static void take_event(struct dplink *l, const struct dpl_header *h)
{
	const struct dplink_handlers *to = &l->handlers;

	if (h->type == DPL_FIRST_USED && h->length >= sizeof(struct dpl_set_id))
		to->first_used(to->arg, ((const struct dpl_set_id *)h)->set_id);
	else if (h->type == DPL_TROUBLE && h->length >= sizeof(struct dpl_trouble))
		to->trouble(to->arg, (const struct dpl_trouble *)h);
	else if (h->type == DPL_STRAY && h->length >= sizeof(struct dpl_stray))
		to->stray(to->arg, (const struct dpl_stray *)h);
}

static int take_record(struct dplink *l, const struct dpl_header *h)
{
	if (!(h->type & DPL_ANSWER)) {
		take_event(l, h);
		return 0;
	}
	if (h->status == -EBUSY && !l->up) {
		lose(l, "another bgf-control serves it"); /* said before our HELLO was read: it has no txn */
		return 0;
	}
	uint32_t slot = (uint32_t)h->txn;
	if (slot >= l->room || l->waiting[slot].done == NULL ||
	    l->waiting[slot].generation != h->txn >> SLOT_BITS || !is_whole(h))
		return -EPROTO;
	struct waiting w = take(l, slot);
	w.done(w.arg, h->status, h);
	if (w.looker != DPLINK_LOOKERS)
		look_on(l);
	return 0;
}

/* All records of a packet. A record's outcome may end the link. */
static int take_packet(struct dplink *l, size_t length)
{
	int fd = l->fd;

	for (size_t at = 0; at < length && l->fd == fd;) {
		const struct dpl_header *h = (const struct dpl_header *)(const void *)(l->record + at);
		if (length - at < sizeof(*h) || h->length < sizeof(*h) || h->length > length - at ||
		    h->length % _Alignof(struct dpl_header) != 0 || take_record(l, h) != 0)
			return -EPROTO;
		at += h->length;
	}
	if (l->fd == fd && l->outstanding > 0)
		await_word(l); /* it lives */
	return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dplink *l = arg;

	(void)what;
	for (int i = 0; i < PACKETS_AT_ONCE && l->fd == fd; i++) {
		ssize_t n = recv(fd, l->record, RECORD_MAX, MSG_DONTWAIT);
		/* An end with our HELLO unread is told before what was said to it: why. */
		if (n < 0 && errno == ECONNRESET)
			n = recv(fd, l->record, RECORD_MAX, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			lose(l, n == 0 ? "the data plane closed it" : strerror(errno));
			return;
		}
		if (take_packet(l, (size_t)n) != 0) {
			lose(l, "it sent a record that is not of this version");
			return;
		}
	}
}

static void on_hello(void *arg, int status, const struct dpl_header *answer)
{
	struct dplink *l = arg;

	if (answer == NULL)
		return;
	const struct dpl_hello_answer *hello = (const struct dpl_hello_answer *)answer;
	if (status != 0 || hello->version != DPL_VERSION) {
		lose(l, status == -EPROTO || status == 0
				? "it is of another version; install both from one package"
				: strerror(-status));
		return;
	}
	l->up = true;
	l->complained = false;
	l->handlers.up(l->handlers.arg, hello);
}

static void connect_link(struct dplink *l)
{
	struct dpl_hello hello = {.header = DPLINK_RECORD(DPL_HELLO, hello), .version = DPL_VERSION};

	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0) {
		lose(l, strerror(errno));
		return;
	}
	l->readable = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(l->base, l->fd, EV_WRITE, on_writable, l);
	if (l->readable == NULL || l->writable == NULL) {
		lose(l, "no memory");
		return;
	}
	if (connect(l->fd, (struct sockaddr *)&l->address, sizeof(l->address)) != 0) {
		lose(l, errno == ENOENT || errno == ECONNREFUSED ? "bgf-dataplane does not run"
								 : strerror(errno));
		return;
	}
	event_add(l->readable, NULL);
	if (submit(l, &hello.header, on_hello, l, false) != 0)
		lose(l, "no memory");
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	connect_link(arg);
}

struct dplink *dplink_new(struct event_base *base, const char *path, const struct dplink_handlers *handlers)
{
	struct dplink *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->base = base;
	l->fd = -1;
	l->first_free = l->timed = NO_SLOT;
	l->handlers = *handlers;
	l->address.sun_family = AF_UNIX;
	strncpy(l->address.sun_path, path, sizeof(l->address.sun_path) - 1);
	TAILQ_INIT(&l->queue);
	for (unsigned who = 0; who < DPLINK_LOOKERS; who++)
		STAILQ_INIT(&l->later[who]);
	l->retry = evtimer_new(base, on_retry, l);
	l->silence = evtimer_new(base, on_silence, l);
	l->flush = evtimer_new(base, on_writable, l);
	l->record = malloc(RECORD_MAX);
	if (l->retry == NULL || l->silence == NULL || l->flush == NULL || l->record == NULL) {
		dplink_free(l);
		return NULL;
	}
	arm(l->retry, 0);
	return l;
}

void dplink_free(struct dplink *l)
{
	close_link(l);
	if (l->retry != NULL)
		event_free(l->retry);
	if (l->silence != NULL)
		event_free(l->silence);
	if (l->flush != NULL)
		event_free(l->flush);
	free(l->spare);
	free(l->waiting);
	free(l->record);
	free(l);
}
