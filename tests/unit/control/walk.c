/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The daemon's life of sets without its sockets and clocks, for a random walk (tests/e2e/test_life_walk.py):
 * steps come on standard input, one a line, and each is answered by one line that tells everything there is.
 * The clock is the walk's, the data plane an array that answers at once, the association keeps what is sent.
 *
 *   i DT SUBSCRIBER REGISTRATION UE PORT_UC PORT_US PORT_PC FLAGS VIA   INSTALL
 *   c DT SET EXPIRES    r DT SET DRAIN    u DT SET (the UE uses it)    x DT SET (it does while control
 * restarts) t DT                DT: nanoseconds that pass before
 *
 * The answer: cause, then events KIND:SET:WHY, then every set ID:STATE:UNTIL:USED:REPLACES.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_check.h"
#include "control/orders.h"
#include "control/sets.h"
#include "control/sync.h"
#include "sample.h"
#include "zb/records.h"

enum { SETS_MAX = 4096, QUEUE_MAX = 256 };

/* What the linker puts in the place of the daemon's own (--wrap). */
uint64_t __wrap_timers_now(void);
int __wrap_dplink_send(struct dplink *l, const struct dpl_header *record, dplink_done done, void *arg);
void __wrap_session_send(struct session *s, const void *frame, size_t length);
void __wrap_session_send_event(struct session *s, const void *frame, size_t length);

static uint64_t now = 1000000000;
static struct control control;
static struct session session;
static struct bgf_config config;

/* --- the data plane --- */

static struct record {
	struct dpl_set_state set;
	bool watch;
} store[SETS_MAX]; /* set_id 0: free */
static uint64_t last_id;

static struct request {
	dplink_done done;
	void *arg;
	int status;
	struct dpl_set_row row;
	bool is_list;
} queue[QUEUE_MAX];
static unsigned queued;

static struct record *find(uint64_t id)
{
	struct record *r = &store[id % SETS_MAX];

	return id != 0 && r->set.set_id == id ? r : NULL;
}

static int add(const struct dpl_set_add *a, struct dpl_set_row *row)
{
	struct record *r = &store[++last_id % SETS_MAX];

	if (r->set.set_id != 0)
		return -ENOSPC;
	*r = (struct record){.set = {.set_id = last_id,
				     .selectors = a->selectors,
				     .name = a->name,
				     .expires = a->expires,
				     .state = a->state}};
	r->set.selectors.spi_ps = (uint32_t)(0x80000000 + 2 * last_id);
	r->set.selectors.spi_pc = r->set.selectors.spi_ps + 1;
	row->set = r->set;
	return 0;
}

static int update(const struct dpl_set_update *u)
{
	struct record *r = find(u->set_id);

	if (r == NULL)
		return -ENOENT;
	r->set.expires = u->expires;
	r->set.state = u->state;
	r->set.name = u->name;
	if (u->watch_first_use) {
		r->watch = true;
		r->set.first_used = 0;
	}
	return 0;
}

static int remove_set(uint64_t id)
{
	struct record *r = find(id);

	if (r == NULL)
		return -ENOENT;
	*r = (struct record){0};
	return 0;
}

int __wrap_dplink_send(struct dplink *l, const struct dpl_header *record, dplink_done done, void *arg)
{
	struct request *q = &queue[queued];

	(void)l;
	if (queued == QUEUE_MAX)
		return -ENOMEM;
	*q = (struct request){.done = done, .arg = arg};
	switch (record->type) {
	case DPL_SET_ADD:
		q->status = add((const struct dpl_set_add *)record, &q->row);
		break;
	case DPL_SET_UPDATE:
		q->status = update((const struct dpl_set_update *)record);
		break;
	case DPL_SET_REMOVE:
		q->status = remove_set(((const struct dpl_set_id *)record)->set_id);
		break;
	default:
		q->is_list = true;
	}
	queued++;
	return 0;
}

static void answer_list(const struct request *q)
{
	static uint64_t
		room[(sizeof(struct dpl_set_rows) + DPL_BATCH * sizeof(struct dpl_set_state)) / 8 + 1];
	struct dpl_set_rows *rows = (void *)room;

	*rows = (struct dpl_set_rows){0};
	for (unsigned i = 0; i < SETS_MAX && rows->count < DPL_BATCH; i++)
		if (store[i].set.set_id != 0)
			rows->set[rows->count++] = store[i].set;
	q->done(q->arg, 0, &rows->header);
}

static void answer_all(void)
{
	for (unsigned i = 0; i < queued; i++) {
		struct request q = queue[i]; /* what its answer leads to is queued behind */
		if (q.is_list)
			answer_list(&q);
		else
			q.done(q.arg, q.status, &q.row.header);
	}
	queued = 0;
}

/* Whether the UE's packet is a first use (rule 20). */
static bool use(uint64_t id)
{
	struct record *r = find(id);

	if (r == NULL || !r->watch || r->set.first_used)
		return false;
	r->set.first_used = 1;
	return true;
}

/* --- what is told --- */

static unsigned cause;
static char events[4096];
static size_t events_length;

static const struct zb_attrs *parse(const void *frame, size_t length, struct zb_message_in *m)
{
	struct zb_fault fault;

	if (zb_message_parse(frame, length, m, &fault) != 0)
		abort();
	return &m->attrs;
}

void __wrap_session_send(struct session *s, const void *frame, size_t length)
{
	struct zb_message_in m;

	(void)s;
	cause = (unsigned)zb_get_number(parse(frame, length, &m), ZB_ATTR_CAUSE, 999);
}

void __wrap_session_send_event(struct session *s, const void *frame, size_t length)
{
	struct zb_message_in m;
	struct zb_set set = {0};
	struct zb_attrs group;
	size_t position = 0;
	const struct zb_attrs *attrs = parse(frame, length, &m);

	(void)s;
	if (zb_group_next(attrs, ZB_ATTR_SET, &position, &group))
		zb_get_set(&group, &set);
	events_length += (size_t)snprintf(events + events_length, sizeof(events) - events_length,
					  " %d:%" PRIu64 ":%" PRIu64, m.header.type - ZB_EVENT_FIRST + 1,
					  set.set_id, zb_get_number(attrs, ZB_ATTR_WHY, 0));
}

uint64_t __wrap_timers_now(void)
{
	return now;
}

/* --- the daemon --- */

static void up(void)
{
	struct dpl_hello_answer hello = {.capacity = SETS_MAX / 2, .store_epoch = 7};

	control = (struct control){.config = &config, .base = event_base_new(), .timer_fd = -1};
	TAILQ_INIT(&control.peers);
	if (control.base == NULL || sets_init(&control) != 0)
		abort();
	session = (struct session){.control = &control, .events = UINT32_MAX};
	session.peer = peer_get(&control, "walker", ZB_ROLE_PEER);
	LIST_INSERT_HEAD(&control.sessions, &session, next);
	sync_up(&control, &hello);
	answer_all();
}

static void down(void)
{
	LIST_REMOVE(&session, next);
	peer_unref(session.peer);
	sets_free(&control);
	event_base_free(control.base);
}

static void pass(uint64_t dt)
{
	now += dt;
	event_active(control.timer, EV_READ, 1);
	event_base_loop(control.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	answer_all();
}

/* --- steps --- */

static uint64_t references;
static uint8_t buffer[4096];
static struct zb_frame frame;

static void begin(enum zb_message type)
{
	zb_frame_begin(&frame, buffer, sizeof(buffer), type, 0, 1);
	zb_put_number(&frame, ZB_ATTR_REFERENCE, ++references);
}

static void order(void (*give)(struct session *s, const struct zb_message_in *m))
{
	struct zb_message_in m;
	int length = zb_frame_finish(&frame);

	if (length < 0)
		abort();
	parse(buffer, (size_t)length, &m);
	give(&session, &m);
	answer_all();
}

static void step_install(const uint64_t *arg)
{
	static const uint8_t ik[BGF_IK_LEN];
	struct bgf_addr ue = sample_addr("10.45.0.1"), served = sample_addr("10.50.0.1");
	char text[16];

	begin(ZB_MSG_INSTALL);
	snprintf(text, sizeof(text), "s%" PRIu64, arg[0]);
	zb_put_string(&frame, ZB_ATTR_SUBSCRIBER, text);
	snprintf(text, sizeof(text), "r%" PRIu64, arg[1]);
	zb_put_string(&frame, ZB_ATTR_REGISTRATION_ID, text);
	ue.octet[3] = (uint8_t)(10 + arg[2]);
	zb_put_addr(&frame, ZB_ATTR_UE_ADDRESS, &ue);
	zb_put_addr(&frame, ZB_ATTR_SERVED_ADDRESS, &served);
	zb_put_number(&frame, ZB_ATTR_PORT_UC, arg[3]);
	zb_put_number(&frame, ZB_ATTR_PORT_US, arg[4]);
	zb_put_number(&frame, ZB_ATTR_PORT_PC, arg[5]);
	zb_put_number(&frame, ZB_ATTR_PORT_PS, 7000);
	zb_put_number(&frame, ZB_ATTR_SPI_UC, 1000 + 2 * references);
	zb_put_number(&frame, ZB_ATTR_SPI_US, 1001 + 2 * references);
	zb_put_number(&frame, ZB_ATTR_ALG, BGF_ALG_HMAC_SHA_1_96);
	zb_put_octets(&frame, ZB_ATTR_IK, ik, sizeof(ik));
	zb_put_number(&frame, ZB_ATTR_FLAGS, arg[6]);
	if (arg[7] != 0)
		zb_put_number(&frame, ZB_ATTR_VIA_SET, arg[7]);
	order(orders_install);
}

static void step(char kind, const uint64_t *arg)
{
	if (kind == 'x') {
		down();
		use(arg[0]);
		up();
		pass(0);
	} else if (kind == 'i') {
		step_install(arg);
	} else if (kind == 'c') {
		begin(ZB_MSG_CONFIRM);
		zb_put_number(&frame, ZB_ATTR_SET_ID, arg[0]);
		zb_put_number(&frame, ZB_ATTR_EXPIRES, arg[1]);
		order(orders_confirm);
	} else if (kind == 'r') {
		begin(ZB_MSG_RELEASE);
		zb_put_number(&frame, ZB_ATTR_SET_ID, arg[0]);
		zb_put_number(&frame, ZB_ATTR_DRAIN, arg[1]);
		order(orders_release);
	} else if (kind == 'u' && use(arg[0])) {
		sync_first_used(&control, arg[0]);
		answer_all();
	}
}

/* Everything there is; the store has the same, or the next restart would tell another story. */
static void tell(void)
{
	printf("%u%s |", cause, events);
	for (uint32_t i = 0; i < control.table.slots; i++) {
		const struct sa_set *set = control.table.slot[i];
		if (set == NULL)
			continue;
		const struct record *r = find(set->id);
		if (r == NULL || r->set.state != set->state || r->set.expires != set->expires ||
		    r->set.first_used != set->first_used)
			printf(" stored-otherwise:");
		printf(" %" PRIu64 ":%u:%" PRIu64 ":%u:%" PRIu64, set->id, set->state, set->expires,
		       set->first_used, set->name.replaces);
	}
	printf("\n");
}

int main(void)
{
	char line[256];
	uint64_t dt, arg[8];
	char kind;

	setvbuf(stdout, NULL, _IOLBF, sizeof(buffer));
	config = sample_config();
	if (hash_seed() != 0)
		return 1;
	up();
	while (fgets(line, sizeof(line), stdin) != NULL) {
		memset(arg, 0, sizeof(arg));
		if (sscanf(line,
			   "%c %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64 " %" SCNu64,
			   &kind, &dt, &arg[0], &arg[1], &arg[2], &arg[3], &arg[4], &arg[5], &arg[6],
			   &arg[7]) < 2)
			return 1;
		cause = 0;
		events[events_length = 0] = '\0';
		pass(dt);
		step(kind, arg);
		tell();
	}
	unsigned wrong = audit_check(&control);
	down();
	return wrong == 0 ? 0 : 2; /* the digests of AUDIT are those of the sets, after any walk */
}
