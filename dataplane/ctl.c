/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The requests of the link. The socket and its queue are in ctl_link.c.
 */
#include "ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl_link.h"
#include "log.h"

enum { REQUESTS_A_RUN = 128 /* then others on the main lcore have their turn */ };

struct ctl {
	struct ctl_args args;
	struct sets *sets;
	struct ctl_link link;
	uint32_t greeted; /* serial of the client that said HELLO */
	union {
		struct dpl_header header;
		struct dpl_hello hello;
		struct dpl_set_add add;
		struct dpl_set_update update;
		struct dpl_set_id id;
		struct dpl_cursor cursor;
	} request;
};

static_assert(sizeof(struct dpl_set_rows) + DPL_BATCH * sizeof(struct dpl_set_state) <= UINT16_MAX,
	      "a batch fits header.length");

static struct dpl_header answer_to(const struct dpl_header *request, size_t length, int status)
{
	return (struct dpl_header){.type = request->type | DPL_ANSWER,
				   .length = (uint16_t)length,
				   .status = status,
				   .txn = request->txn};
}

static struct sets_ticket ticket_of(const struct ctl *c)
{
	return (struct sets_ticket){
		.client = c->link.serial, .type = c->request.header.type, .txn = c->request.header.txn};
}

static void answer_row(struct ctl *c, int status, const struct dpl_set_state *set)
{
	struct dpl_set_row row = {.header = answer_to(&c->request.header, sizeof(row), status)};

	if (set != NULL)
		row.set = *set;
	ctl_link_send(&c->link, &row.header);
}

void ctl_done(void *ctl, const struct sets_ticket *ticket, const struct dpl_set_state *set)
{
	struct ctl *c = ctl;
	struct dpl_set_row row = {
		.header = {.type = ticket->type | DPL_ANSWER, .length = sizeof(row), .txn = ticket->txn},
		.set = *set};

	if (ticket->client == c->link.serial)
		ctl_link_send(&c->link, &row.header);
}

/* ---- one function a request; it returns 0, or -EPROTO for what ends the connection ---- */

static int hello(struct ctl *c)
{
	if (c->request.hello.version != DPL_VERSION) {
		dp_log(DP_WARNING,
		       "link: the client speaks version %u, this is version %u: is one program "
		       "older than the other?",
		       c->request.hello.version, DPL_VERSION);
		return -EPROTO;
	}
	struct dpl_hello_answer a = {.header = answer_to(&c->request.header, sizeof(a), 0),
				     .version = DPL_VERSION,
				     .capacity = store_capacity(c->args.store),
				     .sets = sets_live(c->sets),
				     .workers = c->args.workers,
				     .ports = c->args.ports,
				     .store_epoch = store_epoch(c->args.store)};
	memcpy(a.boot_id, store_boot_id(c->args.store), sizeof(a.boot_id));
	c->greeted = c->link.serial;
	ctl_link_send(&c->link, &a.header);
	return 0;
}

static int set_add(struct ctl *c)
{
	struct dpl_set_state clash = {0};
	struct sets_ticket ticket = ticket_of(c);
	int rc = sets_add(c->sets, &c->request.add, &ticket, &clash);

	explicit_bzero(c->request.add.auth_key, sizeof(c->request.add.auth_key));
	if (rc != 0)
		answer_row(c, rc, &clash);
	return 0;
}

static int set_update(struct ctl *c)
{
	struct sets_ticket ticket = ticket_of(c);
	int rc = sets_update(c->sets, &c->request.update, &ticket);

	if (rc != 0)
		answer_row(c, rc, NULL);
	return 0;
}

static int set_remove(struct ctl *c)
{
	struct sets_ticket ticket = ticket_of(c);
	int rc = sets_remove(c->sets, c->request.id.set_id, &ticket);

	if (rc != 0)
		answer_row(c, rc, NULL);
	return 0;
}

static int set_get(struct ctl *c)
{
	struct dpl_set_state set = {0};
	int rc = sets_get(c->sets, c->request.id.set_id, &set);

	answer_row(c, rc, &set);
	return 0;
}

static int set_list(struct ctl *c)
{
	struct dpl_set_rows *rows = calloc(1, sizeof(*rows) + DPL_BATCH * sizeof(rows->set[0]));

	if (rows == NULL) {
		struct dpl_set_rows none = {.header = answer_to(&c->request.header, sizeof(none), -ENOMEM)};
		ctl_link_send(&c->link, &none.header);
		return 0;
	}
	rows->count = sets_list(c->sets, c->request.cursor.from, rows->set, DPL_BATCH, &rows->next);
	rows->header = answer_to(&c->request.header, sizeof(*rows) + rows->count * sizeof(rows->set[0]), 0);
	ctl_link_send(&c->link, &rows->header);
	free(rows);
	return 0;
}

static int counters(struct ctl *c)
{
	struct dpl_counters a = {0};
	uint64_t n = c->request.cursor.from;
	int rc = c->args.counters(c->args.context, n, &a);

	a.header = answer_to(&c->request.header, sizeof(a), rc);
	a.next = n + 1 < (uint64_t)c->args.ports * c->args.workers ? n + 1 : 0;
	ctl_link_send(&c->link, &a.header);
	return 0;
}

static int ports(struct ctl *c)
{
	struct dpl_port a = {0};
	uint64_t n = c->request.cursor.from;
	int rc = c->args.port(c->args.context, n, &a);

	a.header = answer_to(&c->request.header, sizeof(a), rc);
	a.next = n + 1 < c->args.ports ? n + 1 : 0;
	ctl_link_send(&c->link, &a.header);
	return 0;
}

static const struct {
	size_t length;
	int (*handle)(struct ctl *c);
} requests[] = {
	[DPL_HELLO] = {sizeof(struct dpl_hello), hello},
	[DPL_SET_ADD] = {sizeof(struct dpl_set_add), set_add},
	[DPL_SET_UPDATE] = {sizeof(struct dpl_set_update), set_update},
	[DPL_SET_REMOVE] = {sizeof(struct dpl_set_id), set_remove},
	[DPL_SET_GET] = {sizeof(struct dpl_set_id), set_get},
	[DPL_SET_LIST] = {sizeof(struct dpl_cursor), set_list},
	[DPL_COUNTERS] = {sizeof(struct dpl_cursor), counters},
	[DPL_PORTS] = {sizeof(struct dpl_cursor), ports},
};

/* Checks a record of n octets and does it. -EPROTO: it is none. */
static int dispatch(struct ctl *c, size_t n)
{
	const struct dpl_header *h = &c->request.header;

	if (n < sizeof(*h) || h->length != n || h->type >= sizeof(requests) / sizeof(requests[0]) ||
	    requests[h->type].handle == NULL || requests[h->type].length != n)
		return -EPROTO;
	if (c->greeted != c->link.serial && h->type != DPL_HELLO)
		return -EPROTO;
	return requests[h->type].handle(c);
}

static void refuse(struct ctl *c, size_t n)
{
	if (n < sizeof(c->request.header))
		c->request.header = (struct dpl_header){0};
	struct dpl_header a = answer_to(&c->request.header, sizeof(a), -EPROTO);

	dp_log(DP_WARNING, "link: a record of type %u and %zu octets is not one of version %u; closed",
	       c->request.header.type, n, DPL_VERSION);
	ctl_link_send(&c->link, &a);
	ctl_link_flush(&c->link);
	ctl_link_close(&c->link);
}

static void client_run(struct ctl *c)
{
	for (int i = 0; i < REQUESTS_A_RUN && sets_ready(c->sets) && !ctl_link_congested(&c->link); i++) {
		ssize_t n = ctl_link_receive(&c->link, &c->request, sizeof(c->request));
		if (n < 0)
			break;
		int rc = dispatch(c, (size_t)n);
		/* keys may be in what was no whole SET_ADD, too */
		if (rc != 0)
			refuse(c, (size_t)n);
		explicit_bzero(&c->request, sizeof(c->request));
		if (rc != 0)
			break;
	}
}

bool ctl_run(struct ctl *c)
{
	ctl_link_flush(&c->link);
	if (ctl_link_open(&c->link))
		client_run(c);
	ctl_link_flush(&c->link);
	ctl_link_accept(&c->link);
	ctl_link_watch(&c->link, sets_ready(c->sets));
	return ctl_link_holds(&c->link) && sets_ready(c->sets) && !ctl_link_congested(&c->link);
}

void ctl_flush(struct ctl *c)
{
	ctl_link_flush(&c->link);
}

uint32_t ctl_client(const struct ctl *c)
{
	return ctl_link_open(&c->link) && c->greeted == c->link.serial ? c->greeted : 0;
}

bool ctl_tell(struct ctl *c, const struct dpl_header *event)
{
	if (ctl_client(c) == 0 || ctl_link_congested(&c->link))
		return false;
	ctl_link_send(&c->link, event);
	return true;
}

void ctl_first_used(struct ctl *c, uint64_t set_id)
{
	struct dpl_set_id event = {.header = {.type = DPL_FIRST_USED, .length = sizeof(event)},
				   .set_id = set_id};

	if (ctl_client(c) != 0)
		ctl_link_send(&c->link, &event.header);
}

void ctl_set_sets(struct ctl *c, struct sets *sets)
{
	c->sets = sets;
}

int ctl_fd(const struct ctl *c)
{
	return c->link.epoll;
}

int ctl_new(const struct ctl_args *args, struct ctl **ret_ctl, char *error, size_t error_size)
{
	struct ctl *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	mlock(c, sizeof(*c)); /* keys pass through `request` */
	c->args = *args;
	int rc = ctl_link_listen(&c->link, args->path, error, error_size);
	if (rc != 0) {
		free(c);
		return rc;
	}
	*ret_ctl = c;
	return 0;
}

void ctl_free(struct ctl *c)
{
	if (c == NULL)
		return;
	ctl_link_stop(&c->link, c->args.path);
	munlock(c, sizeof(*c));
	free(c);
}
